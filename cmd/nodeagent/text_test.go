package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"nodeagent/internal/view"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                              "plain",
		"two\nlines\r\n\tand a tab":          "two lines and a tab",
		"\x1b[31mred\x1b[0m \x07 \u202egone": "[31mred [0m gone",
		"\x9b31m c1 \u0085 \u2028 end":       "31m c1 end",
		"bad \xff byte":                      "bad byte",
		"Grüße …":                            "Grüße …",
	} {
		if got := view.OneLine(in); got != want {
			t.Errorf("view.OneLine(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		head, text string
		width      int
		want       string
	}{
		{"-> ", "one two three", 20, "-> one two three"},
		{"-> ", "one two three four", 13, "-> one two|   three four"},
		{"", "", 20, ""},
		{"  ", "abcdefghijklmnop qr", 14, "  abcdefghijkl|  mnop qr"},
		{"  ", "a abcdefghijklmnop", 14, "  a|  abcdefghijkl|  mnop"},
	} {
		if got := strings.Join(wrap(c.head, c.text, c.width), "|"); got != c.want {
			t.Errorf("wrap(%q, %q, %d) = %q, want %q", c.head, c.text, c.width, got, c.want)
		}
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 59*time.Minute + 59*time.Second: "59m", time.Hour: "1h",
		47 * time.Hour: "47h", 48 * time.Hour: "2d", 400 * 24 * time.Hour: "400d",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestParseSince(t *testing.T) {
	zone := time.FixedZone("CET", 3600)
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, zone)
	for in, want := range map[string]time.Time{
		"0":                    {},
		"0s":                   now,
		"90m":                  now.Add(-90 * time.Minute),
		"2026-01-30T23:00:00Z": time.Date(2026, 1, 31, 0, 0, 0, 0, zone),
		"2026-01-31 03:00":     time.Date(2026, 1, 31, 3, 0, 0, 0, zone),
		"2026-01-31":           time.Date(2026, 1, 31, 0, 0, 0, 0, zone),
	} {
		if got, err := parseSince(in, now); err != nil || !got.Equal(want) {
			t.Errorf("parseSince(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"", "3", "-3h", "yesterday", "12:00", "2026-13-01"} {
		if got, err := parseSince(in, now); err == nil {
			t.Errorf("parseSince(%q) = %v, want an error", in, got)
		}
	}
}

// FuzzClean: whatever a runtime says, what reaches the terminal is one line of printable text.
func FuzzClean(f *testing.F) {
	f.Add("\x1b]0;title\x07 \u202e \xff\n", 20)
	f.Add("a long word: "+strings.Repeat("x", 200), 80)
	f.Fuzz(func(t *testing.T, s string, width int) {
		got := view.OneLine(s)
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) || !utf8.ValidString(got) || view.OneLine(got) != got {
			t.Fatalf("view.OneLine(%q) = %q", s, got)
		}
		width = 20 + max(width, 0)%200
		for _, l := range wrap("  -> ", got, width) {
			if utf8.RuneCountInString(l) > width {
				t.Fatalf("%d characters: %q", utf8.RuneCountInString(l), l)
			}
		}
		if n := utf8.RuneCountInString(cut(got, width)); n > width {
			t.Fatalf("cut to %d: %d", width, n)
		}
	})
}

func FuzzPlaces(f *testing.F) {
	f.Add([]byte("runDir: /a\napi:\n  socket: /b/c.sock\n"))
	f.Add([]byte("stateDir: \"/x\"\nnope: [\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p places
		p.read(b) // must not panic, whatever a person wrote
	})
}

func TestPlaces(t *testing.T) {
	for in, want := range map[string][3]string{
		"runDir: /a\nnope: 1\napi: {socket: /b}\n":                    {"/a", "", "/b"},
		"runDir: 7\nstateDir: [x]\napi: {socket: /b, group: [1]}\n":   {"7", "", "/b"},
		"stateDir: '/s'\nrunDir: /r # mine\napi:\n\tsocket: \"/b\"\n": {"/r", "/s", "/b"}, // a tab is no YAML
		"- a\n- b\n": {},
		"":           {},
	} {
		var p places
		p.read([]byte(in))
		if got := [3]string{p.RunDir, p.StateDir, p.API.Socket}; got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
