package collect

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// unpack gives the files of a bundle, and fails on anything but plain files of mode 0600 below its folder.
func unpack(t *testing.T, b []byte) map[string]string {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string]string{}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		name, ok := strings.CutPrefix(h.Name, "b/")
		if !ok || h.Mode != 0o600 || h.Typeflag != tar.TypeReg {
			t.Errorf("%s has mode %o, type %c", h.Name, h.Mode, h.Typeflag)
		}
		out[name] = string(text)
	}
}

func TestBundle(t *testing.T) {
	var out bytes.Buffer
	var progress []string
	items := []Item{
		Text("a.txt", []byte("first")),
		{Name: "b.txt", Read: func(context.Context) ([]byte, error) { return []byte("half"), errors.New("hunter2 failed") }},
		Text("c.txt", []byte(strings.Repeat("x", 100)+"the end")),
		Text("d.txt", nil),
		Text("e.txt", []byte(strings.Repeat("y", 60))),
		Text("f.txt", []byte("small")),
	}
	entries, err := Write(t.Context(), &out, items, Options{Folder: "b", ItemMost: 60, AllMost: 75, Redact: NewRedactor([]string{"hunter2"}).Redact,
		Progress: func(done, of int, e Entry) { progress = append(progress, fmt.Sprint(done, "/", of, e.Name)) }})
	if err != nil {
		t.Fatal(err)
	}
	got := unpack(t, out.Bytes())
	index := got["index.json"]
	delete(got, "index.json")
	if len(got) != 4 || got["a.txt"] != "first" || got["b.txt"] != "half" || len(got["c.txt"]) != 60 || !strings.HasSuffix(got["c.txt"], "the end") || got["f.txt"] != "small" {
		t.Errorf("%q", got)
	}
	for _, want := range []string{gone + " failed", `"cut": 47`, "the bundle is full"} {
		if !strings.Contains(index, want) {
			t.Errorf("no %q in %s", want, index)
		}
	}
	if len(entries) != 6 || len(progress) != 6 || progress[5] != "6/6f.txt" {
		t.Errorf("%d entries, %q", len(entries), progress)
	}
}

// TestWhatHangsIsLeftBehind: one item that never comes back, and a time that is over, cost no more than their bounds.
func TestWhatHangsIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		items := []Item{{Name: "hung", Read: func(context.Context) ([]byte, error) { <-release; return nil, nil }}}
		for i := range 3 * together {
			items = append(items, Item{Name: fmt.Sprint(i), Read: func(ctx context.Context) ([]byte, error) {
				select {
				case <-ctx.Done():
					return []byte("so far"), ctx.Err()
				case <-time.After(9 * time.Second):
					return []byte("whole"), nil
				}
			}})
		}
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		var out bytes.Buffer
		began := time.Now()
		entries, err := Write(ctx, &out, items, Options{Folder: "b", Timeout: 10 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 27*time.Second {
			t.Errorf("took %v", took)
		}
		got := unpack(t, out.Bytes())
		if _, there := got["hung"]; there || !strings.Contains(entries[0].Error, "no answer within 10s") || got["0"] != "whole" || got["8"] != "so far" || !strings.Contains(entries[12].Error, "the time for all of it was over") {
			t.Errorf("%q %+v", got, entries)
		}
	})
}

func TestReaders(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), []byte("0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := readEnd(filepath.Join(dir, "file"), 4); string(b) != "6789" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := File("x", filepath.Join(dir, "fifo")).Read(t.Context()); err == nil {
		t.Error("a pipe was read")
	}
	if b, err := Command("x", "sh", "-c", "echo out; echo err >&2; exit 3").Read(t.Context()); string(b) != "out\nerr\n" || err == nil {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := Command("x", "no-such-command-here").Read(t.Context()); err == nil || !strings.Contains(err.Error(), "is not installed") {
		t.Errorf("%v", err)
	}
	if b, err := Command("x", "sh", "-c", "echo $SECRET_OF_THE_CALLER").Read(t.Context()); string(b) != "\n" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if b, err := Command("x", "sh", "-c", "echo first; exec sleep 600").Read(ctx); string(b) != "first\n" || err == nil {
		t.Errorf("a command that hangs: %q, %v", b, err)
	}
	var e end
	for range 100 {
		e.Write(bytes.Repeat([]byte("x"), 1<<20))
	}
	if e.b.Len() > 2*most || len(e.bytes()) != most {
		t.Errorf("%d bytes are held", e.b.Len())
	}
}
