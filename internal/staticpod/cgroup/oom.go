package cgroup

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

// Kills are the processes of one container that the kernel killed for memory.
type Kills struct {
	Count int
	Last  time.Time // when the last one was noticed; zero where all were there before the container was watched
	// Presumed tells that the last one was signalled and the cgroup went before it was seen counted (v1 alone). It may have been another's, of the same pod
	// and the same moment; with an exit code of 137 it was not.
	Presumed bool
}

// soon is how near to each other a process's kill and its container's end lie where one is the other's cause: the kernel takes the memory
// of a killed process away at once, and the runtime sees its exit in its own time.
const soon = 5 * time.Second

// Ended reports whether a container's end was one of the kills. A process beside the main one that was killed earlier does not make of a later end an
// OOM kill, whatever its exit code; finished is the end as the runtime has it.
func (k Kills) Ended(exitCode int, finished time.Time) bool {
	return k.Count > 0 && exitCode == 128+int(unix.SIGKILL) && !k.Last.IsZero() && finished.Sub(k.Last).Abs() <= soon
}

// OOM counts, for each container, the processes that the kernel killed for memory: in its own cgroup for whichever limit, its pod's and the
// machine's too. On v1 a cgroup that the container made below its own is not counted. It is a task; one goroutine waits for all.
type OOM struct {
	tree  *Tree
	proc  string
	told  func(containerID string, k Kills)
	epoll *os.File // pollable itself, so that waiting costs no thread
	fd    int
	ready chan struct{}
	once  sync.Once
	began atomic.Pointer[time.Time] // nil while it waits

	inotify int // of all memory.events; -1 on v1
	mu      sync.Mutex
	by      map[string]*container
	fds     map[int32]*container // v1, by eventfd
	wds     map[int32]*container // v2, by inotify's watch
	unsure  map[*container]*doubt
	closed  bool
}

type container struct {
	id, dir string
	kills   Kills
	untold  bool  // Run has not told of kills
	gone    bool  // its cgroup is
	eventfd int   // v1, -1: none
	control int   // v1, memory.oom_control; -1: none
	wd      int32 // v2, -1: none
}

// NewOOM makes a watcher that watches nothing yet; it needs Close. told is called from Run with each change, and may be nil; it must not block.
func NewOOM(t *Tree, told func(containerID string, k Kills)) (*OOM, error) {
	o := &OOM{tree: t, proc: "/proc", told: told, ready: make(chan struct{}), inotify: -1,
		by: map[string]*container{}, fds: map[int32]*container{}, wds: map[int32]*container{}, unsure: map[*container]*doubt{}}
	if o.told == nil {
		o.told = func(string, Kills) {}
	}
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("watch for OOM kills: %w", err)
	}
	o.fd = fd
	if t.version == V2 {
		if err := o.openInotify(); err != nil {
			unix.Close(fd)
			return nil, fmt.Errorf("watch for OOM kills: %w", err)
		}
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(fmt.Errorf("watch for OOM kills: %w", err), unix.Close(fd))
	}
	o.epoll = os.NewFile(uintptr(fd), "epoll of OOM kills")
	return o, nil
}

