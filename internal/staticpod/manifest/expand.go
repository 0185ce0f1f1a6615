package manifest

import "strings"

// Expand replaces each $(NAME) in s by env[NAME]. $$ is a literal $, so $$(NAME) stays $(NAME) without being replaced; a
// reference to a name that is not in env, an unclosed one and any other $ stay as they are. These are the rules of
// the API's command, args and env value fields.
func Expand(s string, env map[string]string) string {
	if !strings.Contains(s, "$") {
		return s
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "$")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		switch {
		case strings.HasPrefix(rest, "$"):
			b.WriteByte('$')
			s = rest[1:]
		case strings.HasPrefix(rest, "("):
			name, after, closed := strings.Cut(rest[1:], ")")
			if !closed {
				b.WriteString("$(")
				s = rest[1:]
				continue
			}
			if v, ok := env[name]; ok {
				b.WriteString(v)
			} else {
				b.WriteString("$(" + name + ")")
			}
			s = after
		default:
			b.WriteByte('$')
			s = rest
		}
	}
}
