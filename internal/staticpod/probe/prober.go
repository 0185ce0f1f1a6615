package probe

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

// How many probes run at once, unless Deps says otherwise. An exec costs the runtime tens of milliseconds of CPU, a request next to nothing.
const (
	defaultMaxNet  = 32
	defaultMaxExec = 16
)

// Deps are what a Prober needs. All but Exec may be left out. The functions are called without locks, and from several goroutines at once.
type Deps struct {
	Exec    Exec
	Changed func(key string)  // a Result of this pod says something else than before
	Record  func(Change)      // what a probe is held to say changed: for the timeline
	Observe func(Observation) // each run: for metrics
	Log     *zap.Logger
	MaxNet  int // httpGet and tcpSocket probes at once; 0: 32
	MaxExec int // exec probes at once; 0: 16
}

// Change is what a probe is held to say from now on, told once at its threshold and once at the recovery.
type Change struct {
	Key, Container, ContainerID string
	Role                        Role
	Outcome                     Outcome // Unknown: it can't be tried, as often in a row as its failureThreshold says
	Message                     string  // of Failure and Unknown: why; of Success: a warning, mostly empty
	Output                      string  // the beginning of what a failed command wrote; may hold secrets, root only
}

// Observation is one run of a probe.
type Observation struct {
	Key, Container string
	Role           Role
	Outcome        Outcome
	Duration       time.Duration
}

// Prober probes the containers that Sync names. It is a Task of the agent.
type Prober struct {
	d        Deps
	handlers handlers
	born     time.Time
	ready    chan struct{}
	once     sync.Once
	work     sync.WaitGroup

	mu         sync.Mutex
	ctx        context.Context // nil while Run does not run
	pods       map[string][]string
	containers map[string]*container
	net, exec  lane
}

// lane is a bound on the probes of one kind that run at once.
type lane struct {
	limit   int
	slots   int // taken
	running map[*worker]struct{}
	queue   []*worker // due, in this order
}

// New makes a prober that keeps results and probes nothing until Run.
func New(d Deps) *Prober {
	if d.Log == nil {
		d.Log = zap.NewNop()
	}
	limited := func(n, def int) lane {
		if n <= 0 {
			n = def
		}
		return lane{limit: n, running: map[*worker]struct{}{}}
	}
	return &Prober{
		d: d, handlers: newHandlers(d.Exec), born: time.Now(), ready: make(chan struct{}),
		pods: map[string][]string{}, containers: map[string]*container{},
		net: limited(d.MaxNet, defaultMaxNet), exec: limited(d.MaxExec, defaultMaxExec),
	}
}

// Run lets probes run until ctx ends, and waits for those in flight, which end with it. It may be called again after it returned; the results
// stay.
func (p *Prober) Run(ctx context.Context) error {
	p.mu.Lock()
	p.ctx = ctx
	for _, c := range p.containers {
		for _, w := range c.workers {
			if w != nil && !w.off && !w.due.IsZero() {
				p.arm(w, w.due)
			}
		}
	}
	p.mu.Unlock()
	p.once.Do(func() { close(p.ready) })
	<-ctx.Done()
	p.mu.Lock()
	p.ctx = nil
	for _, c := range p.containers {
		for _, w := range c.workers {
			if w != nil {
				w.pause()
			}
		}
	}
	p.net.queue, p.exec.queue = nil, nil
	p.mu.Unlock()
	p.work.Wait()
	return ctx.Err()
}

// Ready is closed once Run has begun. It waits for no probe: a result that is not there yet is not ready.
func (p *Prober) Ready() <-chan struct{} { return p.ready }

// Beat is now while every probe in flight keeps its deadline, else when the first one ran over it.
func (p *Prober) Beat() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	beat := time.Now()
	for _, l := range []*lane{&p.net, &p.exec} {
		for w := range l.running {
			if w.deadline.Before(beat) {
				beat = w.deadline
			}
		}
	}
	return beat
}

// Bound is how far a probe may run over its deadline before the prober counts as stuck.
func (p *Prober) Bound() time.Duration { return 30 * time.Second }

func (p *Prober) String() string { return "probes" }
