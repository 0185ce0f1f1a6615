// Package procs lists the processes of a machine by their names: who looks for keepalived, HAProxy, flanneld or a component walks over /proc
// here. A walk costs a listing; a name costs a read only where it may have changed.
package procs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
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
	proc string

	mu    sync.Mutex
	known map[int]known
}

type known struct {
	comm        string
	first, read time.Time
}

// New makes a table of the processes below proc, such as /proc. Nothing is read yet.
func New(proc string) *Table { return &Table{proc: proc} }

// Proc is the folder that the table is of.
func (t *Table) Proc() string { return t.proc }

// Each lists the processes now, and calls see with the pid and the comm (proc_pid_comm(5), at most 15 bytes) of each, in no order. The comm
// of a process that has been listed for 10 s may be up to 30 s old; so may that of a pid whose process ended and was followed by another's. Who finds
// one by its name reads what it needs of it, and learns there whether it lives. The error says that proc could not be listed.
func (t *Table) Each(see func(pid int, comm string)) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	d, err := os.Open(t.proc)
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	names, err := d.Readdirnames(-1)
	_ = d.Close()
	if err != nil {
		return fmt.Errorf("list processes: %w", err)
	}
	now := time.Now()
	was := t.known
	t.known = make(map[int]known, len(names))
	var buffer [64]byte
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		k, seen := was[pid]
		if !seen {
			k.first = now
		}
		if !seen || now.Sub(k.first) < young || now.Sub(k.read) >= reread {
			comm, ok := read(t.proc+"/"+name+"/comm", buffer[:])
			if !ok {
				continue // it ended, or may not be read
			}
			if string(comm) != k.comm { // a string is made only for another name
				k.comm = string(comm)
			}
			k.read = now
		}
		t.known[pid] = k
		see(pid, k.comm)
	}
	return nil
}

// Comm reads the comm at a path /proc/PID/comm; false: its process ended, or it may not be read.
func Comm(path string) (string, bool) {
	var buffer [64]byte
	comm, ok := read(path, buffer[:])
	return string(comm), ok
}

// read reads a short file of proc in three calls. os.ReadFile makes twice as many, which counts where every process is read.
func read(path string, into []byte) ([]byte, bool) {
	fd, err := again(func() (int, error) {
		return syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, false
	}
	n, err := again(func() (int, error) { return syscall.Read(fd, into) })
	_ = syscall.Close(fd)
	if err != nil {
		return nil, false
	}
	return bytes.TrimRight(into[:n], "\n"), true
}

func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != syscall.EINTR { //nolint:errorlint // a bare errno
			return n, err
		}
	}
}
