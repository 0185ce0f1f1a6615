//go:build integration

package verify

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
)

const (
	roleKey = "NA_VERIFY_ROLE" // of a process that the test starts: "own" or "join"
	joinKey = "NA_VERIFY_JOIN" // whose network, UTS and IPC it joins
	rootKey = "NA_VERIFY_ROOT" // where it mounts a root of its own; empty: it keeps the machine's
)

// The namespaces that /proc/PID/ns shows are the first thread's, so it must be the one that joins.
func init() {
	if os.Getenv(roleKey) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	if os.Getenv(roleKey) == "" {
		os.Exit(m.Run())
	}
	if err := member(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// member makes of this process one of a pod, as a runtime does: it is in namespaces of its own, joins its sandbox's, and gets a root of its own.
func member() error {
	if join := os.Getenv(joinKey); join != "" {
		for _, kind := range []string{"net", "uts", "ipc"} {
			fd, err := unix.Open("/proc/"+join+"/ns/"+kind, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("open namespace: %w", err)
			}
			if err := unix.Setns(fd, 0); err != nil {
				return fmt.Errorf("join %s: %w", kind, err)
			}
		}
	}
	root := os.Getenv(rootKey)
	if root == "" {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("part from the machine's mounts: %w", err)
	}
	if err := unix.Mount("na-verify", root, "tmpfs", 0, "size=64k"); err != nil {
		return fmt.Errorf("mount a root: %w", err)
	}
	return unix.Chroot(root)
}

// begin starts a member that ends with the test.
func begin(t *testing.T, flags uintptr, join int, root bool) (pid int, end func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{roleKey + "=member"}
	if join > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", joinKey, join))
	}
	if root {
		cmd.Env = append(cmd.Env, rootKey+"="+t.TempDir())
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	end = func() { in.Close(); cmd.Process.Kill(); cmd.Wait() }
	t.Cleanup(end)
	if s := bufio.NewScanner(out); !s.Scan() || s.Text() != "ready" {
		t.Fatalf("the process says %q, %v", s.Text(), s.Err())
	}
	return cmd.Process.Pid, end
}

func failing(lines []Line) string {
	var out []string
	for _, l := range lines {
		if l.Status == health.Failing {
			out = append(out, l.Namespace)
		}
	}
	return strings.Join(out, " ")
}

func TestRealPod(t *testing.T) {
	runtime.LockOSThread() // Pdeathsig is this thread's
	defer runtime.UnlockOSThread()
	const own = unix.CLONE_NEWPID | unix.CLONE_NEWNS
	pause, _ := begin(t, own|unix.CLONE_NEWNET|unix.CLONE_NEWUTS|unix.CLONE_NEWIPC, 0, true)
	a, _ := begin(t, own, pause, true)
	b, endB := begin(t, own, pause, true)
	stray, _ := begin(t, unix.CLONE_NEWUTS|unix.CLONE_NEWNS, 0, false) // in the machine's network, IPC, PID and root
	pod := []Member{{"sandbox", pause, Sandbox, ""}, {"a", a, Container, ""}, {"b", b, Container, ""}}
	look := func(members ...Member) Report {
		t.Helper()
		r, err := Look(t.Context(), "/proc", members)
		must(t, err)
		return r
	}

	for _, l := range Judge(look(pod...), Want{}) {
		if !l.OK {
			t.Errorf("a sound pod: %+v", l)
		}
	}
	for _, test := range []struct {
		w    Want
		want string
	}{
		{Want{HostNetwork: true}, "network"}, {Want{HostPID: true}, "pid"}, {Want{HostIPC: true}, "ipc"}, {Want{ShareProcessNamespace: true}, "pid"},
		{Want{UserNamespace: true}, "user"}, {Want{Cgroup: "/na-verify/podx"}, "cgroup"},
	} {
		if got := failing(Judge(look(pod...), test.w)); got != test.want {
			t.Errorf("%+v: %s fails", test.w, got)
		}
	}
	if got := failing(Judge(look(append(pod, Member{"stray", stray, Container, ""})...), Want{})); got != "network uts ipc pid root fs" {
		t.Errorf("with a stray: %s", got)
	}
	// Its pid is not a's any more, as the runtime's id tells; and it ended.
	endB()
	got := Judge(look(pod[0], Member{"a", a, Container, "0123456789abcdef"}, pod[2]), Want{})[0]
	if got.Status != health.Failing || !strings.Contains(got.Why, "another process by now") || !strings.Contains(got.Why, "b: its process has ended") {
		t.Errorf("%+v", got)
	}

	// Without CAP_SYS_PTRACE nothing is proven, and nothing is called OK or wrong but what everybody may see.
	done := make(chan []Line)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			t.Error(errno)
			return
		}
		r, err := Look(t.Context(), "/proc", pod[:2])
		if err != nil {
			t.Error(err)
			return
		}
		done <- Judge(r, Want{})
	}()
	lines := <-done
	for _, l := range lines {
		if want := l.Namespace == "process" || l.Namespace == "root fs"; l.OK != want || (!want && (l.Status != health.Unknown || !strings.Contains(l.Why, "CAP_SYS_PTRACE"))) {
			t.Errorf("without privileges: %+v", l)
		}
	}
	if len(lines) == 0 {
		t.Error("no look without privileges")
	}
}
