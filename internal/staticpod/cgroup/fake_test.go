package cgroup

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the kernel shows in a new v2 cgroup with all controllers (Documentation/admin-guide/cgroup-v2.rst).
var newV2 = map[string]map[string]string{
	"": {
		"cgroup.controllers": "", "cgroup.subtree_control": "", "cgroup.procs": "",
		"cgroup.events": "populated 0\nfrozen 0\n", "cpu.stat": "usage_usec 0\nuser_usec 0\nsystem_usec 0\n",
	},
	"cpu": {
		"cpu.weight": "100\n", "cpu.max": "max 100000\n",
		"cpu.stat": "usage_usec 0\nuser_usec 0\nsystem_usec 0\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\nnr_bursts 0\nburst_usec 0\n",
	},
	"memory": {
		"memory.current": "0\n", "memory.max": "max\n", "memory.stat": "anon 0\nfile 0\nkernel 0\ninactive_anon 0\nactive_anon 0\ninactive_file 0\nactive_file 0\n",
		"memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
	},
	"pids": {"pids.current": "0\n", "pids.max": "max\n", "pids.events": "max 0\n"},
}

var newV1 = map[string]map[string]string{
	"cpu": {"cpu.shares": "1024\n", "cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n", "cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n",
		"cpuacct.usage": "0\n"},
	"cpuset": {"cpuset.cpus": "\n", "cpuset.mems": "\n"},
	"memory": {"memory.limit_in_bytes": "9223372036854771712\n", "memory.usage_in_bytes": "0\n", "memory.stat": "inactive_file 0\ntotal_inactive_file 0\n",
		"memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n"},
	"pids":    {"pids.current": "0\n"},
	"systemd": {},
}

func put(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// enabled reads the controllers that a fake v2 cgroup offers to its children: what the kernel would make of the commands written.
func enabled(text string) []string {
	var out []string
	for f := range strings.FieldsSeq(strings.ReplaceAll(text, "+", " ")) {
		out = append(out, f)
	}
	return out
}

// fakeV2 is a v2 hierarchy that fills new cgroups as the kernel does: with the files of those controllers that the parent enabled.
func fakeV2(t *testing.T, controllers string) *Tree {
	root := t.TempDir()
	for name, content := range newV2[""] {
		put(t, filepath.Join(root, name), content)
	}
	put(t, filepath.Join(root, "cgroup.controllers"), controllers+"\n")
	tree, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	tree.cpus = 4
	tree.mkdir = func(dir string, mode fs.FileMode) error {
		if err := os.Mkdir(dir, mode); err != nil {
			return err
		}
		on := enabled(get(t, filepath.Dir(dir), "cgroup.subtree_control"))
		for _, c := range append([]string{""}, on...) {
			for name, content := range newV2[c] {
				put(t, filepath.Join(dir, name), content)
			}
		}
		put(t, filepath.Join(dir, "cgroup.controllers"), strings.Join(on, " ")+"\n")
		return nil
	}
	return tree
}

// fakeV1 has the hierarchies named; a name without a comma's parts is one controller.
func fakeV1(t *testing.T, names ...string) *Tree {
	root := t.TempDir()
	fill := func(dir, name string) {
		put(t, filepath.Join(dir, "cgroup.procs"), "")
		for c := range strings.SplitSeq(name, ",") {
			for file, content := range newV1[c] {
				put(t, filepath.Join(dir, file), content)
			}
		}
		if name == "cpuacct" {
			put(t, filepath.Join(dir, "cpuacct.usage"), "0\n")
		}
		if name == "unified" {
			put(t, filepath.Join(dir, "cgroup.controllers"), "\n")
		}
	}
	for _, name := range names {
		dir := filepath.Join(root, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		fill(dir, name)
		if name == "cpuset" {
			put(t, filepath.Join(dir, "cpuset.cpus"), "0-3\n")
			put(t, filepath.Join(dir, "cpuset.mems"), "0\n")
		}
		if strings.Contains(name, ",") {
			for c := range strings.SplitSeq(name, ",") {
				if err := os.Symlink(name, filepath.Join(root, c)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	tree, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	tree.cpus = 4
	tree.mkdir = func(dir string, mode fs.FileMode) error {
		if err := os.Mkdir(dir, mode); err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, dir)
		hierarchy, _, _ := strings.Cut(rel, "/")
		fill(dir, hierarchy)
		return nil
	}
	return tree
}

func TestVersions(t *testing.T) {
	v1 := fakeV1(t, "cpu,cpuacct", "memory", "systemd")
	if v1.Version() != V1 || len(v1.hierarchies) != 3 || v1.mount("cpuacct") != filepath.Join(v1.root, "cpu,cpuacct") || v1.mount("pids") != "" {
		t.Errorf("%+v", v1)
	}
	hybrid := fakeV1(t, "cpu", "cpuacct", "memory", "unified")
	if hybrid.Version() != Hybrid || len(hybrid.hierarchies) != 4 || hybrid.mount("cpu") != filepath.Join(hybrid.root, "cpu") {
		t.Errorf("%+v", hybrid)
	}
	v2 := fakeV2(t, "cpu memory pids")
	if v2.Version() != V2 || v2.mount("anything") != v2.root {
		t.Errorf("%+v", v2)
	}
	for _, root := range []string{t.TempDir(), "/does/not/exist"} {
		if _, err := Open(root); err == nil {
			t.Errorf("cgroups were found in %s", root)
		}
	}
	// A lone v2 hierarchy in a subfolder, without a v1 one, is nothing that a kernel or systemd mounts.
	lone := t.TempDir()
	if err := os.Mkdir(filepath.Join(lone, "unified"), 0o755); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(lone, "unified", "cgroup.procs"), "")
	put(t, filepath.Join(lone, "unified", "cgroup.controllers"), "")
	if _, err := Open(lone); err == nil {
		t.Error("a hybrid without v1")
	}
	if !slices.IsSortedFunc(v1.hierarchies, func(a, b hierarchy) int { return strings.Compare(a.dir, b.dir) }) {
		t.Error("the order of hierarchies is not that of their names")
	}
}
