package page

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// refusal says why this request gets no page, and what to do; empty where it gets one.
//
// The listener asks for names and certificates before a handler is reached, as its web configuration says. Where that asks for neither, only
// the node itself may look, and only by a name that means the node itself: a page of another site whose name was made to lead to 127.0.0.1
// carries its own name in Host, and a proxy on the node speaks for somebody who is not there.
func refusal(r *http.Request, webConfigFile string) string {
	known, err := authenticates(webConfigFile)
	switch {
	case err != nil:
		return "The web configuration can't be read, so nobody is known well enough to see this page: " + err.Error()
	case known:
		return ""
	case !loopback(r.RemoteAddr):
		return "This page is for the node itself, as long as the web configuration asks nobody who they are. " +
			"Open it through `ssh -L 10071:127.0.0.1:10071 NODE`, or set basic_auth_users in metrics.webConfigFile."
	case forwarded(r):
		return "This page is not shown through a proxy, as long as the web configuration asks nobody who they are: set basic_auth_users in metrics.webConfigFile."
	case !ownName(r.Host):
		return "Open this page by http://127.0.0.1 or http://localhost, with the port: other names may be somebody else's."
	}
	return ""
}

// webConfig is the part of exporter-toolkit's file that decides whether a request that came through is from somebody known.
type webConfig struct {
	Users map[string]string `yaml:"basic_auth_users"`
	TLS   struct {
		ClientAuth string `yaml:"client_auth_type"`
	} `yaml:"tls_server_config"`
}

// authenticates reads the file each time, as the listener itself does: users that were removed a moment ago open nothing.
func authenticates(file string) (bool, error) {
	if file == "" {
		return false, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return false, err
	}
	var c webConfig
	if err := yaml.Unmarshal(b, &c); err != nil {
		return false, fmt.Errorf("parse %s", file) // without the parser's words, which may quote a password's hash
	}
	return len(c.Users) > 0 || c.TLS.ClientAuth == "RequireAndVerifyClientCert", nil
}

func loopback(remote string) bool {
	a, err := netip.ParseAddrPort(remote)
	return err == nil && a.Addr().Unmap().IsLoopback()
}

func forwarded(r *http.Request) bool {
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via"} {
		if r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

// ownName says whether the host of a request can only mean the machine that the browser runs on.
func ownName(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if strings.EqualFold(name, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}
