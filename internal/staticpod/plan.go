package staticpod

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/staticpod/folder"
)

// plan decides what to do about one pod now: actions to start, and when to look again without a wake (zero: only when woken). It
// is pure and looks at nothing but its arguments. It never cancels an op: a creation cut half-way leaves its outcome unknown and
// is over in a moment, and a stop cut half-way sends no SIGKILL (containerd/cri#1099).
func plan(s State, now time.Time) (start []Action, next time.Time) {
	p := planner{s: s, now: now}
	p.decide()
	return p.start, p.next
}

type planner struct {
	s     State
	now   time.Time
	start []Action
	next  time.Time
}

func (p *planner) decide() {
	want := p.s.Want
	switch {
	case p.s.Held, want != nil && want.Stance == folder.Freeze:
		return
	case p.s.Ending:
		p.windDown(p.s.Sandboxes, p.s.Containers)
		return
	case want == nil:
		if _, gone := p.teardown(p.s.Sandboxes, p.s.Containers); gone {
			p.act(Action{Slot: sandboxSlot, Verb: Cleanup})
		}
		return
	case p.s.Memory.held(p.now):
		p.teardown(p.s.Sandboxes, p.s.Containers)
		p.at(p.s.Memory.Hold.Until)
		return
	}
	old, current := p.split(want.Pod.Hash)
	if p.replace(old) {
		p.bringUp(want, current)
	}
}

// group is what exists of one content.
type group struct {
	sandboxes  []Sandbox
	containers []Container
}

// split parts what exists into what is to be taken down and what is of the wanted content and of the sandbox to be used.
func (p *planner) split(hash string) (old, current group) {
	keep := map[string]bool{}
	var best *Sandbox
	for i, s := range p.s.Sandboxes {
		if s.Hash != hash || s.ID == p.s.Memory.Replace || s.UID != p.s.Memory.UID {
			continue
		}
		if best == nil || s.Attempt > best.Attempt {
			best = &p.s.Sandboxes[i]
		}
	}
	if best != nil {
		keep[best.ID] = true
	}
	for _, s := range p.s.Sandboxes {
		if keep[s.ID] {
			current.sandboxes = append(current.sandboxes, s)
		} else {
			old.sandboxes = append(old.sandboxes, s)
		}
	}
	for _, c := range p.s.Containers {
		if keep[c.Sandbox] && c.Hash == hash {
			current.containers = append(current.containers, c)
		} else {
			old.containers = append(old.containers, c)
		}
	}
	// By attempt: one whose creation timed out may come to be after its successor.
	slices.SortStableFunc(current.containers, func(a, b Container) int { return cmp.Compare(b.Attempt, a.Attempt) })
	return old, current
}

// replace takes an older content down once the images of the new one are there. True once nothing of the old one runs.
func (p *planner) replace(old group) bool {
	if running(old.containers) && !p.images() {
		return false
	}
	stopped, _ := p.teardown(old.sandboxes, old.containers)
	return stopped
}

// images reports whether every image of the wanted pod is there, and pulls what is not.
func (p *planner) images() bool {
	all := true
	for c := range allContainers(&p.s.Want.Pod.Spec.Spec) {
		if !p.image(c) {
			all = false
		}
	}
	return all
}

func (p *planner) image(c *corev1.Container) bool {
	im := p.s.Images[c.Image]
	switch {
	case !im.Known || im.pulling():
		return false
	case c.ImagePullPolicy == corev1.PullAlways && !im.Fresh:
	case im.Present:
		return true
	case c.ImagePullPolicy == corev1.PullNever:
		return false
	}
	if im.NotBefore.After(p.now) {
		p.at(im.NotBefore)
		return false
	}
	p.start = append(p.start, Action{Verb: Pull, Image: c.Image})
	return false
}

// bringUp makes the wanted pod run.
func (p *planner) bringUp(want *folder.Wanted, have group) {
	spec := &want.Pod.Spec.Spec
	if expired, at := p.s.Memory.expires(spec, p.now); expired || finished(spec, p.s.Memory) {
		p.windDown(have.sandboxes, have.containers)
		return
	} else if !at.IsZero() {
		p.at(at)
	}
	ready := len(have.sandboxes) == 1 && have.sandboxes[0].Ready && (have.sandboxes[0].HostNet || have.sandboxes[0].IP != "")
	if !ready {
		if p.busy(sandboxSlot) {
			return
		}
		if len(have.sandboxes) > 0 {
			if age := p.now.Sub(have.sandboxes[0].Created); have.sandboxes[0].Ready && have.sandboxes[0].IP == "" && age >= 0 && age < time.Second { // below 0: the clock was set back
				p.at(have.sandboxes[0].Created.Add(time.Second))
				return
			}
			p.teardown(have.sandboxes, have.containers)
			return
		}
		if !p.images() { // a sandbox whose containers can't start is of no use
			return
		}
		attempt := uint32(0)
		if p.s.Memory.Began {
			attempt = p.s.Memory.Sandbox + 1
		}
		p.act(Action{Slot: sandboxSlot, Verb: RunSandbox, Attempt: attempt})
		return
	}
	if p.s.Refresh {
		p.act(Action{Slot: volumesSlot, Verb: Refresh})
	}
	if !p.initialize(spec, have) {
		return
	}
	for i := range spec.Containers {
		p.container(&spec.Containers[i], Main, have)
	}
}

