package staticpod

import (
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// minGrace is kubelet's floor of a stop's grace (pkg/kubelet/kuberuntime/kuberuntime_container.go).
const minGrace = 2 * time.Second

// graceOf is a stop's grace given in seconds. 68 years stand for all that is longer, which the API takes too: a runtime counts it in nanoseconds
// of 64 bits.
func graceOf(seconds int64) time.Duration {
	return time.Duration(min(max(seconds, 0), math.MaxInt32)) * time.Second
}

// teardown stops and removes. stopped: no container runs and no sandbox holds an address or port any more; gone: nothing is left
// and nothing is on its way.
func (p *planner) teardown(sandboxes []Sandbox, containers []Container) (stopped, gone bool) {
	if p.stopAll(sandboxes, containers) {
		return false, false
	}
	stopped = true
	for _, s := range sandboxes {
		slot := Slot{Kind: "sandbox", Name: s.ID}
		if s.Ready {
			stopped = false
			p.act(Action{Slot: slot, Verb: StopSandbox, ID: s.ID})
		} else {
			p.act(Action{Slot: slot, Verb: RemoveSandbox, ID: s.ID})
		}
	}
	for _, c := range containers { // left by a sandbox that is gone already
		if !slices.ContainsFunc(sandboxes, func(s Sandbox) bool { return s.ID == c.Sandbox }) {
			p.act(Action{Slot: containerSlot(c.Name), Verb: RemoveContainer, ID: c.ID, Name: c.Name, Attempt: c.Attempt})
		}
	}
	return stopped, len(sandboxes)+len(containers) == 0 && len(p.s.Ops) == 0
}

// windDown stops what runs and the sandboxes, and removes nothing: the pod ended for good, or the node goes down.
func (p *planner) windDown(sandboxes []Sandbox, containers []Container) {
	if p.stopAll(sandboxes, containers) {
		return
	}
	for _, s := range sandboxes {
		if s.Ready {
			p.act(Action{Slot: Slot{Kind: "sandbox", Name: s.ID}, Verb: StopSandbox, ID: s.ID})
		}
	}
}

// stopAll stops the containers of a pod that is to end: all but the sidecars beside one another, then the sidecars, last started first
// (pkg/kubelet/kuberuntime, the order of KEP-753). True while any may still run.
func (p *planner) stopAll(sandboxes []Sandbox, containers []Container) bool {
	alive, others, last := false, false, -1
	for _, c := range containers {
		up := p.alive(c, sandboxes)
		alive = alive || up
		switch {
		case up && c.Role == Sidecar:
			last = max(last, c.Order)
		case up:
			others = true
		}
	}
	for _, op := range p.s.Ops { // a creation that is on its way
		if (op.Verb == CreateAndStart || op.Verb == Prepare) && slices.ContainsFunc(sandboxes, func(s Sandbox) bool { return s.ID == op.Sandbox }) {
			alive, others = true, true
		}
	}
	for _, c := range containers {
		slot := containerSlot(c.Name)
		_, begun := p.s.Memory.StopBy[c.ID]
		switch {
		case !p.alive(c, sandboxes):
		case c.State == Created:
			p.act(Action{Slot: slot, Verb: RemoveContainer, ID: c.ID, Name: c.Name, Attempt: c.Attempt})
		case c.State == Exited: // an op of it is on its way
		case c.Role == Sidecar && !begun && (others || c.Order < last):
		case c.Gone: // it ends for good: how it ended decides nothing any more
			p.stale(slot, c, staleSoon)
		default:
			p.stopWith(slot, c, true)
		}
	}
	return alive
}

// alive reports whether a container runs, may come to run, or has an op on its way. One that is made and not started goes with its sandbox.
func (p *planner) alive(c Container, sandboxes []Sandbox) bool {
	if p.busy(containerSlot(c.Name)) {
		return true
	}
	switch c.State {
	case Running, StateUnknown:
		return true
	case Created:
		return !slices.ContainsFunc(sandboxes, func(s Sandbox) bool { return s.ID == c.Sandbox })
	}
	return false
}

// A runtime may go on for so long calling a container running whose process is seen to have ended. A shim that was lost leaves such a container
// for ever (containerd#12600, containerd#5708), and so does containerd 1.6 where the container ends in the moment in which it is started.
// A runtime on a busy node is merely slow: where the exit code decides what comes next it is worth waiting for, or a job that did its work is run
// once more.
const (
	staleAfter = 10 * time.Second
	staleSoon  = 3 * time.Second // where the exit code decides nothing
)

// patience with the runtime over the end of one container of a pod that is wanted.
func (p *planner) patience(name string) time.Duration {
	spec := &p.s.Want.Pod.Spec.Spec
	if restartPolicy(spec, name) == corev1.RestartPolicyAlways && !sharesProcesses(spec) { // what may live on is the runtime's to end, once it notices
		return staleSoon
	}
	return staleAfter
}

// stale waits for the runtime to agree that a container ended, and in the end has it stopped, which settles it: where the runtime then still
// calls it running, it is taken for exited (Container.deem).
func (p *planner) stale(slot Slot, c Container, patience time.Duration) {
	if due := c.GoneAt.Add(patience); due.After(p.now) {
		p.at(due)
		return
	}
	p.act(Action{Slot: slot, Verb: Stop, ID: c.ID, Name: c.Name, Sandbox: c.Sandbox, Grace: minGrace, Stale: true})
}

// stop begins the stop of one container, or takes one up that was begun before.
func (p *planner) stop(slot Slot, c Container) { p.stopWith(slot, c, false) }

func (p *planner) stopWith(slot Slot, c Container, whole bool) {
	grace, hook, why := c.Grace, c.PreStop, ""
	if m, ok := p.s.Memory.StopBy[c.ID]; ok {
		grace, hook, why = min(m.By.Sub(p.now), grace), hook && !m.Hooked, m.Why // never more, whatever the clock did
	} else if by, ok := p.s.Memory.EndBy[c.Sandbox]; ok && whole {
		grace = min(by.Sub(p.now), grace)
	}
	p.act(Action{Slot: slot, Verb: Stop, ID: c.ID, Name: c.Name, Sandbox: c.Sandbox, Grace: max(grace, minGrace), Hook: hook, Why: why, Whole: whole})
}

// unknown ends a container whose state the runtime does not know, as kubelet does: containerd calls one so whose task it can't take up after its
// own restart, such as one that it was starting when it was killed, and says nothing else until it is stopped.
func (p *planner) unknown(slot Slot, c Container) {
	if c.Missing { // it is on its way out
		return
	}
	if _, begun := p.s.Memory.StopBy[c.ID]; begun {
		p.stop(slot, c)
		return
	}
	p.end(slot, c, "the runtime does not know its state", nil)
}

// end stops one container of a pod that goes on: what it did to deserve it is said, and feeds its back-off.
func (p *planner) end(slot Slot, c Container, why string, grace *time.Duration) {
	g := c.Grace
	if grace != nil {
		g = *grace
	}
	p.act(Action{Slot: slot, Verb: Stop, ID: c.ID, Name: c.Name, Sandbox: c.Sandbox, Grace: max(g, minGrace), Hook: c.PreStop, Why: why})
}
