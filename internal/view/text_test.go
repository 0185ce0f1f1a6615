package view

import "testing"

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"plain text":             "plain text",
		" a\n\tb\r\n ":           "a b",
		"\x1b[31mred\x1b[0m":     "[31mred [0m",
		"a\u202eb\u200bc\u2028d": "a b c d",
		"bad \xff utf":           "bad utf",
	} {
		if got := OneLine(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}
