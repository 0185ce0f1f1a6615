package podlogs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes a file and the folders above it.
func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(content), 0o640))
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// out is a whole stdout line of the CRI format, n seconds after epoch.
func out(n int, text string) string { return entry(n, "stdout", "F", text) }

func entry(n int, stream, tag, text string) string {
	return fmt.Sprintf("%s %s %s %s\n", epoch.Add(time.Duration(n)*time.Second).Format(time.RFC3339Nano), stream, tag, text)
}

// numbered are whole lines "l<from>" to "l<to>".
func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		b.WriteString(out(i, fmt.Sprint("l", i)))
	}
	return b.String()
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// texts joins what lines say.
func texts(lines []Line) string {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l.Text)
		if !l.More {
			b.WriteByte('|')
		}
	}
	return b.String()
}

// read is what a Follow to the end hands on.
func read(t *testing.T, o Options) ([]Line, error) {
	t.Helper()
	var lines []Line
	err := Follow(t.Context(), o, func(l Line) error { lines = append(lines, l); return nil })
	return lines, err
}

// writer writes a log as containerd does: it holds the file open, and opens the path anew when told to.
type writer struct {
	path string
	f    *os.File
}

func newWriter(t *testing.T, path string) *writer {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	w := &writer{path: path}
	must(t, w.reopen())
	t.Cleanup(func() { w.f.Close() })
	return w
}

func (w *writer) reopen() error {
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	if w.f != nil {
		w.f.Close()
	}
	w.f = f
	return nil
}

func (w *writer) put(t *testing.T, s string) {
	t.Helper()
	_, err := w.f.WriteString(s)
	must(t, err)
}
