package runtime

import (
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	procfs   = "/proc"
	shimName = "containerd-shim-runc-v2"
)

func procPath(pid int, file string) string { return filepath.Join(procfs, strconv.Itoa(pid), file) }
func join(root, path string) string        { return filepath.Join("/", root, path) }
func siblingOf(exe, name string) string    { return filepath.Join(filepath.Dir(exe), name) }
func siblingName(path string) string       { return filepath.Base(path) }

// disk is a file system, as statfs(2) tells.
type disk struct {
	path               string
	bytes, free        uint64 // free for root's daemons: what a kubelet counts too
	inodes, inodesFree uint64 // 0 of 0: it has no fixed number (btrfs)
	err                error
}

// disks asks file systems in a goroutine each: statfs on a dead mount never comes back.
type disks struct {
	mu      sync.Mutex
	running map[string]chan disk
}

func (d *disks) get(path string, timeout time.Duration) disk {
	d.mu.Lock()
	if d.running == nil {
		d.running = map[string]chan disk{}
	}
	answer := d.running[path]
	if answer == nil {
		answer = make(chan disk, 1)
		d.running[path] = answer
		go func() { answer <- statfs(path) }()
	}
	d.mu.Unlock()
	select {
	case x := <-answer:
		d.mu.Lock()
		delete(d.running, path)
		d.mu.Unlock()
		return x
	case <-time.After(timeout):
		return disk{path: path, err: fmt.Errorf("statfs %s: no answer within %v", path, timeout)}
	}
}

func statfs(path string) disk {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return disk{path: path, err: fmt.Errorf("statfs %s: %w", path, err)}
	}
	size := uint64(st.Bsize)
	return disk{path: path, bytes: st.Blocks * size, free: st.Bavail * size, inodes: st.Files, inodesFree: st.Ffree}
}
