package cgroup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// told collects what a watcher tells.
type told struct {
	id string
	k  Kills
}

// watching runs a watcher over a fake procfs until the test ends.
func watching(t *testing.T, tree *Tree, proc string) (*OOM, <-chan told) {
	t.Helper()
	ch := make(chan told, 1000)
	o, err := NewOOM(tree, func(id string, k Kills) { ch <- told{id, k} })
	if err != nil {
		t.Fatal(err)
	}
	if proc != "" {
		o.proc = proc
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	<-o.Ready()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		o.Close()
		o.Close()
		if len(o.fds)+len(o.wds)+len(o.unsure)+len(o.by) > 0 {
			t.Errorf("left over: %v %v %v %v", o.fds, o.wds, o.unsure, o.by)
		}
	})
	return o, ch
}

func wait(t *testing.T, ch <-chan told) told {
	t.Helper()
	select {
	case x := <-ch:
		return x
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was told")
		return told{}
	}
}

func process(t *testing.T, proc string, pid int, cgroup string) {
	t.Helper()
	dir := filepath.Join(proc, fmt.Sprint(pid))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "cgroup"), cgroup)
}

func events(n int) string {
	return fmt.Sprintf("low 0\nhigh 0\nmax 9\noom %d\noom_kill %d\noom_group_kill 0\n", n, n)
}

func TestOOMOnV2(t *testing.T) {
	tree, proc := fakeV2(t, "cpu memory pids"), t.TempDir()
	if err := tree.Ensure(t.Context(), pod, false, Limits{}); err != nil {
		t.Fatal(err)
	}
	file := func(id string) string { return filepath.Join(tree.root, pod, id, "memory.events") }
	for i, id := range []string{"aaa", "bbb"} {
		if err := os.Mkdir(filepath.Dir(file(id)), 0o755); err != nil {
			t.Fatal(err)
		}
		put(t, file(id), events(i)) // bbb had one before
		process(t, proc, 10+i, "0::"+pod+"/"+id+"/init.scope\n")
	}
	o, ch := watching(t, tree, proc)
	for i, id := range []string{"aaa", "bbb", "aaa"} {
		if err := o.Watch(id, 10+i%2); err != nil {
			t.Fatal(err)
		}
	}
	if k, ok := o.Killed("aaa"); !ok || k != (Kills{}) {
		t.Error(k, ok)
	}
	if k, ok := o.Killed("bbb"); !ok || k != (Kills{Count: 1}) {
		t.Error(k, ok)
	}
	if k, ok := o.Killed("ccc"); ok {
		t.Error(k)
	}

	put(t, file("aaa"), events(0)) // a change that is no kill
	put(t, file("bbb"), events(3))
	if x := wait(t, ch); x.id != "bbb" || x.k.Count != 3 || x.k.Last.IsZero() {
		t.Errorf("%+v", x)
	}
	// Its cgroup goes; what is known stays, until it is forgotten.
	if err := os.RemoveAll(filepath.Dir(file("bbb"))); err != nil {
		t.Fatal(err)
	}
	if k, ok := o.Killed("bbb"); !ok || k.Count != 3 {
		t.Error(k, ok)
	}
	o.Forget("bbb")
	if _, ok := o.Killed("bbb"); ok {
		t.Error("not forgotten")
	}
	o.Forget("bbb")

	// Who asks first gets the whole answer, and it is told all the same.
	put(t, file("aaa"), events(1))
	if k, _ := o.Killed("aaa"); k.Count != 1 || k.Last.IsZero() {
		t.Errorf("%+v", k)
	}
	if x := wait(t, ch); x.id != "aaa" || x.k.Count != 1 {
		t.Errorf("%+v", x)
	}
	if len(ch) > 0 {
		t.Errorf("told twice: %+v", <-ch)
	}
}

