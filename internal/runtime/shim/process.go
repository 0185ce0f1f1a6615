package shim

import (
	"bytes"
	"fmt"
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
	Name  string // comm, cut at 15 bytes by the kernel
	State byte   // R, S, D, T, Z ... of the main thread (proc_pid_stat(5))
	Start uint64 // in clock ticks since boot: with PID it is one process and no other
	Age   time.Duration
	Args  []string // read for the names that were asked for; nil otherwise
}

// ticks a second of /proc's times: USER_HZ, which Linux fixes at 100 for programs.
const ticks = 100

// Uptime is the time since boot, which Process.Age is counted from.
func Uptime(proc string) (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join(proc, "uptime"))
	if err != nil {
		return 0, err
	}
	word, _, _ := strings.Cut(string(b), " ")
	s, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return 0, fmt.Errorf("read uptime: %w", err)
	}
	return time.Duration(s * float64(time.Second)), nil
}

// ReadProcesses reads the processes for whose comm want says yes, with their command lines. One that ends meanwhile is left out.
func ReadProcesses(table *procs.Table, want func(comm string) bool) ([]Process, error) {
	proc := table.Proc()
	up, err := Uptime(proc)
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
	up, err := Uptime(proc)
	if err != nil {
		return Process{}, false
	}
	return read(proc, pid, up)
}

func read(proc string, pid int, up time.Duration) (Process, bool) {
	b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(pid), "stat"))
	if err != nil {
		return Process{}, false
	}
	p, ok := ParseStat(b)
	p.Age = max(0, up-time.Duration(p.Start)*(time.Second/ticks))
	return p, ok
}

// ParseStat reads proc_pid_stat(5); Age and Args are not in it.
func ParseStat(b []byte) (Process, bool) {
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')') // the name may hold anything
	if open < 1 || end < open {
		return Process{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:open])))
	rest := strings.Fields(string(b[end+1:]))
	if err != nil || len(rest) < 20 || len(rest[0]) != 1 {
		return Process{}, false
	}
	start, err := strconv.ParseUint(rest[19], 10, 63) // field 22
	if err != nil || start > 1<<53 {
		return Process{}, false
	}
	return Process{PID: pid, Name: string(b[open+1 : end]), State: rest[0][0], Start: start}, true
}

// IsShim reports whether a comm is that of containerd's shims: containerd-shim, containerd-shim-runc-v2 ..., cut by the kernel.
func IsShim(comm string) bool { return strings.HasPrefix(comm, "containerd-shim") }
