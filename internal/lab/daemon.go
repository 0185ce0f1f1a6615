package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// startTime bounds a start where the caller's context does not; containerd
// takes a third of a second on a quiet machine.
const startTime = 60 * time.Second

// daemon is a containerd that this process started.
type daemon struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it was waited for
}

func (d *daemon) running() bool {
	if d == nil {
		return false
	}
	select {
	case <-d.exited:
		return false
	default:
		return true
	}
}

func (d *daemon) signal(s unix.Signal) error {
	err := d.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Start runs containerd, waits until its CRI answers that runtime and network
// are ready, and imports the pause image. It is an error if it runs already. It
// ends with ctx, after 60 s, or when containerd ends; then the error shows the
// end of its log.
func (l *Lab) Start(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.start(ctx); err != nil {
		return fmt.Errorf("start containerd of lab %s: %w", l.place.name, err)
	}
	return nil
}

func (l *Lab) start(ctx context.Context) error {
	if l.held == nil {
		return errors.New("the lab is closed")
	}
	if l.daemon.running() {
		return errors.New("it runs already")
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	// The socket of a killed one would be there before the new one listens.
	if err := os.Remove(l.place.socket()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	log, err := os.OpenFile(l.place.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	d := &daemon{cmd: l.command(log), exited: make(chan struct{})}
	if err := d.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = d.cmd.Wait() // how it ended stands in its log
		close(d.exited)
	}()
	l.daemon = d
	if err := l.awaitReady(ctx, d); err != nil {
		return fmt.Errorf("%w; the end of %s:\n%s", err, l.place.log(), lastLines(l.place.log(), 15))
	}
	ready := time.Since(begin)
	if err := l.importPause(ctx); err != nil {
		return fmt.Errorf("import the pause image: %w", err)
	}
	l.logf("containerd is ready after %s, with its pause image after %s",
		ready.Round(time.Millisecond), time.Since(begin).Round(time.Millisecond))
	return nil
}

// awaitReady asks the CRI until it says that both conditions are true.
func (l *Lab) awaitReady(ctx context.Context, d *daemon) error {
	ask := func() error {
		if !exists(l.place.socket()) {
			return errors.New("no socket yet")
		}
		return askReady(ctx, l.place.socket())
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-d.exited:
			return fmt.Errorf("it ended (%s)", d.cmd.ProcessState)
		case <-ctx.Done():
			return fmt.Errorf("not ready in time (%w): %w", ctx.Err(), err)
		case <-tick.C:
		}
	}
}

func askReady(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	conn, err := dial(socket)
	if err != nil {
		return err
	}
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	if _, err := client.Version(ctx, &cri.VersionRequest{}); err != nil {
		return fmt.Errorf("CRI Version: %w", err)
	}
	status, err := client.Status(ctx, &cri.StatusRequest{})
	if err != nil {
		return fmt.Errorf("CRI Status: %w", err)
	}
	ready := map[string]bool{}
	for _, c := range status.GetStatus().GetConditions() {
		if !c.Status && (c.Type == cri.RuntimeReady || c.Type == cri.NetworkReady) {
			return fmt.Errorf("%s is false: %s %s", c.Type, c.Reason, c.Message)
		}
		ready[c.Type] = c.Status
	}
	if !ready[cri.RuntimeReady] || !ready[cri.NetworkReady] {
		return errors.New("CRI Status names no RuntimeReady or NetworkReady")
	}
	return nil
}

// Stop ends containerd by SIGTERM, by SIGKILL after 10 s or when ctx ends. Pods
// live on. Stopping a stopped one is no error.
func (l *Lab) Stop(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stop(ctx)
}

func (l *Lab) stop(ctx context.Context) error {
	if !l.daemon.running() {
		return nil
	}
	d := l.daemon
	// A stopped process takes SIGTERM only when it goes on.
	if err := errors.Join(d.signal(unix.SIGTERM), d.signal(unix.SIGCONT)); err != nil {
		return fmt.Errorf("stop containerd of lab %s: %w", l.place.name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	select {
	case <-d.exited:
		return nil
	case <-ctx.Done():
		return l.kill()
	}
}

// Kill ends containerd by SIGKILL and waits until it is gone. Pods live on.
func (l *Lab) Kill() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kill()
}

func (l *Lab) kill() error {
	if !l.daemon.running() {
		return nil
	}
	if err := l.daemon.signal(unix.SIGKILL); err != nil {
		return fmt.Errorf("kill containerd of lab %s: %w", l.place.name, err)
	}
	<-l.daemon.exited
	return nil
}

// Pause stops containerd by SIGSTOP: a hung runtime, whose socket still
// accepts. Pods and shims run on. Resume lets it go on.
func (l *Lab) Pause() error { return l.send(unix.SIGSTOP) }

// Resume undoes Pause.
func (l *Lab) Resume() error { return l.send(unix.SIGCONT) }

func (l *Lab) send(s unix.Signal) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.daemon.running() {
		return fmt.Errorf("containerd of lab %s does not run", l.place.name)
	}
	if err := l.daemon.signal(s); err != nil {
		return fmt.Errorf("send %s to containerd of lab %s: %w", unix.SignalName(s), l.place.name, err)
	}
	return nil
}

// Restart is Stop and Start.
func (l *Lab) Restart(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.stop(ctx); err != nil {
		return err
	}
	if err := l.start(ctx); err != nil {
		return fmt.Errorf("restart containerd of lab %s: %w", l.place.name, err)
	}
	return nil
}

// PID is containerd's process id, 0 while it does not run.
func (l *Lab) PID() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.daemon.running() {
		return 0
	}
	return l.daemon.cmd.Process.Pid
}

// LastLog gives the last n lines of containerd's log.
func (l *Lab) LastLog(n int) string { return lastLines(l.place.log(), n) }

func lastLines(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