func TestOOMWatchRefuses(t *testing.T) {
	tree, proc := fakeV2(t, "cpu memory pids"), t.TempDir()
	process(t, proc, 1, "0::"+pod+"/aaa\n")
	process(t, proc, 2, "0::/../../aaa\n")
	process(t, proc, 3, "nonsense\n")
	process(t, proc, 4, "4:memory:/kubepods/podx/aaa\n")
	o, _ := watching(t, tree, proc)
	for _, test := range []struct {
		id   string
		pid  int
		want string
	}{
		{"", 1, "without id"},
		{"bbb", 1, "another's by now"},
		{"aaa", 1, "no such file"}, // the cgroup went
		{"aaa", 2, "outside of the agent's own cgroup namespace"},
		{"aaa", 3, "is not hierarchy:controllers:path"},
		{"aaa", 4, "no memory controller"},
		{"aaa", 5, "no such file"},
	} {
		if err := o.Watch(test.id, test.pid); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test, err)
		}
		if _, ok := o.Killed(test.id); ok {
			t.Errorf("%+v: it counts as watched", test)
		}
	}
}

// Signals of v1 and what becomes of them: a step is a signal, a look at a living cgroup with its count, or a look at one that is gone.
func TestDoubtOnV1(t *testing.T) {
	const signal, goneNow = -1, -2
	for _, test := range []struct {
		name     string
		steps    []int
		kills    int
		presumed bool
		over     bool
	}{
		{"killed and seen", []int{signal, 0, 1}, 1, false, true},
		{"two of them", []int{signal, 2}, 2, false, true},
		{"another's", []int{signal, 0, 0, 0, 0, 0, 0, 0}, 0, false, true},
		{"another's, seen late to be its own", []int{signal, 0, 0, 0, 0, 1}, 1, false, true},
		{"its end alone", []int{signal, goneNow, goneNow}, 0, false, false},
		{"its end alone, waited for", []int{signal, goneNow, goneNow, goneNow, goneNow, goneNow, goneNow, goneNow}, 0, false, true},
		{"killed and gone before it was seen", []int{signal, 0, signal, goneNow}, 1, true, true},
		{"killed, gone, and then its end", []int{signal, goneNow, signal, goneNow}, 1, true, true},
		{"another's, and its end when that was clear", []int{signal, 0, 0, 0, 0, signal, goneNow}, 0, false, false},
	} {
		o := &OOM{unsure: map[*container]*doubt{}, fds: map[int32]*container{}, inotify: -1}
		dir := t.TempDir()
		now := time.Now()
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			t.Fatal(err)
		}
		c := &container{id: "c", dir: dir, eventfd: fd, control: -1, wd: -1}
		for _, step := range test.steps {
			if step == signal {
				if _, err := unix.Write(fd, binary.NativeEndian.AppendUint64(nil, 1)); err != nil {
					t.Fatal(err)
				}
				o.signalled(c, now)
				continue
			}
			if step == goneNow {
				os.Remove(filepath.Join(dir, "memory.events"))
			} else {
				put(t, filepath.Join(dir, "memory.events"), events(step))
			}
			if d := o.unsure[c]; d == nil {
				t.Errorf("%s: the doubt was over too soon", test.name)
				break
			} else {
				now = d.next
			}
			o.lookAgain(c, now)
		}
		if over := len(o.unsure) == 0; c.kills.Count != test.kills || c.kills.Presumed != test.presumed || over != test.over {
			t.Errorf("%s: %+v, over: %v", test.name, c.kills, over)
		}
		o.release(c)
	}
}

func TestEnded(t *testing.T) {
	at := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name     string
		k        Kills
		exit     int
		finished time.Time
		want     bool
	}{
		{"killed", Kills{Count: 1, Last: at}, 137, at.Add(10 * time.Millisecond), true},
		{"the kill was noticed after the exit", Kills{Count: 1, Last: at}, 137, at.Add(-time.Second), true},
		{"a child was killed, and it went on", Kills{Count: 1, Last: at}, 0, at.Add(10 * time.Millisecond), false},
		{"a child was killed, and it gave up", Kills{Count: 1, Last: at}, 1, at.Add(10 * time.Millisecond), false},
		{"a child was killed, and it was stopped by force much later", Kills{Count: 1, Last: at}, 137, at.Add(time.Hour), false},
		{"stopped by force", Kills{}, 137, at, false},
		{"killed before it was watched", Kills{Count: 1}, 137, at, false},
	} {
		if got := test.k.Ended(test.exit, test.finished); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
