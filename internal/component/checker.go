package component

import (
	"context"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
)

// Task is what the agent runs (see the agent's own Task).
type Task interface {
	Run(ctx context.Context) error
	Ready() <-chan struct{}
	Beat() time.Time
	Bound() time.Duration
	String() string
}

// Checker looks at the components of this node.
type Checker struct {
	cfg    func() Config
	deps   Deps
	board  *health.Board
	finder finder
	loops  []*reconcile.Loop

	apiserverPace pace // of its loop alone
}

// New makes a Checker that does nothing until its Tasks run. cfg is called once a look; the board must know Conditions.
func New(cfg func() Config, deps Deps, board *health.Board, log *zap.Logger) *Checker {
	c := &Checker{cfg: func() Config { return cfg().filled() }, deps: deps, board: board}
	add := func(name string, look func(context.Context, Config) health.Look) {
		c.loops = append(c.loops, reconcile.NewLoop(c.pass(look), reconcile.Options{
			Name: name, Bound: 10*time.Second + 2*requests*c.cfg().Timeout,
			OnError: func(err error) { log.Error("look at "+name, zap.Error(err)) },
		}))
	}
	add("apiserver", c.apiserver)
	return c
}

// Tasks are what must run: one loop a component, so that one that hangs delays no other.
func (c *Checker) Tasks() []Task {
	var out []Task
	for _, l := range c.loops {
		out = append(out, l)
	}
	return out
}

// Wake looks at everything as soon as may be. It never blocks.
func (c *Checker) Wake() {
	for _, l := range c.loops {
		l.Wake()
	}
}

// soon is when a component that fails is looked at again: that it is well again matters as soon as that it was not.
const soon = time.Second

func (c *Checker) pass(look func(context.Context, Config) health.Look) func(context.Context) (time.Time, error) {
	return func(ctx context.Context) (time.Time, error) {
		cfg := c.cfg()
		began := time.Now()
		l := look(ctx, cfg)
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		l.Valid = cfg.valid()
		c.board.Publish(l)
		next := began.Add(cfg.Every)
		for _, f := range l.Findings {
			if f.Status == health.Failing {
				next = time.Now().Add(min(soon, cfg.Every))
			}
		}
		return next, nil
	}
}

func (c *Checker) apiserver(ctx context.Context, cfg Config) health.Look {
	s := c.lookAPIServer(ctx, cfg)
	if s.readyz.outcome == answered {
		c.apiserverPace = c.apiserverPace.take(s.took(), cfg.Slow)
	}
	s.slow = c.apiserverPace.slow
	if s.livez.outcome == answered {
		c.observe(nameAPIServer, s.took())
	}
	return health.Look{Of: APIServer, Findings: []health.Finding{judgeAPIServer(s)}}
}

func (c *Checker) observe(component string, d time.Duration) {
	if c.deps.Observe != nil {
		c.deps.Observe(component, d)
	}
}

// Look looks once and keeps nothing: for `status` with no daemon. That a component is slow takes several looks, and is not found.
func Look(ctx context.Context, cfg Config, deps Deps) []health.Look {
	cfg = cfg.filled()
	c := &Checker{cfg: func() Config { return cfg }, deps: deps}
	return []health.Look{c.apiserver(ctx, cfg)}
}
