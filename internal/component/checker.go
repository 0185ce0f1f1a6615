package component

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/procs"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/view"
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
	parts  []*part
	exits  exits

	views    *view.Map[string, view.Component]
	etcdView view.Cell[*view.Etcd]

	apiserverPace pace       // of its loop alone
	blamesEtcd    bool       // of the apiserver's loop alone
	member        etcdLooker // of its loop alone
	node          kubeletLooker
	proxyOf       proxyLooker
}

// New makes a Checker that does nothing until its Tasks run. cfg is called once a look; the board must know Conditions.
func New(cfg func() Config, deps Deps, board *health.Board, log *zap.Logger) *Checker {
	c := newChecker(func() Config { return cfg().filled() }, deps)
	c.board = board
	add := func(program string, least time.Duration, look func(context.Context, Config) []health.Look) {
		c.parts = append(c.parts, &part{c: c, program: program, Loop: reconcile.NewLoop(c.pass(least, look), reconcile.Options{
			Name: program, Bound: 10*time.Second + 2*requests*c.cfg().Timeout,
			OnError: func(err error) { log.Error("look at "+program, zap.Error(err)) },
		})})
	}
	add(nameAPIServer, 0, c.apiserver)
	add(nameEtcd, etcdEvery, c.etcd)
	add(nameScheduler, 0, c.controller(scheduler))
	add(nameController, 0, c.controller(controllerManager))
	add(nameKubelet, 0, c.kubelet)
	add(nameProxy, 0, c.proxy)
	return c
}

func newChecker(cfg func() Config, deps Deps) *Checker {
	return &Checker{cfg: cfg, deps: deps, finder: finder{pods: deps.Pods, processes: processes{table: deps.Processes}}, views: view.NewMap[string, view.Component]()}
}

// Tasks are what must run: one loop a component, so that one that hangs delays no other.
func (c *Checker) Tasks() []Task {
	var out []Task
	for _, p := range c.parts {
		out = append(out, p)
	}
	return out
}

// Wake looks at everything as soon as may be. It never blocks.
func (c *Checker) Wake() {
	for _, p := range c.parts {
		p.Wake()
	}
}

// part is the loop of one component.
type part struct {
	*reconcile.Loop
	c       *Checker
	program string
}

// Run looks until ctx ends.
func (p *part) Run(ctx context.Context) error {
	defer p.c.exits.forget(p.program)
	return p.Loop.Run(ctx)
}

// follow wakes a component's loop when its process ends. Without loops nothing is followed.
func (c *Checker) follow(cfg Config, program string, p *process) {
	for _, part := range c.parts {
		if part.program == program {
			c.exits.watch(cfg.Proc, program, p, part.Wake)
		}
	}
}

// soon is when a component that fails is looked at again: that it is well again matters as soon as that it was not.
const soon = time.Second

// pass is one look with its effects; least is the least time between two.
func (c *Checker) pass(least time.Duration, look func(context.Context, Config) []health.Look) func(context.Context) (time.Time, error) {
	return func(ctx context.Context) (time.Time, error) {
		cfg := c.cfg()
		cfg.Every = max(cfg.Every, least)
		began := time.Now()
		looks := look(ctx, cfg)
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		next := began.Add(cfg.Every)
		for i := range looks {
			looks[i].Valid = cfg.valid()
			for _, f := range looks[i].Findings {
				if f.Status == health.Failing {
					next = time.Now().Add(min(max(soon, least/2), cfg.Every))
				}
			}
		}
		c.board.Publish(looks...)
		return next, nil
	}
}

func (c *Checker) apiserver(ctx context.Context, cfg Config) []health.Look {
	s := c.lookAPIServer(ctx, cfg)
	if s.readyz.outcome == answered {
		c.apiserverPace = c.apiserverPace.take(s.took(), cfg.Slow)
	}
	s.slow = c.apiserverPace.slow
	if s.livez.outcome == answered {
		c.observe(nameAPIServer, s.took())
	}
	c.follow(cfg, nameAPIServer, s.found.process)
	c.views.Set(nameAPIServer, s.found.shown(nameAPIServer, s.place.address))
	f := judgeAPIServer(s)
	c.suspect(f)
	return []health.Look{{Of: APIServer, Findings: []health.Finding{f}}}
}

