package kubelet

import (
	"fmt"
	"path/filepath"
	"time"

	"nodeagent/internal/procs"
)

// Facts is what Find found.
type Facts struct {
	Installed  bool     // at least one sign in Evidence
	Evidence   []string // each sign of a kubelet that is here or may come back, with its path
	Running    *Process // the kubelet seen in /proc; nil: none
	ProcRead   bool     // /proc could be read, so that no Running means that none runs
	Config     Config
	NodeName   string // as kubelet names this node, lower case; empty: not found
	NodeSource string // where NodeName comes from
	Server     string // the apiserver's URL in its kubeconfig; empty: not found
	Problems   []string
	BootedAt   time.Time // zero: not known
}

// Process is a running kubelet.
type Process struct {
	PID       int
	Name      string    // kubelet, k3s, kubelite ...
	Flags     []string  // the flags that were understood, as --name=value; the rest of the command line is not kept
	StartedAt time.Time // zero: not known

	flags flags
}

// Since is the moment from which a kubelet could have acted: its start, else the node's boot, else the zero time.
func (f Facts) Since() time.Time {
	if f.Running != nil && !f.Running.StartedAt.IsZero() {
		return f.Running.StartedAt
	}
	return f.BootedAt
}

// Find looks at the node whose file system begins at root ("/" for this one), its /proc included. What could not be read is in
// Problems; it never fails as a whole.
func Find(root string) Facts {
	h := &host{root: filepath.Clean(root)}
	return h.find(procs.New(h.real("/proc", true)))
}

// FindAmong is Find for this node, for who looks again and again: table keeps what it knows of the processes.
func FindAmong(table *procs.Table) Facts { return (&host{root: "/"}).find(table) }

// Same reports whether the kubelet that runs on this node is still the one that f tells of, or still none. Only processes are looked at: what its
// files say may have changed.
func (f Facts) Same(table *procs.Table) bool {
	now, read := (&host{root: "/"}).process(table, f.BootedAt)
	switch {
	case !read || !f.ProcRead:
		return false
	case now == nil || f.Running == nil:
		return now == nil && f.Running == nil
	}
	return now.PID == f.Running.PID && now.StartedAt.Equal(f.Running.StartedAt)
}

func (h *host) find(table *procs.Table) Facts {
	var f Facts
	f.BootedAt = h.bootTime()
	f.Running, f.ProcRead = h.process(table, f.BootedAt)
	unit := h.unit("kubelet.service")
	f.Evidence = h.evidence(unit, f.Running)
	f.Installed = len(f.Evidence) > 0

	var fl flags
	var source string
	switch {
	case f.Running != nil && !f.Running.flags.empty():
		fl, source = f.Running.flags, fmt.Sprintf("flag of process %d", f.Running.PID)
	case unit.command != nil:
		fl, source = parseFlags(unit.command), "flag in "+unit.path
	default:
		fl, source = h.kubeadmFlags()
	}
	dist := h.distribution(f.Running)
	if dist != nil {
		fl = h.distributionFlags(dist).over(fl)
	}
	f.Config = h.config(fl, source, dist, f.Installed)
	f.NodeName, f.NodeSource = h.nodeName(fl, source)
	f.Server = h.server(fl)
	f.Problems = h.problems
	return f
}
