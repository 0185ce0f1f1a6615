package oci

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/runtime/shim"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ out, program, version string }{
		{"runc version 1.1.5+ds1\ncommit: 1.1.5+ds1-1+deb12u1\nspec: 1.0.2-dev\ngo: go1.19.8\nlibseccomp: 2.5.4\n", "runc", "1.1.5+ds1"},
		{"runc version 1.1.15\ncommit: v1.1.15-0-gbc20cb44\nspec: 1.0.2-dev\ngo: go1.22.3\nlibseccomp: 2.5.5\n", "runc", "1.1.15"},
		{"runc version 1.2.4\ncommit: v1.2.4-0-g6c52b3fc\nspec: 1.2.0\ngo: go1.22.10\nlibseccomp: 2.5.5\n", "runc", "1.2.4"},
		{"runc version 1.3.0-rc.1+dev\nspec: 1.2.1\ngo: go1.23.6\n", "runc", "1.3.0-rc.1+dev"},
		{"crun version 1.8.1\ncommit: f8a096be060b22ccd3d5f3ebe44108517fbf6c30\nrundir: /run/crun\nspec: 1.0.0\n+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF +YAJL\n", "crun", "1.8.1"},
		{"crun version 1.15\ncommit: e6eacaf4034e84185fd8780ac9262bbf57082278\nrundir: /run/user/1000/crun\nspec: 1.0.0\n+SYSTEMD +SELINUX +APPARMOR +CAP +SECCOMP +EBPF +CRIU +LIBKRUN +WASM:wasmedge +YAJL\n", "crun", "1.15"},
		{"crun version 1.20\nspec: 1.0.0\n+SYSTEMD +CAP\n", "crun", "1.20"},
		{"crun version 1.29.1\ncommit: x\n", "crun", "1.29.1"},
		{"crun version 1.14.4.0.0.0.21-5c4e\ncommit: x\n", "crun", "1.14.4.0.0.0.21-5c4e"},
		{"crun version UNKNOWN\ncommit: x\nspec: 1.0.0\n", "crun", "UNKNOWN"},
		{"youki version 0.5.0\n", "youki", "0.5.0"},
		{"runsc version release-20240513.0\nspec: 1.1.0-rc.1\n", "runsc", "release-20240513.0"},
		{"containerd-shim-runc-v2:\n  Version:  1.6.20~ds1\n  Revision: x\n", "", "1.6.20~ds1"},
		{"containerd-shim-runc-v2:\n  Version:  v2.4.2\n", "", "2.4.2"},
		{"runc version \nspec: 1.0\n", "", ""},
		{"", "", ""},
	} {
		if got := Parse(c.out); got.Program != c.program || got.Version != c.version {
			t.Errorf("%q gives %+v", c.out, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("runc version 1.1.5")
	f.Add("x:\n  Version:  v2.0.0-rc.1")
	f.Fuzz(func(t *testing.T, s string) {
		if v := Parse(s); v.Version != "" {
			Compare(v.Version, s)
		}
	})
}

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		a, b string
		sign int
		ok   bool
	}{
		{"1.8.1", "1.14.3", -1, true}, {"1.15", "1.14.3", 1, true}, {"1.20", "1.20.0", 0, true}, {"1.14.3", "1.14.3", 0, true}, {"1.21", "1.14.3", 1, true}, {"v2.4.2+unknown", "2.4.2", 0, true}, {"unknown", "1.0", 0, false},
	} {
		got, ok := Compare(c.a, c.b)
		if ok != c.ok || got < 0 != (c.sign < 0) || got > 0 != (c.sign > 0) {
			t.Errorf("%s and %s: %d %v", c.a, c.b, got, ok)
		}
	}
}