// initialize brings the init containers forward, each after the one before it is done, or has started if it is a sidecar. True once the
// others may start. In a new sandbox they run again.
func (p *planner) initialize(spec *corev1.PodSpec, have group) bool {
	box := have.sandboxes[0].ID
	over := p.s.Memory.Initialized == box
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		switch role := initRole(c); {
		case role == Sidecar:
			p.container(c, role, have)
			if !over && !p.started(c, have) {
				return false
			}
		case over, p.s.Memory.Containers[c.Name].initDone(box):
		default:
			p.container(c, role, have)
			return false
		}
	}
	return true
}

// started reports whether a sidecar is so far that the next container may start.
func (p *planner) started(c *corev1.Container, have group) bool {
	for _, x := range have.containers {
		if x.Name == c.Name && x.State == Running && !x.Gone {
			if !p.s.Probes[x.ID].Started {
				return false // the probe's result wakes the pod
			}
			return !p.hookDue(c, x)
		}
	}
	return false
}

// finished reports whether a pod ended for good: every container did, or an init container failed.
func finished(spec *corev1.PodSpec, m Memory) bool {
	for i := range spec.InitContainers {
		if c := m.Containers[spec.InitContainers[i].Name]; c.Done && c.LastExit != 0 {
			return true
		}
	}
	for i := range spec.Containers {
		if !m.Containers[spec.Containers[i].Name].Done {
			return false
		}
	}
	return true
}

// hookDue reports whether a container's postStart is still to be run.
func (p *planner) hookDue(c *corev1.Container, x Container) bool {
	return c.Lifecycle != nil && c.Lifecycle.PostStart != nil && p.s.Memory.Containers[c.Name].Hooked != x.ID
}

func running(cs []Container) bool {
	return slices.ContainsFunc(cs, func(c Container) bool { return c.State == Running && !c.Gone })
}

// container brings one container of a ready sandbox forward.
func (p *planner) container(c *corev1.Container, role Role, have group) {
	slot := containerSlot(c.Name)
	m := p.s.Memory.Containers[c.Name]
	newest, spare := p.attempts(c.Name, have, m)
	if p.busy(slot) {
		return
	}
	switch {
	case newest == nil && spare != nil: // its start was cut short
		p.startCreated(slot, role, *spare, false)
		return
	case newest != nil && newest.Gone:
		if !restarts || !p.ahead(*newest, have) {
			p.stale(slot, *newest, p.patience(c.Name))
			return
		}
	case newest != nil && newest.State == StateUnknown:
		p.unknown(slot, *newest)
		return
	case newest != nil && newest.State == Running:
		p.running(slot, c, role, *newest, spare, m)
		return
	case m.Done && (role == Main || m.LastBox == have.sandboxes[0].ID), newest != nil && !restarts:
		return
	case m.NotBefore.After(p.now): // in a new sandbox too
		p.at(m.NotBefore)
		return
	}
	if spare != nil {
		p.startCreated(slot, role, *spare, true)
		return
	}
	if p.busy(standbySlot(c.Name)) {
		return // it is on its way, and its end wakes the pod
	}
	if im := p.s.Images[c.Image]; (newest == nil || !im.Present) && !p.image(c) {
		return
	}
	p.act(Action{Slot: slot, Verb: CreateAndStart, Name: c.Name, Image: c.Image, Attempt: m.Next, Again: newest != nil || !m.LastAt.IsZero(), Sandbox: have.sandboxes[0].ID, Init: role != Main})
}

// running looks after a container that runs: a stop that was begun goes on, postStart is run, and what its probes or its hook say against
// it ends it.
func (p *planner) running(slot Slot, c *corev1.Container, role Role, x Container, spare *Container, m ContainerMemory) {
	probe := p.s.Probes[x.ID]
	_, begun := p.s.Memory.StopBy[x.ID]
	switch {
	case begun: // it was told to end already
		p.stop(slot, x)
	case p.hookDue(c, x):
		p.act(Action{Slot: hookSlot(c.Name), Verb: PostStart, ID: x.ID, Name: c.Name, Sandbox: x.Sandbox})
	case m.Hooked == x.ID && m.HookError != "":
		p.end(slot, x, "postStart failed: "+m.HookError, nil)
	case probe.Failed != "":
		p.end(slot, x, probe.Failed, probe.Grace)
	case spare == nil && role != Init:
		p.prepare(c, x, m)
	}
}

