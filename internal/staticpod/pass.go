package staticpod

import (
	"context"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/staticpod/folder"
)

// soon is how a pass waits for a runtime to agree that a process it still calls running has ended: 2 ms, doubling.
const soon, soonest = 250 * time.Millisecond, 2 * time.Millisecond

// pass is one round over one pod: read, decide, act, show.
func (p *Pods) pass(ctx context.Context, key string) (time.Time, error) {
	desired := p.desired.Load()
	p.mu.Lock()
	ready := desired != nil && p.readOnce && (p.open || p.looking)
	x := p.pod(key)
	p.mu.Unlock()
	if !ready {
		return time.Time{}, nil // the first full reading wakes every pod
	}
	var want *folder.Wanted
	if w, ok := desired.Pods[key]; ok {
		want = &w
	}
	s, version := p.state(x, want) // before the reading: an op that ends meanwhile counts as running, and its end wakes the pod again
	r, err := p.read(ctx, x)
	if err != nil {
		p.showUnknown(x, want, err)
		return time.Time{}, err
	}
	p.reasons(r.containers)
	s.Sandboxes, s.Containers = r.sandboxes, r.containers

	mayStart, why := p.d.MayStart()
	now := time.Now()
	s.Held, s.Standby = !mayStart, p.d.Config().Standby
	s.Ending = p.ends(x.key)
	s.Memory.forgetStops(r)
	if s.Memory.Hold != nil && !s.Memory.held(now) {
		s.Memory.endHold(now)
	}
	var deaths []Death
	var renamed *Memory // what it was before the node got another name: its logs are nobody's from now on
	var unsure error    // an image could not be asked for: the rest of the pod goes on
	if want != nil && want.Stance != folder.Freeze {
		id := identify(want.Pod, p.d.Config().NodeName)
		if s.Memory.Hash != id.Hash || s.Memory.UID != id.UID {
			fresh := s.Memory.UID == ""
			if !fresh && s.Memory.UID != id.UID {
				was := s.Memory
				renamed = &was
			}
			s.Memory = s.Memory.forContent(id.Hash, id.UID, p.d.Boot)
			s.Memory.Namespace, s.Memory.Name, s.Memory.FullName = id.Namespace, id.Name, id.FullName
			if fresh {
				if err := p.restore(&s.Memory, want, id); err != nil {
					p.showUnknown(x, want, err)
					return time.Time{}, err
				}
			}
			p.mu.Lock()
			x.fresh, x.failures = map[string]bool{}, map[Slot]Failure{}
			p.mu.Unlock()
			s.Failures = nil
		}
		policy := func(container string) corev1.RestartPolicy { return restartPolicy(&want.Pod.Spec.Spec, container) }
		_, current := (&planner{s: s}).split(want.Pod.Hash)
		s.Memory, deaths = observe(s.Memory, current.containers, policy, p.d.Boot, p.d.Config().Restart, now)
		s.Images, unsure = p.images.states(ctx, x, want)
		s.Probes = p.probe(x, want, s, current)
		s.Memory = rememberStarted(s.Memory, &want.Pod.Spec.Spec, current.containers, s.Probes)
	} else if want != nil && want.Pod.Spec != nil {
		s.Probes = p.probe(x, want, s, group{sandboxes: r.sandboxes, containers: r.containers})
	} else if !p.looking {
		p.prober.Sync(x.key, nil)
	}
	if s.Memory.Replace != "" && !hasSandbox(r, s.Memory.Replace) {
		s.Memory.Replace = ""
	}

	actions, next := plan(s, now)
	s.Memory = remember(s.Memory, actions, now)
	if !p.keep(x, version, s.Memory) {
		return now, nil
	}
	if renamed != nil && !p.looking {
		if err := p.logs.removed(*renamed); err != nil {
			p.note(x, "give up the logs under the node's old name", err)
		}
	}
	for _, d := range deaths {
		p.recordDeath(x, want, s.Memory, d)
	}
	p.begin(x, want, r, actions)
	p.ended(x.key, s, len(actions) > 0)
	for _, a := range actions {
		if im, ok := s.Images[a.Image]; ok && a.Verb == Pull {
			im.PullingSince = now
			s.Images[a.Image] = im
		}
	}
	p.show(x, want, r, s, why, now)
	return earliest(next, p.waiting(x, r, now)), unsure
}

func hasSandbox(r *reading, id string) bool {
	for _, s := range r.sandboxes {
		if s.ID == id {
			return true
		}
	}
	return false
}

