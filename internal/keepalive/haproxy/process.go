package haproxy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nodeagent/internal/procs"
)

// Process is one HAProxy process.
type Process struct {
	PID    int
	File   string // the first configuration of its command line, seen from its own root; empty: none
	Root   string // /proc/PID/root
	Born   uint64 // starttime of proc_pid_stat(5), which tells it from a later process of the same number
	State  byte   // T: stopped; D: waits for the kernel
	Here   bool   // it has this process's network namespace, so that sock_diag sees its ports
	Pod    bool   // it has another mount namespace: its paths are its own
	Unsure error  // its namespace or command line could not be read
}

// program is the comm of a HAProxy.
const program = "haproxy"

// processes lists every process called haproxy. The error says that the list may not be whole.
func processes(table *procs.Table) ([]Process, error) {
	var (
		pids []int
		out  []Process
		self bool
	)
	if err := table.Each(func(pid int, comm string) {
		if pid == 1 {
			self = true
		}
		if comm == program {
			pids = append(pids, pid)
		}
	}); err != nil {
		return nil, err
	}
	for _, pid := range pids {
		p, err := readProcess(table.Proc(), pid)
		switch {
		case err == nil:
			out = append(out, p)
		case errors.Is(err, errOther), gone(err):
		default:
			return out, err
		}
	}
	if !self { // hidepid hides it from who is not root
		return out, errors.New("list processes: not every process is shown (hidepid?)")
	}
	return out, nil
}

var errOther = errors.New("another program")

// gone: a process that ends while it is read.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "no such process")
}

// readProcess reads one process; errOther for one that is not HAProxy or no longer runs.
func readProcess(proc string, pid int) (Process, error) {
	dir := filepath.Join(proc, strconv.Itoa(pid))
	stat, err := procs.ReadStat(proc, pid)
	if err != nil {
		return Process{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	if stat.Comm != program || stat.State == 'Z' || stat.State == 'X' {
		return Process{}, errOther
	}
	p := Process{PID: pid, State: stat.State, Born: stat.Start, Root: filepath.Join(dir, "root")}
	cmdline, err := os.ReadFile(filepath.Join(dir, "cmdline"))
	p.Unsure = err
	p.File = configOf(strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00"))
	if p.File != "" && !filepath.IsAbs(p.File) {
		cwd, err := os.Readlink(filepath.Join(dir, "cwd"))
		p.Unsure = errors.Join(p.Unsure, err)
		p.File = filepath.Join(cwd, p.File)
	}
	apart, err := procs.Apart(proc, pid, "net")
	p.Unsure = errors.Join(p.Unsure, err)
	p.Here = err == nil && !apart
	apart, err = procs.Apart(proc, pid, "mnt")
	p.Pod = apart || err != nil
	return p, nil
}

// configOf is the first -f of a command line.
func configOf(args []string) string {
	for i, a := range args {
		switch {
		case a == "--":
			return slices.Concat(args[i+1:], []string{""})[0]
		case a == "-f" && i+1 < len(args):
			return args[i+1]
		}
	}
	return ""
}

// holds reports whether one of the processes has one of the listening sockets open. It reads every descriptor of them, so it is asked only
// where something is wrong already.
func holds(proc string, of []Process, heard []Heard) (bool, error) {
	inodes := make(map[string]bool, len(heard))
	for _, h := range heard {
		inodes[fmt.Sprintf("socket:[%d]", h.Inode)] = true
	}
	for _, p := range of {
		dir := filepath.Join(proc, strconv.Itoa(p.PID), "fd")
		entries, err := os.ReadDir(dir)
		if err != nil && !gone(err) {
			return false, fmt.Errorf("list descriptors: %w", err)
		}
		for _, e := range entries {
			if to, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && inodes[to] {
				return true, nil
			}
		}
	}
	return false, nil
}
