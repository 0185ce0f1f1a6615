package component

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"nodeagent/internal/procs"
)

// exits tells at once that a component's process ended: a balancer's verdict must not wait for the next look. Where the kernel has no pidfds that can be
// polled (before 5.10) the looks find it.
type exits struct {
	mu      sync.Mutex
	watched map[string]watched // by component
}

type watched struct {
	pid     int
	started uint64
	stop    func()
}

// watch calls wake once when a component's process ends; of each component one process is watched.
func (e *exits) watch(proc, name string, p *process, wake func()) {
	if p == nil || wake == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if w, ok := e.watched[name]; ok {
		if w.pid == p.pid && w.started == p.started {
			return
		}
		w.stop()
	}
	if e.watched == nil {
		e.watched = map[string]watched{}
	}
	e.watched[name] = watched{p.pid, p.started, onExit(proc, p, wake)}
}

// forget ends the watch of a component.
func (e *exits) forget(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w, ok := e.watched[name]; ok {
		w.stop()
		delete(e.watched, name)
	}
}

// onExit calls fn when a process ends, unless stop is called before.
func onExit(proc string, p *process, fn func()) (stop func()) {
	nothing := func() {}
	fd, err := unix.PidfdOpen(p.pid, unix.PIDFD_NONBLOCK)
	if errors.Is(err, unix.ESRCH) {
		go fn()
		return nothing
	}
	if err != nil {
		return nothing
	}
	file := os.NewFile(uintptr(fd), "pidfd")
	if now, err := procs.ReadStat(proc, p.pid); err != nil || now.Start != p.started { // the number is another process' by now
		file.Close()
		go fn()
		return nothing
	}
	conn, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nothing
	}
	go func() {
		ended := false
		_ = conn.Read(func(fd uintptr) bool {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			ended = n > 0
			return ended || err != nil && !errors.Is(err, unix.EINTR)
		})
		if ended {
			fn()
		}
	}()
	return func() { file.Close() }
}
