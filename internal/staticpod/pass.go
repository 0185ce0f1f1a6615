package staticpod

import (
	"context"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/folder"
)

// soon is how a pass waits for a runtime to agree that a process it still calls running has ended: 2 ms, doubling.
const soon, soonest = 250 * time.Millisecond, 2 * time.Millisecond

// pass is one round over one pod: read, decide, act, show.
func (p *Pods) pass(ctx context.Context, key string) (time.Time, error) {
	desired := p.desired.Load()
	p.mu.Lock()
	ready := desired != nil && p.full1 && (p.open || p.looking)
	x := p.pod(key)
	p.mu.Unlock()
	if !ready {
		return time.Time{}, nil // the first full reading wakes every pod
	}
	var want *folder.Wanted
	if w, ok := desired.Pods[key]; ok {
		want = &w
	}
	r, err := p.read(ctx, x)
	if err != nil {
		p.showUnknown(x, want, err)
		return time.Time{}, err
	}

	mayStart, why := p.d.MayStart()
	now := time.Now()
	s := p.state(x, want, r)
	s.Held = !mayStart
	if want != nil && want.Stance != folder.Freeze {
		id := identify(want.Pod, p.d.Config().NodeName)
		if s.Memory.Hash != id.Hash || s.Memory.UID != id.UID {
			s.Memory = s.Memory.forContent(id.Hash, id.UID, p.d.Boot)
			s.Memory.Namespace, s.Memory.Name, s.Memory.FullName = id.Namespace, id.Name, id.FullName
			p.mu.Lock()
			x.fresh, x.failures = map[string]bool{}, map[Slot]Failure{}
			p.mu.Unlock()
			s.Failures = nil
		}
		policy := string(want.Pod.Spec.Spec.RestartPolicy)
		var deaths []Death
		_, current := (&planner{s: s}).split(want.Pod.Hash)
		s.Memory, deaths = observe(s.Memory, current.containers, policy, p.d.Boot, p.d.Config().Restart, now)
		for _, d := range deaths {
			p.recordDeath(x, s.Memory, d)
		}
		s.Images = p.images.states(ctx, x, want)
	}
	if s.Memory.Replace != "" && !hasSandbox(r, s.Memory.Replace) {
		s.Memory.Replace = ""
	}

	actions, next := plan(s, now)
	s.Memory = remember(s.Memory, actions, now)
	p.keep(x, s.Memory)
	p.begin(x, want, r, actions)
	p.show(x, want, r, s, why, now)
	return earliest(next, p.waiting(x, r, now)), nil
}

func hasSandbox(r *reading, id string) bool {
	for _, s := range r.sandboxes {
		if s.ID == id {
			return true
		}
	}
	return false
}

// state is what a plan is made from, as it is now.
func (p *Pods) state(x *pod, want *folder.Wanted, r *reading) State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{Want: want, Sandboxes: r.sandboxes, Containers: r.containers, Ops: map[Slot]Action{}, Failures: map[Slot]Failure{}, Memory: x.memory.clone()}
	for k, v := range x.ops {
		s.Ops[k] = v
	}
	for k, v := range x.failures {
		s.Failures[k] = v
	}
	return s
}

// remember is the memory as it must be on disk before the actions are begun.
func remember(m Memory, actions []Action, now time.Time) Memory {
	m = m.clone()
	for _, a := range actions {
		switch a.Verb {
		case RunSandbox:
			m.Sandbox, m.Began = a.Attempt, true
		case CreateAndStart:
			c := m.Containers[a.Name]
			c.Next = a.Attempt + 1
			if !c.LastAt.IsZero() {
				c.Restarts++
			}
			m.Containers[a.Name] = c
		case Stop:
			if _, begun := m.StopBy[a.ID]; !begun {
				m.StopBy[a.ID] = StopMemory{By: now.Add(a.Grace), Hooked: a.Hook}
			} else if a.Hook {
				s := m.StopBy[a.ID]
				s.Hooked = true
				m.StopBy[a.ID] = s
			}
		}
	}
	return m
}

// keep writes a memory that changed. A disk that refuses is said and does not keep pods down.
func (p *Pods) keep(x *pod, m Memory) {
	p.mu.Lock()
	same := x.memory.equal(m)
	x.memory = m
	p.mu.Unlock()
	if same || m.Name == "" {
		return
	}
	if err := p.d.Store.Save(memoryName(x.key), memoryVersion, m); err != nil {
		p.note(x, "write the pod's memory", err)
	}
}

// waiting is when to look again for processes that ended and that the runtime still calls running.
func (p *Pods) waiting(x *pod, r *reading, now time.Time) (at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range r.containers {
		if c.Gone {
			d := min(max(now.Sub(x.gone[c.ID]), soonest), soon)
			at = earliest(at, now.Add(d))
		}
	}
	return at
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}

// resync reads everything of ours at once and has every pod looked at with it.
func (p *Pods) resync(ctx context.Context) (time.Time, error) {
	if p.desired.Load() == nil {
		return time.Time{}, nil // the folder's first reading wakes us
	}
	all, err := p.list(ctx, nil)
	if err != nil {
		p.mu.Lock()
		var keys []string
		for key := range p.pods {
			keys = append(keys, key)
		}
		p.mu.Unlock()
		for key := range p.desired.Load().Pods {
			keys = append(keys, key)
		}
		for _, key := range keys {
			p.showUnreadable(key, err)
		}
		return time.Time{}, err
	}
	p.mu.Lock()
	p.full1 = true
	for key := range p.desired.Load().Pods {
		p.pod(key)
	}
	for key, r := range all {
		p.pod(key).last = r
	}
	keys := make([]string, 0, len(p.pods))
	for key, x := range p.pods {
		if all[key] == nil {
			x.last = &reading{}
		}
		keys = append(keys, key)
	}
	p.mu.Unlock()
	p.publishEmpty()
	for _, key := range keys {
		p.keyed.Wake(key)
	}
	return time.Now().Add(p.d.Config().SyncFrequency), nil
}

// note logs an error of a pod once, until another one comes or it is gone.
func (p *Pods) note(x *pod, what string, err error) {
	text := what + ": " + err.Error()
	p.mu.Lock()
	again := x.noted == text
	x.noted = text
	p.mu.Unlock()
	if !again {
		p.d.Log.Warn(what, zap.String("pod", x.key), zap.Error(err))
	}
}

func (p *Pods) recordDeath(x *pod, m Memory, d Death) {
	c := d.Container
	reason := c.Reason
	if reason == "" {
		reason = "Exited"
	}
	p.d.Record(event.Event{Kind: event.KindExit, Subject: x.key + "/" + c.Name, Reason: reason, Time: c.Finished, Message: deathText(d, m.Containers[c.Name].LastLong),
		Fields: map[string]string{"container": c.ID, "attempt": itoa(int(c.Attempt)), "exitCode": itoa(c.ExitCode), "image": c.Image}})
}
