package component

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
)

// TestExitWakes: that a component's process ended is seen at once, and not only at the next look.
func TestExitWakes(t *testing.T) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(shell)
	if err != nil {
		t.Fatal(err)
	}
	n := newNode(t)
	program := filepath.Join(n.dir, nameScheduler)
	write(t, program, string(text))
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	s := serve(t, n.ca, time.Now().Add(hour), "localhost")
	s.set("/healthz", reply{status: 200})
	n.manifest(nameScheduler, "--secure-port="+s.port())
	c := exec.Command(program, "-c", "read x", "sh", "--secure-port="+s.port())
	if _, err := c.StdinPipe(); err != nil { // so that it waits
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	if err := os.Symlink(fmt.Sprintf("/proc/%d", c.Process.Pid), filepath.Join(n.cfg.Proc, fmt.Sprint(c.Process.Pid))); err != nil {
		t.Fatal(err)
	}
	n.cfg.Every, n.cfg.Timeout = time.Hour, time.Second

	board := health.NewBoard(nil, Conditions()...)
	checker := New(func() Config { return n.cfg }, Deps{}, board, zap.NewNop())
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for _, task := range checker.Tasks() {
		if task.String() == nameScheduler {
			go func() { _ = task.Run(ctx) }()
		}
	}
	err = board.Watch(ctx, []*health.Condition{Scheduler}, func(snap health.Snapshot) {
		st, _ := snap.Of(Scheduler.Name)
		switch e := st.Worst(); {
		case e.Status == health.OK:
			s.Close()
			_ = c.Process.Kill()
			_ = c.Wait()
		case e.Reason == schedulerReasons.down:
			stop()
		}
	})
	if ctx.Err() == context.DeadlineExceeded {
		t.Errorf("the end of the process woke no look: %v", err)
	}
}
