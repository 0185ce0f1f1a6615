package collect

import (
	"cmp"
	"encoding/base64"
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

// rule replaces what looks like a secret by its form.
type rule struct {
	match *regexp.Regexp
	with  string
	needs []string // one of them is in a text that matches; to look for them costs little. Empty: nothing is
}

// headerName is one of a header that HAProxy sets.
const headerName = `[A-Za-z\-]*(?:[Aa]uth|[Tt]oken|[Kk]ey|[Ss]ecret)[A-Za-z\-]*`

var rules = []rule{
	{regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\z)`), "[redacted private key]", []string{"PRIVATE KEY"}},
	// JWT.
	{regexp.MustCompile(`eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]*`), gone, []string{"eyJ"}},
	// kubeadm's join token.
	{regexp.MustCompile(`\b[a-z0-9]{6}\.[a-z0-9]{16}\b`), gone, nil},
	// crypt(5).
	{regexp.MustCompile(`\$(?:2[abxy]?|[156y]|7|argon2id?)\$[^\s"':]{8,}`), gone, []string{"$"}},
	// A URL's.
	{regexp.MustCompile(`(://[^\s/:@"']*):[^\s/"']+@`), "${1}:" + gone + "@", []string{"@"}},
	// A token alone in a URL.
	{regexp.MustCompile(`://[A-Za-z0-9_\-]{20,}@`), "://" + gone + "@", []string{"@"}},
	// An Authorization header's, without its name.
	{regexp.MustCompile(`(?i)\b(bearer|basic)[\s\\]+[A-Za-z0-9+/=._~\-]{8,}`), "${1} " + gone, []string{"earer", "asic", "EARER", "ASIC"}},
	// etcdctl, curl.
	{regexp.MustCompile(`(?m)((?:^|[\s"'])(?:--user[ =]|-u\s+|ETCDCTL_USER=)["']?[^\s:"'/]+):[^\s"']+`), "${1}:" + gone, []string{"--user", "-u ", "-u\t", "ETCDCTL_USER"}},
	// Tokens that say what they are.
	{regexp.MustCompile(`(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|hvs\.|AKIA|dckr_pat_|AGE-SECRET-KEY-)[A-Za-z0-9_\-]{16,}`), gone, []string{"gh", "github_pat_", "glpat-", "xox", "hvs.", "AKIA", "dckr_pat_", "AGE-SECRET-KEY-"}},
	// keepalived.
	{regexp.MustCompile(`(?m)(\bauth_pass\s+)\S.*$`), "${1}" + gone, []string{"auth_pass"}},
	// HAProxy.
	{regexp.MustCompile(`(?m)(\b(?:insecure-password|stats\s+auth)\s+)\S.*$`), "${1}" + gone, []string{"insecure-password", "stats"}},
	// HAProxy.
	{regexp.MustCompile(`(?im)(^\s*(?:user\s+\S+\s+)?password\s+)\S+((?:\s+groups\s.*)?)$`), "${1}" + gone + "${2}", []string{"password"}},
	{regexp.MustCompile(`(?m)((?:set-header|add-header)\s+` + headerName + `\s+)\S.*$`), "${1}" + gone, []string{"-header "}},
	{regexp.MustCompile(`(?m)(\bhdr\s+` + headerName + `\s+)\S.*$`), "${1}" + gone, []string{"hdr "}},
	// XML.
	{regexp.MustCompile(`(?i)(<[a-z:_\-]*(?:password|passwd|secret|token|api-?key)s?(?:\s[^>]*)?>)[^<]+`), "${1}" + gone, []string{"</"}},
	// HAProxy.
	{regexp.MustCompile(`(?m)(setenv\s+\S*(?:PASS|SECRET|TOKEN|KEY|CREDENTIAL)\S*\s+)\S.*$`), "${1}" + gone, []string{"setenv"}},
}

var (
	endOfKey  = regexp.MustCompile(`-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----`)
	lineOfKey = regexp.MustCompile(`[A-Za-z0-9+/=]{20,}`)
)

// redactCut takes private keys out whose beginning was cut off: the lines before their end that look like theirs.
func redactCut(s string) string {
	var b strings.Builder
	last := 0
	for _, m := range endOfKey.FindAllStringIndex(s, -1) {
		from := m[0]
		for from > last {
			line := strings.LastIndexByte(s[last:from-1], '\n') + 1 + last
			if !lineOfKey.MatchString(s[line:from]) && strings.Contains(s[line:from], "\n") {
				break
			}
			from = line
		}
		b.WriteString(s[last:from] + "[redacted end of a private key]")
		last = m[1]
	}
	return b.String() + s[last:]
}

// encodedKeys are PEM texts in base64, as kubeconfigs and Secrets have them.
var encodedKeys = regexp.MustCompile(`LS0tLS1CRUdJTi[A-Za-z0-9+/=_\-]{16,}`)

// redactEncoded takes private keys out, and leaves certificates.
func redactEncoded(s string) string {
	return encodedKeys.ReplaceAllStringFunc(s, func(text string) string {
		begin := strings.TrimRight(text[:len(text)/4*4], "=")
		b, _ := base64.RawStdEncoding.DecodeString(begin[:min(len(begin), 64)/4*4])
		if strings.Contains(string(b), "BEGIN CERT") || strings.Contains(string(b), "BEGIN PUBLIC") {
			return text
		}
		return gone
	})
}

// Redactor takes secrets out of texts.
type Redactor struct {
	known *strings.Replacer
}

// NewRedactor makes one that knows these values. Names are this node's: a secret that is one of them goes only where its own name stands before it, and
// the node's stays everywhere else.
func NewRedactor(values []string, names ...string) *Redactor {
	var all []string
	for _, v := range values {
		if len(v) >= shortest && !slices.Contains(names, v) {
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

// maxDepth of texts in texts: a log's line in JSON that holds a file in JSON.
const maxDepth = 3

// eachText calls change for each text in quotes that has several lines, as JSON and Go write them, and puts what comes out of it in its place.
func eachText(s string, change func(string) string) string {
	var b strings.Builder
	last := 0
	for i := 0; i < len(s); {
		n := strings.IndexByte(s[i:], '"')
		if n < 0 {
			break
		}
		i += n
		if i > 0 && s[i-1] == '\\' { // one in a text
			i++
			continue
		}
		to, ok := quotedEnd(s, i)
		if ok && strings.Contains(s[i:to], `\n`) {
			if changed, ok := changeQuoted(s[i:to], change); ok {
				b.WriteString(s[last:i] + changed)
				i, last = to, to
				continue
			}
		}
		i++ // the end of one may be the beginning of the next
	}
	if last == 0 {
		return s
	}
	return b.String() + s[last:]
}

// changeQuoted changes a text in quotes; false where it stays, or is none.
func changeQuoted(quoted string, change func(string) string) (string, bool) {
	var text string
	if json.Unmarshal([]byte(quoted), &text) == nil {
		changed := change(text)
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		err := e.Encode(changed)
		return strings.TrimSpace(b.String()), changed != text && err == nil
	}
	text, err := strconv.Unquote(quoted)
	if err != nil {
		return "", false
	}
	changed := change(text)
	return strconv.Quote(changed), changed != text
}

// Redact gives the text without secrets.
func (r *Redactor) Redact(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	return []byte(r.redact(string(b), 0))
}

// redact takes them out of texts in texts too.
func (r *Redactor) redact(s string, depth int) string {
	s = r.known.Replace(s)
	if depth < maxDepth {
		s = eachText(s, func(text string) string { return r.redact(text, depth+1) })
	}
	s = redactEncoded(s)
	for _, x := range rules {
		if len(x.needs) > 0 && !slices.ContainsFunc(x.needs, func(part string) bool { return strings.Contains(s, part) }) {
			continue
		}
		s = x.match.ReplaceAllString(s, x.with)
	}
	return redactNamed(redactCut(s))
}
