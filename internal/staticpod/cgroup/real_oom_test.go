//go:build integration

package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestRealOOMKill(t *testing.T) {
	tree, parent := realPod(t, corev1.PodQOSBurstable)
	must(t, tree.Ensure(t.Context(), parent, false, Limits{CPUShares: 2, Memory: 512 << 20}))
	o, ch := watching(t, tree, "")
	limit := func(id string, mib int) *one {
		dirs := containerDirs(tree, parent, id)
		p := start(t)
		into(t, p.cmd.Process.Pid, dirs...)
		must(t, write(filepath.Join(tree.mount("memory"), parent, id), "memory.limit_in_bytes", strconv.Itoa(mib<<20)))
		must(t, o.Watch(id, p.cmd.Process.Pid))
		return p
	}
	main, child, other := limit("main", 16), limit("child", 64), limit("other", 64)

	// The main process is killed.
	main.say(t, "eat")
	main.cmd.Wait()
	finished := time.Now()
	if k, ok := o.Killed("main"); !ok || k.Count != 1 || !k.Ended(137, finished) {
		t.Errorf("%+v %v", k, ok)
	}
	if x := wait(t, ch); x.id != "main" || x.k.Count != 1 {
		t.Errorf("%+v", x)
	}

	// A child of it is killed: it counts, and makes no OOM of the clean end that follows.
	child.say(t, "child")
	if got := child.hear(t); got != "signal: killed" {
		t.Fatal(got)
	}
	if x := wait(t, ch); x.id != "child" || x.k.Count != 1 {
		t.Errorf("%+v", x)
	}
	child.in.Close()
	must(t, child.cmd.Wait())
	if k, _ := o.Killed("child"); k.Count != 1 || k.Ended(0, time.Now()) {
		t.Errorf("%+v", k)
	}

	u, err := tree.Sample(parent, false)
	if err != nil || u.OOMKills != 0 {
		t.Errorf("v1 counts a container's kills for its pod: %+v, %v", u, err)
	}
	s := NewSampler(SamplerOptions{Tree: tree, Pods: func() []Target {
		return []Target{{Key: "x", Parent: parent, Containers: []string{"main", "child", "other"}}}
	}})
	s.round()
	s.closeAll()
	if got := s.Usages()["x"].OOMKills; got != 2 {
		t.Errorf("the pod has %d kills", got)
	}

	// The cgroups go; the answers stay.
	other.in.Close()
	must(t, other.cmd.Wait())
	must(t, tree.Remove(t.Context(), parent, false))
	for id, n := range map[string]int{"main": 1, "child": 1, "other": 0} {
		if k, ok := o.Killed(id); !ok || k.Count != n {
			t.Errorf("%s: %+v %v", id, k, ok)
		}
	}
	if len(ch) > 0 {
		t.Errorf("told too much: %+v", <-ch)
	}
}

// until waits for what the kernel and the watcher bring about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not so", what)
		}
	}
}

// The pod's own limit is reached: the kernel signals every container of it, and kills in one.
func TestRealOOMOfThePod(t *testing.T) {
	tree, parent := realPod(t, corev1.PodQOSBurstable)
	must(t, tree.Ensure(t.Context(), parent, false, Limits{CPUShares: 2, Memory: 48 << 20}))
	o, ch := watching(t, tree, "")
	eater, quiet := start(t), start(t)
	for id, p := range map[string]*one{"eater": eater, "quiet": quiet} {
		into(t, p.cmd.Process.Pid, containerDirs(tree, parent, id)...)
		must(t, o.Watch(id, p.cmd.Process.Pid))
	}
	eater.say(t, "eat")
	eater.cmd.Wait()
	if x := wait(t, ch); x.id != "eater" || x.k.Count != 1 {
		t.Errorf("%+v", x)
	}
	// The quiet one's signal is understood as another's; it ends well, and no kill is made of that.
	until(t, "the signal is understood", func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		d := o.unsure[o.by["quiet"]]
		return d == nil || d.signals == 0
	})
	quiet.in.Close()
	must(t, quiet.cmd.Wait())
	must(t, tree.Remove(t.Context(), parent, false))
	until(t, "the doubt ends", func() bool { o.mu.Lock(); defer o.mu.Unlock(); return len(o.unsure) == 0 })
	if k, _ := o.Killed("quiet"); k.Count != 0 {
		t.Errorf("%+v", k)
	}
	if k, _ := o.Killed("eater"); k.Count != 1 {
		t.Errorf("%+v", k)
	}
}

// A killed container's cgroup is removed at once, as runtimes do, over and over: no kill is lost.
func TestRealOOMAndRemovalAtOnce(t *testing.T) {
	tree, parent := realPod(t, corev1.PodQOSBurstable)
	must(t, tree.Ensure(t.Context(), parent, false, Limits{CPUShares: 2}))
	o, ch := watching(t, tree, "")
	dir := filepath.Join(tree.mount("memory"), parent)
	for i := range 20 {
		id := fmt.Sprintf("c%02d", i)
		p := start(t)
		into(t, p.cmd.Process.Pid, filepath.Join(dir, id))
		must(t, write(filepath.Join(dir, id), "memory.limit_in_bytes", strconv.Itoa(16<<20)))
		must(t, o.Watch(id, p.cmd.Process.Pid))
		p.say(t, "eat")
		for syscall.Rmdir(filepath.Join(dir, id)) == syscall.EBUSY { // the very moment it can go
			runtime.Gosched()
		}
		if x := wait(t, ch); x.id != id || x.k.Count != 1 {
			t.Errorf("%s: %+v", id, x)
		}
		if k, ok := o.Killed(id); !ok || k.Count != 1 {
			t.Errorf("%s: %+v %v", id, k, ok)
		}
		o.Forget(id)
	}
}

// The kernel tells inotify of a change in a v2 cgroup's event files: cgroup.events here, since a hybrid's v2 hierarchy has no memory controller.
func TestRealInotifyOfV2(t *testing.T) {
	tree, parent := realPod(t, corev1.PodQOSBurstable)
	if tree.Version() != Hybrid {
		t.Fatal("this test needs a v2 hierarchy, by `mount -t cgroup2 none /sys/fs/cgroup/unified`")
	}
	i := slices.IndexFunc(tree.hierarchies, func(h hierarchy) bool { return h.unified })
	dir := filepath.Join(tree.hierarchies[i].dir, parent)
	must(t, os.MkdirAll(dir, 0o755))
	fd, err := syscall.InotifyInit1(syscall.IN_CLOEXEC)
	must(t, err)
	defer syscall.Close(fd)
	_, err = syscall.InotifyAddWatch(fd, filepath.Join(dir, "cgroup.events"), syscall.IN_MODIFY)
	must(t, err)
	p := start(t)
	into(t, p.cmd.Process.Pid, dir)
	buf := make([]byte, 4096)
	n, err := syscall.Read(fd, buf)
	must(t, err)
	if changed, _, overflow := parseInotify(buf[:n]); len(changed) == 0 || overflow {
		t.Error(changed, overflow)
	}
}
