package netcheck

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
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

// Checker watches the node's network for Flannel's sake.
type Checker struct {
	Flannel view.Cell[view.Network] // as last looked at
	Peers   view.Cell[[]view.Peer]  // as last probed, by subnet

	cfg   func() Config
	deps  Deps
	board *health.Board
	log   *zap.Logger

	looks  *reconcile.Loop
	watch  *watch
	probes *probeTask

	// Of the look loop alone.
	memory Memory
	steady steady
	blame  map[string]health.Pair // by subject of NetworkFilter: who changed the ruleset when it began to fail
	count  uint64
	mender mender

	seen atomic.Pointer[seen]
}

// seen is what the probes take from a look.
type seen struct {
	absent  health.Finding // where there is nothing to probe; its Message is empty otherwise
	backend string
	peers   []Peer
	mtu     int
}

// New makes a Checker that does nothing until its Tasks run. cfg is called once a look; the board must know Conditions.
func New(cfg func() Config, deps Deps, board *health.Board, log *zap.Logger) *Checker {
	c := &Checker{cfg: func() Config { return cfg().filled() }, deps: deps, board: board, log: log, blame: map[string]health.Pair{}}
	onError := func(what string) func(error) {
		return func(err error) { log.Error(what, zap.Error(err)) }
	}
	c.looks = reconcile.NewLoop(c.pass, reconcile.Options{Name: "network", Bound: 30*time.Second + 10*c.cfg().ReadTimeout, OnError: onError("look at the network")})
	c.watch = newWatch(c.cfg, c.looks.Wake, log)
	c.mender = mender{deps: deps, wake: c.looks.Wake, log: log}
	c.memory = c.mender.takeUp()
	c.probes = &probeTask{c: c}
	c.probes.Loop = reconcile.NewLoop(c.probes.pass, reconcile.Options{Name: "flannel probes", Bound: 30*time.Second + 20*c.cfg().ProbeTimeout, OnError: onError("probe peers")})
	return c
}

// Tasks are what must run: the looks, the events that wake them, and the probes.
func (c *Checker) Tasks() []Task { return []Task{c.looks, c.watch, c.probes} }

// Network is all that is shown: the last look with what the probes found.
func (c *Checker) Network() view.Network {
	v, _ := c.Flannel.Get()
	v.Peers, _ = c.Peers.Get()
	return v
}

// Wake looks as soon as may be. It never blocks.
func (c *Checker) Wake() { c.looks.Wake() }

