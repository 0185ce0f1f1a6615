package manifest

import (
	"fmt"
	"strings"
	"unicode"
)

// These give what is wrong with a text, or nothing. The rules are the API's (k8s.io/apimachinery pkg/util/validation).

const alnumLower = "abcdefghijklmnopqrstuvwxyz0123456789"

const alnum = alnumLower + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// dnsLabel checks a DNS label (RFC 1123): at most 63 of a-z, 0-9 and -, with a letter or digit at both ends.
func dnsLabel(s string) string {
	switch {
	case s == "":
		return "required"
	case len(s) > 63:
		return fmt.Sprintf("at most 63 characters are allowed, got %d", len(s))
	case !word(s, alnumLower, "-"):
		return quoted(s) + " is not a DNS label: lower-case letters, digits and -, with a letter or digit at both ends"
	}
	return ""
}

// dnsSubdomain checks DNS labels joined by dots, at most 253 characters together. The API sets no bound to each label.
func dnsSubdomain(s string) string {
	if s == "" {
		return "required"
	}
	if len(s) > 253 {
		return fmt.Sprintf("at most 253 characters are allowed, got %d", len(s))
	}
	for l := range strings.SplitSeq(s, ".") {
		if !word(l, alnumLower, "-") {
			return quoted(s) + " is not a DNS name: lower-case letters, digits, - and dots, with a letter or digit at both ends and on both sides of a dot"
		}
	}
	return ""
}

// word tells whether s is made of ends, with inner allowed as well between the first and the last character.
func word(s, ends, inner string) bool {
	if s == "" || strings.IndexByte(ends, s[0]) < 0 || strings.IndexByte(ends, s[len(s)-1]) < 0 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(ends+inner, r) })
}

// qualifiedName checks a key of labels, annotations and resources: an optional DNS prefix with a slash, and a name.
func qualifiedName(s string) string {
	prefix, name, slash := strings.Cut(s, "/")
	if !slash {
		name = s
	} else if m := dnsSubdomain(prefix); m != "" {
		return "the part in front of the slash: " + m
	}
	switch {
	case name == "":
		return "the key has no name"
	case len(name) > 63:
		return fmt.Sprintf("the name may have at most 63 characters, got %d", len(name))
	case !word(name, alnum, "-_."):
		return quoted(name) + " may hold letters, digits, -, _ and dots, with a letter or digit at both ends"
	}
	return ""
}

func labelValue(s string) string {
	switch {
	case s == "":
		return ""
	case len(s) > 63:
		return fmt.Sprintf("at most 63 characters are allowed, got %d", len(s))
	case !word(s, alnum, "-_."):
		return quoted(s) + " may hold letters, digits, -, _ and dots, with a letter or digit at both ends"
	}
	return ""
}

// envName checks the name of an environment variable: printable ASCII without = (Kubernetes 1.34).
func envName(s string) string {
	if s == "" {
		return "required"
	}
	for _, r := range s {
		if r > unicode.MaxASCII || !unicode.IsPrint(r) || r == '=' {
			return quoted(s) + " may hold printable ASCII characters without ="
		}
	}
	return ""
}

// portName checks an IANA service name (RFC 6335), lower case only.
func portName(s string) string {
	switch {
	case len(s) > 15:
		return fmt.Sprintf("at most 15 characters are allowed, got %d", len(s))
	case !word(s, alnumLower, "-") || strings.Contains(s, "--"):
		return quoted(s) + " may hold lower-case letters, digits and single dashes, with a letter or digit at both ends"
	case !strings.ContainsAny(s, "abcdefghijklmnopqrstuvwxyz"):
		return quoted(s) + " needs at least one letter"
	}
	return ""
}

// dataKey checks a key of a ConfigMap or Secret: a file name of at most 253 letters, digits, -, _ and dots.
func dataKey(s string) string {
	switch {
	case s == "":
		return "required"
	case len(s) > 253:
		return fmt.Sprintf("at most 253 characters are allowed, got %d", len(s))
	case strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(alnum+"-_.", r) }):
		return quoted(s) + " may hold letters, digits, -, _ and dots"
	case s == "." || strings.HasPrefix(s, ".."):
		return quoted(s) + " may not be . or begin with two dots"
	}
	return ""
}

