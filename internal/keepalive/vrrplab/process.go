package vrrplab

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Process is a program that the test started.
type Process struct {
	Cmd    *exec.Cmd
	Stdin  io.WriteCloser
	log    string
	exited chan struct{}
}

// Start runs a program; with a node, in its namespace. It is killed when the test ends, and what it wrote is logged if the test failed.
func Start(t testing.TB, n *Node, log, program string, env []string, args ...string) *Process {
	t.Helper()
	if n != nil {
		args = append([]string{"netns", "exec", n.Name, program}, args...)
		program = "ip"
	}
	out, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p := &Process{Cmd: exec.Command(program, args...), log: log, exited: make(chan struct{})}
	p.Cmd.Stdout, p.Cmd.Stderr, p.Cmd.Env = out, out, append(os.Environ(), env...)
	if p.Stdin, err = p.Cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.Cmd.Wait(); close(p.exited) }()
	t.Cleanup(func() {
		p.Signal(syscall.SIGCONT)
		p.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(5 * time.Second):
			p.Signal(syscall.SIGKILL)
			<-p.exited
		}
		if b, _ := os.ReadFile(log); t.Failed() {
			t.Logf("%s:\n%s", filepath.Base(log), b)
		}
	})
	return p
}

// PID of the process.
func (p *Process) PID() int { return p.Cmd.Process.Pid }

// Signal sends a signal; to a process that ended it does nothing.
func (p *Process) Signal(s syscall.Signal) { _ = p.Cmd.Process.Signal(s) }

// Kill ends the process with SIGKILL and waits for it.
func (p *Process) Kill() { p.Signal(syscall.SIGKILL); <-p.exited }

// Stop ends the process with SIGTERM and waits for it.
func (p *Process) Stop() { p.Signal(syscall.SIGTERM); <-p.exited }

// Log is what the process wrote so far.
func (p *Process) Log() string {
	b, _ := os.ReadFile(p.log)
	return string(b)
}

// Keepalived starts keepalived on the node with its own pid files. The text of its configuration begins with net_namespace where it shall use the
// process connector, which is in the host's namespace alone (see Namespace).
func (n *Node) Keepalived(conf string, outside bool) *Process {
	n.t.Helper()
	path := n.File("keepalived.conf", conf)
	if err := os.Chmod(path, 0o600); err != nil {
		n.t.Fatal(err)
	}
	n.settled()
	at := n
	if outside {
		at = nil
	}
	f := func(name string) string { return filepath.Join(n.Dir, name) }
	n.daemon = Start(n.t, at, f("keepalived.log"), "keepalived", nil, "--dont-fork", "--log-console", "--log-detail", "--vrrp",
		"-f", path, "-p", f("keepalived.pid"), "-r", f("vrrp.pid"), "-c", f("checkers.pid"))
	return n.daemon
}

// KeepalivedPod starts keepalived as a pod of the host's network has it: in a PID and a mount namespace of its own, with one folder of the node
// mounted read-only at another path. It may be started once.
func (n *Node) KeepalivedPod(conf, folder, at string) *Process {
	n.t.Helper()
	path := n.File("keepalived.conf", conf)
	if err := os.Chmod(path, 0o600); err != nil {
		n.t.Fatal(err)
	}
	if err := os.MkdirAll(at, 0o755); err != nil {
		n.t.Fatal(err)
	}
	f := func(name string) string { return filepath.Join(n.Dir, name) }
	n.daemon = Start(n.t, n, f("keepalived.log"), "unshare", nil, "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec",
		`mount --bind "$1" "$2"; mount -o remount,bind,ro "$2"; shift 2; exec "$@"`, "sh", folder, at,
		"keepalived", "--dont-fork", "--log-console", "--log-detail", "--vrrp", "-f", path, "-p", f("keepalived.pid"), "-r", f("vrrp.pid"), "-c", f("checkers.pid"))
	return n.daemon
}

// settled waits until no keepalived of the node is left: the child of one that was killed lives on for up to a second, or is a zombie until
// somebody reaps it, and a new one ends with "daemon is already running" while it is there.
func (n *Node) settled() {
	n.t.Helper()
	for _, name := range []string{"keepalived.pid", "vrrp.pid"} {
		b, err := os.ReadFile(filepath.Join(n.Dir, name))
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			continue
		}
		for end := time.Now().Add(10 * time.Second); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				n.t.Fatalf("%s: keepalived's process %d does not end", n.Name, pid)
			}
		}
	}
}
