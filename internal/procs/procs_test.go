package procs

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

type folder string

func (f folder) set(t *testing.T, pid int, comm string) {
	t.Helper()
	dir := filepath.Join(string(f), strconv.Itoa(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "comm"), []byte(comm+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, table *Table) map[int]string {
	t.Helper()
	out := map[int]string{}
	if err := table.Each(func(pid int, comm string) { out[pid] = comm }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := folder(t.TempDir())
		f.set(t, 1, "systemd")
		f.set(t, 20, "sh")
		if err := os.Mkdir(filepath.Join(string(f), "30"), 0o755); err != nil { // ends while it is listed
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(string(f), "sys"), 0o755); err != nil {
			t.Fatal(err)
		}
		table := New(string(f))
		see := func(when string, want map[int]string) {
			t.Helper()
			if got := list(t, table); !maps.Equal(got, want) {
				t.Errorf("%s: %v, want %v", when, got, want)
			}
		}
		see("at first", map[int]string{1: "systemd", 20: "sh"})
		f.set(t, 20, "keepalived")
		see("a young process takes its name", map[int]string{1: "systemd", 20: "keepalived"})
		time.Sleep(9 * time.Second)
		see("later", map[int]string{1: "systemd", 20: "keepalived"})
		time.Sleep(time.Second)
		f.set(t, 1, "other")
		see("a settled one is not read again", map[int]string{1: "systemd", 20: "keepalived"})
		f.set(t, 40, "haproxy")
		see("a new one is read", map[int]string{1: "systemd", 20: "keepalived", 40: "haproxy"})
		time.Sleep(28 * time.Second)
		see("for now", map[int]string{1: "systemd", 20: "keepalived", 40: "haproxy"})
		time.Sleep(time.Second)
		see("but each after half a minute", map[int]string{1: "other", 20: "keepalived", 40: "haproxy"})
		if err := os.RemoveAll(filepath.Join(string(f), "20")); err != nil {
			t.Fatal(err)
		}
		see("one that ended is gone", map[int]string{1: "other", 40: "haproxy"})
		f.set(t, 20, "again")
		see("its number used again", map[int]string{1: "other", 20: "again", 40: "haproxy"})
	})
}

func TestProgram(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := folder(t.TempDir())
		f.set(t, 20, "sh")
		exe := filepath.Join(string(f), "20", "exe")
		runs := func(program string) {
			t.Helper()
			_ = os.Remove(exe)
			if err := os.Symlink(program, exe); err != nil {
				t.Fatal(err)
			}
		}
		table := New(string(f))
		is := func(when, want string) {
			t.Helper()
			list(t, table)
			if got := table.Program(20); got != want {
				t.Errorf("%s: %q, want %q", when, got, want)
			}
		}
		runs("/usr/bin/dash")
		if got := table.Program(20); got != "" {
			t.Errorf("before it is listed: %q", got)
		}
		is("at first", "dash")
		runs("/usr/bin/kubelet (deleted)")
		is("a young one", "kubelet")
		time.Sleep(young)
		is("the last time that it is read at each walk", "kubelet")
		runs("/usr/bin/other")
		is("a settled one", "kubelet")
		time.Sleep(reread)
		is("now and then", "other")
		_ = os.Remove(exe)
		time.Sleep(reread)
		is("it may not be read", "")
		if err := os.RemoveAll(filepath.Join(string(f), "20")); err != nil {
			t.Fatal(err)
		}
		is("it ended", "")
	})
}

func TestShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := folder(t.TempDir())
		f.set(t, 1, "systemd")
		table := Shared(string(f), time.Second)
		if got := list(t, table); len(got) != 1 {
			t.Errorf("at first: %v", got)
		}
		f.set(t, 2, "sh")
		if got := list(t, table); len(got) != 1 {
			t.Errorf("a list of just now does not serve: %v", got)
		}
		time.Sleep(time.Second)
		if got := list(t, table); len(got) != 2 {
			t.Errorf("a list of a second ago serves: %v", got)
		}
	})
}