// capability checks the form of a Linux capability's name as the API writes it, without CAP_. Which ones there are depends
// on the kernel.
func capability(s string) (message, fix string) {
	if s == "" {
		return "required", ""
	}
	if bare := strings.TrimPrefix(strings.ToUpper(s), "CAP_"); bare != s {
		return quoted(s) + " is not a capability as the API writes it", "write " + short(bare)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return (r < 'A' || r > 'Z') && r != '_' }) {
		return quoted(s) + " is not a capability", "write one of capabilities(7) without CAP_, or ALL"
	}
	return "", ""
}

// imageReference checks [registry[:port]/]repository[:tag][@digest] (distribution/reference).
func imageReference(s string) string {
	bad := func(what string) string { return quoted(s) + " is not an image: " + what }
	if strings.ContainsFunc(s, unicode.IsSpace) {
		return bad("it holds white space")
	}
	name, tag, digest := splitImage(s)
	if strings.HasSuffix(s, ":") || strings.HasSuffix(s, "@") || strings.Contains(s, ":@") {
		return bad("the tag or the digest is missing")
	}
	if len(tag) > 128 || tag != "" && !word("a"+tag+"a", alnum, "-_.") || strings.IndexByte("-.", (tag + "a")[0]) >= 0 {
		return bad("a tag may hold letters, digits, -, _ and dots")
	}
	if digest != "" {
		algorithm, sum, _ := strings.Cut(digest, ":")
		size := map[string]int{"sha256": 64, "sha384": 96, "sha512": 128}[algorithm]
		if size == 0 || len(sum) != size || strings.Trim(sum, "0123456789abcdef") != "" {
			return bad("a digest is sha256: and 64 hexadecimal digits")
		}
	}
	if len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" {
		return bad("64 hexadecimal digits are the ID of an image")
	}
	registry, path, slash := strings.Cut(name, "/")
	switch {
	case slash && (strings.ContainsAny(registry, ".:") || registry == "localhost" || strings.ToLower(registry) != registry):
		if !registryHost(registry) {
			return bad("the part in front of the first slash is no host with an optional port")
		}
	case slash:
		path = name
	default:
		path = "library/" + name // where Docker Hub has them
	}
	if len(path) > 255 {
		return bad(fmt.Sprintf("a repository may have at most 255 characters, got %d", len(path)))
	}
	for part := range strings.SplitSeq(path, "/") {
		if !repositoryPart(part) {
			return bad("a repository may hold lower-case letters, digits, -, _ and dots, and single slashes")
		}
	}
	return ""
}

// registryHost checks a host name or an IPv6 address in brackets, with an optional port. The host's case does not count.
func registryHost(s string) bool {
	host, port, colon := s, "", false
	if i := strings.LastIndexByte(s, ':'); i > strings.LastIndexByte(s, ']') {
		host, port, colon = s[:i], s[i+1:], true
	}
	if colon && (port == "" || strings.Trim(port, "0123456789") != "") {
		return false
	}
	if address, ok := strings.CutPrefix(host, "["); ok {
		address, ok = strings.CutSuffix(address, "]")
		return ok && address != "" && strings.Trim(address, "0123456789abcdefABCDEF:") == ""
	}
	for l := range strings.SplitSeq(host, ".") {
		if !word(l, alnum, "-") {
			return false
		}
	}
	return true
}

// repositoryPart checks what stands between two slashes of a repository: lower-case letters and digits, with one dot, one or two
// underscores, or dashes between them.
func repositoryPart(s string) bool {
	if !word(s, alnumLower, "-_.") {
		return false
	}
	for gap := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(alnumLower, r) }) {
		if gap != "." && gap != "_" && gap != "__" && strings.Trim(gap, "-") != "" {
			return false
		}
	}
	return true
}
