package verify

import (
	"strings"
	"unicode/utf8"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

const width = 80

// Table draws the rows for a terminal, 80 columns wide; what is wrong stands below its row.
func Table(lines []Line) string {
	const first, second, third = 11, 27, 28 // and 8 for the outcome, and the gaps
	var b strings.Builder
	row := func(cells ...string) {
		text := pad(cells[0], first) + "  " + pad(cells[1], second) + "  " + pad(cells[2], third) + "  " + cells[3]
		b.WriteString(strings.TrimRight(text, " ") + "\n")
	}
	row("NAMESPACE", "EXPECTED", "ACTUAL", "RESULT")
	for _, l := range lines {
		row(l.Namespace, l.Expected, l.Actual, outcome(l.Status))
		below(&b, l.Why)
	}
	return b.String()
}

func outcome(s health.Status) string {
	switch s {
	case health.OK:
		return "ok"
	case health.Failing:
		return "FAILS"
	}
	return "unknown"
}

// pad makes a cell n characters wide.
func pad(s string, n int) string {
	r := []rune(view.OneLine(s))
	if len(r) > n {
		r = append(r[:n-1], '…')
	}
	return string(r) + strings.Repeat(" ", n-len(r))
}

// below writes a text in lines of its own, indented.
func below(b *strings.Builder, text string) {
	const indent = "  "
	line := indent
	for word := range strings.FieldsSeq(view.OneLine(text)) {
		if line != indent && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			b.WriteString(line + "\n")
			line = indent
		}
		for utf8.RuneCountInString(word) > width-len(indent) {
			r := []rune(word)
			b.WriteString(indent + string(r[:width-len(indent)]) + "\n")
			word = string(r[width-len(indent):])
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	if line != indent {
		b.WriteString(line + "\n")
	}
}
