package certs

import (
	"context"
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

// Certs watches the certificates.
type Certs struct {
	View view.Cell[[]view.Certificate] // as last read, by file

	cfg     func() Config
	deps    Deps
	board   *health.Board
	loop    *reconcile.Loop
	watch   *watch
	changed atomic.Bool // a file did, since the last pass

	// Of the loop alone.
	patience patience
	portsDue time.Time // when the ports are asked next; zero: now
}

// New makes a Certs that does nothing until its Tasks run. cfg is called once a look; the board must know Conditions.
func New(cfg func() Config, deps Deps, board *health.Board, log *zap.Logger) *Certs {
	c := &Certs{cfg: func() Config { return cfg().filled() }, deps: deps, board: board}
	c.loop = reconcile.NewLoop(c.pass, reconcile.Options{Name: "certificates", Bound: time.Minute + 2*maxPorts*c.cfg().Timeout, OnError: func(err error) {
		log.Error("look at certificates", zap.Error(err))
	}})
	c.watch = newWatch(c.cfg, func() { c.changed.Store(true); c.loop.Wake() }, log)
	return c
}

// Tasks are what must run: the looks, and the watch that wakes them.
func (c *Certs) Tasks() []Task { return []Task{c.loop, c.watch} }

// Wake reads the files again as soon as may be. It never blocks.
func (c *Certs) Wake() { c.loop.Wake() }

// pass reads the files, and asks the ports where that is due.
func (c *Certs) pass(ctx context.Context) (time.Time, error) {
	cfg := c.cfg()
	now := time.Now()
	files, faults := c.patience.get(ctx, cfg)
	state, soon := judge(cfg, files, faults, now)
	looks := []health.Look{
		{Of: certificates, Valid: cfg.valid(), Findings: state},
		{Of: renewal, Valid: cfg.valid(), Findings: soon},
	}
	if c.changed.Swap(false) { // a component that takes it by itself needs a while
		if due := now.Add(cfg.Settle); !c.portsDue.IsZero() && due.Before(c.portsDue) {
			c.portsDue = due
		}
	}
	if !now.Before(c.portsDue) {
		use := lookUse(ctx, cfg, c.deps, files)
		looks = append(looks, health.Look{Of: inUse, Valid: cfg.valid(), Findings: use})
		c.portsDue = now.Add(cfg.Every)
		if slices.ContainsFunc(use, func(f health.Finding) bool { return f.Reason != nil }) { // it may be put right any moment
			c.portsDue = now.Add(cfg.Settle)
		}
	}
	if ctx.Err() != nil {
		return time.Time{}, ctx.Err()
	}
	c.board.Publish(looks...)
	c.View.Set(views(files))
	next := now.Add(cfg.Every)
	if c.patience.running != nil { // it may answer any moment
		next = now.Add(cfg.Settle)
	}
	if next.Before(c.portsDue) {
		return next, nil
	}
	return c.portsDue, nil
}

func lookUse(ctx context.Context, cfg Config, deps Deps, files []file) []health.Finding {
	var ports []Port
	var users []User
	if deps.Ports != nil {
		ports = deps.Ports()
	}
	if deps.Users != nil {
		users = deps.Users()
	}
	ports = ports[:min(len(ports), maxPorts)]
	seen := dialAll(ctx, ports, cfg.Timeout)
	return judgeUse(ports, seen, users, files, time.Now())
}

func views(files []file) []view.Certificate {
	var out []view.Certificate
	for _, f := range files {
		if f.leaf() == nil {
			continue
		}
		c := decisive(f.bundle.certs)
		out = append(out, view.Certificate{File: f.path, Name: f.leaf().Subject.CommonName, CA: c.IsCA, NotAfter: c.NotAfter})
	}
	return out
}

// Look looks once, the ports too; it changes and keeps nothing.
func Look(ctx context.Context, cfg Config, deps Deps) []health.Look {
	cfg = cfg.filled()
	var p patience
	files, faults := p.get(ctx, cfg)
	state, soon := judge(cfg, files, faults, time.Now())
	return []health.Look{
		{Of: certificates, Valid: cfg.valid(), Findings: state},
		{Of: renewal, Valid: cfg.valid(), Findings: soon},
		{Of: inUse, Valid: cfg.valid(), Findings: lookUse(ctx, cfg, deps, files)},
	}
}