func TestRefuses(t *testing.T) {
	crun := func(v string) Version { return Version{Program: "crun", Version: v, ELF: true} }
	hybrid := Cgroups{Version: "hybrid", Unified: crunUnified, Controllers: "hugetlb"}
	for _, c := range []struct {
		name           string
		v              Version
		h              Host
		refuse, hybrid bool
	}{
		{"old crun, containerd 1.6", crun("1.8.1"), Host{Runtime: "containerd", Version: "1.6.20~ds1"}, false, false},
		{"old crun, containerd 1.7: 1.1.0 has 1.0 in it", crun("1.8.1"), Host{Runtime: "containerd", Version: "1.7.24"}, false, false},
		{"old crun, containerd 2", crun("1.8.1"), Host{Runtime: "containerd", Version: "2.4.2+unknown"}, true, false},
		{"the last old crun, containerd 2", crun("1.14.2"), Host{Runtime: "containerd", Version: "v2.0.0"}, true, false},
		{"old crun, containerd 2, hybrid: its age first", crun("1.8.1"), Host{Runtime: "containerd", Version: "2.4.2", Cgroups: hybrid}, true, false},
		{"new crun, containerd 2", crun("1.14.3"), Host{Runtime: "containerd", Version: "2.4.2"}, false, false},
		{"newer crun, containerd 2", crun("1.15"), Host{Runtime: "containerd", Version: "2.4.2"}, false, false},
		{"old crun, CRI-O", crun("1.8.1"), Host{Runtime: "cri-o", Version: "1.34.0"}, true, false},
		{"a crun that does not tell its version", crun("UNKNOWN"), Host{Runtime: "containerd", Version: "2.4.2"}, false, false},
		{"a daemon that does not tell its version", crun("1.8.1"), Host{Runtime: "containerd", Version: "unknown"}, false, false},
		{"hybrid, containerd 1.6", crun("1.8.1"), Host{Runtime: "containerd", Version: "1.6.20", Cgroups: hybrid}, true, true},
		{"hybrid, new crun", crun("1.29.1"), Host{Runtime: "containerd", Version: "2.4.2", Cgroups: hybrid}, true, true},
		{"hybrid, a crun that does not tell its version", crun("UNKNOWN"), Host{Runtime: "containerd", Version: "2.4.2", Cgroups: hybrid}, true, true},
		{"the cgroup2 owns nothing", crun("1.21"), Host{Runtime: "containerd", Version: "2.4.2", Cgroups: Cgroups{Version: "hybrid", Unified: crunUnified}}, false, false},
		{"a cgroup2 of Cilium's", crun("1.21"), Host{Runtime: "containerd", Version: "2.4.2", Cgroups: Cgroups{Version: "hybrid", Unified: "/run/cilium/cgroupv2", Controllers: "cpu"}}, false, false},
		{"cgroup v2 alone", crun("1.21"), Host{Runtime: "containerd", Version: "2.4.2", Cgroups: Cgroups{Version: "v2", Unified: "/sys/fs/cgroup", Controllers: "cpu"}}, false, false},
		{"runc", Version{Program: "runc", Version: "1.0.0", ELF: true}, Host{Runtime: "containerd", Version: "2.4.2", Cgroups: hybrid}, false, false},
		{"a script", Version{Program: "crun", Version: "1.8.1"}, Host{Runtime: "containerd", Version: "2.4.2", Cgroups: hybrid}, false, false},
	} {
		r, got := Refuses(c.v, c.h)
		if got != c.refuse || r.Hybrid != c.hybrid {
			t.Errorf("%s: %v %+v", c.name, got, r)
		}
	}
}

