package staticpod

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/procs"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/staticpod/conditions"
)

// GateDeps is what the gate is given.
type GateDeps struct {
	Store  Store
	Board  *health.Board
	Record func(event.Event)
	Boot   string
	// Owner looks for anything else that may run, or come back to run, the pods of this node: the signs found, none if there is nothing.
	Owner func(ctx context.Context) (signs []string)
	// Even is staticPods.evenWithKubeletInstalled.
	Even bool
	// Changed is called when the answer changed.
	Changed func()
}

// gateFrequency is between looks for another owner of the node. A kubelet needs seconds from its start to its first kill.
const gateFrequency = 2 * time.Second

// Gate decides whether the agent may run pods on this node. It opens only after a look; once it was open, a kubelet that appears shuts
// it until the next boot, or until a person says otherwise.
type Gate struct {
	d      GateDeps
	loop   *reconcile.Loop
	answer atomic.Pointer[answer]
	resume atomic.Bool
	latch  latch
	mounts func() (private, known bool) // found once: a process keeps its mount namespace
}

type answer struct {
	ok  bool
	why string
}

// latch is what the gate remembers.
type latch struct {
	Boot    string `json:"boot"`
	Open    bool   `json:"open"`    // it was open in this boot
	Stepped string `json:"stepped"` // why it stepped back in this boot
}

const latchVersion = 1

// NewGate makes a gate that is shut until its first look.
func NewGate(d GateDeps) *Gate {
	g := &Gate{d: d, mounts: sync.OnceValues(privateMounts)}
	g.answer.Store(&answer{why: "the node was not looked at yet"})
	if _, err := d.Store.Load("gate", latchVersion, &g.latch); err != nil || g.latch.Boot != d.Boot {
		g.latch = latch{Boot: d.Boot}
	}
	g.loop = reconcile.NewLoop(g.do, reconcile.Options{Name: "run mode gate"})
	return g
}

// Task is the loop that keeps the answer true.
func (g *Gate) Task() Task { return g.loop }

// MayStart is the answer now. It never blocks.
func (g *Gate) MayStart() (ok bool, why string) {
	a := g.answer.Load()
	return a.ok, a.why
}

// Resume is a person's word that the node is the agent's again. It does not overrule a kubelet that is still there.
func (g *Gate) Resume() {
	g.resume.Store(true)
	g.loop.Wake()
}

func (g *Gate) do(ctx context.Context) (time.Time, error) {
	var signs []string
	if !g.d.Even {
		signs = g.d.Owner(ctx)
	}
	private, known := g.mounts()
	l, f := decideGate(g.latch, signs, private, g.resume.Swap(false))
	if l != g.latch {
		if l.Stepped != "" && g.latch.Stepped == "" {
			g.d.Record(event.Event{Kind: event.KindPod, Reason: "SteppedBack", Message: "pods are left to another owner of the node: " + l.Stepped})
		}
		g.latch = l
		if err := g.d.Store.Save("gate", latchVersion, l); err != nil {
			return time.Now().Add(gateFrequency), err
		}
	}
	if !known && f.Status == health.OK {
		f.Message = "nothing else claims the pods; whether the agent has mounts of its own can't be told without SYS_PTRACE"
	}
	g.d.Board.Publish(health.Look{Of: conditions.RunMode, Valid: health.Validity(gateFrequency, 3*time.Second), Findings: []health.Finding{f}})
	a := &answer{ok: f.Status == health.OK, why: f.Message}
	if old := g.answer.Swap(a); old.ok != a.ok && g.d.Changed != nil {
		g.d.Changed()
	}
	return time.Now().Add(gateFrequency), nil
}

// decideGate is pure.
func decideGate(l latch, signs []string, privateMounts, resume bool) (latch, health.Finding) {
	if resume && len(signs) == 0 {
		l.Stepped = ""
	}
	switch {
	case privateMounts:
		return l, health.Finding{Status: health.Failing, Reason: conditions.RunMounts, Message: "the agent has a mount namespace of its own: volumes made in it would not reach the runtime"}
	case len(signs) > 0 && l.Open:
		l.Stepped = strings.Join(signs, ", ")
		return l, health.Finding{Status: health.Failing, Reason: conditions.RunSteppedBack, Message: "stepped back, touching nothing: " + l.Stepped}
	case len(signs) > 0:
		return l, health.Finding{Status: health.Failing, Reason: conditions.RunKubelet, Message: "a kubelet is here or may come back: " + strings.Join(signs, ", ")}
	case l.Stepped != "":
		return l, health.Finding{Status: health.Failing, Reason: conditions.RunSteppedBack, Message: "stepped back in this boot: " + l.Stepped}
	}
	l.Open = true
	return l, health.Finding{Status: health.OK, Message: "nothing else claims the pods of this node"}
}

// privateMounts reports whether the agent's mounts are not init's.
func privateMounts() (private, known bool) {
	private, err := procs.Apart(procfs, 1, "mnt")
	return private, err == nil
}
