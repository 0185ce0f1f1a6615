package cgroup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// doubt is about signals of v1 that are not understood yet. The kernel signals a container's eventfd before it kills, once more after the cgroup
// went, and for its pod's limit it signals every container of the pod, whichever it kills.
type doubt struct {
	signals uint64 // that no look has explained
	looks   int
	next    time.Time
}

// looks at the kernel's count after a signal: a killed process is counted within a millisecond unless the machine is in need.
var looks = []time.Duration{0, time.Millisecond, 4 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second}

// settled is the look after which a cgroup that lives and has no new kill was signalled for another's.
const settled = 3

// watchV1 registers an eventfd with memory.oom_control (cgroup-v1/memory.rst, 10).
func (o *OOM) watchV1(c *container) (err error) {
	if c.control, err = unix.Open(filepath.Join(c.dir, "memory.oom_control"), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("open memory.oom_control: %w", err)
	}
	defer func() {
		if err != nil {
			o.release(c)
		}
	}()
	if c.eventfd, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("make eventfd: %w", err)
	}
	if err := appendTo(filepath.Join(c.dir, "cgroup.event_control"), fmt.Sprintf("%d %d", c.eventfd, c.control)); err != nil {
		return fmt.Errorf("register with memory.oom_control: %w", err)
	}
	if err := unix.EpollCtl(o.fd, unix.EPOLL_CTL_ADD, c.eventfd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(c.eventfd)}); err != nil {
		return fmt.Errorf("watch eventfd: %w", err)
	}
	o.fds[int32(c.eventfd)] = c
	return nil
}

// signalled takes the signals of an eventfd and begins to look.
func (o *OOM) signalled(c *container, now time.Time) {
	var b [8]byte
	if n, err := unix.Read(c.eventfd, b[:]); err != nil || n != len(b) {
		return
	}
	d := o.unsure[c]
	if d == nil {
		d = &doubt{}
		o.unsure[c] = d
	}
	d.signals += binary.NativeEndian.Uint64(b[:])
	d.looks, d.next = 0, now
}

// lookAgain reads the kernel's count of a container that was signalled, if it is time.
func (o *OOM) lookAgain(c *container, now time.Time) {
	d := o.unsure[c]
	if d.next.After(now) {
		return
	}
	n, err := c.read()
	if err == nil {
		c.count(n)
	}
	if c.untold { // by this look, or by Killed a moment ago
		delete(o.unsure, c)
		return
	}
	if err == nil && d.looks >= settled {
		d.signals = 0
	}
	if err != nil && gone(err) {
		// Its end signals once, in its own time. Any signal more was of a kill whose count went with the cgroup.
		c.gone = true
		if d.signals > 1 {
			o.release(c)
			c.count(c.kills.Count + 1)
			c.kills.Presumed = true
			return
		}
	}
	d.looks++
	if d.looks == len(looks) {
		if c.gone {
			o.release(c)
		}
		delete(o.unsure, c)
		return
	}
	d.next = now.Add(looks[d.looks])
}

// nextLook is when a container in doubt is looked at next; zero for never.
func (o *OOM) nextLook() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	var next time.Time
	for _, d := range o.unsure {
		if next.IsZero() || d.next.Before(next) {
			next = d.next
		}
	}
	return next
}

// read the kernel's count. v1 has had it since Linux 4.13.
func (c *container) read() (int, error) {
	var b []byte
	var err error
	if c.control >= 0 {
		b = make([]byte, 256)
		var n int
		n, err = pread(c.control, b)
		b = b[:max(n, 0)]
	} else {
		b, err = os.ReadFile(filepath.Join(c.dir, "memory.events"))
	}
	if err != nil {
		return 0, err
	}
	var n uint64
	if keyed(b, keysKills, []*uint64{&n}) == 0 {
		return 0, errors.New("the kernel does not count OOM kills: it needs Linux 4.13 or newer")
	}
	return int(min(n, 1<<31)), nil
}
