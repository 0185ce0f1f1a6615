package staticpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// exitWatcher is a task that calls back when a watched container's process has ended. *exits is the one; tests have their own.
type exitWatcher interface {
	Task
	watch(containerID string, pid int, started time.Time)
	close()
}

// exits tells, earlier than any runtime, that a container's process has ended: one epoll over a pidfd a container. It tells that it
// ended, not how.
type exits struct {
	fn    func(containerID string)
	epoll *os.File // pollable itself, so that waiting costs no thread
	fd    int
	ready chan struct{}
	once  sync.Once
	began atomic.Pointer[time.Time] // nil while it waits

	mu  sync.Mutex
	fds map[int32]string // pidfd -> container id
	ids map[string]int32
}

func newExits(fn func(string)) (*exits, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make epoll: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, fmt.Errorf("make epoll: %w", err)
	}
	return &exits{fn: fn, epoll: os.NewFile(uintptr(fd), "epoll of pidfds"), fd: fd, ready: make(chan struct{}), fds: map[int32]string{}, ids: map[string]int32{}}, nil
}

// watch begins to watch the process of a container that was started at the given time. Where the kernel has no pidfds (before 5.3), or it
// can't be told whose process it is, nothing is watched: the runtime's events and the resync remain.
func (e *exits) watch(id string, pid int, started time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.ids[id]; ok {
		return
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		go e.fn(id) // gone already
		return
	}
	if err != nil {
		return
	}
	if ended(pidfd) { // a zombie, whosever: on cgroup v1 it is in no container's cgroup any more
		unix.Close(pidfd)
		go e.fn(id)
		return
	}
	if owner := ownerOf(pid, id, started); owner != its {
		unix.Close(pidfd)
		if owner == another {
			go e.fn(id)
		}
		return
	}
	if err := unix.EpollCtl(e.fd, unix.EPOLL_CTL_ADD, pidfd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(pidfd)}); err != nil {
		unix.Close(pidfd)
		return
	}
	e.fds[int32(pidfd)], e.ids[id] = id, int32(pidfd)
}

// ended reports whether the process has ended, all of its threads.
func ended(pidfd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

// close gives everything back; Run must not run.
func (e *exits) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for fd := range e.fds {
		unix.Close(int(fd))
	}
	e.epoll.Close()
}

// Run waits for exits until ctx ends.
func (e *exits) Run(ctx context.Context) error {
	e.once.Do(func() { close(e.ready) })
	defer context.AfterFunc(ctx, func() { _ = e.epoll.SetReadDeadline(time.Now()) })()
	conn, err := e.epoll.SyscallConn()
	if err != nil {
		return fmt.Errorf("watch pidfds: %w", err)
	}
	events := make([]unix.EpollEvent, 64)
	for {
		n := 0
		err := conn.Read(func(uintptr) bool {
			var err error
			n, err = unix.EpollWait(e.fd, events, 0)
			return n > 0 || (err != nil && !errors.Is(err, unix.EINTR))
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("watch pidfds: %w", err)
		}
		now := time.Now()
		e.began.Store(&now)
		for _, ev := range events[:max(n, 0)] {
			if id, ok := e.drop(ev.Fd); ok {
				e.fn(id)
			}
		}
		e.began.Store(nil)
	}
}

func (e *exits) drop(fd int32) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	id, ok := e.fds[fd]
	if ok {
		unix.Close(int(fd)) // leaves the epoll set with it
		delete(e.fds, fd)
		delete(e.ids, id)
	}
	return id, ok
}

func (e *exits) Ready() <-chan struct{} { return e.ready }

// Beat is now while it waits, else when it began to tell of the exits at hand.
func (e *exits) Beat() time.Time {
	if t := e.began.Load(); t != nil {
		return *t
	}
	return time.Now()
}

func (e *exits) Bound() time.Duration { return time.Minute }
func (e *exits) String() string       { return "process exits" }
