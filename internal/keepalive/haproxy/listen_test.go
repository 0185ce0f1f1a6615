package haproxy

import (
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"
)

// TestListening asks this machine's kernel.
func TestListening(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort(l.Addr().String())
	find := func() (Heard, bool) {
		all, err := listening()
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range all {
			if h.hears(Bind{Addr: at.Addr(), Port: at.Port()}) {
				return h, true
			}
		}
		return Heard{}, false
	}
	h, ok := find()
	if !ok || h.Addr != at.Addr() || h.Queue == 0 || h.Waiting != 0 {
		t.Fatalf("%v is listened on, and sock_diag says %+v", at, h)
	}
	if has, err := holds("/proc", []Process{{PID: os.Getpid()}}, []Heard{h}); err != nil || !has {
		t.Errorf("this process holds the socket: %v, %v", has, err)
	}
	if has, err := holds("/proc", []Process{{PID: os.Getpid()}}, []Heard{{Inode: h.Inode + 1}}); err != nil || has {
		t.Errorf("this process holds another socket: %v, %v", has, err)
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if h, _ := find(); h.Waiting != 1 {
		t.Errorf("one connection waits, sock_diag says %d", h.Waiting)
	}
	l.Close()
	if h, ok := find(); ok {
		t.Errorf("%v is closed, sock_diag says %+v", at, h)
	}
}

func TestExitIsSeen(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	woken := make(chan struct{}, 1)
	e := newExit(func() { woken <- struct{}{} })
	done := make(chan error, 1)
	ctx := t.Context()
	go func() { done <- e.Run(ctx) }()
	e.watch([]Process{{PID: cmd.Process.Pid, Born: 1}})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-woken:
	case <-time.After(10 * time.Second):
		t.Fatal("the end of the process was not seen")
	}
}

func TestConfigOf(t *testing.T) {
	for want, args := range map[string][]string{
		"/a":   {"haproxy", "-Ws", "-f", "/a", "-f", "/b", "-p", "/run/haproxy.pid"},
		"/c":   {"haproxy", "-db", "--", "/c"},
		"":     {"haproxy", "-f"},
		"h.cf": {"haproxy", "-f", "h.cf"},
	} {
		if got := configOf(args); got != want {
			t.Errorf("%q: %q, want %q", args, got, want)
		}
	}
}
