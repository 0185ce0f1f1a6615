package podlogs

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// bench is a rotator over one container.
type bench struct {
	*Rotator
	w      *writer
	dir    string
	fail   func() error // instead of reopening
	calls  int
	logged *observer.ObservedLogs
}

func newBench(t *testing.T, cfg Config) *bench {
	t.Helper()
	b := &bench{dir: filepath.Join(t.TempDir(), "web")}
	b.w = newWriter(t, filepath.Join(b.dir, "0.log"))
	core, logged := observer.New(zapcore.DebugLevel)
	b.logged = logged
	b.Rotator = NewRotator(Deps{
		Config: func() Config { return cfg },
		Logs:   func() []Log { return []Log{{"c1", b.w.path}} },
		Log:    zap.New(core),
		Reopen: func(ctx context.Context, id string) error {
			b.calls++
			if _, bounded := ctx.Deadline(); id != "c1" || !bounded {
				t.Errorf("reopen %s, deadline %v", id, bounded)
			}
			if b.fail != nil {
				return b.fail()
			}
			return b.w.reopen()
		},
	})
	return b
}

// pass is one look and all the compressing that can be done after it.
func (b *bench) pass(t *testing.T) {
	t.Helper()
	_, err := b.look(t.Context())
	must(t, err)
	_, err = b.tidyUp(t.Context())
	must(t, err)
}

// all is every line there is.
func (b *bench) all(t *testing.T) string {
	t.Helper()
	lines, err := read(t, Options{Dir: b.dir, Tail: -1})
	must(t, err)
	return texts(lines)
}

// kinds are the names in the folder without their stamps.
func (b *bench) kinds(t *testing.T) string {
	t.Helper()
	var out []string
	for _, n := range names(t, b.dir) {
		f, ok := parseName(n)
		switch {
		case !ok:
			out = append(out, n)
		case f.stamp == "":
			out = append(out, "current")
		case f.tmp:
			out = append(out, "tmp")
		case f.gz:
			out = append(out, "gz")
		default:
			out = append(out, "plain")
		}
	}
	return strings.Join(out, " ")
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{MaxSize: 300, MaxFiles: 4})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.Run(ctx) }()
		<-b.Ready()
		for i, want := range []string{"current", "current plain", "current gz plain", "current gz gz plain", "current gz gz plain"} {
			if got := b.kinds(t); got != want {
				t.Errorf("after %d rotations: %s, want %s", i, got, want)
			}
			b.w.put(t, numbered(10*i+1, 10*i+10))
			time.Sleep(lookEvery + time.Second) // of the bubble: the rotator's next look is over then
			synctest.Wait()
		}
		// Five rotations, three rotated files kept and the current one, empty.
		if got := b.all(t); got != strings.ReplaceAll(expectPlain(21, 50), " ", "") || b.calls != 5 {
			t.Errorf("%d calls, %s", b.calls, got)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if b.logged.Len() > 0 {
			t.Errorf("logged: %v", b.logged.All())
		}
	})
}

func expectPlain(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "l%d|", i)
	}
	return b.String()
}

