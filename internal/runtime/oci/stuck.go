package oci

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/runtime/shim"
)

// Operation is one run of an OCI runtime that has not ended yet.
type Operation struct {
	Binary  string // path of the handler's binary
	Verb    string // create, start, delete ...
	PID     int
	State   byte // as in proc_pid_stat(5)
	Age     time.Duration
	Command string // its end: the container's id, mostly
}

// verbs that end by themselves within moments. "init" and "exec" without --detach stay for as long as a container wants.
var verbs = []string{"create", "start", "delete", "kill", "state", "run", "restore", "pause", "resume", "update", "ps"}

// Stuck lists the operations of the binaries that run for longer than patience, oldest first. A wrapper script counts as its binary.
func Stuck(processes []shim.Process, binaries []string, patience time.Duration) []Operation {
	var out []Operation
	for _, p := range processes {
		if p.Age < patience {
			continue
		}
		binary, rest := started(p.Args, binaries)
		if binary == "" {
			continue
		}
		verb := ""
		for _, a := range rest {
			if slices.Contains(verbs, a) {
				verb = a
				break
			}
			if a == "init" || a == "exec" {
				break
			}
		}
		if verb == "" {
			continue
		}
		out = append(out, Operation{Binary: binary, Verb: verb, PID: p.PID, State: p.State, Age: p.Age, Command: last(rest)})
	}
	slices.SortFunc(out, func(a, b Operation) int { return int(b.Age - a.Age) })
	return out
}

// started reports which binary a command line runs: as its program, or as the script of a shell.
func started(args, binaries []string) (binary string, rest []string) {
	for i := range min(2, len(args)) {
		for _, b := range binaries {
			if args[i] == b || i == 0 && args[i] == filepath.Base(b) {
				return b, args[i+1:]
			}
		}
		if i == 0 && !strings.HasSuffix(args[0], "sh") {
			return "", nil
		}
	}
	return "", nil
}

func last(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[len(s)-1]
}
