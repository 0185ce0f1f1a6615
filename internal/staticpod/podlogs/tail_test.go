package podlogs

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// checkTail compares what backwards finds with all lines of a file.
func checkTail(t *testing.T, data string, all []Line) {
	t.Helper()
	ends := 0
	for _, l := range all {
		if !l.More {
			ends++
		}
	}
	for _, n := range []int{0, 1, 2, 7, math.MaxInt / 8} {
		off, found, err := backwards(strings.NewReader(data), int64(len(data)), n, math.MaxInt64, true)
		if err != nil || off < 0 || off > int64(len(data)) || found > n {
			t.Fatalf("last %d of %.80q: offset %d, %d lines, %v", n, data, off, found, err)
		}
		if off > 0 && off < int64(len(data)) && data[off-1] != '\n' {
			t.Errorf("last %d of %.80q: offset %d is within a line", n, data, off)
		}
		if off == 0 && ends > found+2 { // unended pieces of up to three streams end together
			t.Errorf("last %d of %.80q: %d lines, there are %d", n, data, found, ends)
		}
		if off > 0 && found != n {
			t.Errorf("last %d of %.80q: %d lines from offset %d", n, data, found, off)
		}
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	mixed := out(1, "a") + entry(2, "stdout", "P", "b") + entry(2, "stderr", "F", "x") + out(3, "c") + "garbage\n"
	long := strings.Repeat("y", 3*block)
	for _, c := range []struct {
		in    string
		n     int
		bytes int64
		want  string
	}{
		{numbered(1, 9), 3, 1 << 20, "l7|l8|l9|"},
		{numbered(1, 9), 100, 1 << 20, "l1|l2|l3|l4|l5|l6|l7|l8|l9|"},
		{numbered(1, 9), 0, 1 << 20, ""},
		{numbered(1, 9), 100, 3*int64(len(out(1, "l1"))) + 5, "l7|l8|l9|"},
		{mixed, 2, 1 << 20, "bc|garbage|"},
		{mixed, 3, 1 << 20, "x|bc|garbage|"},
		{"", 3, 1 << 20, ""},
		{"\n", 3, 1 << 20, "|"},
		{out(1, "a") + "no newline", 1, 1 << 20, "no newline|"},
		{out(1, "a") + long, 1, 10, "yyyyyyyyyy|"},
		{out(1, "a") + long + "\n" + out(2, "b"), 2, 1 << 20, long + "|b|"},
		{numbered(1, 20000), 2, 1 << 20, "l19999|l20000|"},
	} {
		write(t, path, c.in)
		lines, err := Tail(path, c.n, c.bytes)
		if err != nil || texts(lines) != c.want {
			t.Errorf("last %d, %d bytes of %.80q: %.80q, %v, want %.80q", c.n, c.bytes, c.in, texts(lines), err, c.want)
		}
	}
}

// TestBackwards holds the search from behind against reading all, over lines of all lengths around the block's.
func TestBackwards(t *testing.T) {
	for _, size := range []int{1, 50, 97, 1000, block - 60, block - 1, block, block + 1, 2*block + 7} {
		for _, tag := range []string{"F", "P"} {
			data := ""
			for i := range 5 {
				data += entry(i, "stdout", tag, strings.Repeat("z", size+i)) + out(i, fmt.Sprint("e", i))
			}
			all := decodeIn(t, data, block)
			checkTail(t, data, all)
			off, found, err := backwards(strings.NewReader(data), int64(len(data)), 4, math.MaxInt64, true)
			if err != nil || found != 4 {
				t.Fatal(found, err)
			}
			var ended []Line
			for _, l := range all {
				if !l.More {
					ended = append(ended, l)
				}
			}
			got := decodeIn(t, data[off:], block)
			got = slices.DeleteFunc(got, func(l Line) bool { return l.More })
			if len(got) != 4 || texts(got) != texts(ended[len(ended)-4:]) {
				t.Errorf("size %d, %s: offset %d gives %d lines", size, tag, off, len(got))
			}
		}
	}
}

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("secret"), out(1, "secret"))
	must(t, os.Symlink(at("secret"), at("0.log")))
	must(t, syscall.Mkfifo(at("1.log"), 0o600))
	must(t, os.Mkdir(at("2.log"), 0o755))
	must(t, os.Symlink("/dev/zero", at("3.log")))
	for _, name := range []string{"0.log", "1.log", "2.log", "3.log"} {
		if lines, err := Tail(at(name), 5, 1<<20); !errors.Is(err, ErrNotRegular) || len(lines) > 0 {
			t.Errorf("%s: %v, %v", name, lines, err)
		}
		if text, err := LastLines(at(name), Evidence); !errors.Is(err, ErrNotRegular) || text != "" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if _, err := Tail(at("4.log"), 5, 1<<20); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if lines, err := read(t, Options{Dir: dir, Tail: -1}); !errors.Is(err, ErrNone) || len(lines) > 0 {
		t.Errorf("%v, %v: nothing of this is a log", lines, err)
	}
	if n, found, err := Restored(dir); found || err != nil {
		t.Errorf("%d, %v, %v", n, found, err)
	}
}

