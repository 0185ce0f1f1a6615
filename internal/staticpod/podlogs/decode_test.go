package podlogs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	for in, want := range map[string]struct {
		header
		text string
	}{
		"2026-03-01T12:00:00.000000005Z stdout F hello world":                {header{at, Stdout, true}, "hello world"},
		"2026-03-01T12:00:00.000000005Z stderr P part ":                      {header{at, Stderr, false}, "part "},
		"2026-03-01T13:00:00.000000005+01:00 stderr F:x:y  two":              {header{at, Stderr, true}, " two"},
		"2026-03-01T12:00:00.000000005Z stdout F ":                           {header{at, Stdout, true}, ""},
		"2026-03-01T12:00:00.000000005Z stdout F":                            {header{at, Stdout, true}, ""},
		"2026-03-01T12:00:00.000000005Z stdout X hello":                      {header{full: true}, "2026-03-01T12:00:00.000000005Z stdout X hello"},
		"2026-03-01T12:00:00.000000005Z stdin F hello":                       {header{full: true}, "2026-03-01T12:00:00.000000005Z stdin F hello"},
		"yesterday stdout F hello":                                           {header{full: true}, "yesterday stdout F hello"},
		"2026-03-01T12:00:00.000000005Z":                                     {header{full: true}, "2026-03-01T12:00:00.000000005Z"},
		"":                                                                   {header{full: true}, ""},
		strings.Repeat("x", 2*maxHeader):                                     {header{full: true}, strings.Repeat("x", 2*maxHeader)},
		"2026-03-01T12:00:00.000000005Z stdout F" + strings.Repeat(" ", 200): {header{at, Stdout, true}, strings.Repeat(" ", 199)},
	} {
		h, text := parse([]byte(in))
		if !h.at.Equal(want.at) || h.stream != want.stream || h.full != want.full || string(text) != want.text {
			t.Errorf("%q: %+v %q, want %+v", in, h, text, want)
		}
	}
}

// decodeIn decodes a file that comes in parts of the given size.
func decodeIn(t testing.TB, data string, size int) []Line {
	t.Helper()
	var lines []Line
	d := decoder{emit: func(l Line) error { lines = append(lines, l); return nil }}
	for part := range slices.Chunk([]byte(data), size) {
		if err := d.write(part); err != nil {
			t.Fatal(err)
		}
		if len(d.buf) > maxPhysical {
			t.Fatalf("%d bytes of a line are held", len(d.buf))
		}
		for i := range d.open {
			if len(d.open[i].text) > maxLine+maxPhysical {
				t.Fatalf("%d bytes of a text are held", len(d.open[i].text))
			}
		}
	}
	if err := d.flush(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestDecode(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"whole lines", out(1, "a") + out(2, "") + out(3, "c"), "a||c|"},
		{"pieces", entry(1, "stdout", "P", "a") + entry(2, "stdout", "P", "b") + out(3, "c") + out(4, "d"), "abc|d|"},
		{"pieces of two streams", entry(1, "stdout", "P", "a") + entry(1, "stderr", "P", "x") + out(2, "b") + entry(3, "stderr", "F", "y"), "ab|xy|"},
		{"a last piece without an end", out(1, "a") + entry(2, "stderr", "P", "b"), "a|b|"},
		{"a last line without a newline", out(1, "a") + strings.TrimSuffix(out(2, "b"), "\n"), "a|b|"},
		{"corrupt lines", "\x00\x00\n\n" + out(1, "a") + "garbage\n" + out(2, "b"), "\x00\x00||a|garbage|b|"},
		{"a corrupt line within pieces", entry(1, "stdout", "P", "a") + "garbage\n" + out(2, "b"), "garbage|ab|"},
		{"nothing", "", ""},
	} {
		for _, size := range []int{1, 3, 1000} {
			if got := texts(decodeIn(t, c.in, size)); got != c.want {
				t.Errorf("%s, %d bytes at once: %q, want %q", c.name, size, got, c.want)
			}
		}
	}
	lines := decodeIn(t, entry(1, "stderr", "P", "a")+entry(2, "stderr", "F", "b")+"raw\n", 7)
	if !lines[0].Time.Equal(epoch.Add(time.Second)) || lines[0].Stream != Stderr || lines[1].Stream != Raw || !lines[1].Time.IsZero() {
		t.Errorf("%+v", lines)
	}
}

// TestLongLinesLoseNothing: far beyond what is held, in one line of the file or in pieces.
func TestLongLinesLoseNothing(t *testing.T) {
	long := strings.Repeat("0123456789abcdef", 3*maxLine/16)
	pieces := ""
	for p := range slices.Chunk([]byte(long), 16000) {
		pieces += entry(1, "stdout", "P", string(p))
	}
	for name, in := range map[string]string{
		"one line":              out(1, long) + out(2, "b"),
		"pieces":                pieces + out(1, "") + out(2, "b"),
		"a line without a form": long + "\n" + out(2, "b"),
	} {
		for _, size := range []int{1000, block} {
			lines := decodeIn(t, in, size)
			if got := texts(lines); got != long+"|b|" {
				t.Errorf("%s, %d bytes at once: %d bytes in %d lines", name, size, len(got), len(lines))
			}
			if len(lines) < 4 {
				t.Errorf("%s: %d lines, want parts", name, len(lines))
			}
		}
	}
}

// FuzzDecode: no panic, bounded memory, the same lines however the bytes come, and no byte of a raw file lost.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{"", "\n", "x", out(1, "a"), entry(1, "stdout", "P", "a") + entry(1, "stderr", "F", "b"), "\x00\xff\n\n" + out(1, "\x1b[2J"),
		strings.Repeat("x", maxPhysical) + "\n" + out(1, "a"), strings.Repeat("x", maxPhysical+1), entry(1, "stdout", "P", "") + "2026-"} {
		f.Add(s, 3)
	}
	f.Fuzz(func(t *testing.T, data string, size int) {
		size = max(1, size%(2*block))
		a, b := decodeIn(t, data, size), decodeIn(t, data, len(data)+1)
		if fmt.Sprint(a) != fmt.Sprint(b) {
			t.Errorf("%d bytes at once give\n%.200q\nall at once\n%.200q", size, fmt.Sprint(a), fmt.Sprint(b))
		}
		for _, l := range a {
			if e := Escape(l.Text); strings.ContainsFunc(e, func(r rune) bool { return r != '\t' && r < ' ' || r == 0x7f }) || !strings.Contains(e, "\ufffd") && strings.ToValidUTF8(e, "") != e {
				t.Errorf("Escape(%q) gives %q", l.Text, e)
			}
		}
		checkTail(t, data, a)
	})
}