// suspect looks at etcd at once where the apiserver begins to blame it: doctor is to name the first that is missing.
func (c *Checker) suspect(f health.Finding) {
	blames := f.Status == health.Failing && (f.Reason == apiCheck || f.Reason == apiNotReady) && strings.Contains(f.Message, "etcd")
	if blames && !c.blamesEtcd {
		for _, p := range c.parts {
			if p.program == nameEtcd {
				p.Wake()
			}
		}
	}
	c.blamesEtcd = blames
}

func (c *Checker) etcd(ctx context.Context, cfg Config) []health.Look {
	s := c.member.look(ctx, &c.finder, cfg, time.Now())
	if s.page.outcome == answered {
		c.observe(nameEtcd, s.page.took)
	}
	address := ""
	if s.place.client != nil {
		address = s.address()
	}
	c.follow(cfg, nameEtcd, s.found.process)
	c.views.Set(nameEtcd, s.found.shown(nameEtcd, address))
	c.etcdView.Set(etcdShown(s))
	looks := judgeEtcd(s)
	c.member.was = wasOf(looks[2].Findings)
	return looks
}

func (c *Checker) controller(k controller) func(context.Context, Config) []health.Look {
	return func(ctx context.Context, cfg Config) []health.Look {
		s := k.look(ctx, &c.finder, cfg)
		if s.healthz.outcome == answered {
			c.observe(k.program, s.healthz.took)
		}
		c.follow(cfg, k.program, s.found.process)
		c.views.Set(k.program, s.found.shown(k.program, s.address))
		return []health.Look{{Of: k.of, Findings: []health.Finding{k.judge(s)}}}
	}
}

func (c *Checker) kubelet(ctx context.Context, cfg Config) []health.Look {
	s := c.node.look(ctx, c.deps, cfg, time.Now())
	if s.healthz.outcome == answered {
		c.observe(nameKubelet, s.healthz.took)
	}
	if now, err := procs.ReadStat(cfg.Proc, s.kubelet.PID); err == nil {
		c.follow(cfg, nameKubelet, &process{pid: s.kubelet.PID, started: now.Start})
	}
	c.views.Set(nameKubelet, kubeletShown(s))
	return []health.Look{{Of: KubeletHealthy, Findings: []health.Finding{judgeKubelet(s)}}}
}

func (c *Checker) proxy(ctx context.Context, cfg Config) []health.Look {
	s := c.proxyOf.look(ctx, &c.finder, cfg)
	if s.healthz.outcome == answered {
		c.observe(nameProxy, s.healthz.took)
	}
	c.follow(cfg, nameProxy, s.found.process)
	v := s.found.shown(nameProxy, s.place.healthz)
	v.Mode = s.mode
	c.views.Set(nameProxy, v)
	return []health.Look{{Of: KubeProxy, Findings: []health.Finding{judgeProxy(s)}}}
}

func (c *Checker) observe(component string, d time.Duration) {
	if c.deps.Observe != nil {
		c.deps.Observe(component, d)
	}
}

// Look looks once and keeps nothing: for `status` with no daemon. That a component is slow takes several looks, and is not found.
func Look(ctx context.Context, cfg Config, deps Deps) (view.Components, []health.Look) {
	cfg = cfg.filled()
	c := newChecker(func() Config { return cfg }, deps)
	parts := []func(context.Context, Config) []health.Look{c.apiserver, c.etcd, c.controller(scheduler), c.controller(controllerManager), c.kubelet, c.proxy}
	looks := make([][]health.Look, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() { looks[i] = part(ctx, cfg) })
	}
	all.Wait()
	return c.Components(), slices.Concat(looks...)
}