// TestHugeLine: 5 GiB without a newline cost a few buffers.
func TestHugeLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	write(t, path, out(1, "a"))
	must(t, os.Truncate(path, 5<<30))
	got := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			lines, err := Tail(path, 3, 1<<20)
			if err != nil || len(lines) == 0 || len(texts(lines)) > 2<<20 {
				b.Fatal(len(lines), err)
			}
			if text, err := LastLines(path, Evidence); err != nil || len(text) > 4<<10 {
				b.Fatal(len(text), err)
			}
		}
	})
	if n := got.AllocedBytesPerOp(); n > 12<<20 {
		t.Errorf("%d bytes allocated", n)
	}
	stop := errors.New("enough")
	parts := 0
	err := Follow(t.Context(), Options{Dir: filepath.Dir(path), Tail: -1}, func(l Line) error {
		if len(l.Text) > maxLine+maxPhysical {
			t.Fatalf("a line of %d bytes", len(l.Text))
		}
		if parts++; parts == 5 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Error(err)
	}
}

func TestLastLines(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "2.log")
	for _, c := range []struct {
		name, in, rotated string
		policy            Policy
		want              string
	}{
		{"nothing", "", "", Termination, ""},
		{"80 lines", numbered(1, 100), "", Termination, "l21 ... l100"},
		{"20 lines", numbered(1, 100), "", Evidence, "l81 ... l100"},
		{"from before the rotation", numbered(99, 100), numbered(1, 98), Evidence, "l81 ... l100"},
		{"2 KiB", numbered(1, 5) + out(6, strings.Repeat("x", 3000)), "", Termination, strings.Repeat("x", 2048)},
		{"4 KiB", out(5, "before") + out(6, strings.Repeat("x", 5000)), "", Evidence, "..." + strings.Repeat("x", 4093)},
		{"pieces, no end", entry(1, "stderr", "P", "pan") + entry(1, "stderr", "P", "ic"), "", Evidence, "panic"},
		{"escapes", out(1, "\x1b[31mred\r") + out(2, "a\tb\u202e\xff"), "", Evidence, "\\x1b[31mred\na\tb\\u202e\\xff"},
		{"valid UTF-8", out(1, "a\xff"+strings.Repeat("ü", 1024)), "", Termination, strings.Repeat("ü", 1024)},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, path, c.in)
			os.Remove(path + ".20260301-120000")
			if c.rotated != "" {
				write(t, path+".20260301-120000", c.rotated)
			}
			got, err := LastLines(path, c.policy)
			must(t, err)
			if a, b, ok := strings.Cut(c.want, " ... "); ok {
				lines := strings.Split(got, "\n")
				want := map[Policy]int{Termination: 80, Evidence: 20}[c.policy]
				if lines[0] != a || lines[len(lines)-1] != b || len(lines) != want {
					t.Errorf("%d lines, %s to %s", len(lines), lines[0], lines[len(lines)-1])
				}
				return
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestEvidenceIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log")
	write(t, path, strings.Repeat(out(1, strings.Repeat("\x1b", 5000)), 30))
	text, err := LastLines(path, Evidence)
	if err != nil || len(text) > 4<<10 || len(text) < 4000 || strings.Contains(text, "\x1b") {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
