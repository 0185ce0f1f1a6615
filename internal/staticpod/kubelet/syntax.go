package kubelet

import (
	"strings"
)

// setting is one assignment of a unit file.
type setting struct{ section, key, value string }

// parseUnit reads systemd's unit syntax (systemd.syntax(7)): sections, key=value, # and ; comments, lines joined by a
// backslash at the end, comments between joined lines left out.
func parseUnit(text string) []setting {
	var out []setting
	section, held := "", ""
	for _, l := range strings.Split(text, "\n") {
		l = strings.TrimSuffix(l, "\r")
		bare := strings.TrimSpace(l)
		if strings.HasPrefix(bare, "#") || strings.HasPrefix(bare, ";") {
			continue
		}
		if cut, joined := strings.CutSuffix(l, "\\"); joined {
			held += cut + " "
			continue
		}
		bare = strings.TrimSpace(held + l)
		held = ""
		if strings.HasPrefix(bare, "[") && strings.HasSuffix(bare, "]") {
			section = bare[1 : len(bare)-1]
			continue
		}
		if k, v, ok := strings.Cut(bare, "="); ok {
			out = append(out, setting{section, strings.TrimSpace(k), strings.TrimSpace(v)})
		}
	}
	if k, v, ok := strings.Cut(strings.TrimSpace(held), "="); ok { // the file ends in a joined line
		out = append(out, setting{section, strings.TrimSpace(k), strings.TrimSpace(v)})
	}
	return out
}

// parseEnv reads an environment file as systemd does (systemd.exec(5), EnvironmentFile=): shell-like assignments, quotes that may
// span lines, a backslash that joins lines, no expansion. The last assignment of a name counts.
func parseEnv(text string) map[string]string {
	out := map[string]string{}
	for at := 0; at < len(text); {
		if strings.ContainsRune(" \t\r\n", rune(text[at])) {
			at++
			continue
		}
		if text[at] == '#' || text[at] == ';' {
			at = lineEnd(text, at)
			continue
		}
		eq := strings.IndexAny(text[at:], "=\n")
		if eq < 0 {
			return out
		}
		if text[at+eq] == '\n' {
			at += eq
			continue
		}
		key := strings.TrimSpace(text[at : at+eq])
		key = strings.TrimSpace(strings.TrimPrefix(key, "export "))
		var value string
		value, at = envValue(text, at+eq+1)
		if key != "" {
			out[key] = value
		}
	}
	return out
}

func lineEnd(text string, at int) int {
	if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i
	}
	return len(text)
}

// envValue reads a value from at on; it returns where the value ends.
func envValue(text string, at int) (string, int) {
	var b strings.Builder
	for at < len(text) && (text[at] == ' ' || text[at] == '\t') {
		at++
	}
	kept := 0 // bytes of b that white space at the end of the line can't take away
	for at < len(text) && text[at] != '\n' {
		switch c := text[at]; c {
		case '\'', '"':
			at++
			for at < len(text) && text[at] != c {
				if text[at] == '\\' && c == '"' && at+1 < len(text) {
					at++
					if text[at] == '\n' {
						at++
						continue
					}
					if !strings.ContainsRune("\"\\`$", rune(text[at])) {
						b.WriteByte('\\')
					}
				}
				b.WriteByte(text[at])
				at++
			}
			at++
			kept = b.Len()
		case '\\':
			at++
			if at < len(text) {
				if text[at] != '\n' {
					b.WriteByte(text[at])
				}
				at++
			}
			kept = b.Len()
		default:
			b.WriteByte(c)
			at++
			if c != ' ' && c != '\t' && c != '\r' {
				kept = b.Len()
			}
		}
	}
	return b.String()[:kept], min(at, len(text))
}

// words splits by systemd's quoting: white space parts, quotes hold together, a backslash keeps the next character.
func words(s string) []string {
	var out []string
	var b strings.Builder
	quote, in := byte(0), false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
			in = true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, in = c, true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			if in {
				out = append(out, b.String())
				b.Reset()
				in = false
			}
		default:
			b.WriteByte(c)
			in = true
		}
	}
	if in {
		out = append(out, b.String())
	}
	return out
}

// expand replaces variables as systemd does in ExecStart=: $NAME as a word of its own becomes as many words as it holds, ${NAME}
// anywhere becomes its text, $$ is a dollar. A name that is not set is empty.
func expand(in []string, env map[string]string) []string {
	var out []string
	for _, w := range in {
		if name, ok := strings.CutPrefix(w, "$"); ok && isName(name) {
			out = append(out, words(env[name])...)
			continue
		}
		out = append(out, inline(w, env))
	}
	return out
}

func inline(w string, env map[string]string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(w, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		w = rest
		switch {
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			w = rest[1:]
		case strings.HasPrefix(rest, "{"):
			name, after, closed := strings.Cut(rest[1:], "}")
			if !closed || !isName(name) {
				b.WriteByte('$')
				continue
			}
			b.WriteString(env[name])
			w = after
		default:
			b.WriteByte('$')
		}
	}
}

func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