// TestCrashAtEachStep: what each step leaves is built, the container goes on writing, a new rotator begins. No line is lost or comes twice.
func TestCrashAtEachStep(t *testing.T) {
	const s1, s2 = ".20260301-120000", ".20260301-120010"
	for _, c := range []struct {
		name  string
		crash func(t *testing.T, b *bench)
		want  string
	}{
		{"renamed", func(t *testing.T, b *bench) {
			must(t, os.Rename(b.w.path, b.w.path+s2))
		}, "current gz plain"},
		{"reopened", func(t *testing.T, b *bench) {
			must(t, os.Rename(b.w.path, b.w.path+s2))
			must(t, b.w.reopen())
		}, "current gz plain"},
		{"compressing", func(t *testing.T, b *bench) {
			must(t, os.Rename(b.w.path, b.w.path+s2))
			must(t, b.w.reopen())
			write(t, b.w.path+s1+tmpSuffix, zipped(t, numbered(1, 10))[:50])
		}, "current gz plain"},
		{"compressed", func(t *testing.T, b *bench) {
			must(t, os.Rename(b.w.path, b.w.path+s2))
			must(t, b.w.reopen())
			write(t, b.w.path+s1+gzSuffix, zipped(t, numbered(1, 10)))
		}, "current gz plain"},
		{"compressed, of which a power cut left nothing", func(t *testing.T, b *bench) {
			must(t, os.Rename(b.w.path, b.w.path+s2))
			must(t, b.w.reopen())
			write(t, b.w.path+s1+gzSuffix, "")
		}, "current gz plain"},
		{"plain one removed", func(t *testing.T, b *bench) {
			must(t, os.Rename(b.w.path, b.w.path+s2))
			must(t, b.w.reopen())
			must(t, compress(t.Context(), b.w.path+s1))
		}, "current gz plain"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, Config{MaxSize: 1000})
			write(t, b.w.path+s1, numbered(1, 10))
			b.w.put(t, numbered(11, 15))
			c.crash(t, b)
			b.w.put(t, numbered(16, 18))
			if got := b.all(t); got != expectPlain(1, 18) {
				t.Errorf("before the restart: %s", got)
			}
			b.pass(t)
			b.w.put(t, numbered(19, 20))
			if got := b.all(t); got != expectPlain(1, 20) {
				t.Errorf("lines: %s", got)
			}
			if got := b.kinds(t); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestReopenFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Config{MaxSize: 100})
		b.w.put(t, numbered(1, 5))
		b.fail = func() error { return errors.New("container is not running") }
		for i := range 5 {
			time.Sleep(retryMost)
			b.pass(t)
			b.w.put(t, out(6, "l6"))
			if got := b.kinds(t); got != "current" || b.calls != i+1 {
				t.Fatalf("%s, %d calls", got, b.calls)
			}
		}
		b.pass(t) // too early
		if n := b.logged.Len(); n != 1 || b.calls != 5 {
			t.Errorf("%d messages, %d calls, want one of both for a failure that lasts", n, b.calls)
		}
		time.Sleep(retryMost)
		b.fail = nil
		b.pass(t)
		if got := b.kinds(t); got != "current plain" || b.logged.Len() != 2 || b.logged.All()[1].Level != zapcore.InfoLevel {
			t.Errorf("%s, %v", got, b.logged.All())
		}
		if got := b.all(t); got != expectPlain(1, 5)+strings.Repeat("l6|", 5) {
			t.Error(got)
		}
	})
}

// TestReopenAnswersAnErrorAndDoesIt: a call that timed out may have been served. The new file is never replaced by the old one.
func TestReopenAnswersAnErrorAndDoesIt(t *testing.T) {
	b := newBench(t, Config{MaxSize: 100})
	b.w.put(t, numbered(1, 5))
	b.fail = func() error { return errors.Join(b.w.reopen(), context.DeadlineExceeded) }
	b.pass(t)
	b.w.put(t, numbered(6, 7))
	if got := b.all(t); got != expectPlain(1, 7) || b.kinds(t) != "current plain" {
		t.Errorf("%s: %s", b.kinds(t), got)
	}
}

// TestHangingRuntime: the first deadline that passes ends the look, the other logs are not tried.
func TestHangingRuntime(t *testing.T) {
	dir := t.TempDir()
	var logs []Log
	for i := range 5 {
		logs = append(logs, Log{fmt.Sprint("c", i), filepath.Join(dir, fmt.Sprint(i), "0.log")})
		write(t, logs[i].Path, numbered(1, 9))
	}
	synctest.Test(t, func(t *testing.T) {
		r := NewRotator(Deps{Config: func() Config { return Config{MaxSize: 10} }, Logs: func() []Log { return logs }, Log: zap.NewNop(),
			Reopen: func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }})
		began := time.Now()
		_, err := r.look(t.Context())
		must(t, err)
		if took := time.Since(began); took != reopenTimeout || took > r.Bound() {
			t.Errorf("the look took %v", took)
		}
	})
	for _, l := range logs {
		if got := names(t, filepath.Dir(l.Path)); !slices.Equal(got, []string{"0.log"}) {
			t.Errorf("%s: %v", l.ContainerID, got)
		}
	}
}

