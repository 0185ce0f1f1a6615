//go:build integration

package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// found is what a look at the machine says of one condition.
func found(t *testing.T, condition string, k Kubelet, root string) string {
	t.Helper()
	var out []string
	for _, l := range Look(t.Context(), Config{Root: root}, Deps{Kubelet: func() Kubelet { return k }}) {
		for _, f := range l.Findings {
			if l.Of.Name == condition && !strings.HasPrefix(f.Subject, "module ") {
				out = append(out, short(f))
			}
		}
	}
	return strings.Join(out, " ")
}

// TestForwardingComesAndGoes switches it off and on in a network namespace of its own. The other settings and the modules are the whole
// machine's: they are judged from files in TestKernel and TestModules.
func TestForwardingComesAndGoes(t *testing.T) {
	const file = "/proc/sys/net/ipv4/ip_forward"
	if os.Getenv("IN_NAMESPACE") == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestForwardingComesAndGoes$", "-test.v")
		cmd.Env = append(os.Environ(), "IN_NAMESPACE=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "saw all of it") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	for _, step := range []struct{ value, want string }{{"0", "failing/Setting"}, {"1", "ok"}, {"0", "failing/Setting"}} {
		if err := os.WriteFile(file, []byte(step.value), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := found(t, "Kernel", Kubelet{Here: true}, ""); got != step.want {
			t.Errorf("with %s: %s, want %s", step.value, got, step.want)
		}
	}
	fmt.Println("saw all of it")
}

// TestSwapComesAndGoes switches a small swap file on and off. Where none can be, as on an overlay, /proc/swaps is a file.
func TestSwapComesAndGoes(t *testing.T) {
	root := ""
	before, err := os.ReadFile("/proc/swaps")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/var/tmp", "swap-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "swap")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkswap", file).CombinedOutput(); err != nil {
		t.Fatalf("mkswap: %v\n%s", err, out)
	}
	path, err := unix.BytePtrFromString(file)
	if err != nil {
		t.Fatal(err)
	}
	on := func() error {
		_, _, no := unix.Syscall(unix.SYS_SWAPON, uintptr(unsafe.Pointer(path)), 0, 0)
		if no != 0 {
			return no
		}
		return nil
	}
	off := func() {
		if _, _, no := unix.Syscall(unix.SYS_SWAPOFF, uintptr(unsafe.Pointer(path)), 0, 0); no != 0 {
			t.Fatalf("swapoff: %v", no)
		}
	}
	if err := on(); errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		t.Logf("swapon %s: %v: /proc/swaps is a file in this run", file, err)
		root = t.TempDir()
		text := string(before)
		on = func() error { write(t, root, "/proc/swaps", text+file+" file 1020 0 -2\n"); return nil }
		off = func() { write(t, root, "/proc/swaps", text) }
	} else if err != nil {
		t.Fatal(err)
	} else {
		off()
	}
	forbids := Kubelet{Here: true, FailSwapOn: true, Running: true}
	if err := on(); err != nil {
		t.Fatal(err)
	}
	got, allowed := found(t, "Swap", forbids, root), found(t, "Swap", Kubelet{Here: true}, root)
	off()
	if got != "failing/SwapOn" || allowed != "ok" {
		t.Errorf("with swap: %s; where it is allowed: %s", got, allowed)
	}
	if strings.Count(string(before), "\n") > 1 {
		t.Log("this machine has swap of its own: that the condition goes is not seen")
	} else if got := found(t, "Swap", forbids, root); got != "ok" {
		t.Errorf("without: %s", got)
	}
}

// TestClockComesAndGoes lets the kernel's own greatest error of the clock rise and fall, which sets no clock, and puts it back. Without the right
// to do that the reading alone is tested.
func TestClockComesAndGoes(t *testing.T) {
	var was unix.Timex
	if _, err := unix.Adjtimex(&was); err != nil {
		t.Fatal(err)
	}
	set := func(d time.Duration, status int32) error {
		_, err := unix.Adjtimex(&unix.Timex{Modes: unix.ADJ_MAXERROR | unix.ADJ_STATUS, Maxerror: d.Microseconds(), Status: status})
		return err
	}
	back := func() error { return set(time.Duration(was.Maxerror)*time.Microsecond, was.Status) }
	if err := back(); errors.Is(err, unix.EPERM) {
		t.Logf("adjtimex: %v: only what it tells is read", err)
		if c := readClock(t.Context(), &timedate{}); c.err != nil || c.told {
			t.Errorf("%+v", c)
		}
		return
	}
	t.Cleanup(func() {
		if err := back(); err != nil {
			t.Error(err)
		}
	})
	for _, step := range []struct {
		most time.Duration
		want string
	}{{16 * time.Second, "failing/NotSynchronised"}, {5 * time.Second, "failing/SourceLost"}, {10 * time.Millisecond, "ok"}, {16 * time.Second, "failing/NotSynchronised"}} {
		if err := set(step.most, was.Status); err != nil {
			t.Fatal(err)
		}
		if got := found(t, "Clock", Kubelet{}, ""); got != step.want {
			t.Errorf("greatest error %v: %s, want %s", step.most, got, step.want)
		}
	}
}
