package podlogs

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printLayout is RFC 3339 with nine digits always, so that lines stand below one another.
const printLayout = "2006-01-02T15:04:05.000000000Z07:00"

// Printer writes lines to out, one Write a line. clean, if not nil, is what each text goes through: Escape where out is a terminal.
func Printer(out io.Writer, timestamps bool, clean func(string) string) func(Line) error {
	var open bool // the last line written is not ended
	var of Stream
	return func(l Line) error {
		var b strings.Builder
		goesOn := open && of == l.Stream
		if open && !goesOn {
			b.WriteByte('\n')
		}
		if timestamps && !goesOn && !l.Time.IsZero() {
			b.WriteString(l.Time.Format(printLayout))
			b.WriteByte(' ')
		}
		if clean != nil {
			b.WriteString(clean(l.Text))
		} else {
			b.WriteString(l.Text)
		}
		if !l.More {
			b.WriteByte('\n')
		}
		open, of = l.More, l.Stream
		_, err := io.WriteString(out, b.String())
		return err
	}
}

// Escape makes a log line safe for a terminal and valid UTF-8, and leaves its spacing: control characters other than tab, those that turn the
// direction of writing and bytes that are no UTF-8 become \x1b, \u202e, \xff. A carriage return at the end is dropped.
func Escape(s string) string {
	s = strings.TrimSuffix(s, "\r")
	if !strings.ContainsFunc(s, unsafeRune) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1, r < 0x80 && unsafeRune(r):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !unsafeRune(r) || r == utf8.RuneError:
			b.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

func unsafeRune(r rune) bool {
	return r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError || r == '\u2028' || r == '\u2029')
}
