package dump

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// signal has keepalived write its JSON dump: SIGRTMIN+2 of the C library.
const signal = syscall.Signal(36)

// file is where keepalived 2.2 writes it; its name can't be changed.
const file = "tmp/keepalived.json"

var (
	errNotHandled = errors.New("keepalived does not handle the signal for a dump: it was built without JSON, and would die of it")
	errNotWritten = errors.New("keepalived wrote no /tmp/keepalived.json that this agent can see")
)

// ask has a process dump and reads what it wrote. It waits until ctx ends at the most.
func ask(ctx context.Context, proc string, pid int) ([]Instance, error) {
	// Held before its signals are read, so that it is the same process that gets the signal.
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("ask keepalived: %w", err)
	}
	defer unix.Close(fd)
	status, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "status"))
	if err != nil {
		return nil, fmt.Errorf("ask keepalived: %w", err)
	}
	if !handles(string(status), signal) {
		return nil, errNotHandled
	}
	// Behind its own root first: it may be a pod's, or have a /tmp of its own.
	places := []string{filepath.Join(proc, strconv.Itoa(pid), "root", file), filepath.Join("/", file)}
	before := make([]fs.FileInfo, len(places))
	for i, p := range places {
		before[i], _ = os.Lstat(p)
	}
	if err := unix.PidfdSendSignal(fd, signal, nil, 0); err != nil {
		return nil, fmt.Errorf("ask keepalived: %w", err)
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil, errNotWritten
		case <-look.C:
		}
		for i, p := range places {
			if b, err := fresh(p, before[i]); err == nil {
				if out, err := Parse(b); err == nil { // half written it is none
					return out, nil
				}
			}
		}
	}
}

// handles reads proc_pid_status(5). keepalived takes signals from a signalfd: they are blocked and not caught, and as harmless.
func handles(status string, s syscall.Signal) bool {
	for line := range strings.Lines(status) {
		mask, ok := strings.CutPrefix(line, "SigCgt:")
		if !ok {
			mask, ok = strings.CutPrefix(line, "SigBlk:")
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64); ok && err == nil && n&(1<<(uint(s)-1)) != 0 {
			return true
		}
	}
	return false
}

// fresh reads a dump that was written since before. /tmp is everybody's: only a plain file of root's counts.
func fresh(path string, before fs.FileInfo) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	now, err := f.Stat()
	if err != nil {
		return nil, err
	}
	owner, ok := now.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid != 0 || !now.Mode().IsRegular() {
		return nil, fs.ErrPermission
	}
	if before != nil && os.SameFile(before, now) && before.ModTime().Equal(now.ModTime()) {
		return nil, fs.ErrNotExist
	}
	return io.ReadAll(io.LimitReader(f, maxDump+1))
}
