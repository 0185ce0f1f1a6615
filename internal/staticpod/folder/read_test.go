package folder

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put writes a file that was left alone for a while, so that it counts as whole where the file system has no leases too.
func put(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o644))
	must(t, os.Chtimes(path, time.Time{}, time.Now().Add(-time.Minute)))
}

func TestRead(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put(t, at("a.yaml"), "one")
	put(t, at("empty"), "")
	put(t, at(".hidden"), "x")
	put(t, at(".#a.yaml"), "x")
	put(t, at("a.yaml.bak"), "x")
	put(t, filepath.Join(elsewhere, "real"), "two")
	must(t, os.Symlink(filepath.Join(elsewhere, "real"), at("link")))
	must(t, os.Symlink(at("loop"), at("loop")))
	must(t, os.Symlink(filepath.Join(elsewhere, "nothing"), at("dangling")))
	must(t, os.Symlink("/dev/zero", at("device")))
	must(t, os.Symlink(elsewhere, at("dirlink")))
	must(t, os.Mkdir(at("sub"), 0o755))
	put(t, filepath.Join(at("sub"), "deep"), "x")
	must(t, syscall.Mkfifo(at("fifo"), 0o600))
	put(t, at("huge"), "")
	must(t, os.Truncate(at("huge"), maxFile+1))
	must(t, os.Chtimes(at("huge"), time.Time{}, time.Now().Add(-time.Minute)))

	opened, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	must(t, err)
	defer unix.Close(opened)
	_, err = unix.InotifyAddWatch(opened, at("fifo"), unix.IN_OPEN)
	must(t, err)
	l := Read(dir, time.Now())
	if n, err := unix.Read(opened, make([]byte, 1024)); n > 0 || err != unix.EAGAIN {
		t.Error("it opened a FIFO, which lets a writer go on")
	}
	if l.Err != nil || l.Missing || l.Retry != 0 || l.Identity == (Identity{}) || l.Path != dir {
		t.Fatalf("listing %+v", l)
	}
	for name, want := range map[string]string{"a.yaml": "one", "link": "two", "empty": ""} {
		if f := l.Files[name]; f.Bytes == nil || string(f.Bytes) != want || f.Err != nil || f.Busy || f.Ignored != "" {
			t.Errorf("%s: %+v, want %q", name, f, want)
		}
	}
	for name, want := range map[string]string{
		"loop": "too many levels of symbolic links", "dangling": "a symbolic link to a file that does not exist", "device": "not a regular file",
		"fifo": "not a regular file (p", "huge": "10485761 bytes; a manifest may have 10485760",
	} {
		if f := l.Files[name]; f.Err == nil || !strings.Contains(f.Err.Error(), want) || f.Bytes != nil || strings.Contains(f.Err.Error(), dir) {
			t.Errorf("%s: %+v, want an error with %q and no path", name, f, want)
		}
	}
	if l.Files["a.yaml.bak"].Ignored == "" {
		t.Error("a backup is not passed over")
	}
	if got := len(l.Files); got != 9 {
		t.Errorf("%d entries, want 9: %v", got, l.Files)
	}
}

// TestReread: a file is opened again only if it is another, or was young when it was read.
func TestReread(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	put(t, path, "one")
	opened, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	must(t, err)
	defer unix.Close(opened)
	later := time.Now().Add(time.Minute)
	l := Read(dir, time.Now())
	for _, step := range []struct {
		name  string
		do    func()
		now   time.Time
		opens bool
		want  string
		mode  os.FileMode
	}{
		{"it was young", func() {}, later, true, "one", 0o644},
		{"it is as it was", func() {}, later, false, "one", 0o644},
		{"still", func() {}, later, false, "one", 0o644},
		{"written, its times put back", func() {
			st, err := os.Stat(path)
			must(t, err)
			put(t, path, "two")
			must(t, os.Chtimes(path, time.Time{}, st.ModTime()))
		}, later, true, "two", 0o644},
		{"another mode", func() { must(t, os.Chmod(path, 0o600)) }, later, true, "two", 0o600},
		{"replaced", func() {
			put(t, filepath.Join(dir, ".new"), "two")
			must(t, os.Rename(filepath.Join(dir, ".new"), path))
		}, later, true, "two", 0o644},
		{"nothing more", func() {}, later, false, "two", 0o644},
	} {
		step.do()
		watch, err := unix.InotifyAddWatch(opened, path, unix.IN_OPEN)
		must(t, err)
		l = Reread(l, dir, step.now)
		n, _ := unix.Read(opened, make([]byte, 1024))
		if f := l.Files["a.yaml"]; n > 0 != step.opens || string(f.Bytes) != step.want || f.Mode.Perm() != step.mode {
			t.Errorf("%s: opened %v, want %v; %q %v, %v", step.name, n > 0, step.opens, f.Bytes, f.Mode, f.Err)
		}
		_, _ = unix.InotifyRmWatch(opened, uint32(watch))
		_, _ = unix.Read(opened, make([]byte, 1024))
	}
	must(t, os.Remove(path))
	if l = Reread(l, dir, later); len(l.Files) != 0 {
		t.Errorf("a file that is gone is listed: %v", l.Files)
	}
	if l.known != nil {
		t.Error("a listing holds the one before it")
	}
}