// Watch begins to watch a container; pid is a process of it. Twice is once. What was killed before is counted, without a time.
func (o *OOM) Watch(containerID string, pid int) error {
	if containerID == "" {
		return errors.New("watch for OOM kills: a container without id")
	}
	o.mu.Lock()
	_, known := o.by[containerID]
	o.mu.Unlock()
	if known {
		return nil
	}
	paths, err := OfProcess(o.proc, pid)
	if err != nil {
		return fmt.Errorf("watch container %s for OOM kills: %w", containerID, err)
	}
	dir, err := o.tree.ofContainer(paths, containerID)
	if err != nil {
		return fmt.Errorf("watch container %s for OOM kills: %w", containerID, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.by[containerID]; ok || o.closed {
		return nil
	}
	c := &container{id: containerID, dir: dir, eventfd: -1, control: -1, wd: -1}
	if o.inotify >= 0 {
		err = o.watchV2(c)
	} else {
		err = o.watchV1(c)
	}
	if err != nil {
		return fmt.Errorf("watch container %s for OOM kills: %w", containerID, err)
	}
	o.by[containerID] = c
	n, err := c.read()
	if err != nil {
		c.gone = gone(err)
		return nil // it ended this moment; an event may still tell
	}
	c.kills.Count = n
	return nil
}

// Killed is what is known of a container, also after its cgroup is gone, until Forget; false where it was never watched. The kernel's count is read
// anew where there still is one, so that who hears of an exit first gets a whole answer.
func (o *OOM) Killed(containerID string) (Kills, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	c := o.by[containerID]
	if c == nil {
		return Kills{}, false
	}
	c.refresh()
	return c.kills, true
}

// Forget drops a container: it was removed, or is no longer asked for.
func (o *OOM) Forget(containerID string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if c := o.by[containerID]; c != nil {
		o.release(c)
		delete(o.by, containerID)
	}
}

// release needs the lock.
func (o *OOM) release(c *container) {
	if c.eventfd >= 0 {
		delete(o.fds, int32(c.eventfd))
		unix.Close(c.eventfd) // leaves the epoll set, and the kernel's list, with it
		c.eventfd = -1
	}
	if c.control >= 0 {
		unix.Close(c.control)
		c.control = -1
	}
	if c.wd >= 0 {
		delete(o.wds, c.wd)
		_, _ = unix.InotifyRmWatch(o.inotify, uint32(c.wd)) // gone with its file, at worst
		c.wd = -1
	}
	delete(o.unsure, c)
}

// Close gives everything back; Run must not run.
func (o *OOM) Close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.closed = true
	for id, c := range o.by {
		o.release(c)
		delete(o.by, id)
	}
	if o.inotify >= 0 {
		unix.Close(o.inotify)
	}
	o.epoll.Close()
}

// Run waits for kills until ctx ends.
func (o *OOM) Run(ctx context.Context) error {
	o.once.Do(func() { close(o.ready) })
	_ = o.epoll.SetReadDeadline(time.Time{})
	defer context.AfterFunc(ctx, func() { _ = o.epoll.SetReadDeadline(time.Now()) })()
	conn, err := o.epoll.SyscallConn()
	if err != nil {
		return fmt.Errorf("watch for OOM kills: %w", err)
	}
	events := make([]unix.EpollEvent, 64)
	for {
		_ = o.epoll.SetReadDeadline(o.nextLook())
		if ctx.Err() != nil { // after the deadline was set: the one that ends Run comes later
			return ctx.Err()
		}
		n := 0
		var failed error
		err := conn.Read(func(uintptr) bool {
			n, failed = unix.EpollWait(o.fd, events, 0)
			return n > 0 || (failed != nil && !errors.Is(failed, unix.EINTR))
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			err = failed
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("watch for OOM kills: %w", err)
		}
		now := time.Now()
		o.began.Store(&now)
		for _, c := range o.changed(events[:max(n, 0)], now) {
			o.told(c.id, c.kills)
		}
		o.began.Store(nil)
	}
}

// changed reads what the events, and the looks that are due, are about; it lists copies of the containers that have new kills.
func (o *OOM) changed(events []unix.EpollEvent, now time.Time) []container {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []container
	look := func(c *container) {
		c.refresh()
		if c.untold {
			c.untold = false
			out = append(out, *c)
		}
	}
	for _, ev := range events {
		if ev.Fd == int32(o.inotify) {
			for _, c := range o.drainInotify() {
				look(c)
			}
		} else if c := o.fds[ev.Fd]; c != nil {
			o.signalled(c, now)
		}
	}
	for c := range o.unsure {
		o.lookAgain(c, now)
		if c.untold {
			c.untold = false
			out = append(out, *c)
		}
	}
	return out
}

// Ready is closed once Run has begun.
func (o *OOM) Ready() <-chan struct{} { return o.ready }

// Beat is now while it waits, else when it began to tell of the kills at hand.
func (o *OOM) Beat() time.Time {
	if t := o.began.Load(); t != nil {
		return *t
	}
	return time.Now()
}

// Bound is the longest that telling takes when all is well.
func (o *OOM) Bound() time.Duration { return time.Minute }

func (o *OOM) String() string { return "OOM kills" }

// refresh reads the kernel's count.
func (c *container) refresh() {
	if c.gone {
		return
	}
	n, err := c.read()
	if err != nil {
		c.gone = gone(err)
		return
	}
	c.count(n)
}

func (c *container) count(n int) {
	if n > c.kills.Count {
		c.kills, c.untold = Kills{Count: n, Last: time.Now()}, true
	}
}
