package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// maxSocketPath is what fits in sockaddr_un with its closing zero: unix(7).
const maxSocketPath = 107

// form is a named check of a string: what it wants, and the string as it is kept or what is wrong with it.
type form struct {
	wants string
	check func(string) (string, *fault)
}

const (
	wantEndpoint = "a socket, such as unix:///run/containerd/containerd.sock"
	wantListen   = `an address and port, such as ":10071", "127.0.0.1:10071" or "[::1]:10071"`
)

var forms = map[string]form{
	"nodeName": {"a node name, such as node-1", checkNodeName},
	"endpoint": {wantEndpoint, checkEndpoint},
	"path":     {"a whole path, starting with /", checkPath},
	"dir":      {"the whole path of a folder, starting with /", checkDir},
	"socket":   {"the whole path of a socket, starting with /", checkSocket},
	"listen":   {wantListen, checkListen},
	"group":    {"the name of a group, such as nodeagent", checkGroup},
	"url":      {"an address, such as http://10.0.0.2:10071", checkURL},
	"text":     {"text", checkText},
	"repair":   {"the name of a repair, such as restart-runtime", checkRepair},
	"reason":   {"the name of a reason, such as Down", checkReason},
}

// Names of Kubernetes objects (RFC 1123 subdomain) and groups (as shadow's groupadd allows).
var (
	nodeNames  = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)
	groupNames = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)
)

func checkNodeName(s string) (string, *fault) {
	switch {
	case len(s) > 253:
		return "", &fault{fmt.Sprintf("is %d characters long", len(s)), "give at most 253"}
	case nodeNames.MatchString(s):
		return s, nil
	case nodeNames.MatchString(strings.ToLower(s)):
		return "", &fault{shown(s) + " has capital letters", "give " + strings.ToLower(s)}
	}
	return "", &fault{shown(s) + " is not a node name", "give small letters, digits, '-' and '.', such as node-1"}
}

func checkEndpoint(s string) (string, *fault) {
	rest, unix := strings.CutPrefix(s, "unix://")
	switch {
	case unix && strings.HasPrefix(rest, "/"):
		p, bad := checkSocket(rest)
		return "unix://" + p, bad
	case unix && rest != "":
		return "", &fault{shown(s) + " lacks a slash", "give " + "unix:///" + bare(rest)}
	case strings.HasPrefix(s, "/"):
		return "", &fault{shown(s) + " has no scheme", "give " + "unix://" + bare(s)}
	}
	return "", &fault{shown(s) + " is not a unix socket", "give " + wantEndpoint}
}

func checkPath(s string) (string, *fault) {
	switch {
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", &fault{shown(s) + " has characters that can't be printed", "give a plain path"}
	case !strings.HasPrefix(s, "/"):
		return "", &fault{shown(s) + " is a relative path", "give the whole path, starting with /"}
	case len(s) > 4095: // PATH_MAX less the closing zero
		return "", &fault{fmt.Sprintf("is %d bytes long", len(s)), "give at most 4095"}
	}
	return path.Clean(s), nil
}

func checkDir(s string) (string, *fault) {
	p, bad := checkPath(s)
	if p == "/" {
		return "", &fault{"is the root folder", "give a folder of its own, such as /var/lib/nodeagent"}
	}
	return p, bad
}

func checkSocket(s string) (string, *fault) {
	p, bad := checkDir(s)
	if len(p) > maxSocketPath {
		return "", &fault{fmt.Sprintf("is %d bytes long", len(p)), fmt.Sprintf("give at most %d, the kernel's limit for a socket", maxSocketPath)}
	}
	return p, bad
}

// checkListen takes no host name: the listener must come up when names can't be resolved. Port 0 is any free port.
func checkListen(s string) (string, *fault) {
	if _, err := strconv.ParseUint(s, 10, 16); err == nil {
		return "", &fault{s + " is a port alone", `give ":` + s + `"`}
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", &fault{shown(s) + " is not an address and port", "give " + wantListen}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", &fault{"port " + shown(port) + " is not a number from 0 to 65535", `give a port, such as ":10071"`}
	}
	if _, err := netip.ParseAddr(host); host != "" && err != nil {
		return "", &fault{shown(host) + " is not an IP address", `give one, or none for all: ":` + port + `"`}
	}
	return s, nil
}

func checkGroup(s string) (string, *fault) {
	if !groupNames.MatchString(s) {
		return "", &fault{shown(s) + " is not the name of a group", "give a name, such as nodeagent"}
	}
	return s, nil
}

// checkURL takes what names another agent: no path, and no user, since a password would stand in the open.
func checkURL(s string) (string, *fault) {
	const want = "give one such as http://10.0.0.2:10071"
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return "", &fault{shown(s) + " is not an address with http:// or https://", want}
	case u.User != nil:
		return "", &fault{"has a user in it", "give the address alone"}
	case u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return "", &fault{shown(s) + " has more than an address", want}
	}
	return u.Scheme + "://" + u.Host, nil
}

func checkText(s string) (string, *fault) {
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return "", &fault{shown(s) + " has characters that can't be printed", "give plain text"}
	}
	return s, nil
}

func checkReason(s string) (string, *fault) {
	if !conditionNames.MatchString(s) {
		return "", &fault{shown(s) + " is not the name of a reason", "give one of docs/conditions.md, such as Down"}
	}
	return s, nil
}

func checkRepair(s string) (string, *fault) {
	if !policyNames.MatchString(s) {
		return "", &fault{shown(s) + " is not the name of a repair", "give one that nodeagent repair plan lists, such as restart-runtime"}
	}
	return s, nil
}
