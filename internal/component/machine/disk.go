package machine

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// disk is a file system, as statfs(2) and stat(2) tell.
type disk struct {
	device             uint64
	bytes, free        uint64 // free for daemons of root: what a kubelet counts too
	inodes, inodesFree uint64 // 0 of 0: it has no fixed number (btrfs)
	missing            bool   // the path does not exist
	err                error
	hung               bool
}

// disks asks each file system in a goroutine of its own, at most one a path.
type disks struct {
	statfs  func(path string) disk // nil: the kernel
	list    func(path string) bool // nil: the kernel
	mu      sync.Mutex
	running map[string]chan disk
	listing map[string]chan bool
}

// holds tells whether a folder holds anything; true where it does not answer in time.
func (d *disks) holds(path string, timeout time.Duration) bool {
	d.mu.Lock()
	answer := d.listing[path]
	if answer == nil {
		if d.listing == nil {
			d.listing = map[string]chan bool{}
		}
		list := d.list
		if list == nil {
			list = holdsAny
		}
		answer = make(chan bool, 1)
		d.listing[path] = answer
		go func() { answer <- list(path) }()
	}
	d.mu.Unlock()
	select {
	case any := <-answer:
		d.mu.Lock()
		delete(d.listing, path)
		d.mu.Unlock()
		return any
	case <-time.After(timeout):
		return true
	}
}

func holdsAny(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	names, _ := f.Readdirnames(1)
	return len(names) > 0
}

// ask starts a question where none is under way.
func (d *disks) ask(path string) <-chan disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if answer := d.running[path]; answer != nil {
		return answer
	}
	if d.running == nil {
		d.running = map[string]chan disk{}
	}
	statfs := d.statfs
	if statfs == nil {
		statfs = statDisk
	}
	answer := make(chan disk, 1)
	d.running[path] = answer
	go func() { answer <- statfs(path) }()
	return answer
}

// get waits for the answers of all paths, in one time for all of them.
func (d *disks) get(paths []string, timeout time.Duration) map[string]disk {
	answers := map[string]<-chan disk{}
	for _, p := range paths {
		answers[p] = d.ask(p)
	}
	late := time.After(timeout)
	over := false
	out := map[string]disk{}
	for _, p := range paths {
		if _, got := out[p]; got {
			continue
		}
		var x disk
		if !over {
			select {
			case x = <-answers[p]:
				d.done(p)
				out[p] = x
				continue
			case <-late:
				over = true
			}
		}
		select { // those after the late one may have answered
		case x = <-answers[p]:
			d.done(p)
		default:
			x = disk{hung: true, err: fmt.Errorf("statfs %s: no answer within %v", p, timeout)}
		}
		out[p] = x
	}
	return out
}

func (d *disks) done(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.running, path)
}

func statDisk(path string) disk {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return disk{missing: os.IsNotExist(err), err: fmt.Errorf("stat %s: %w", path, err)}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return disk{err: fmt.Errorf("statfs %s: %w", path, err)}
	}
	size := uint64(fs.Bsize)
	return disk{device: st.Dev, bytes: fs.Blocks * size, free: fs.Bavail * size, inodes: fs.Files, inodesFree: fs.Ffree}
}