// pass is one look with its effects.
func (c *Checker) pass(ctx context.Context) (time.Time, error) {
	cfg := c.cfg()
	began := time.Now()
	n := read(ctx, cfg, c.deps.Nodes)
	if ctx.Err() != nil {
		return time.Time{}, ctx.Err()
	}
	n.Before = c.memory
	p := paint(&n)
	raw := judgePicture(cfg, &n, p)
	was := c.memory
	var good bool
	c.memory, good = remember(&n, p, raw)
	c.mender.learn(was, c.memory, good, c.answered(), time.Now())
	c.watch.heed(&n)
	shown, again := c.steady.pass(raw, time.Now())
	c.accuse(shown)
	c.mender.recall(shown)
	c.board.Publish(looks(cfg, shown)...)
	noted, due := c.mender.mend(cfg, &n, p, shown)
	if noted {
		c.board.Publish(looks(cfg, shown)...)
	}
	c.count++
	v := viewOf(&n, p)
	c.watch.took.Store(int64(time.Since(began)))
	v.Took, v.Looks, v.Overruns, v.Generations = time.Since(began).Round(10*time.Microsecond).String(), c.count, c.watch.overruns.Load(), c.watch.changes()
	c.Flannel.Set(v)
	c.tell(seenOf(&n, p))
	next := began.Add(cfg.Resync)
	for _, t := range []time.Time{again, due} {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return next, nil
}

// answered are the peers of which a probe has passed since the agent's start.
func (c *Checker) answered() []netip.Prefix {
	peers, _ := c.Peers.Get()
	var out []netip.Prefix
	for _, p := range peers {
		if p.State == view.PeerUp && !p.Answered.IsZero() {
			out = append(out, p.Subnet)
		}
	}
	return out
}

// looks are v for the board, in the order of the conditions.
func looks(cfg Config, v verdicts) []health.Look {
	var out []health.Look
	for _, c := range Conditions() {
		if f, ok := v[c]; ok {
			out = append(out, health.Look{Of: c, Valid: cfg.valid(), Findings: f})
		}
	}
	return out
}

// seenOf is what a look leaves for the probes.
func seenOf(n *Network, p picture) *seen {
	s := &seen{backend: p.backend, peers: p.peers(), mtu: n.SubnetEnv.MTU}
	switch {
	case p.absent != "":
		s.absent = health.Finding{Status: health.Absent, Message: p.absent}
	case n.unread(PartLinks, PartRoutes) != "":
		s.absent = health.Finding{Status: health.Unknown, Reason: unreadable, Message: n.unread(PartLinks, PartRoutes)}
	case p.backend == UDP && len(s.peers) == 0:
		s.absent = health.Finding{Status: health.Absent, Message: "backend udp keeps its peers in flanneld: without the nodes' annotations none is known"}
	case p.backend == WireGuard || p.backend == IPIP:
		s.absent = notJudged(p.backend)
	}
	return s
}

// tell hands the probes what to probe.
func (c *Checker) tell(s *seen) {
	if was := c.seen.Swap(s); was == nil || !slices.Equal(was.peers, s.peers) || was.backend != s.backend || was.absent.Message != s.absent.Message {
		c.probes.Wake()
	}
}

// accuse adds who changed the ruleset last when a filter began to fail. The name stays while the fault does.
func (c *Checker) accuse(v verdicts) {
	failing := map[string]bool{}
	for i, f := range v[NetworkFilter] {
		if f.Status != health.Failing {
			continue
		}
		failing[f.Subject] = true
		who, known := c.blame[f.Subject]
		if !known {
			if changes := c.watch.changes(); len(changes) > 0 {
				g := changes[len(changes)-1]
				who = health.Pair{Key: "changedBy", Value: fmt.Sprintf("%s (pid %d) at %s", g.Process, g.PID, g.At.UTC().Format(time.RFC3339))}
			}
			c.blame[f.Subject] = who
		}
		if who.Value != "" && !slices.Contains(f.Evidence, who) {
			v[NetworkFilter][i].Evidence = append(slices.Clip(f.Evidence), who)
		}
	}
	for subject := range c.blame {
		if !failing[subject] {
			delete(c.blame, subject)
		}
	}
}

// heed takes the devices whose neighbours matter.
func (w *watch) heed(n *Network) {
	devices := map[int]bool{}
	for _, l := range n.Links {
		if flannelDevice(l.Name) {
			devices[l.Index] = true
		}
	}
	w.devices.Store(&devices)
}

func viewOf(n *Network, p picture) view.Network {
	v := view.Network{Absent: p.absent, Backend: p.backend, MTU: n.SubnetEnv.MTU, Uplink: p.uplink.Name, Addresses: n.Leases, Bridge: p.bridge}
	for _, s := range p.sides {
		v.Known += len(s.entries)
		if s.subnet.IsValid() {
			v.Subnets = append(v.Subnets, s.subnet.String())
		}
		if s.name != "" {
			d := s.device
			v.Devices = append(v.Devices, view.FlannelDevice{Name: s.name, Index: d.Index, MAC: d.MAC, MTU: d.MTU, Up: d.Up})
		}
	}
	return v
}

// probeTask is the loop of the probes, which owns its sockets while it runs.
type probeTask struct {
	*reconcile.Loop
	c *Checker
	p prober
}

// Run probes until ctx ends, and then closes the sockets.
func (t *probeTask) Run(ctx context.Context) error {
	defer t.p.close()
	return t.Loop.Run(ctx)
}

func (t *probeTask) pass(ctx context.Context) (time.Time, error) {
	c := t.c
	cfg := c.cfg()
	s := c.seen.Load()
	if s == nil {
		return time.Now().Add(cfg.ProbeInterval), nil // the first look wakes
	}
	began := time.Now()
	peers := t.p.follow(s.peers, s.backend, s.mtu)
	findings := []health.Finding{s.absent}
	if s.absent.Message == "" {
		findings = t.p.once(ctx, cfg, peers, c.deps.Observe)
	}
	if ctx.Err() != nil {
		return time.Time{}, ctx.Err()
	}
	c.board.Publish(health.Look{Of: FlannelReachable, Valid: cfg.probeValid(), Findings: findings})
	views := make([]view.Peer, len(peers))
	for i, p := range peers {
		views[i] = p.view()
	}
	c.Peers.Set(views)
	return began.Add(cfg.ProbeInterval), nil
}
