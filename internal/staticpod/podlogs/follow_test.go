package podlogs

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// zipped is what gzip makes of a log.
func zipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(s))
	must(t, errors.Join(err, z.Close()))
	return b.String()
}

// series lays out a container's folder: attempt 3 rotated three times, attempt 2 with two files, and what is no log.
func layout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write(t, at("2.log.20260301-110000.gz"), zipped(t, out(1, "p1")))
	write(t, at("2.log"), out(2, "p2"))
	write(t, at("3.log.20260301-120000.gz"), zipped(t, numbered(1, 30)))
	write(t, at("3.log.20260301-120100"), numbered(31, 60))
	write(t, at("3.log.20260301-120100.gz"), "the compressed copy of a file that is still there")
	write(t, at("3.log.20260301-120100.tmp"), "unfinished")
	write(t, at("3.log.20260301-120200"), numbered(61, 70)+entry(71, "stdout", "P", "be"))
	write(t, at("3.log"), entry(71, "stdout", "F", "gun")+numbered(72, 75))
	write(t, at("03.log"), out(1, "no"))
	write(t, at("4.log.txt"), out(1, "no"))
	must(t, os.Mkdir(at("9.log"), 0o755))
	return dir
}

// expect joins "l<a>|" to "l<b>|", with the line that a rotation cut in two.
func expect(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		if i == 71 {
			b.WriteString("begun|")
			continue
		}
		fmt.Fprintf(&b, "l%d|", i)
	}
	return b.String()
}

func TestRead(t *testing.T) {
	dir := layout(t)
	second := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Second) }
	for _, c := range []struct {
		name string
		o    Options
		want string
	}{
		{"all", Options{Tail: -1}, expect(1, 75)},
		{"none", Options{Tail: 0}, ""},
		{"tail in the current file", Options{Tail: 4}, expect(72, 75)},
		{"tail begins where the rotation cut a line", Options{Tail: 5}, expect(71, 75)},
		{"tail beyond the rotation", Options{Tail: 20}, expect(56, 75)},
		{"tail in the compressed file", Options{Tail: 50}, expect(26, 75)},
		{"tail beyond all", Options{Tail: 1000}, expect(1, 75)},
		{"since", Options{Tail: -1, Since: second(40)}, expect(40, 75)},
		{"since and tail: the last lines, and of them those", Options{Tail: 10, Since: second(74)}, expect(74, 75)},
		{"previous", Options{Tail: -1, Previous: true}, "p1|p2|"},
		{"previous, followed", Options{Tail: 1, Previous: true, Follow: true}, "p2|"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Dir = dir
			lines, err := read(t, c.o)
			if err != nil || texts(lines) != c.want {
				t.Errorf("%v\ngot  %s\nwant %s", err, texts(lines), c.want)
			}
		})
	}
}

func TestReadWhatIsNotThere(t *testing.T) {
	dir := t.TempDir()
	for _, o := range []Options{{Dir: dir}, {Dir: filepath.Join(dir, "none")}, {Dir: filepath.Join(dir, "none"), Follow: true}} {
		if _, err := read(t, o); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), o.Dir) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	write(t, filepath.Join(dir, "7.log"), "")
	if _, err := read(t, Options{Dir: dir, Previous: true}); !errors.Is(err, ErrNoPrevious) {
		t.Error(err)
	}
	// One damaged file is an error at the end, and hides none of the others.
	write(t, filepath.Join(dir, "7.log.20260301-120000.gz"), "not gzip")
	write(t, filepath.Join(dir, "7.log.20260301-120100.gz"), zipped(t, numbered(1, 3))[:40])
	write(t, filepath.Join(dir, "7.log"), out(9, "last"))
	for _, tail := range []int{-1, 10} {
		lines, err := read(t, Options{Dir: dir, Tail: tail})
		if err == nil || !strings.HasSuffix(texts(lines), "last|") || !strings.Contains(err.Error(), "20260301-120000.gz") || !strings.Contains(err.Error(), "20260301-120100.gz") {
			t.Errorf("%s: %v", texts(lines), err)
		}
	}
}

