package collect

import (
	"cmp"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// gone stands in the place of a secret.
const gone = "[redacted]"

// shortest secret that is replaced wherever it occurs: a shorter one would tear words apart. It still goes where its name stands before it.
const shortest = 6

const secretName = `[A-Za-z0-9_.\-]*(?:passw(?:or)?d|passphrase|passwort|secret|token|api[_\-]?key|access[_\-]?key|private[_\-]?key|encryption[_\-]?key|signing[_\-]?key|auth[_\-]?pass|key-data|credentials?|identitytoken)s?`

// rule replaces what looks like a secret by its form, or by what stands before it.
type rule struct {
	match *regexp.Regexp
	with  string
}

var rules = []rule{
	{regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`), "[redacted private key]"},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*`), gone},                           // JWT
	{regexp.MustCompile(`\b[a-z0-9]{6}\.[a-z0-9]{16}\b`), gone},                                                          // kubeadm's join token
	{regexp.MustCompile(`\$(?:2[abxy]?|[156y]|7|argon2id?)\$[^\s"':]{8,}`), gone},                                        // crypt(5)
	{regexp.MustCompile(`([a-z][a-z0-9+.\-]*://[^\s/:@"']*):[^\s/@"']+@`), "${1}:" + gone + "@"},                         // a URL's
	{regexp.MustCompile(`(?im)\b((?:proxy-)?authorization|set-cookie|cookie)([\\"']*\s*[:=]\s*).*$`), "${1}${2}" + gone}, // headers
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~\-]{8,}`), "${1} " + gone},
	{regexp.MustCompile(`(?i)("name"\s*:\s*"` + secretName + `"\s*,\s*"value"\s*:\s*)"[^"]*"`), `${1}"` + gone + `"`}, // env in JSON
	{regexp.MustCompile(`(?im)(name:\s*["']?` + secretName + `["']?\s*\n\s*value:[ \t]*).+$`), "${1}" + gone},         // env in YAML
	{regexp.MustCompile(`(?i)(` + secretName + `[\\"']*\s*[:=]\s*)(?:\\?"[^"\n]*"?|'[^'\n]*'?|[^\s"',;&}\]]+)`), "${1}" + gone},
	{regexp.MustCompile(`(?i)(--?` + secretName + `[ \t]+)[^\s\-]\S*`), "${1}" + gone},                                     // flags
	{regexp.MustCompile(`(?im)^(\s*(?:user\s+\S+\s+)?(?:auth_pass|insecure-password|stats\s+auth)\s+).+$`), "${1}" + gone}, // keepalived, HAProxy
	{regexp.MustCompile(`(?im)^(\s*(?:user\s+\S+\s+)?password\s+)\S+((?:\s+groups\s.*)?)$`), "${1}" + gone + "${2}"},
}

// Redactor takes secrets out of texts.
type Redactor struct {
	known *strings.Replacer
}

// NewRedactor makes one that knows these values.
func NewRedactor(values []string) *Redactor {
	var all []string
	for _, v := range values {
		if len(v) >= shortest {
			all = append(all, forms(v)...)
		}
	}
	values = all
	slices.SortFunc(values, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) // the longest first: one may begin another
	var pairs []string
	for _, v := range slices.Compact(values) {
		pairs = append(pairs, v, gone)
	}
	return &Redactor{strings.NewReplacer(pairs...)}
}

// forms are how a value stands in plain text, in JSON, in Go's quotes and in URLs.
func forms(v string) []string {
	out := []string{v, url.QueryEscape(v), strings.Trim(strconv.Quote(v), `"`)}
	for _, html := range []bool{true, false} {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(html)
		if e.Encode(v) == nil {
			out = append(out, strings.Trim(strings.TrimSpace(b.String()), `"`))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Redact gives the text without secrets.
func (r *Redactor) Redact(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	s := r.known.Replace(string(b))
	for _, x := range rules {
		s = x.match.ReplaceAllString(s, x.with)
	}
	return []byte(s)
}
