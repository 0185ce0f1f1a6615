package manifest

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxHints bounds what is said of one ConfigMap: the first few make the point.
const maxHints = 5

// warnOfSecrets warns of what looks like a secret among the values of a ConfigMap, whose file anyone may read. It names keys and
// lines, never a value.
func warnOfSecrets(s *sink, data map[string]string, p place) {
	const fix = "put it into a Secret, in a file of mode 0600"
	n := 0
	for _, key := range slices.Sorted(maps.Keys(data)) {
		at := p.field(key)
		for _, h := range secretHints(key, data[key]) {
			where := at
			if h.line > 0 && at.node != nil && at.node.literal {
				where.line, where.col = at.line+h.line, 0
			}
			if n++; n > maxHints {
				s.warn(where, "this looks like a secret too, and more may follow in the ConfigMap", fix)
				return
			}
			if h.line == 0 {
				s.warn(where, "the value looks like a secret by its key, and a ConfigMap is no place for one", fix)
				continue
			}
			s.warn(where, "line "+strconv.Itoa(h.line)+" of the value looks like a secret ("+h.what+"), and a ConfigMap is no place for one", fix)
		}
	}
}

// maxSecretName bounds what is taken for the name of a value: what is longer is prose.
const maxSecretName = 64

// hint is a place that looks like a secret: a line of the value from 1, or 0 for the value as a whole.
type hint struct {
	line int
	what string
}

var (
	// name = value, name: value, with what YAML, JSON, INI, shells and flags put around them.
	assignment = regexp.MustCompile(`^\s*(?:-\s+|export\s+|--)?[{,]?\s*["']?([A-Za-z0-9_.\- ]+?)["']?\s*[:=]\s*(.*)$`)
	// keepalived and HAProxy write theirs with a blank.
	blankSeparated = regexp.MustCompile(`^\s*(?:user\s+\S+\s+)?(auth_pass|insecure-password|password|stats auth)\s+(\S.*)$`)
	inURL          = regexp.MustCompile(`[a-z][a-z0-9+.-]*://[^/\s:@"']+:([^/\s@"']+)@`)
	privateKey     = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)
	// What stands for a value that comes from elsewhere, or for none.
	noValue = regexp.MustCompile(`^(?:true|false|yes|no|on|off|null|nil|none|~|[|>][+-]?|\{|\[|\{\}|\[\]|[0-9]{1,3}|\$.*|%\(.*|\{\{.*|<.*>|\*+|file:.*|/[\w.-]+(?:/[\w.-]+)*)$`)
)

// secretHints looks through one value. Lines are cut, so that a long one costs bounded time.
func secretHints(key, value string) []hint {
	if !strings.Contains(strings.TrimRight(value, "\n"), "\n") && secretName(key) && hasValue(value) {
		return []hint{{0, key}}
	}
	var out []hint
	n := 0
	for line := range strings.SplitSeq(value, "\n") {
		n++
		line = line[:min(len(line), 4096)]
		if what := secretLine(line); what != "" {
			if out = append(out, hint{n, what}); len(out) > maxHints {
				break
			}
		}
	}
	return out
}

// secretLine gives the name of what looks like a secret on a line, or nothing.
func secretLine(line string) string {
	if privateKey.MatchString(line) {
		return "a private key"
	}
	if t := strings.TrimSpace(line); t == "" || strings.IndexByte("#;", t[0]) >= 0 || strings.HasPrefix(t, "//") {
		return ""
	}
	if m := assignment.FindStringSubmatch(line); m != nil && len(m[1]) <= maxSecretName && secretName(m[1]) && hasValue(m[2]) {
		return strings.TrimSpace(m[1])
	}
	if m := blankSeparated.FindStringSubmatch(line); m != nil && hasValue(m[2]) && strings.IndexByte(":=", m[2][0]) < 0 {
		return m[1]
	}
	if m := inURL.FindStringSubmatch(line); m != nil && hasValue(m[1]) {
		return "a password in a URL"
	}
	return ""
}

// hasValue tells a literal value from none and from a reference to one.
func hasValue(v string) bool {
	v = strings.TrimSpace(v)
	v = strings.TrimSpace(strings.TrimRight(v, ",;"))
	if len(v) >= 2 && (v[0] == '"' || v[0] == '\'') {
		if end := strings.IndexByte(v[1:], v[0]); end >= 0 {
			v = v[1 : end+1]
		}
	} else {
		v, _, _ = strings.Cut(" "+v, " #")
		v = strings.TrimSpace(v)
	}
	return v != "" && !noValue.MatchString(v)
}

// secretName tells whether a key names a secret: its last word does. client_secret, adminPassword and api-key do; token_url,
// password_file and secretName do not.
func secretName(name string) bool {
	words := wordsOf(name)
	if len(words) == 0 {
		return false
	}
	last := words[len(words)-1]
	switch last {
	case "password", "passwd", "passphrase", "secret", "token", "apikey", "secretkey", "privatekey":
		return true
	case "pass":
		return len(words) > 1 && words[len(words)-2] == "auth"
	case "key":
		if len(words) < 2 {
			return false
		}
		switch words[len(words)-2] {
		case "api", "secret", "private", "encryption", "signing":
			return true
		case "access":
			return slices.Contains(words, "secret")
		}
	}
	return false
}

// wordsOf takes a name apart at _, -, dots, blanks and capitals, and lowers it.
func wordsOf(name string) []string {
	var b strings.Builder
	before := rune(0)
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(before) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
		before = r
	}
	return strings.FieldsFunc(b.String(), func(r rune) bool { return strings.ContainsRune("_-. ", r) })
}
