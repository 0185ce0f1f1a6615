// Package procs lists the processes of a machine by their names: who looks for keepalived, HAProxy, flanneld or a component walks over /proc
// here. A walk costs a listing where a process began or ended since the last one; a name costs a read only where it may have changed.
package procs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process is born with its parent's name, and takes its own when it executes its program, which most do at once. So the name of a young one is
// read at each walk, and that of any other now and then.
const (
	young  = 10 * time.Second // since it was first listed
	reread = 30 * time.Second
)

// Table is the processes below one proc file system. It may be used from several goroutines.
type Table struct {
	proc  string
	fresh time.Duration

	mu     sync.Mutex
	listed time.Time
	census Census    // when it was listed
	due    time.Time // when what was read then is to be read again
	walk   uint64    // number of the last one
	known  map[int]known
}

type known struct {
	walk        uint64 // the last one that listed it
	comm        string
	first, read time.Time

	program string
	asked   time.Time // for program
}

// next is from when on what was read of it at some time is to be read again.
func (k known) next(read, now time.Time) time.Time {
	if read.IsZero() || now.Sub(k.first) < young {
		return now
	}
	return read.Add(reread)
}

func (k known) due(read, now time.Time) bool { return !now.Before(k.next(read, now)) }

// New makes a table of the processes below proc, such as /proc. Nothing is read yet.
func New(proc string) *Table { return &Table{proc: proc, known: map[int]known{}} }

// Shared makes a table for several who walk at about the same moment: a list serves all of them for as long as fresh.
func Shared(proc string, fresh time.Duration) *Table {
	t := New(proc)
	t.fresh = fresh
	return t
}

// Proc is the folder that the table is of.
func (t *Table) Proc() string { return t.proc }

// Each lists the processes that are now, or were lately for a Shared table, and calls see with the pid and the comm (proc_pid_comm(5), at most 15
// bytes) of each, in no order. The comm of a process that has been listed for 10 s may be up to 30 s old; so may that of a pid whose process ended and
// was followed by another's. Who finds one by its name reads what it needs of it, and learns there whether it lives. The error says that proc could
// not be listed.
func (t *Table) Each(see func(pid int, comm string)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.listed.IsZero() || now.Sub(t.listed) >= t.fresh {
		if taken := TakeCensus(t.proc); !taken.Same(t.census) || !now.Before(t.due) {
			if err := t.list(now); err != nil {
				return err
			}
			t.census = taken // before the listing, which shows at least as much
		}
	}
	for pid, k := range t.known {
		see(pid, k.comm)
	}
	return nil
}

// list walks over proc. Whom it does not find has ended.
func (t *Table) list(now time.Time) error {
	d, err := os.Open(t.proc)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	names, err := d.Readdirnames(-1)
	_ = d.Close()
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	t.listed, t.walk, t.due = now, t.walk+1, now.Add(reread)
	var buffer [64]byte
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		k, seen := t.known[pid]
		if !seen {
			k.first = now
		}
		if k.due(k.read, now) {
			comm, ok := read(t.proc+"/"+name+"/comm", buffer[:])
			if !ok {
				continue // it ended, or may not be read
			}
			if string(comm) != k.comm { // a string is made only for another name
				k.comm = string(comm)
			}
			k.read = now
		}
		k.walk = t.walk
		t.known[pid] = k
	}
	for pid, k := range t.known {
		if k.walk != t.walk {
			delete(t.known, pid)
		} else if next := k.next(k.read, now); next.Before(t.due) {
			t.due = next
		}
	}
	return nil
}

// Program is the base name of the program that a process runs, as its file was called: a process can choose its comm, and not this. It is as old
// as a comm may be, and empty for a thread of the kernel, for a process that may not be read, and for one that the last Each did not list.
func (t *Table) Program(pid int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, seen := t.known[pid]
	if !seen {
		return ""
	}
	if now := time.Now(); k.due(k.asked, now) {
		k.asked, k.program = now, ""
		if exe, err := os.Readlink(t.proc + "/" + strconv.Itoa(pid) + "/exe"); err == nil {
			k.program = filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
		}
		t.known[pid] = k
	}
	return k.program
}

// Comm reads the comm at a path /proc/PID/comm; false: its process ended, or it may not be read.
func Comm(path string) (string, bool) {
	var buffer [64]byte
	comm, ok := read(path, buffer[:])
	return string(comm), ok
}

// read is readShort without the line end; false: the process ended, or it may not be read.
func read(path string, into []byte) ([]byte, bool) {
	b, err := readShort(path, into)
	return bytes.TrimRight(b, "\n"), err == nil
}

// readShort reads a short file of proc in three calls. os.ReadFile makes twice as many, which counts where every process is read.
func readShort(path string, into []byte) ([]byte, error) {
	fd, err := again(func() (int, error) {
		return syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	n, err := again(func() (int, error) { return syscall.Read(fd, into) })
	_ = syscall.Close(fd)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return into[:n], nil
}

func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != syscall.EINTR { //nolint:errorlint // a bare errno
			return n, err
		}
	}
}