func TestReadAFileThatIsBeingWritten(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	put(t, path, "one")
	w, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	defer w.Close()
	if l := Read(dir, time.Now()); !l.Files["a"].Busy || l.Files["a"].Bytes != nil || l.Retry <= 0 {
		t.Errorf("open for writing: %+v", l)
	}
	must(t, w.Close())
	if l := Read(dir, time.Now()); l.Files["a"].Busy || string(l.Files["a"].Bytes) != "one" || l.Retry != 0 {
		t.Errorf("closed: %+v", l)
	}
	r, err := os.Open(path) // a reader is nobody's business
	must(t, err)
	defer r.Close()
	if l := Read(dir, time.Now()); string(l.Files["a"].Bytes) != "one" {
		t.Errorf("open for reading: %+v", l)
	}
}

func TestTheLeaseIsGivenBack(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	put(t, path, "one")
	Read(dir, time.Now())
	began := time.Now()
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	must(t, err)
	w.Close()
	if took := time.Since(began); took > 5*time.Second { // the kernel's lease-break-time is 45 s
		t.Errorf("a writer waited %s", took)
	}
}

func TestReadOneFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pod.yaml")
	put(t, path, "one")
	first := Read(path, time.Now())
	if first.Err != nil || len(first.Files) != 1 || string(first.Files["pod.yaml"].Bytes) != "one" {
		t.Fatalf("%+v", first)
	}
	put(t, path+".new", "two")
	must(t, os.Rename(path+".new", path))
	second := Read(path, time.Now())
	if second.Identity != first.Identity || string(second.Files["pod.yaml"].Bytes) != "two" {
		t.Errorf("after a rename %+v, before %+v", second, first)
	}
	must(t, os.Remove(path))
	if l := Read(path, time.Now()); !l.Missing || l.Err == nil {
		t.Errorf("%+v", l)
	}
}

func TestReadWithoutAFolder(t *testing.T) {
	dir := t.TempDir()
	l := Read(filepath.Join(dir, "none"), time.Now())
	if !l.Missing || l.Err == nil || !strings.Contains(l.Err.Error(), "read manifest folder") || !strings.Contains(l.Err.Error(), dir) {
		t.Errorf("%+v", l)
	}
	put(t, filepath.Join(dir, "file"), "x")
	if l := Read(filepath.Join(dir, "file", "below"), time.Now()); l.Err == nil || l.Missing {
		t.Errorf("below a file: %+v", l)
	}
}

func TestAFolderMadeAgainIsAnotherOne(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "m")
	must(t, os.Mkdir(dir, 0o755))
	first := Read(dir, time.Now())
	must(t, os.Rename(dir, dir+".old"))
	must(t, os.Mkdir(dir, 0o755))
	if second := Read(dir, time.Now()); second.Identity == first.Identity {
		t.Errorf("identity %+v both times", first.Identity)
	}
}

func TestReadUnreadable(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a"), "one")
	must(t, os.Chmod(filepath.Join(dir, "a"), 0))
	l := withoutPrivileges(t, dir)
	if f := l.Files["a"]; l.Err != nil || f.Err == nil || f.Err.Error() != "open: permission denied" {
		t.Errorf("%+v", l)
	}
	must(t, os.Chmod(dir, 0))
	if l := withoutPrivileges(t, dir); l.Err == nil || l.Missing {
		t.Errorf("%+v", l)
	}
}

// withoutPrivileges reads as a user who may pass the folders above, and no more. Whom the kernel asks about files is a thread's own affair
// (setfsuid); the test's user, if it is not root already, stays who it is.
func withoutPrivileges(t *testing.T, dir string) Listing {
	t.Helper()
	out := make(chan Listing)
	for at := filepath.Dir(dir); at != os.TempDir() && at != "/"; at = filepath.Dir(at) {
		must(t, os.Chmod(at, 0o755))
	}
	if os.Geteuid() == 0 {
		must(t, os.Chown(dir, 65534, 65534))
	}
	go func() {
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			unix.Setfsuid(65534) // drops CAP_DAC_OVERRIDE from what is in force
		}
		out <- Read(dir, time.Now())
	}() // the thread ends with the goroutine
	return <-out
}

func TestReadTooManyEntries(t *testing.T) {
	dir := t.TempDir()
	for i := range maxFiles + 1 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		must(t, err)
		f.Close()
	}
	if l := Read(dir, time.Now()); l.Err == nil || l.Missing || !strings.Contains(l.Err.Error(), "more than 2000 entries") {
		t.Errorf("%v", l.Err)
	}
	must(t, os.Remove(filepath.Join(dir, "0")))
	if l := Read(dir, time.Now().Add(time.Minute)); l.Err != nil || len(l.Files) != maxFiles {
		t.Errorf("%v, %d files", l.Err, len(l.Files))
	}
}

func TestWithoutLeasesQuietTimeStandsIn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	put(t, path, "one")
	f, err := os.OpenFile(path, os.O_RDWR, 0) // a read lease needs a descriptor that can't write
	must(t, err)
	defer f.Close()
	changed := time.Now()
	must(t, os.Chtimes(path, time.Time{}, changed))
	st, err := f.Stat()
	must(t, err)
	if whole, retry := Whole(noLease(t), st, changed.Add(100*time.Millisecond)); whole || retry <= 0 || retry > quiet {
		t.Errorf("just written: %t, %s", whole, retry)
	}
	if whole, _ := Whole(noLease(t), st, changed.Add(time.Second)); !whole {
		t.Error("left alone for a second, and not whole")
	}
	if whole, _ := Whole(noLease(t), st, changed.Add(-time.Hour)); !whole {
		t.Error("a change time in the future holds a file back for ever")
	}
}

// noLease is a file of a kind that has no leases.
func noLease(t *testing.T) *os.File {
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r
}
