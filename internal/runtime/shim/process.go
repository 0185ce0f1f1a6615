package shim

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"nodeagent/internal/procs"
)

// Process is what /proc tells of one process.
type Process struct {
	PID   int
	Name  string        // comm, cut at 15 bytes by the kernel
	State byte          // R, S, D, T, Z ... of the main thread (proc_pid_stat(5))
	Gone  bool          // it has ended, and is not waited for yet
	Start uint64        // in clock ticks since boot: with PID it is one process and no other
	Age   time.Duration // ReadProcesses alone tells it
	Args  []string      // read for the names that were asked for; nil otherwise
}

// ReadProcesses reads the processes for whose comm want says yes, with their command lines. One that ends meanwhile is left out.
func ReadProcesses(table *procs.Table, want func(comm string) bool) ([]Process, error) {
	proc := table.Proc()
	up, err := procs.Uptime(proc)
	if err != nil {
		return nil, err
	}
	var pids []int
	if err := table.Each(func(pid int, comm string) {
		if want(comm) {
			pids = append(pids, pid)
		}
	}); err != nil {
		return nil, err
	}
	var out []Process
	for _, pid := range pids {
		p, ok := read(proc, pid, up)
		if !ok || !want(p.Name) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "cmdline"))
		if err != nil {
			continue
		}
		p.Args = strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b Process) int { return a.PID - b.PID })
	return out, nil
}

// ReadProcess reads one process; false: there is none.
func ReadProcess(proc string, pid int) (Process, bool) {
	return read(proc, pid, 0)
}

func read(proc string, pid int, up time.Duration) (Process, bool) {
	s, err := procs.ReadStat(proc, pid)
	if err != nil {
		return Process{}, false
	}
	return Process{PID: s.PID, Name: s.Comm, State: s.State, Gone: s.Gone(), Start: s.Start, Age: max(0, up-s.Started())}, true
}

// IsShim reports whether a comm is that of containerd's shims: containerd-shim, containerd-shim-runc-v2 ..., cut by the kernel.
func IsShim(comm string) bool { return strings.HasPrefix(comm, "containerd-shim") }
