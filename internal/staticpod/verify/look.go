package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Role of a member in its pod.
type Role string

// The roles.
const (
	Sandbox   Role = "sandbox"   // the pause process, which holds the shared namespaces
	Container Role = "container" // init containers too
)

// Member is a process of a pod: the first one of each container, and the sandbox's.
type Member struct {
	Name string // of the container; shown
	PID  int    // in the agent's own PID namespace, as the runtime's verbose status has it
	Role Role
	ID   string // of the container or sandbox at the runtime; empty: whether the pid is still its own can't be told by its cgroup
}

// Kinds are the namespaces that are read, by their names in /proc/PID/ns.
var Kinds = []string{"net", "uts", "ipc", "pid", "mnt", "user", "cgroup"}

// Process is what was read of one process. A value that could not be read is empty, and Problems says why.
type Process struct {
	Member
	NS       map[string]string // kind to "net:[4026531840]"; two processes with the same are in the same namespace
	Root     string            // device and path of the mount that is its /: "0:51 /"
	Cgroups  []string          // its cgroup in each hierarchy, each path once
	Start    uint64            // clock ticks after boot
	Gone     string            // why the process counts as none of the pod's: it ended, or its pid is another's
	Problems map[string]string // by kind, "root", "cgroup"
}

// Report is one look at a pod.
type Report struct {
	Host    Process // the machine's first process
	Members []Process
}

// Look reads a pod's processes below proc, where procfs is mounted. A member that ended meanwhile, or whose pid was taken by another process, is
// marked Gone. It fails only where proc is no procfs, members are no processes, or ctx ended.
func Look(ctx context.Context, proc string, members []Member) (Report, error) {
	if _, err := os.Stat(filepath.Join(proc, "1", "stat")); err != nil {
		return Report{}, fmt.Errorf("look at namespaces: %s is no procfs that shows the machine's first process: %w", proc, err)
	}
	r := Report{Host: readHost(proc)}
	for _, m := range members {
		if err := ctx.Err(); err != nil {
			return Report{}, fmt.Errorf("look at namespaces: %w", err)
		}
		if m.PID <= 0 {
			return Report{}, fmt.Errorf("look at namespaces: %s %s has no process (pid %d)", m.Role, m.Name, m.PID)
		}
		r.Members = append(r.Members, read(proc, m))
	}
	return r, nil
}

// readHost reads the machine's first process. One that is guarded (a security module, more capabilities than ours) does not show its namespaces; a
// kernel thread does, and those always live in the machine's own.
func readHost(proc string) Process {
	p := read(proc, Member{Name: "host", PID: 1})
	const kthreadd = 2 // the parent of all kernel threads; in a container some process like any other
	b, err := os.ReadFile(filepath.Join(proc, strconv.Itoa(kthreadd), "stat"))
	if len(p.NS) == len(Kinds) || err != nil || !kernelThread(string(b)) {
		return p
	}
	k := read(proc, Member{PID: kthreadd})
	for kind, ns := range k.NS {
		if p.NS[kind] == "" {
			p.NS[kind] = ns
			delete(p.Problems, kind)
		}
	}
	return p
}

// read a process. Its start time is read first and last: where they are one, all that lies between is of one process.
func read(proc string, m Member) Process {
	dir := filepath.Join(proc, strconv.Itoa(m.PID))
	p := Process{Member: m, NS: map[string]string{}, Problems: map[string]string{}}
	before, err := startTime(dir)
	if err != nil {
		p.Gone = ended(err)
		return p
	}
	p.Start = before
	for _, kind := range Kinds {
		link, err := os.Readlink(filepath.Join(dir, "ns", kind))
		if err != nil {
			p.Problems[kind] = problem(err)
			continue
		}
		p.NS[kind] = link
	}
	if b, err := os.ReadFile(filepath.Join(dir, "mountinfo")); err != nil {
		p.Problems["root"] = problem(err)
	} else if p.Root = rootOf(string(b)); p.Root == "" {
		p.Problems["root"] = "its mount table shows no /"
	}
	if b, err := os.ReadFile(filepath.Join(dir, "cgroup")); err != nil {
		p.Problems["cgroup"] = problem(err)
	} else if p.Cgroups = cgroupsOf(string(b)); len(p.Cgroups) == 0 {
		p.Problems["cgroup"] = "its cgroups are not readable"
	}
	after, err := startTime(dir)
	switch {
	case err != nil:
		p.Gone = ended(err)
	case after != before:
		p.Gone = fmt.Sprintf("pid %d was taken by another process meanwhile", m.PID)
	case m.ID != "" && len(p.Cgroups) > 0 && !strings.Contains(strings.Join(p.Cgroups, "\n"), m.ID):
		p.Gone = fmt.Sprintf("pid %d is in no cgroup of %s %s: it is another process by now", m.PID, m.Role, short(m.ID))
	}
	return p
}

func ended(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "its process has ended"
	}
	return problem(err)
}

// problem of a read, for a person.
func problem(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "not permitted: it needs root with CAP_SYS_PTRACE"
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "there is none: the process has ended, or the kernel has no such namespace"
	}
	return err.Error()
}

// short is an id as people read it.
func short(id string) string { return id[:min(len(id), 12)] }
