package folder

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/staticpod/manifest"
)

func throughJSON(t *testing.T, k Kept) (back Kept) {
	t.Helper()
	b, err := json.Marshal(k)
	must(t, err)
	must(t, json.Unmarshal(b, &back))
	return back
}

// TestAFolderOfHorrors reads what people and accidents leave in a folder, all at once, with the real parser: bounded time and memory, a
// note for each, and the good pod runs.
func TestAFolderOfHorrors(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	lol := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'k'; c++ {
		lol += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	for name, content := range map[string]string{
		"good":      reader("good"),
		"big":       strings.Repeat("- a\n", maxFile/4),
		"too-big":   strings.Repeat("x", maxFile+1),
		"documents": strings.Repeat("---\n"+configMap("a", "1")[:20]+"\n", 201),
		"bomb":      lol,
		"binary":    "\x7fELF\x00\xff",
	} {
		put(t, at(name), content)
	}
	must(t, unix.Mkfifo(at("fifo"), 0o600))
	must(t, os.Symlink("/dev/zero", at("device")))
	must(t, os.Symlink("loop-b", at("loop-a")))
	must(t, os.Symlink("loop-a", at("loop-b")))

	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	l := Read(dir, began)
	kept, d := Next(Kept{}, l, Options{Boot: "1", Parse: realParse, Now: began})
	first := time.Since(began)
	runtime.ReadMemStats(&after)
	if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; first > 20*time.Second || mib > 1024 {
		t.Errorf("took %v and allocated %d MiB", first, mib)
	}
	if got, want := said(d), "invalid big, invalid binary, invalid bomb, invalid documents, unreadable device, unreadable fifo, unreadable loop-a, unreadable loop-b, unreadable too-big"; got != want {
		t.Errorf("notes %q, want %q", got, want)
	}
	if len(d.Pods) != 1 || d.Pods["default/good"].Stance != Follow {
		t.Errorf("pods %v", shown(d))
	}
	for _, n := range d.Notes {
		if len(n.Message) > 1000 || strings.ContainsAny(n.Message, "\n\x00") {
			t.Errorf("a note that can't be shown: %q", n)
		}
	}
	// What was refused is not parsed again while it stays as it is.
	parsed := 0
	again := func(string, []byte) (r manifest.Result) { parsed++; return r }
	if _, d = Next(kept, Read(dir, time.Now()), Options{Boot: "1", Parse: again, Now: noon}); parsed != 0 || len(d.Notes) != 9 {
		t.Errorf("%d files parsed again, %d notes", parsed, len(d.Notes))
	}
}

func TestTenThousandFiles(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a.yaml"), reader("good"))
	kept, _ := Next(Kept{}, Read(dir, time.Now()), Options{Boot: "1", Parse: realParse, Now: noon})
	for i := range 10_000 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		must(t, err)
		f.Close()
	}
	began := time.Now()
	l := Read(dir, began)
	_, d := Next(kept, l, Options{Boot: "1", Parse: realParse, Now: noon})
	if took := time.Since(began); took > 5*time.Second || len(l.Files) != 0 {
		t.Errorf("took %v, %d files", took, len(l.Files))
	}
	if said(d) != "broken" || !strings.Contains(d.Notes[0].Message, "more than 2000 entries") || shown(d) == "" {
		t.Errorf("notes %v, pods %q", d.Notes, shown(d))
	}
}

func TestFilesBeyondTheBoundAreSaid(t *testing.T) {
	dir := t.TempDir()
	for i := range maxBytes/maxFile + 1 {
		path := filepath.Join(dir, fmt.Sprintf("%02d", i))
		put(t, path, "")
		must(t, os.Truncate(path, maxFile))
		must(t, os.Chtimes(path, time.Time{}, time.Now().Add(-time.Minute)))
	}
	put(t, filepath.Join(dir, "z"), "small")
	l := Read(dir, time.Now())
	total, left := 0, []string{}
	for name, f := range l.Files {
		total += len(f.Bytes)
		if f.Err != nil {
			left = append(left, name+": "+f.Err.Error())
		}
	}
	if total > maxBytes || len(left) != 1 || left[0] != "06: not read: the manifests before it have 64 MiB together; move what is no manifest elsewhere" {
		t.Errorf("%d bytes read, left out: %q", total, left)
	}
	if string(l.Files["z"].Bytes) != "small" {
		t.Error("a small file that still fits is not read")
	}
}

func TestReadSaysWhoseAFileIs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	put(t, path, "x")
	must(t, os.Chmod(path, 0o640))
	if f := Read(dir, time.Now()).Files["a"]; f.Mode.Perm() != 0o640 || f.UID != uint32(os.Geteuid()) {
		t.Errorf("mode %v, user %d", f.Mode, f.UID)
	}
}
