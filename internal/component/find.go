package component

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Names of the components, which are those of their programs.
const (
	nameAPIServer = "kube-apiserver"
)

// programs that are looked for.
var programs = []string{nameAPIServer}

// found is what there is of one component.
type found struct {
	manifest *declared // nil: none
	process  *process  // nil: none runs
	looked   string    // how it was looked for
	fault    string    // what of that could not be read; empty: all was
}

// there tells whether this node has the component.
func (f found) there() bool { return f.manifest != nil || f.process != nil }

// flags in force: those of the process, which may be older than its manifest.
func (f found) flags() flags {
	switch {
	case f.process != nil:
		return f.process.flags
	case f.manifest != nil:
		return f.manifest.flags
	}
	return nil
}

// finder finds components for several loops. What it keeps between looks is only what makes the next one cheaper.
type finder struct {
	mu        sync.Mutex
	manifests manifests
	processes processes
}

func (f *finder) find(cfg Config, name string) found {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := found{looked: "not on this node: no manifest in " + strings.Join(cfg.Manifests, ", ") + " runs it, and no process has its name"}
	var faults []string
	declared, unreadable := f.manifests.read(cfg.Manifests, programs)
	for path, err := range unreadable {
		if slices.Contains(cfg.Manifests, path) || strings.Contains(filepath.Base(path), name) { // others are about others
			faults = append(faults, err.Error())
		}
	}
	slices.Sort(faults)
	if d, ok := declared[name]; ok {
		out.manifest = &d
	}
	running, err := f.processes.find(cfg.Proc, programs, time.Now())
	if err != nil {
		faults = append(faults, err.Error())
	}
	if out.process = running[name]; out.process == nil && out.manifest != nil && f.processes.aged(time.Second) {
		f.processes.forget() // it may have started since
		if running, err = f.processes.find(cfg.Proc, programs, time.Now()); err == nil {
			out.process = running[name]
		}
	}
	out.fault = strings.Join(faults, "; ")
	return out
}
