package view

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// OneLine makes of a text one line that can do nothing to a terminal: what a runtime, a container or a file says may hold escape sequences
// and characters that turn the direction of writing.
func OneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
