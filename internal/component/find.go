package component

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"nodeagent/internal/view"
)

// Names of the components, which are those of their programs.
const (
	nameAPIServer  = "kube-apiserver"
	nameEtcd       = "etcd"
	nameScheduler  = "kube-scheduler"
	nameController = "kube-controller-manager"
	nameKubelet    = "kubelet"
	nameProxy      = "kube-proxy"
	nameHAProxy    = "haproxy"
	nameKeepalived = "keepalived"
)

// programs that are looked for.
var programs = []string{nameAPIServer, nameEtcd, nameScheduler, nameController, nameKubelet, nameProxy, nameHAProxy, nameKeepalived}

// found is what there is of one component.
type found struct {
	manifest *declared // nil: none
	process  *process  // nil: none runs
	lost     *lost     // a process without a manifest that ran until lately; nil: none
	pod      *view.Pod // its static pod; nil: not known
	looked   string    // how it was looked for
	fault    string    // what of that could not be read; empty: all was
}

// there tells whether this node has the component.
func (f found) there() bool { return f.manifest != nil || f.process != nil || f.lost != nil }

// flags in force: those of the process, which may be older than its manifest.
func (f found) flags() flags {
	switch {
	case f.process != nil:
		return f.process.flags
	case f.manifest != nil:
		return f.manifest.flags
	case f.lost != nil:
		return f.lost.flags
	}
	return nil
}

// trusted are the flags that may say whom to trust: root's own, and those of a manifest, which only root can write.
func (f found) trusted() flags {
	if f.manifest != nil {
		return f.manifest.flags
	}
	if f.process != nil && f.process.uid == 0 {
		return f.process.flags
	}
	return nil
}

// finder finds components for several loops. What it keeps between looks makes the next one cheaper, and remembers what ran.
type finder struct {
	pods func() []view.Pod // may be nil

	mu        sync.Mutex
	manifests manifests
	processes processes
	memory    memory
}

// rescan is the least time between two walks over /proc for a component that has a manifest, or ran until lately, and has no process.
const rescan = time.Second

func (f *finder) find(cfg Config, name string) found {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := found{looked: "not on this node: no manifest in " + strings.Join(cfg.Manifests, ", ") + " runs it, and no process has its name"}
	var faults []string
	now := time.Now()
	declared, unreadable := f.manifests.read(cfg.Manifests, programs, now)
	for path, err := range unreadable {
		if slices.Contains(cfg.Manifests, path) || strings.Contains(filepath.Base(path), name) { // others are about others
			faults = append(faults, err.Error())
		}
	}
	slices.Sort(faults)
	if d, ok := declared[name]; ok {
		out.manifest = &d
		out.pod = f.pod(d)
	}
	any := map[string]bool{}
	for program := range declared {
		any[program] = true
	}
	running, err := f.processes.find(cfg.Proc, programs, any, now)
	if err == nil && running[name] == nil && (out.manifest != nil || f.memory.remembers(name)) && f.processes.aged(rescan) {
		f.processes.forget() // it may have started since
		running, err = f.processes.find(cfg.Proc, programs, any, now)
	}
	if err != nil {
		faults = append(faults, err.Error())
	} else {
		out.process = running[name]
		out.lost = f.memory.miss(name, out, now)
	}
	out.fault = strings.Join(faults, "; ")
	return out
}

// pod is the static pod that a manifest makes: of its name, or of that with the node's behind it.
func (f *finder) pod(d declared) *view.Pod {
	if f.pods == nil || d.pod == "" {
		return nil
	}
	for _, p := range f.pods() {
		if p.File == d.file || p.Name == d.pod {
			return &p
		}
	}
	return nil
}
