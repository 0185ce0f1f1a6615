package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const pod = "/kubepods/podx"

// usedV2 is a pod that used something, on v2; usedV1 the same on v1.
func usedV2(t *testing.T) *Tree {
	tree := fakeV2(t, "cpu memory pids")
	if err := tree.Ensure(t.Context(), pod, false, Limits{}); err != nil {
		t.Fatal(err)
	}
	dir := tree.Dirs(pod, false)[0]
	put(t, filepath.Join(dir, "cpu.stat"), "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 30\nnr_throttled 10\nthrottled_usec 700000\nnr_bursts 0\n")
	put(t, filepath.Join(dir, "memory.current"), "10485760\n")
	put(t, filepath.Join(dir, "memory.max"), "16777216\n")
	put(t, filepath.Join(dir, "memory.stat"), "anon 8388608\nfile 2097152\ninactive_anon 0\nactive_anon 8388608\ninactive_file 1048576\nactive_file 1048576\n")
	put(t, filepath.Join(dir, "memory.events"), "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n")
	put(t, filepath.Join(dir, "pids.current"), "7\n")
	return tree
}

func usedV1(t *testing.T) *Tree {
	tree := fakeV1(t, "cpu,cpuacct", "memory", "pids")
	if err := tree.Ensure(t.Context(), pod, false, Limits{}); err != nil {
		t.Fatal(err)
	}
	at := func(controller, name string) string { return filepath.Join(tree.mount(controller), pod, name) }
	put(t, at("cpu", "cpu.stat"), "nr_periods 30\nnr_throttled 10\nthrottled_time 700000000\n")
	put(t, at("cpuacct", "cpuacct.usage"), "2500000000\n")
	put(t, at("memory", "memory.usage_in_bytes"), "10485760\n")
	put(t, at("memory", "memory.limit_in_bytes"), "16777216\n")
	put(t, at("memory", "memory.stat"), "cache 0\ninactive_file 5\nhierarchical_memory_limit 16777216\ntotal_cache 0\ntotal_inactive_file 1048576\n")
	put(t, at("memory", "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
	put(t, at("pids", "pids.current"), "7\n")
	return tree
}

var used = Usage{CPU: 2500 * time.Millisecond, Periods: 30, ThrottledPeriods: 10, Throttled: 700 * time.Millisecond,
	MemoryUsage: 10 << 20, MemoryWorkingSet: 9 << 20, MemoryLimit: 16 << 20, OOMKills: 2, PIDs: 7}

func trees(t *testing.T) map[string]*Tree { return map[string]*Tree{"v1": usedV1(t), "v2": usedV2(t)} }

func timeless(t *testing.T, u Usage) Usage {
	t.Helper()
	if u.At.IsZero() {
		t.Error("a sample without its time")
	}
	u.At = time.Time{}
	return u
}

func TestSample(t *testing.T) {
	for name, tree := range trees(t) {
		u, err := tree.Sample(pod, false)
		if err != nil || !reflect.DeepEqual(timeless(t, u), used) {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
		if _, err := tree.Sample("/kubepods/pody", false); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: a pod without cgroup: %v", name, err)
		}
		if _, err := tree.Sample("/../x", false); err == nil {
			t.Errorf("%s: a path outside", name)
		}
	}
}

func TestNoLimitIsNone(t *testing.T) {
	v1, v2 := usedV1(t), usedV2(t)
	put(t, filepath.Join(v1.mount("memory"), pod, "memory.limit_in_bytes"), "9223372036854771712\n")
	put(t, filepath.Join(v2.root, pod, "memory.max"), "max\n")
	for _, tree := range []*Tree{v1, v2} {
		if u, err := tree.Sample(pod, false); err != nil || u.MemoryLimit != 0 {
			t.Errorf("%+v, %v", u, err)
		}
	}
}

// What can't be read is named, and never a zero that looks like a number.
func TestMissing(t *testing.T) {
	for name, test := range map[string]struct {
		tree  *Tree
		spoil func(tree *Tree)
		want  string
	}{
		"v2, no memory controller": {fakeV2(t, "cpu pids"), func(*Tree) {}, "memory"},
		"v1, no pids controller":   {fakeV1(t, "cpu,cpuacct", "memory"), func(*Tree) {}, "pids"},
		"v1, no cpuacct":           {fakeV1(t, "cpuset", "memory", "pids", "cpu"), func(tree *Tree) { os.Remove(filepath.Join(tree.mount("cpu"), pod, "cpuacct.usage")) }, "cpu"},
		"v2, a memory.stat of another kind": {fakeV2(t, "cpu memory pids"), func(tree *Tree) {
			put(t, filepath.Join(tree.root, pod, "memory.stat"), "something else\n")
		}, "memory"},
		"v2, no number": {fakeV2(t, "cpu memory pids"), func(tree *Tree) { put(t, filepath.Join(tree.root, pod, "pids.current"), "-1\n") }, "pids"},
	} {
		if err := test.tree.Ensure(t.Context(), pod, false, Limits{}); err != nil {
			t.Fatal(err)
		}
		test.spoil(test.tree)
		u, err := test.tree.Sample(pod, false)
		if err != nil || strings.Join(u.Missing, " ") != test.want {
			t.Errorf("%s: %+v, %v", name, u, err)
		}
	}
}

func TestSampler(t *testing.T) {
	for name, tree := range trees(t) {
		targets := []Target{{Key: "default/x", Parent: pod, Containers: []string{"abc"}}, {Key: "default/y", Parent: "/kubepods/pody"}, {Key: "default/x", Parent: pod}}
		s := NewSampler(SamplerOptions{Tree: tree, Pods: func() []Target { return targets }})
		if s.Usages() != nil || s.Bound() == 0 || s.String() != "pod usage" {
			t.Errorf("%s: before the first round", name)
		}
		// Two containers, of which one is the pod's by id.
		for _, c := range []string{"cri-containerd-abc.scope", "another"} {
			for _, h := range tree.hierarchies {
				if err := tree.mkdir(filepath.Join(h.dir, pod, c), 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}
		stat, kills := "nr_periods 5\nnr_throttled 4\nthrottled_time 3000000000\n", uint64(2)
		if tree.version == V2 {
			stat = "usage_usec 900\nnr_periods 5\nnr_throttled 4\nthrottled_usec 3000000\n"
		} else {
			kills = 3
			put(t, filepath.Join(tree.mount("memory"), pod, "cri-containerd-abc.scope", "memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
		}
		put(t, filepath.Join(tree.mount("cpu"), pod, "cri-containerd-abc.scope", "cpu.stat"), stat)
		want := used
		want.Periods, want.ThrottledPeriods, want.Throttled, want.OOMKills = 35, 14, 3700*time.Millisecond, kills
		for range 2 { // anew, and with what was kept open
			s.round()
			if got := s.Usages(); len(got) != 1 || !reflect.DeepEqual(timeless(t, got["default/x"]), want) {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if left := s.files.left; left == 4096 {
			t.Errorf("%s: nothing is kept open", name)
		}
		targets[0].Containers = nil // it ended
		s.round()
		if got := s.Usages()["default/x"]; got.Periods != 30 {
			t.Errorf("%s: %+v", name, got)
		}
		targets[0].Containers = []string{"abc"} // it is back, while the pod seems to rest
		s.round()
		if got := s.Usages()["default/x"]; got.Periods != 35 {
			t.Errorf("%s: %+v", name, got)
		}
		targets = nil
		s.round()
		if s.files.left != 4096 || len(s.Usages()) != 0 || len(s.probes) != 0 {
			t.Errorf("%s: %d descriptors are left, and %v", name, 4096-s.files.left, s.Usages())
		}
	}
}

// Between the rounds that read all, what follows from CPU and memory is read when these changed.
func TestSamplerReadsWhatChanged(t *testing.T) {
	for name, tree := range trees(t) {
		s := NewSampler(SamplerOptions{Tree: tree, Pods: func() []Target { return []Target{{Key: "x", Parent: pod}} }})
		defer s.closeAll()
		s.round()
		at := func(controller, name string) string { return filepath.Join(tree.mount(controller), pod, name) }
		usage, limit := at("memory", "memory.usage_in_bytes"), at("memory", "memory.limit_in_bytes")
		ran := func() { put(t, at("cpuacct", "cpuacct.usage"), "2500000001\n") }
		if tree.version == V2 {
			usage, limit = at("memory", "memory.current"), at("memory", "memory.max")
			ran = func() {
				put(t, at("cpu", "cpu.stat"), "usage_usec 2500001\nnr_periods 30\nnr_throttled 10\nthrottled_usec 700000\n")
			}
		}
		put(t, usage, "12582912\n")
		put(t, limit, "33554432\n")
		put(t, at("pids", "pids.current"), "8\n")
		s.round()
		if u := s.Usages()["x"]; u.MemoryWorkingSet != 11<<20 || u.PIDs != 7 || u.MemoryLimit != 16<<20 || u.Periods != 30 {
			t.Errorf("%s: memory changed, no CPU was used: %+v", name, u)
		}
		ran()
		s.round()
		if u := s.Usages()["x"]; u.PIDs != 8 || u.MemoryLimit != 16<<20 {
			t.Errorf("%s: it ran: %+v", name, u)
		}
		for range wholeEvery - 2 {
			s.round()
		}
		if u := s.Usages()["x"]; u.MemoryLimit != 32<<20 {
			t.Errorf("%s: after %d rounds: %+v", name, wholeEvery, u)
		}
	}
}

// With no descriptors to spare the numbers are the same.
func TestSamplerWithoutDescriptors(t *testing.T) {
	for name, tree := range trees(t) {
		s := NewSampler(SamplerOptions{Tree: tree, Files: 2, Pods: func() []Target { return []Target{{Key: "x", Parent: pod}} }})
		for range 3 {
			s.round()
			if got := timeless(t, s.Usages()["x"]); !reflect.DeepEqual(got, used) || s.files.left != 0 {
				t.Errorf("%s: %+v, %d left", name, got, s.files.left)
			}
		}
		s.closeAll()
		if s.files.left != 2 {
			t.Errorf("%s: %d of 2 descriptors came back", name, s.files.left)
		}
	}
}

func FuzzKeyed(f *testing.F) {
	f.Add([]byte("oom_kill 3\nx\n"), []byte("max"))
	f.Add([]byte("oom_kill"), []byte("18446744073709551615\n"))
	f.Add([]byte("\n\noom_kill 99999999999999999999999\noom_kill 7"), []byte(""))
	f.Fuzz(func(t *testing.T, b, number []byte) {
		var n uint64
		if found := keyed(b, keysKills, []*uint64{&n}); found > 1 || (found == 0 && n != 0) {
			t.Errorf("%q: %d found, %d", b, found, n)
		}
		if _, ok := number64(number); ok && len(number) == 0 {
			t.Error("nothing is a number")
		}
	})
}

func TestNumber(t *testing.T) {
	for in, want := range map[string]uint64{"0\n": 0, "18446744073709551615": 1<<64 - 1, "max\n": 0, " 12 ": 12} {
		if n, ok := number64([]byte(in)); !ok || n != want {
			t.Errorf("%q: %d, %v", in, n, ok)
		}
	}
	for _, in := range []string{"", "\n", "-1", "1 2", "18446744073709551616", "99999999999999999999", "0x1", "1.5"} {
		if n, ok := number64([]byte(in)); ok {
			t.Errorf("%q counts as %d", in, n)
		}
	}
}

func FuzzProcess(f *testing.F) {
	f.Add("9:name=systemd:/\n4:memory:/kubepods/podx/abc\n1:cpu,cpuacct:/a:b\n0::/\n")
	f.Add("0::/../../x\n")
	f.Add("x")
	f.Fuzz(func(t *testing.T, text string) {
		paths, err := parseProcess(text)
		if err != nil {
			return
		}
		tree := &Tree{version: V2, hierarchies: []hierarchy{{dir: "/r", unified: true}}}
		if dir, err := tree.ofContainer(paths, "abc"); err == nil && !strings.HasPrefix(dir, "/r/") {
			t.Errorf("%q leads to %s", text, dir)
		}
	})
}

func FuzzInotify(f *testing.F) {
	f.Add(make([]byte, 2*unix.SizeofInotifyEvent))
	f.Add([]byte{1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		changed, ended, _ := parseInotify(b)
		if len(changed)+len(ended) > len(b)/unix.SizeofInotifyEvent {
			t.Error("more events than there is room for")
		}
	})
}
