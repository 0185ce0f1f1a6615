package shim

import (
	"path/filepath"
	"strings"
	"time"
)

// Shim is one of containerd's shims, as its command line tells.
type Shim struct {
	Process
	Namespace string // containerd's: k8s.io for the CRI
	ID        string // of the task that it was started for: a sandbox's
	Address   string // socket of the containerd it reports to
}

// Parse reads a shim's command line; ok is false for a process that is none.
func Parse(p Process) (s Shim, ok bool) {
	if !IsShim(p.Name) || len(p.Args) == 0 || !strings.HasPrefix(filepath.Base(p.Args[0]), "containerd-shim") {
		return Shim{}, false
	}
	s.Process = p
	for i, a := range p.Args[1:] {
		name, value, glued := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if !glued && i+2 < len(p.Args) {
			value = p.Args[i+2]
		}
		if !strings.HasPrefix(a, "-") {
			continue
		}
		switch name {
		case "namespace":
			s.Namespace = value
		case "id":
			s.ID = value
		case "address":
			s.Address = value
		}
	}
	// What has a subcommand at its end (start, delete) does a moment's work for containerd and ends.
	switch p.Args[len(p.Args)-1] {
	case "start", "delete":
		return Shim{}, false
	}
	return s, s.ID != "" && s.Namespace != ""
}

// Suspects are the shims of one containerd and namespace that are older than grace and whose sandbox the CRI does not call ready.
// Younger ones may belong to a pod that is being made or stopped: a shim starts before its task is known, and ends after it. Whether a
// suspect has a task after all is the caller's to ask.
func Suspects(shims []Shim, address, namespace string, ready map[string]bool, grace time.Duration) []Shim {
	var out []Shim
	for _, s := range shims {
		if s.Address == address && s.Namespace == namespace && !ready[s.ID] && s.Age >= grace {
			out = append(out, s)
		}
	}
	return out
}

// Task is a container or sandbox that the runtime calls running, with the process it named when it was first seen.
type Task struct {
	ID    string
	Name  string // for people: namespace/pod/container
	PID   int
	Start uint64 // Process.Start of PID when it was first seen
}

// Dead reports whether the task's process has ended: there is none of its pid, another one has the pid, or it has ended and is not waited for.
func Dead(t Task, now Process, there bool) bool {
	return !there || now.Start != t.Start || now.Gone
}