// TestSpared: without a birth or a death there is no listing, but for those that are due.
func TestSpared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := folder(t.TempDir())
		counts := func(threads, last int) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(string(f), "loadavg"), fmt.Appendf(nil, "0.00 0.01 0.05 1/%d %d\n", threads, last), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		counts(90, 20)
		f.set(t, 1, "systemd")
		f.set(t, 20, "sh")
		table := New(string(f))
		see := func(when string, want map[int]string) {
			t.Helper()
			if got := list(t, table); !maps.Equal(got, want) {
				t.Errorf("%s: %v, want %v", when, got, want)
			}
		}
		see("at first", map[int]string{1: "systemd", 20: "sh"})
		f.set(t, 20, "keepalived")
		see("a young process is looked at anyway", map[int]string{1: "systemd", 20: "keepalived"})
		time.Sleep(young)
		see("the last time", map[int]string{1: "systemd", 20: "keepalived"})
		f.set(t, 30, "unseen") // which proc can't show without counting it
		see("nothing began", map[int]string{1: "systemd", 20: "keepalived"})
		counts(90, 31)
		see("one began as another ended", map[int]string{1: "systemd", 20: "keepalived", 30: "unseen"})
		time.Sleep(young)
		see("it is no longer young", map[int]string{1: "systemd", 20: "keepalived", 30: "unseen"})
		if err := os.RemoveAll(filepath.Join(string(f), "20")); err != nil {
			t.Fatal(err)
		}
		see("nothing ended", map[int]string{1: "systemd", 20: "keepalived", 30: "unseen"})
		counts(89, 31)
		see("one ended", map[int]string{1: "systemd", 30: "unseen"})
		f.set(t, 1, "other")
		time.Sleep(reread - 2*young - time.Second)
		see("names that are not due", map[int]string{1: "systemd", 30: "unseen"})
		time.Sleep(time.Second)
		see("a name that is due", map[int]string{1: "other", 30: "unseen"})
		if err := os.Remove(filepath.Join(string(f), "loadavg")); err != nil {
			t.Fatal(err)
		}
		f.set(t, 40, "haproxy")
		see("no count is to be had", map[int]string{1: "other", 30: "unseen", 40: "haproxy"})
		f.set(t, 41, "haproxy")
		see("nor again", map[int]string{1: "other", 30: "unseen", 40: "haproxy", 41: "haproxy"})
	})
}

func TestCensus(t *testing.T) {
	f := folder(t.TempDir())
	for text, known := range map[string]bool{
		"0.20 0.18 0.12 1/80 11206\n": true, "0.20 0.18 0.12 1/80\n": false, "0.20 0.18 0.12 180 11206\n": false, "": false,
	} {
		if err := os.WriteFile(filepath.Join(string(f), "loadavg"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if c := TakeCensus(string(f)); c.known != known || c.Same(TakeCensus(string(f))) != known {
			t.Errorf("%q: %+v", text, c)
		}
	}
	before := TakeCensus("/proc")
	if err := exec.Command("true").Run(); err != nil {
		t.Fatal(err)
	}
	if after := TakeCensus("/proc"); !after.known || after.Same(before) {
		t.Errorf("a process began and ended: %+v, before %+v", after, before)
	}
}

func TestNoProc(t *testing.T) {
	if err := New(filepath.Join(t.TempDir(), "none")).Each(func(int, string) {}); err == nil {
		t.Error("no error without a proc file system")
	}
}

// TestSelf reads the real one: this process is in it by its own name.
func TestSelf(t *testing.T) {
	want, ok := Comm("/proc/self/comm")
	if got := list(t, New("/proc"))[os.Getpid()]; !ok || got != want || want == "" {
		t.Errorf("this process is %q, want %q (%v)", got, want, ok)
	}
}

func BenchmarkEach(b *testing.B) {
	table := New("/proc")
	for b.Loop() {
		if err := table.Each(func(int, string) {}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFirst(b *testing.B) {
	for b.Loop() {
		if err := New("/proc").Each(func(int, string) {}); err != nil {
			b.Fatal(err)
		}
	}
}