// TestLookPrunes: the number of files holds though nothing is compressed.
func TestLookPrunes(t *testing.T) {
	b := newBench(t, Config{MaxSize: 10, MaxFiles: 3})
	for range 9 {
		b.w.put(t, numbered(1, 2))
		_, err := b.look(t.Context())
		must(t, err)
	}
	if got := b.kinds(t); got != "current plain plain" {
		t.Error(got)
	}
}

func TestLogThatIsNoFile(t *testing.T) {
	b := newBench(t, Config{MaxSize: 1})
	victim := filepath.Join(t.TempDir(), "victim")
	write(t, victim, "precious")
	must(t, os.Remove(b.w.path))
	must(t, os.Symlink(victim, b.w.path))
	b.pass(t)
	b.pass(t)
	if got := names(t, b.dir); !slices.Equal(got, []string{"0.log"}) || b.calls != 0 {
		t.Errorf("%v, %d calls", got, b.calls)
	}
	if c, err := os.ReadFile(victim); err != nil || string(c) != "precious" {
		t.Errorf("%s, %v", c, err)
	}
}

func TestWhatIsStillWrittenToIsNotCompressed(t *testing.T) {
	b := newBench(t, Config{})
	must(t, os.Rename(b.w.path, b.w.path+".20260301-120000"))
	b.w.put(t, numbered(1, 3))
	write(t, b.w.path+".20260301-120010", numbered(4, 5))
	if _, err := b.tidyUp(t.Context()); err != nil || b.kinds(t) != "plain plain" {
		t.Errorf("%s, %v", b.kinds(t), err)
	}
	must(t, b.w.reopen())
	if _, err := b.tidyUp(t.Context()); err != nil || b.kinds(t) != "current gz plain" {
		t.Errorf("%s, %v", b.kinds(t), err)
	}
}

func TestCompressKeepsWhatTheFileIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "0.log.20260301-120000")
	write(t, path, numbered(1, 1000))
	must(t, os.Chmod(path, 0o604))
	must(t, os.Chtimes(path, epoch, epoch))
	must(t, compress(t.Context(), path))
	st, err := os.Stat(path + gzSuffix)
	must(t, err)
	if st.Mode().Perm() != 0o604 || !st.ModTime().Equal(epoch) {
		t.Errorf("%v, %v", st.Mode(), st.ModTime())
	}
	f, err := os.Open(path + gzSuffix)
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	if c, err := io.ReadAll(z); err != nil || string(c) != numbered(1, 1000) {
		t.Errorf("%d bytes, %v", len(c), err)
	}
	// A stop in the midst leaves the plain file alone.
	write(t, path, numbered(1, 1000))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := compress(ctx, path); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := names(t, filepath.Dir(path)); !slices.Equal(got, []string{"0.log.20260301-120000", "0.log.20260301-120000.gz"}) {
		t.Error(got)
	}
}

func TestStampAfter(t *testing.T) {
	for _, c := range []struct{ newest, want string }{
		{"", "20260301-120000"},
		{"20260301-115959", "20260301-120000"},
		{"20260301-120000", "20260301-120001"},
		{"20270101-235959", "20270102-000000"}, // the clock was ahead
	} {
		if got := stampAfter([]file{{stamp: c.newest}, {}}, epoch); got != c.want {
			t.Errorf("after %s: %s, want %s", c.newest, got, c.want)
		}
	}
}