func script(t *testing.T, path, body string) {
	t.Helper()
	// Written beside and moved: a file that is open for writing can't be executed.
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// A binary is asked once for as long as it is the same, and again when it failed.
func TestVersions(t *testing.T) {
	dir := t.TempDir()
	path, count := filepath.Join(dir, "oci"), filepath.Join(dir, "count")
	script(t, path, "echo x >> "+count+"; echo runc version 1.2.3")
	var v Versions
	for range 3 {
		if got := v.Get(t.Context(), path, "--version", 10*time.Second); got.Version != "1.2.3" || got.Program != "runc" || got.ELF || got.Err != nil {
			t.Fatalf("got %+v", got)
		}
	}
	if b, _ := os.ReadFile(count); len(b) != 2 {
		t.Errorf("asked %d times", len(b)/2)
	}
	script(t, path, "sleep 60 & wait")
	began := time.Now()
	if got := v.Get(t.Context(), path, "--version", 50*time.Millisecond); !errors.Is(got.Err, ErrHung) {
		t.Errorf("a binary that sleeps gives %+v", got)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	script(t, path, "echo no; exit 3")
	if got := v.Get(t.Context(), path, "--version", 10*time.Second); got.Err == nil {
		t.Error("a binary that fails gives no error")
	}
	script(t, path, "echo runc version 1.2.4")
	if got := v.Get(t.Context(), path, "--version", 10*time.Second); got.Version != "1.2.4" {
		t.Errorf("a binary that was replaced gives %+v", got)
	}
	if got := v.Get(t.Context(), path+"x", "--version", time.Second); got.Err == nil {
		t.Error("a missing binary gives no error")
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	for file, mode := range map[string]os.FileMode{"a/runc": 0o644, "b/runc": 0o755} {
		if err := os.MkdirAll(filepath.Join(root, filepath.Dir(file)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, file), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	for binary, want := range map[string]string{"runc": "/b/runc", "/b/runc": "/b/runc", "/a/runc": "", "": "", "none": "", "b/runc": ""} {
		if got := Find(root, binary, "relative:/a:/b"); got != want {
			t.Errorf("%q is found at %q, want %q", binary, got, want)
		}
	}
}

func TestStuck(t *testing.T) {
	p := func(pid int, age time.Duration, args ...string) shim.Process {
		return shim.Process{PID: pid, Age: age, Args: args, State: 'S'}
	}
	list := []shim.Process{
		p(1, time.Minute, "/usr/sbin/runc", "--root", "/r", "create", "--bundle", "/b", "id1"),
		p(2, 2*time.Minute, "/bin/sh", "/opt/slow", "--root", "/r", "delete", "id2"),
		p(3, time.Minute, "/usr/sbin/runc", "init"),
		p(4, time.Minute, "/usr/sbin/runc", "--root", "/r", "exec", "--process", "/tmp/p", "run"),
		p(5, time.Second, "runc", "create", "id5"),
		p(6, time.Minute, "runc", "state", "id6"),
		p(7, time.Minute, "/bin/vi", "/opt/slow", "create"),
		p(8, time.Minute),
	}
	got := Stuck(list, []string{"/usr/sbin/runc", "/opt/slow"}, 15*time.Second)
	var pids []int
	for _, o := range got {
		pids = append(pids, o.PID)
	}
	if len(pids) != 3 || pids[0] != 2 || got[0].Verb != "delete" || got[0].Command != "id2" || got[1].PID+got[2].PID != 7 {
		t.Errorf("got %+v", got)
	}
}

func TestParseMounts(t *testing.T) {
	const one = "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n"
	const two = "41 31 0:38 / /sys/fs/cgroup\\040x/unified rw,relatime - cgroup2 cgroup2 rw\n"
	const own = "41 31 0:38 / /run/cilium/cgroupv2 rw,relatime - cgroup2 none rw\n"
	const unified = "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	for in, want := range map[string]Cgroups{
		own + one + unified: {Version: "hybrid", Unified: crunUnified}, one + unified + own: {Version: "hybrid", Unified: crunUnified},
		one + own: {Version: "hybrid", Unified: "/run/cilium/cgroupv2"},
		"":        {}, one: {Version: "v1"}, two: {Version: "v2", Unified: "/sys/fs/cgroup x/unified"}, one + two: {Version: "hybrid", Unified: "/sys/fs/cgroup x/unified"},
		"garbage - x\n - cgroup\n": {},
	} {
		if got, err := parseMounts(strings.NewReader(in)); err != nil || got != want {
			t.Errorf("%q gives %+v", in, got)
		}
	}
}