// attempts finds the newest attempt of a container that was ever started, and one after it that is made and not started; either may be nil.
// What is older is dealt with.
func (p *planner) attempts(name string, have group, m ContainerMemory) (newest, spare *Container) {
	for i := range have.containers {
		x := &have.containers[i]
		switch {
		case x.Name != name:
		case newest == nil && spare == nil && x.State == Created:
			spare = x
		case newest == nil && x.State != Created:
			newest = x
		case newest == nil: // two that were never started: one is enough
			p.act(Action{Slot: Slot{Kind: "dead", Name: x.ID}, Verb: RemoveContainer, ID: x.ID, Name: name, Attempt: x.Attempt})
		default:
			p.older(*x, *newest, m)
		}
	}
	return newest, spare
}

// startCreated starts a container that is made already. One that can't be started makes room for another.
func (p *planner) startCreated(slot Slot, role Role, c Container, again bool) {
	if p.s.Failures[slot].Count > 1 {
		p.act(Action{Slot: Slot{Kind: "dead", Name: c.ID}, Verb: RemoveContainer, ID: c.ID, Name: c.Name, Attempt: c.Attempt}) // the failures of slot stay
		return
	}
	p.act(Action{Slot: slot, Verb: Start, ID: c.ID, Name: c.Name, Attempt: c.Attempt, Again: again, Sandbox: c.Sandbox, Init: role != Main})
}

// standbyAfter is how long a container must have run for its successor to be made: what ends at once gets none.
const standbyAfter = 500 * time.Millisecond

// prepare makes the next attempt of a container while this one runs, so that a restart is a start and nothing else. Making is the dear half
// on CRI-O, and on containerd it would queue behind the work on the exit.
func (p *planner) prepare(c *corev1.Container, runs Container, m ContainerMemory) {
	if !p.s.Standby || !restarts || m.Level > 0 || restartPolicy(&p.s.Want.Pod.Spec.Spec, c.Name) == corev1.RestartPolicyNever || runs.Started.IsZero() || readsObjects(&p.s.Want.Pod.Spec.Spec, c) {
		return
	}
	if !p.s.Images[c.Image].Present { // it was collected below the container; the restart pulls it
		return
	}
	if due := runs.Started.Add(standbyAfter); due.After(p.now) {
		p.at(due)
		return
	}
	p.act(Action{Slot: standbySlot(c.Name), Verb: Prepare, Name: c.Name, Image: c.Image, Attempt: m.Next, Again: true, Sandbox: runs.Sandbox})
}

// older deals with an attempt that has a successor. Of the dead one is kept, the last (kubelet's minimum), and removing the others
// waits until the successor runs, or for a while does not. In a slot of its own, so that it never delays the container itself.
func (p *planner) older(c, newest Container, m ContainerMemory) {
	slot := Slot{Kind: "dead", Name: c.ID}
	switch {
	case c.Gone:
		p.stale(slot, c, p.patience(c.Name))
	case c.State == Running: // two of one name: the newer one stands
		p.stop(slot, c)
	case c.ID != m.LastID && (newest.State == Running && !newest.Gone || newest.State == Exited && (m.Done || m.NotBefore.After(p.now))):
		p.act(Action{Slot: slot, Verb: RemoveContainer, ID: c.ID, Name: c.Name, Attempt: c.Attempt, Log: c.LogPath})
	}
}

// ahead reports whether a container whose process is seen to be gone may be followed by the next attempt before the runtime has worked
// off the exit, which takes containerd 1.6 some 50 ms. It may where its exit code decides nothing (restartPolicy Always), where nothing
// of it can live on (its init process took its PID namespace along), where no back-off is due, and where no other death of this
// container is still unrecorded, so that each restart that gets ahead was earned.
func (p *planner) ahead(c Container, have group) bool {
	spec := &p.s.Want.Pod.Spec.Spec
	m := p.s.Memory.Containers[c.Name]
	_, asked := p.s.Memory.StopBy[c.ID]
	if restartPolicy(spec, c.Name) != corev1.RestartPolicyAlways || sharesProcesses(spec) || asked || m.Level > 0 || m.NotBefore.After(p.now) {
		return false
	}
	return !slices.ContainsFunc(have.containers, func(o Container) bool {
		return o.Name == c.Name && o.ID != c.ID && o.State != Created && (o.State != Exited || o.Attempt >= m.Recorded)
	})
}

// act starts an action if its slot is free and no failure holds it back.
func (p *planner) act(a Action) bool {
	if p.busy(a.Slot) || slices.ContainsFunc(p.start, func(x Action) bool { return x.Verb != Pull && x.Slot == a.Slot }) {
		return false
	}
	if f := p.s.Failures[a.Slot]; f.NotBefore.After(p.now) {
		p.at(f.NotBefore)
		return false
	}
	p.start = append(p.start, a)
	return true
}

func (p *planner) busy(s Slot) bool { _, ok := p.s.Ops[s]; return ok }

func (p *planner) at(t time.Time) {
	if p.next.IsZero() || t.Before(p.next) {
		p.next = t
	}
}
