package cgroup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// openInotify makes the one instance that watches every memory.events: a machine has few instances and many watches.
func (o *OOM) openInotify() error {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if errors.Is(err, unix.EMFILE) {
		return fmt.Errorf("make inotify: %w: raise fs.inotify.max_user_instances", err)
	}
	if err != nil {
		return fmt.Errorf("make inotify: %w", err)
	}
	if err := unix.EpollCtl(o.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}); err != nil {
		unix.Close(fd)
		return fmt.Errorf("watch inotify: %w", err)
	}
	o.inotify = fd
	return nil
}

// watchV2 has the kernel tell of each change of memory.events (cgroup-v2.rst: "a value change in this file generates a file modified event").
func (o *OOM) watchV2(c *container) error {
	wd, err := unix.InotifyAddWatch(o.inotify, filepath.Join(c.dir, "memory.events"), unix.IN_MODIFY)
	if errors.Is(err, unix.ENOSPC) {
		return fmt.Errorf("watch memory.events: %w: raise fs.inotify.max_user_watches", err)
	}
	if err != nil {
		return fmt.Errorf("watch memory.events: %w", err)
	}
	c.wd = int32(wd)
	o.wds[c.wd] = c
	return nil
}

// drainInotify takes all events at hand and lists the containers to be read: every one, where the kernel dropped some.
func (o *OOM) drainInotify() []*container {
	var out []*container
	buf := make([]byte, 64*unix.SizeofInotifyEvent)
	for {
		n, err := unix.Read(o.inotify, buf)
		if err != nil || n <= 0 {
			break
		}
		wds, ended, overflow := parseInotify(buf[:n])
		if overflow {
			for _, c := range o.by {
				out = append(out, c)
			}
		}
		for _, wd := range wds {
			if c := o.wds[wd]; c != nil {
				out = append(out, c)
			}
		}
		for _, wd := range ended {
			if c := o.wds[wd]; c != nil {
				delete(o.wds, wd)
				c.wd = -1
			}
		}
	}
	slices.SortFunc(out, func(a, b *container) int { return strings.Compare(a.id, b.id) })
	return slices.Compact(out)
}

// parseInotify reads what one read gave (inotify(7)): watches with a change, watches that ended with their file, and whether events were lost.
func parseInotify(b []byte) (changed, ended []int32, overflow bool) {
	for len(b) >= unix.SizeofInotifyEvent {
		wd := int32(binary.NativeEndian.Uint32(b))
		mask := binary.NativeEndian.Uint32(b[4:])
		size := uint64(binary.NativeEndian.Uint32(b[12:])) + unix.SizeofInotifyEvent
		switch {
		case mask&unix.IN_Q_OVERFLOW != 0:
			overflow = true
		case mask&unix.IN_IGNORED != 0:
			ended = append(ended, wd)
		default:
			changed = append(changed, wd)
		}
		if size > uint64(len(b)) {
			break
		}
		b = b[size:]
	}
	return changed, ended, overflow
}
