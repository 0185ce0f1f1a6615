package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// exit wakes the look as soon as the process that was seen last ends: a pidfd is readable then. Where the kernel has none (before 5.3) the
// looks find it out, only later.
type exit struct {
	wake  func()
	ready chan struct{}
	once  sync.Once

	mu    sync.Mutex
	procs []Process
	moved chan struct{} // closed and replaced when procs changes
}

func newExit(wake func()) *exit {
	return &exit{wake: wake, ready: make(chan struct{}), moved: make(chan struct{})}
}

// maxWatched processes: a master, its worker, and old workers of reloads.
const maxWatched = 8

// watch says which processes count from now on.
func (e *exit) watch(procs []Process) {
	procs = procs[:min(len(procs), maxWatched)]
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(procs) == len(e.procs) {
		same := true
		for i, p := range procs {
			same = same && p.PID == e.procs[i].PID && p.Born == e.procs[i].Born
		}
		if same {
			return
		}
	}
	e.procs = procs
	close(e.moved)
	e.moved = make(chan struct{})
}

// Run watches until ctx ends.
func (e *exit) Run(ctx context.Context) error {
	e.once.Do(func() { close(e.ready) })
	for {
		e.mu.Lock()
		procs, moved := e.procs, e.moved
		e.mu.Unlock()
		inner, cancel := context.WithCancel(ctx)
		var waits sync.WaitGroup
		for _, p := range procs {
			waits.Go(func() {
				if awaitExit(inner, p.PID) == nil {
					e.wake()
				}
			})
		}
		select {
		case <-ctx.Done():
		case <-moved:
		}
		cancel()
		waits.Wait()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// awaitExit returns nil when the process has ended, and an error when ctx ended first or it can't be watched. Waiting costs no thread.
func awaitExit(ctx context.Context, pid int) error {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK)
	switch {
	case errors.Is(err, unix.ESRCH):
		return nil
	case err != nil:
		return fmt.Errorf("watch process %d: %w", pid, err)
	}
	f := os.NewFile(uintptr(fd), "pidfd")
	defer f.Close()
	defer context.AfterFunc(ctx, func() { _ = f.SetReadDeadline(time.Now()) })()
	conn, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("watch process %d: %w", pid, err)
	}
	err = conn.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && !errors.Is(err, unix.EINTR)
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

func (e *exit) Ready() <-chan struct{} { return e.ready }
func (e *exit) Beat() time.Time        { return time.Now() }
func (e *exit) Bound() time.Duration   { return time.Minute }
func (e *exit) String() string         { return "haproxy exit" }