// state is what a plan is made from besides what the runtime has, with the version of the memory in it.
func (p *Pods) state(x *pod, want *folder.Wanted) (s State, version int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s = State{Want: want, Ops: map[Slot]Action{}, Failures: map[Slot]Failure{}, Memory: x.memory.clone()}
	for k, v := range x.ops {
		s.Ops[k] = v
	}
	for k, v := range x.failures {
		s.Failures[k] = v
	}
	s.Refresh = x.refresh && want != nil && want.Pod.Spec != nil && readsFiles(&want.Pod.Spec.Spec)
	return s, x.version
}

// remember is the memory as it must be on disk before the actions are begun.
func remember(m Memory, actions []Action, now time.Time) Memory {
	m = m.clone()
	for _, a := range actions {
		switch a.Verb {
		case RunSandbox:
			m.Sandbox, m.Began = a.Attempt, true
			if m.StartedAt.IsZero() {
				m.StartedAt = now
			}
		case CreateAndStart:
			c := m.Containers[a.Name]
			c.Next = a.Attempt + 1
			if a.Again {
				c.Restarts++
			}
			m.Containers[a.Name] = c
			m.initialized(a)
		case Prepare:
			c := m.Containers[a.Name]
			c.Next = a.Attempt + 1
			m.Containers[a.Name] = c
		case Start:
			if c := m.Containers[a.Name]; a.Again {
				c.Restarts++
				m.Containers[a.Name] = c
			}
			m.initialized(a)
		case Stop:
			if a.Stale {
				continue // nobody asked it to end
			}
			if _, begun := m.StopBy[a.ID]; !begun {
				m.StopBy[a.ID] = StopMemory{By: now.Add(a.Grace), Hooked: a.Hook, Why: a.Why}
				if _, ending := m.EndBy[a.Sandbox]; a.Whole && !ending {
					m.EndBy[a.Sandbox] = now.Add(a.Grace)
				}
			} else if a.Hook {
				s := m.StopBy[a.ID]
				s.Hooked = true
				m.StopBy[a.ID] = s
			}
		}
	}
	return m
}

// initialized notes that every init container of a sandbox is done: one of the others is begun.
func (m *Memory) initialized(a Action) {
	if !a.Init {
		m.Initialized = a.Sandbox
	}
}

// keep takes the memory that a pass made of the given version, and writes it if it changed. False: the memory was changed meanwhile, or the
// pod itself is another one by now, and the pass has to be made again. A disk that refuses is said and does not keep pods down.
func (p *Pods) keep(x *pod, version int, m Memory) bool {
	p.mu.Lock()
	if p.pods[x.key] != x || x.version != version {
		p.mu.Unlock()
		return false
	}
	same := x.memory.equal(m)
	if !same {
		x.memory = m
		x.version++
	}
	p.mu.Unlock()
	if same || m.Name == "" {
		return true
	}
	if err := p.save(x); err != nil {
		p.note(x, "write the pod's memory", err)
	}
	return true
}

// change alters a pod's memory beside its passes, and writes it.
func (p *Pods) change(x *pod, alter func(*Memory)) error {
	p.mu.Lock()
	m := x.memory.clone()
	if m.Name == "" { // asked for before its first pass; without its name the next agent would not find it
		m.Namespace, m.Name = splitKey(x.key)
	}
	alter(&m)
	x.memory = m
	x.version++
	p.mu.Unlock()
	return p.save(x)
}

// save writes the newest memory of a pod.
func (p *Pods) save(x *pod) error {
	x.saving.Lock()
	defer x.saving.Unlock()
	p.mu.Lock()
	m := x.memory
	p.mu.Unlock()
	return p.d.Store.Save(memoryName(x.key), memoryVersion, m)
}

// waiting is when to look again for processes that ended and that the runtime still calls running.
func (p *Pods) waiting(x *pod, r *reading, now time.Time) (at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range r.containers {
		if _, busy := x.ops[containerSlot(c.Name)]; c.Gone && !busy { // the end of an op wakes the pod anyway
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
	p.lookUpHost()
	p.mu.Lock()
	since := p.stirs
	p.mu.Unlock()
	all, err := p.list(ctx, nil)
	if err != nil {
		p.mu.Lock()
		for key := range p.desired.Load().Pods {
			p.pod(key)
		}
		keys := make([]string, 0, len(p.pods))
		for key := range p.pods {
			keys = append(keys, key)
		}
		p.mu.Unlock()
		for _, key := range keys {
			p.showUnreadable(key, err)
		}
		return time.Time{}, err
	}
	p.sweepVolumes(all)
	p.mu.Lock()
	p.readOnce = true
	for key := range p.desired.Load().Pods {
		p.pod(key)
	}
	for key := range all {
		p.pod(key)
	}
	keys := make([]string, 0, len(p.pods))
	for key, x := range p.pods {
		keys = append(keys, key)
		switch {
		case x.stirred > since: // the lists may be older than what happened
		case all[key] == nil:
			x.last = &reading{}
		default:
			x.last = all[key]
		}
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