func TestSurplus(t *testing.T) {
	files := []file{{name: "a", stamp: "1", gz: true}, {name: "b", stamp: "2"}, {name: "c", stamp: "2", gz: true}, {name: "t", stamp: "2", tmp: true}, {name: "d", stamp: "3"}, {name: "e"}}
	for keep, want := range map[int]string{2: "abc", 3: "a", 4: "", 9: ""} {
		got := ""
		for _, f := range surplus(files, keep) {
			got += f.name
		}
		if got != want {
			t.Errorf("keep %d: %q goes, want %q", keep, got, want)
		}
	}
}

func TestNextLook(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		before seen
		size   int64
		want   time.Duration
	}{
		{seen{}, 5 * mib, lookEvery},                         // never seen
		{seen{size: 5 * mib, at: epoch}, 5 * mib, lookEvery}, // quiet
		{seen{size: 9 * mib, at: epoch}, 1 * mib, lookEvery}, // begun anew
		{seen{size: 0, at: epoch}, 5 * mib, lookEvery},       // full in 10 s
		{seen{size: 0, at: epoch}, 8 * mib, 2500 * time.Millisecond},
		{seen{size: 0, at: epoch}, 100 * mib, lookFast},       // ten times too much
		{seen{size: 0, at: epoch}, 20 * mib, 5 * time.Second}, // rotated now, full again in 5 s
	} {
		if got := nextLook(c.before, c.size, epoch.Add(10*time.Second), 10*mib); got != c.want {
			t.Errorf("%+v to %d: %v, want %v", c.before, c.size, got, c.want)
		}
	}
}

func TestRemoveAttempt(t *testing.T) {
	dir := layout(t)
	before := names(t, dir)
	must(t, RemoveAttempt(filepath.Join(dir, "3.log")))
	want := slices.DeleteFunc(before, func(n string) bool { return strings.HasPrefix(n, "3.log") })
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	must(t, RemoveAttempt(filepath.Join(dir, "3.log")))
	must(t, RemoveAttempt(filepath.Join(dir, "none", "3.log")))
	if err := RemoveAttempt(filepath.Join(dir, "4.log.txt")); err == nil || len(names(t, dir)) != len(want) {
		t.Error(err)
	}
}

// TestFollowWhileRotating: a follower is given each line once and in order, whatever the rotator does meanwhile.
func TestFollowWhileRotating(t *testing.T) {
	b := newBench(t, Config{MaxSize: 4000, MaxFiles: 1000})
	const last = 5000
	f := startFollow(t, Options{Dir: b.dir, Follow: true, Tail: -1})
	wrote := make(chan error, 1)
	// The reader lags by up to a rotation; TestReaderThatStalls is for more.
	read := make(chan struct{}, 3)
	go func() {
		for i := 1; i <= last; i++ {
			tag := "F"
			if i%7 == 0 {
				tag = "P" // ends with the next line
			}
			if _, err := b.w.f.WriteString(entry(i, "stdout", tag, fmt.Sprint(i, ","))); err != nil {
				wrote <- err
				return
			}
			if i%40 == 0 {
				select {
				case read <- struct{}{}:
				case <-t.Context().Done():
					return
				}
				if _, err := b.look(t.Context()); err != nil {
					wrote <- err
					return
				}
			}
			if i%400 == 0 {
				if _, err := b.tidyUp(t.Context()); err != nil {
					wrote <- err
					return
				}
			}
		}
		wrote <- nil
	}()
	for i := 1; i <= last; i++ {
		want := fmt.Sprint(i, ",")
		if i%7 == 0 && i < last {
			i++
			want += fmt.Sprint(i, ",")
		}
		f.want(t, want)
		if i/40 > (i-strings.Count(want, ","))/40 {
			<-read
		}
	}
	must(t, <-wrote)
	if got := b.kinds(t); strings.Count(got, "gz") < 20 {
		t.Errorf("too few rotations to show anything: %s", got)
	}
}