// TestRotationBeforeOpening: what was listed is no more what is opened.
func TestRotationBeforeOpening(t *testing.T) {
	for name, move := range map[string]func(path string) error{
		"renamed": func(path string) error { return os.Rename(path, path+".20260301-120000") },
		"renamed and made anew": func(path string) error {
			return errors.Join(os.Rename(path, path+".20260301-120000"), os.WriteFile(path, nil, 0o600))
		},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "0.log"), numbered(1, 2))
		files, err := list(dir)
		must(t, err)
		must(t, move(filepath.Join(dir, "0.log")))
		if opened, err := openAll(dir, files); !errors.Is(err, errMoved) || opened != nil {
			t.Errorf("%s: %v, %v", name, opened, err)
		}
	}
}

func TestWriterThatFailsEndsIt(t *testing.T) {
	stop := errors.New("closed pipe")
	n := 0
	err := Follow(t.Context(), Options{Dir: layout(t), Tail: -1, Follow: true}, func(Line) error { n++; return stop })
	if !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d lines, %v", n, err)
	}
}

// following is a Follow that runs.
type following struct {
	lines  chan Line
	done   chan error
	cancel context.CancelFunc
}

func startFollow(t *testing.T, o Options) *following {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &following{lines: make(chan Line), done: make(chan error, 1), cancel: cancel}
	go func() {
		defer close(f.lines)
		f.done <- Follow(ctx, o, func(l Line) error {
			select {
			case f.lines <- l:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		for range f.lines { // until it has ended
		}
	})
	return f
}

// want waits for exactly these lines.
func (f *following) want(t *testing.T, texts ...string) {
	t.Helper()
	for _, w := range texts {
		select {
		case l, ok := <-f.lines:
			if !ok {
				t.Fatalf("ended, want %q: %v", w, <-f.done)
			}
			if l.Text != w {
				t.Fatalf("line %q, want %q", l.Text, w)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing came, want %q", w)
		}
	}
}

// ended waits for the end.
func (f *following) ended(t *testing.T) error {
	t.Helper()
	select {
	case l, ok := <-f.lines:
		if ok {
			t.Fatalf("line %q, want the end", l.Text)
		}
		return <-f.done
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	return nil
}

func TestFollow(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "web")
	path := filepath.Join(dir, "0.log")
	w := newWriter(t, path)
	w.put(t, numbered(1, 3))
	f := startFollow(t, Options{Dir: dir, Follow: true, Tail: 2})
	f.want(t, "l2", "l3")
	w.put(t, out(4, "l4"))
	f.want(t, "l4")
	half := out(5, "halves")
	w.put(t, half[:20])
	w.put(t, half[20:])
	f.want(t, "halves")

	// Rotations, one after the other, each in the midst of a line; between rename and reopening the runtime writes to the renamed file.
	for i, stamp := range []string{"20260301-120000", "20260301-120010", "20260301-120020"} {
		w.put(t, entry(6, "stdout", "P", fmt.Sprint(i, " be")))
		must(t, os.Rename(path, path+"."+stamp))
		w.put(t, entry(6, "stderr", "F", "between"))
		must(t, w.reopen())
		w.put(t, out(7, "gun")+out(7, "after"))
		f.want(t, "between", fmt.Sprint(i, " begun"), "after")
	}
	// Compression of what was read already changes nothing.
	must(t, compress(t.Context(), path+".20260301-120000"))
	w.put(t, out(8, "l8"))
	f.want(t, "l8")

	// A restart: the piece without an end is all there will be of that line.
	w.put(t, entry(9, "stderr", "P", "pani"))
	w2 := newWriter(t, filepath.Join(dir, "1.log"))
	w.put(t, entry(9, "stderr", "P", "c"))
	w.f.Close()
	w2.put(t, out(10, "again"))
	f.want(t, "panic", "again")

	// Somebody cuts the file off.
	must(t, os.Truncate(filepath.Join(dir, "1.log"), 0))
	w2.put(t, out(11, "cut"))
	f.want(t, "cut")

	// Nothing else of the folder matters.
	write(t, filepath.Join(dir, "0.log.bak"), out(1, "no"))
	must(t, syscall.Mkfifo(filepath.Join(dir, "7.log"), 0o600))
	w2.put(t, out(12, "l12"))
	f.want(t, "l12")

	f.cancel()
	if err := f.ended(t); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestFollowBeforeTheFirstStartAndUntilRemoval(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "web")
	must(t, os.Mkdir(dir, 0o755))
	f := startFollow(t, Options{Dir: dir + "/", Follow: true, Tail: -1})
	w := newWriter(t, filepath.Join(dir, "0.log"))
	w.put(t, out(1, "first")+entry(2, "stdout", "P", "last"))
	f.want(t, "first")
	w.f.Close()
	must(t, os.RemoveAll(dir))
	f.want(t, "last")
	if err := f.ended(t); !errors.Is(err, ErrRemoved) {
		t.Error(err)
	}
}

// TestFollowAHeldFile: a file that its writer never closes holds the next one up for a moment only.
func TestFollowAHeldFile(t *testing.T) {
	dir := t.TempDir()
	w := newWriter(t, filepath.Join(dir, "0.log"))
	w.put(t, out(1, "old"))
	f := startFollow(t, Options{Dir: dir, Follow: true, Tail: -1})
	f.want(t, "old")
	newWriter(t, filepath.Join(dir, "1.log")).put(t, out(2, "new"))
	f.want(t, "new")
}

// TestReaderThatStalls: while nobody takes its lines, two rotations and a compression pass; none is lost, none comes twice.
func TestReaderThatStalls(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "0.log")
	w := newWriter(t, path)
	w.put(t, numbered(1, 2))
	f := startFollow(t, Options{Dir: dir, Follow: true, Tail: -1})
	f.want(t, "l1") // it now waits with l2 in its hand
	for i := 3; i < 9; i += 2 {
		w.put(t, out(i, fmt.Sprint("l", i)))
		must(t, os.Rename(path, fmt.Sprintf("%s.20260301-12000%d", path, i)))
		must(t, w.reopen())
		w.put(t, out(i, fmt.Sprint("l", i+1)))
	}
	must(t, compress(t.Context(), path+".20260301-120003"))
	must(t, compress(t.Context(), path+".20260301-120005"))
	f.want(t, "l2", "l3", "l4", "l5", "l6", "l7", "l8")
	w.put(t, out(9, "l9"))
	f.want(t, "l9")
}

func TestPrinter(t *testing.T) {
	var b bytes.Buffer
	lines := []Line{
		{Time: epoch, Stream: Stdout, Text: "\tone"},
		{Stream: Raw, Text: "raw\x1b[2J"},
		{Time: epoch.Add(5), Stream: Stdout, Text: "be", More: true},
		{Time: epoch.Add(5), Stream: Stdout, Text: "gun"},
		{Time: epoch, Stream: Stdout, Text: "cut ", More: true},
		{Time: epoch, Stream: Stderr, Text: "err"},
	}
	for _, c := range []struct {
		stamps bool
		clean  func(string) string
		want   string
	}{
		{false, nil, "\tone\nraw\x1b[2J\nbegun\ncut \nerr\n"},
		{true, Escape, "2026-03-01T12:00:00.000000000Z \tone\nraw\\x1b[2J\n2026-03-01T12:00:00.000000005Z begun\n" +
			"2026-03-01T12:00:00.000000000Z cut \n2026-03-01T12:00:00.000000000Z err\n"},
	} {
		b.Reset()
		p := Printer(&b, c.stamps, c.clean)
		for _, l := range lines {
			must(t, p(l))
		}
		if b.String() != c.want {
			t.Errorf("got\n%s\nwant\n%s", b.String(), c.want)
		}
	}
}
