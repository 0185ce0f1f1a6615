//go:build integration

package runtime

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/lab"
	"nodeagent/internal/lab/labtest"
)

// inotifyVariable asks the test binary to use up its user namespace's inotify instances: see TestInotifyUsedUp.
const inotifyVariable = "NODEAGENT_RUNTIME_INOTIFY"

// TestInotifyUsedUp does it in a user namespace of its own, whose limit nobody else shares.
func TestInotifyUsedUp(t *testing.T) {
	everyContainerd(t, func(t *testing.T, binary string) {
		l := labtest.Start(t, lab.Options{Containerd: binary})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "/proc/self/exe")
		cmd.Dir = "/"
		cmd.Env = []string{inotifyVariable + "=" + l.Socket(), "PATH=" + os.Getenv("PATH")}
		id := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: id, GidMappings: id}
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil {
			t.Errorf("%v: %s", err, out.Bytes())
		}
	})
}

// inotifyUsedUp is the test in its namespace: the watch can't be had, is polled for, comes back.
func inotifyUsedUp(socket string) error {
	const limit = "/proc/sys/user/max_inotify_instances"
	const watches = "/proc/sys/user/max_inotify_watches"
	for _, file := range []string{limit, watches} {
		if err := os.WriteFile(file, []byte("0"), 0); err != nil {
			return err
		}
	}
	board := health.NewBoard(nil, Conditions()...)
	cfg := Config{Endpoint: socket, ProbeTimeout: time.Second, CheckFrequency: 50 * time.Millisecond, DetailFrequency: 50 * time.Millisecond}
	r := New(func() Config { return cfg }, Hooks{}, board, zap.NewNop())
	r.socket.again = 50 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	for _, task := range r.Tasks() {
		tasks.Go(func() { _ = task.Run(ctx) })
	}
	defer func() { cancel(); tasks.Wait(); r.Close() }()
	await := func(c *health.Condition, subject, want, message string) error {
		waitCtx, done := context.WithTimeout(ctx, 20*time.Second)
		defer done()
		found, met := "", false
		_ = board.Watch(waitCtx, nil, func(s health.Snapshot) {
			for _, st := range s.States() {
				for _, e := range st.Entries {
					if st.Condition == c && e.Subject == subject {
						found = word(health.Finding{Status: e.Status, Reason: e.Reason})
						if found == want && strings.Contains(e.Message, message) {
							met = true
							done()
						}
					}
				}
			}
		})
		if !met {
			return fmt.Errorf("%s is %s, want %s with %q", c.Name, found, want, message)
		}
		return nil
	}
	if err := await(RuntimeWatch, "socket", "failing/InotifyUsedUp", "too many open files"); err != nil {
		return err
	}
	if err := await(RuntimeResponsive, "", "ok", ""); err != nil { // polled, and found all the same
		return err
	}
	if err := os.WriteFile(limit, []byte("128"), 0); err != nil {
		return err
	}
	// An instance can be had, and no watch in it.
	if err := await(RuntimeWatch, "socket", "failing/InotifyUsedUp", "no space left"); err != nil {
		return err
	}
	if err := os.WriteFile(watches, []byte("8192"), 0); err != nil {
		return err
	}
	return await(RuntimeWatch, "socket", "ok", "")
}
