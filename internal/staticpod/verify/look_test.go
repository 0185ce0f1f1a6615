package verify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func stat(pid int, comm, state string, start int) string {
	return fmt.Sprintf("%d (%s) %s 1 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 %d 1000 1\n", pid, comm, state, start)
}

// fake makes a process in a procfs of files.
func fake(t *testing.T, proc string, pid int, comm, state, cgroup string) string {
	t.Helper()
	dir := filepath.Join(proc, fmt.Sprint(pid))
	must(t, os.MkdirAll(filepath.Join(dir, "ns"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "stat"), []byte(stat(pid, comm, state, 1000+pid)), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "cgroup"), []byte(cgroup), 0o644))
	must(t, os.WriteFile(filepath.Join(dir, "mountinfo"), []byte(fmt.Sprintf("1 1 0:1 / / rw - rootfs rootfs rw\n2 1 0:%d / / rw - overlay overlay rw\n3 2 0:5 / /proc rw - proc proc rw\n", pid)), 0o644))
	for _, kind := range Kinds {
		must(t, os.Symlink(fmt.Sprintf("%s:[%d]", kind, pid), filepath.Join(dir, "ns", kind)))
	}
	return dir
}

func TestLook(t *testing.T) {
	proc := t.TempDir()
	fake(t, proc, 1, "init", "S", "0::/init.scope\n")
	fake(t, proc, 10, "a) S 1 (", "S", "0::/kubepods/podx/idten\n")
	fake(t, proc, 11, "zombie", "Z", "0::/kubepods/podx/ideleven\n")
	fake(t, proc, 12, "sleep", "S", "0::/user.slice\n")
	must(t, os.Remove(filepath.Join(fake(t, proc, 13, "sleep", "S", ""), "ns", "net")))
	must(t, os.WriteFile(filepath.Join(fake(t, proc, 15, "sleep", "S", "0::/\n"), "stat"), []byte("15 (sleep"), 0o644))
	members := []Member{{"ten", 10, Container, "idten"}, {"eleven", 11, Container, "ideleven"}, {"twelve", 12, Container, "idtwelve-and-much-more"},
		{"thirteen", 13, Sandbox, ""}, {"fourteen", 14, Container, ""}, {"fifteen", 15, Container, ""}}
	r, err := Look(t.Context(), proc, members)
	must(t, err)
	if r.Host.PID != 1 || r.Host.NS["net"] != "net:[1]" || r.Host.Root != "0:1 /" {
		t.Errorf("%+v", r.Host)
	}
	ten := r.Members[0]
	if ten.Gone != "" || ten.Start != 1010 || ten.NS["pid"] != "pid:[10]" || len(ten.NS) != len(Kinds) || ten.Root != "0:10 /" || len(ten.Problems) > 0 {
		t.Errorf("%+v", ten)
	}
	for i, want := range map[int]string{1: "waits for its parent", 2: "in no cgroup of container idtwelve-and: it is another process by now", 4: "has ended",
		5: "stat is not readable"} {
		if got := r.Members[i].Gone; !strings.Contains(got, want) {
			t.Errorf("%s: %q", members[i].Name, got)
		}
	}
	if p := r.Members[3]; p.Gone != "" || p.NS["net"] != "" || p.Problems["net"] == "" || p.Problems["cgroup"] == "" {
		t.Errorf("%+v", p)
	}
}

// The pid is another process's before the look at it is over: a FIFO stands for what is read last.
func TestPidTakenDuringTheLook(t *testing.T) {
	proc := t.TempDir()
	fake(t, proc, 1, "init", "S", "0::/\n")
	dir := fake(t, proc, 10, "sleep", "S", "")
	fifo := filepath.Join(dir, "cgroup")
	must(t, os.Remove(fifo))
	must(t, unix.Mkfifo(fifo, 0o600))
	done := make(chan error, 1)
	go func() {
		f, err := os.OpenFile(fifo, os.O_WRONLY, 0) // returns when it is read
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "stat"), []byte(stat(10, "another", "S", 2000)), 0o644)
		}
		if err == nil {
			_, err = f.WriteString("0::/\n")
		}
		done <- errors.Join(err, f.Close())
	}()
	r, err := Look(t.Context(), proc, []Member{{"x", 10, Container, ""}})
	must(t, err)
	must(t, <-done)
	if got := r.Members[0].Gone; got != "pid 10 was taken by another process meanwhile" {
		t.Errorf("%q", got)
	}
}

// The machine's first process may be guarded; then a kernel thread tells, and no other process.
func TestGuardedFirstProcess(t *testing.T) {
	for flags, want := range map[int]string{0x208040: "net:[2]", 4194560: ""} {
		proc := t.TempDir()
		must(t, os.Remove(filepath.Join(fake(t, proc, 1, "init", "S", "0::/\n"), "ns", "net")))
		dir := fake(t, proc, 2, "kthreadd", "S", "0::/\n")
		must(t, os.WriteFile(filepath.Join(dir, "stat"), []byte(fmt.Sprintf("2 (kthreadd) S 0 0 0 0 -1 %d 0 0 0 0 0 0 0 0 20 0 1 0 0 0 0\n", flags)), 0o644))
		r, err := Look(t.Context(), proc, nil)
		must(t, err)
		if h := r.Host; h.NS["net"] != want || h.NS["uts"] != "uts:[1]" || (h.Problems["net"] == "") != (want != "") || h.Root != "0:1 /" {
			t.Errorf("%x: %+v", flags, h)
		}
	}
}

func TestLookRefuses(t *testing.T) {
	if _, err := Look(t.Context(), t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "no procfs") {
		t.Error(err)
	}
	proc := t.TempDir()
	fake(t, proc, 1, "init", "S", "0::/\n")
	if _, err := Look(t.Context(), proc, []Member{{Name: "x", Role: Container}}); err == nil || !strings.Contains(err.Error(), "x has no process") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Look(ctx, proc, []Member{{Name: "x", PID: 1}}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzProc(f *testing.F) {
	f.Add(stat(7, "a) b", "S", 99), "1 1 0:1 / / rw - rootfs rootfs rw\n", "0::/x\n")
	f.Add("7 (x", "/ / / / /", ":::")
	f.Fuzz(func(t *testing.T, stat, mountinfo, cgroup string) {
		_, _ = parseStart(stat)
		kernelThread(stat)
		if root := rootOf(mountinfo); strings.Count(root, " ") > 1 {
			t.Errorf("%q", root)
		}
		for _, p := range cgroupsOf(cgroup) {
			if strings.Contains(p, "\n") {
				t.Errorf("%q", p)
			}
		}
	})
}
