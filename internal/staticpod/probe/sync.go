package probe

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"time"
)

// container is what is kept of a target.
type container struct {
	target  Target
	workers [roles]*worker // nil: no such probe
	says    says
	since   time.Time // when says changed last
}

// says is the part of a Result whose change is told.
type says struct{ started, ready, livenessFailed, startupFailed bool }

// worker is one probe of one container. The prober's lock guards it.
type worker struct {
	c      *container
	role   Role
	timing timing
	exec   bool
	off    bool // never to run again
	track  track
	told   Outcome // the last Change
	news   bool    // there was one

	timer    *time.Timer
	due      time.Time // of the next run; zero: it waits for startup, or is decided
	queued   bool
	busy     bool
	cancel   func()    // of the run
	deadline time.Time // of the run, all its tries included

	counts   [3]uint64 // by Outcome
	error    string    // of the last run that was no success
	output   string
	errorAt  time.Time
	warning  string
	last     time.Time // when the last run ended
	duration time.Duration
}

// Sync declares all running containers of a pod; those it does not name any more are forgotten, with their results. It is cheap where nothing
// changed. What it changes itself it does not tell by Changed: the caller reads the Results after it.
func (p *Prober) Sync(key string, targets []Target) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	ids := p.pods[key]
	same := len(ids) == len(targets)
	for i, t := range targets {
		t.Key = key
		p.sync(t, now)
		same = same && ids[i] == t.ContainerID
	}
	if same {
		return
	}
	for _, id := range ids {
		if !slices.ContainsFunc(targets, func(t Target) bool { return t.ContainerID == id }) {
			p.forget(id)
		}
	}
	if len(targets) == 0 {
		delete(p.pods, key)
		return
	}
	ids = make([]string, len(targets))
	for i, t := range targets {
		ids[i] = t.ContainerID
	}
	p.pods[key] = ids
}

func (p *Prober) sync(t Target, now time.Time) {
	c := p.containers[t.ContainerID]
	if c != nil && t.Spec == nil {
		t.Spec = c.target.Spec // its manifest is gone; the container still is what it was
	}
	if c != nil && (c.target.Stopping && !t.Stopping || !sameProbes(c.target, t)) {
		t.WasStarted = t.WasStarted || c.says.started
		p.forget(t.ContainerID)
		c = nil
	}
	if c == nil {
		p.add(t, now)
		return
	}
	was := c.target
	c.target = t
	switch {
	case t.Stopping && !was.Stopping:
		for _, w := range c.workers {
			if w != nil {
				p.halt(w)
			}
		}
		c.settle(now)
	case was.PodIP == "" && t.PodIP != "":
		for _, w := range c.workers {
			if w != nil && !w.due.IsZero() && w.track.unknown > 0 {
				p.arm(w, now) // it may have waited for the IP alone
			}
		}
	}
}

// sameProbes of two targets of one container.
func sameProbes(a, b Target) bool {
	if a.Spec == b.Spec {
		return true
	}
	for r := range Role(roles) {
		if !reflect.DeepEqual(r.of(a.Spec), r.of(b.Spec)) {
			return false
		}
	}
	return true
}

func (p *Prober) add(t Target, now time.Time) {
	c := &container{target: t, since: now}
	p.containers[t.ContainerID] = c
	for r := range Role(roles) {
		spec := r.of(t.Spec)
		if spec == nil {
			continue
		}
		w := &worker{c: c, role: r, timing: timingOf(spec), exec: spec.Exec != nil, track: begin(r), off: t.Stopping}
		if r == Liveness {
			w.told, w.news = Success, true // it counts as passed: that it does is no news
		}
		if r == Startup && t.WasStarted {
			w.track.state, w.track.held, w.off = Success, true, true
		}
		c.workers[r] = w
	}
	c.settle(now)
	p.start(c, now)
}

// start arms the probes whose turn it is: startup, then the others.
func (p *Prober) start(c *container, now time.Time) {
	older := c.target.Started.Before(p.born) && !c.target.Started.IsZero()
	if w := c.workers[Startup]; w != nil && !w.track.held {
		if !w.off && w.due.IsZero() {
			p.arm(w, w.timing.first(c.target.Started, now, older, rand.Float64()))
		}
		return
	}
	if w := c.workers[Startup]; w != nil && w.track.state != Success {
		return
	}
	older = older && (c.workers[Startup] == nil || c.target.WasStarted)
	for _, r := range []Role{Readiness, Liveness} {
		if w := c.workers[r]; w != nil && !w.off && w.due.IsZero() {
			p.arm(w, w.timing.first(c.target.Started, now, older, rand.Float64()))
		}
	}
}

func (p *Prober) forget(id string) {
	c := p.containers[id]
	if c == nil {
		return
	}
	for _, w := range c.workers {
		if w != nil {
			p.halt(w)
		}
	}
	delete(p.containers, id)
}

// settle works out what the container's probes say, and tells whether that changed.
func (c *container) settle(now time.Time) bool {
	state := func(r Role, none Outcome) Outcome {
		if c.workers[r] == nil {
			return none
		}
		return c.workers[r].track.state
	}
	started := c.target.Spec != nil && state(Startup, Success) == Success
	s := says{
		started:        started,
		ready:          started && state(Readiness, Success) == Success && !c.target.Stopping,
		livenessFailed: state(Liveness, Success) == Failure,
		startupFailed:  state(Startup, Success) == Failure,
	}
	if s == c.says {
		return false
	}
	c.says, c.since = s, now
	return true
}
