package cgroup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEnsureV2(t *testing.T) {
	tree := fakeV2(t, "cpuset cpu io memory hugetlb pids rdma misc")
	put(t, filepath.Join(tree.root, "cgroup.subtree_control"), "memory\n") // what is on stays on and is not written again
	const parent = "/kubepods/besteffort/podx"
	limits := Limits{CPUShares: 1024, CPUQuota: 50000, Memory: 64 << 20}
	if err := tree.Ensure(t.Context(), parent, false, limits); err != nil {
		t.Fatal(err)
	}
	pod := filepath.Join(tree.root, parent)
	want := map[string]string{
		filepath.Join(tree.root, "cgroup.subtree_control"):                        "memory\n+cpu+pids",
		filepath.Join(tree.root, "kubepods", "cgroup.subtree_control"):            "+cpu+memory+pids",
		filepath.Join(tree.root, "kubepods/besteffort", "cgroup.subtree_control"): "+cpu+memory+pids",
		filepath.Join(tree.root, "kubepods", "cpu.weight"):                        "157", // 4 CPUs
		filepath.Join(tree.root, "kubepods/besteffort", "cpu.weight"):             "1",
		filepath.Join(pod, "cgroup.subtree_control"):                              "", // the runtime's to enable
		filepath.Join(pod, "cpu.weight"):                                          "39",
		filepath.Join(pod, "cpu.max"):                                             "50000 100000",
		filepath.Join(pod, "memory.max"):                                          "67108864",
	}
	for path, content := range want {
		if got := get(t, path); got != content {
			t.Errorf("%s: %q, want %q", path, got, content)
		}
	}

	// Again, with limits taken away; the levels above are left as somebody set them.
	put(t, filepath.Join(tree.root, "kubepods", "cpu.weight"), "77\n")
	put(t, filepath.Join(tree.root, "cgroup.subtree_control"), "cpu memory pids\n")
	if err := tree.Ensure(t.Context(), parent, false, Limits{}); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"cpu.weight": "1", "cpu.max": "max 100000", "memory.max": "max"} {
		if got := get(t, pod, name); got != content {
			t.Errorf("%s: %q, want %q", name, got, content)
		}
	}
	if got := get(t, tree.root, "kubepods", "cpu.weight") + get(t, tree.root, "cgroup.subtree_control"); got != "77cpu memory pids" {
		t.Errorf("the levels above became %q", got)
	}
}

func TestEnsureV1(t *testing.T) {
	tree := fakeV1(t, "cpu,cpuacct", "cpuset", "memory", "pids", "systemd", "unified")
	const parent = "/a/kubepods/burstable/podx"
	if err := tree.Ensure(t.Context(), parent, false, Limits{CPUShares: 512, CPUQuota: 50000, Memory: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	check := func(want map[string]string) {
		t.Helper()
		for path, content := range want {
			if got := get(t, tree.root, path); got != content {
				t.Errorf("%s: %q, want %q", path, got, content)
			}
		}
	}
	check(map[string]string{
		"cpu,cpuacct/a/cpu.shares":                               "1024", // not a level of kubelet's
		"cpu,cpuacct/a/kubepods/cpu.shares":                      "4096",
		"cpu,cpuacct/a/kubepods/burstable/cpu.shares":            "1024",
		"cpu,cpuacct/a/kubepods/burstable/podx/cpu.shares":       "512",
		"cpu,cpuacct/a/kubepods/burstable/podx/cpu.cfs_quota_us": "50000",
		"memory/a/kubepods/burstable/podx/memory.limit_in_bytes": "67108864",
		"memory/a/kubepods/burstable/memory.limit_in_bytes":      "9223372036854771712",
		"cpuset/a/cpuset.cpus":                                   "0-3",
		"cpuset/a/kubepods/burstable/podx/cpuset.cpus":           "0-3",
		"cpuset/a/kubepods/burstable/podx/cpuset.mems":           "0",
		"pids/a/kubepods/burstable/podx/pids.current":            "0",
		"cpu/a/kubepods/burstable/podx/cpu.cfs_period_us":        "100000",
		"cpu,cpuacct/a/kubepods/burstable/podx/cgroup.procs":     "",
		"cpuacct/a/kubepods/burstable/podx/cpuacct.usage":        "0",
		"memory/a/kubepods/burstable/podx/memory.usage_in_bytes": "0",
	})
	for _, none := range []string{"systemd/a", "unified/a"} {
		if exists(filepath.Join(tree.root, none)) {
			t.Errorf("%s was made", none)
		}
	}
	put(t, filepath.Join(tree.mount("cpu"), "a/kubepods/cpu.shares"), "77\n") // somebody set it
	if err := tree.Ensure(t.Context(), parent, false, Limits{CPUShares: 2}); err != nil {
		t.Fatal(err)
	}
	check(map[string]string{
		"cpu/a/kubepods/cpu.shares":                              "77",
		"cpu/a/kubepods/burstable/podx/cpu.shares":               "2",
		"cpu/a/kubepods/burstable/podx/cpu.cfs_quota_us":         "-1",
		"memory/a/kubepods/burstable/podx/memory.limit_in_bytes": "-1",
	})
}

func TestEnsureRefuses(t *testing.T) {
	limited := Limits{CPUShares: 2, Memory: 1 << 20}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		ctx  context.Context
		tree *Tree
		l    Limits
		want string
	}{
		{"no memory controller on v2", t.Context(), fakeV2(t, "cpuset cpu io pids"), limited, "cgroup_enable=memory"},
		{"no memory controller on v1", t.Context(), fakeV1(t, "cpu", "cpuacct"), limited, "cgroup_enable=memory"},
		{"no cpu controller", t.Context(), fakeV2(t, "memory pids"), Limits{}, "no cpu controller"},
		{"no time", cancelled, fakeV2(t, "cpu memory pids"), Limits{}, "context canceled"},
		{"no time", cancelled, fakeV1(t, "cpu", "memory"), Limits{}, "context canceled"},
	} {
		err := test.tree.Ensure(test.ctx, "/kubepods/podx", false, test.l)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	// Without a memory limit the pod runs where the kernel has no memory controller.
	for _, tree := range []*Tree{fakeV2(t, "cpu pids"), fakeV1(t, "cpu", "cpuacct")} {
		if err := tree.Ensure(t.Context(), "/kubepods/podx", false, Limits{CPUQuota: 5000}); err != nil {
			t.Error(err)
		}
	}
}

// A control file that the kernel does not offer must not appear: on tmpfs, where /sys/fs/cgroup lies on v1, it could.
func TestNoControlFileIsInvented(t *testing.T) {
	dir := t.TempDir()
	if err := write(dir, "cpu.shares", "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		t.Error(entries)
	}
}
