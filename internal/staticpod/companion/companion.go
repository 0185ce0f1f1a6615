package companion

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/staticpod/kubelet"
	"nodeagent/internal/view"
)

// Companion watches a kubelet's static pods. It is a Task of the agent.
type Companion struct {
	Pods  view.Cell[[]view.Pod]    // the pods as last seen
	Facts view.Cell[kubelet.Facts] // the kubelet as last seen

	cfg   func() Config
	deps  Deps
	board *health.Board
	log   *zap.Logger
	loop  *reconcile.Loop

	// Of the loop alone.
	eyes   eyes
	memory Memory
	saved  []byte
	loaded bool
	told   []string // kubelet's problems that were logged

	path      atomic.Pointer[string] // what is to be watched
	unwatched atomic.Pointer[string] // why it is polled; nil: it is watched
}

// New makes a companion that does nothing until Run. cfg is asked once a pass. board may be nil for one that only looks.
func New(cfg func() Config, deps Deps, board *health.Board, log *zap.Logger) *Companion {
	c := &Companion{cfg: cfg, deps: deps, board: board, log: log}
	c.loop = reconcile.NewLoop(c.pass, reconcile.Options{Name: "companion", OnError: func(err error) {
		log.Error("companion pass", zap.Error(err))
	}})
	return c
}

// Wake makes a pass run as soon as it can: something happened in the runtime, or the configuration changed. It never blocks.
func (c *Companion) Wake() { c.loop.Wake() }

// Run runs passes until ctx ends.
func (c *Companion) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		c.watch(ctx)
	}()
	err := c.loop.Run(ctx)
	cancel()
	select {
	case <-watching:
	case <-time.After(time.Second): // it hangs in the kernel on a dead mount; the end of the agent does not wait for that
	}
	return err
}

// Ready is closed after the first pass, whatever it found.
func (c *Companion) Ready() <-chan struct{} { return c.loop.Ready() }

// Beat is now while no pass runs, else when the one that runs began.
func (c *Companion) Beat() time.Time { return c.loop.Beat() }

// Bound is the longest a healthy pass takes: the deadlines of its steps and the time to judge and save.
func (c *Companion) Bound() time.Duration { return 3*c.cfg().filled().ProbeTimeout + 15*time.Second }

func (c *Companion) String() string { return "companion" }

// Look looks once, with no side effect: it writes nothing, publishes nothing and tells the timeline nothing. The memory of an
// earlier daemon is used if Store loads it.
func (c *Companion) Look(ctx context.Context) ([]view.Pod, []health.Look, error) {
	var mem Memory
	var err error
	if c.deps.Store != nil {
		_, err = c.deps.Store.Load(memoryName, memoryVersion, &mem)
		if err != nil {
			mem = Memory{}
		}
	}
	var e eyes
	cfg := c.cfg().filled()
	in, _ := e.look(ctx, cfg, c.deps)
	j := judge(in, mem, time.Now())
	return j.Pods, looks(cfg, j), err
}

// pass is one look with its effects.
func (c *Companion) pass(ctx context.Context) (time.Time, error) {
	cfg := c.cfg().filled()
	c.load()
	in, facts := c.eyes.look(ctx, cfg, c.deps)
	if ctx.Err() != nil {
		return time.Time{}, ctx.Err()
	}
	if why := c.unwatched.Load(); why != nil {
		in.Unwatched = "read every " + cfg.resync().String() + ", because it can't be watched: " + *why
	}
	path := ""
	if in.Folder != nil {
		path = in.Folder.Path
	}
	c.path.Store(&path)
	now := time.Now()
	j := judge(in, c.memory, now)
	c.memory = j.Memory
	err := c.save()
	c.board.Publish(looks(cfg, j)...)
	c.Pods.Set(j.Pods)
	if facts != nil {
		c.Facts.Set(*facts)
		c.tell(facts.Problems)
	}
	if c.deps.Record != nil {
		for _, e := range j.Events {
			c.deps.Record(e)
		}
	}
	next := now.Add(cfg.resync())
	if !j.Next.IsZero() && j.Next.Before(next) {
		next = j.Next
	}
	if in.Folder != nil && slices.ContainsFunc(in.Folder.Files, func(f File) bool { return f.Unsettled }) && now.Add(time.Second).Before(next) {
		next = now.Add(time.Second)
	}
	return next, err
}

func looks(cfg Config, j Judgement) []health.Look {
	valid := health.Validity(cfg.resync(), 3*cfg.ProbeTimeout)
	return []health.Look{
		{Of: conditions.StaticPods, Valid: valid, Findings: j.StaticPod},
		{Of: conditions.Manifests, Valid: valid, Findings: j.Manifests},
	}
}

func (c *Companion) load() {
	if c.loaded || c.deps.Store == nil {
		return
	}
	c.loaded = true
	if _, err := c.deps.Store.Load(memoryName, memoryVersion, &c.memory); err != nil {
		c.memory = Memory{}
		c.log.Warn("the memory of static pods could not be read; times count from now", zap.Error(err))
	}
}

// save writes the memory if it changed.
func (c *Companion) save() error {
	if c.deps.Store == nil {
		return nil
	}
	b, err := json.Marshal(c.memory)
	if err != nil || bytes.Equal(b, c.saved) {
		return err
	}
	if err := c.deps.Store.Save(memoryName, memoryVersion, c.memory); err != nil {
		return err
	}
	c.saved = b
	return nil
}

// tell logs what could not be read about the kubelet, once for each change.
func (c *Companion) tell(problems []string) {
	for _, p := range problems {
		if !slices.Contains(c.told, p) {
			c.log.Warn("kubelet's settings", zap.String("problem", p))
		}
	}
	c.told = problems
}

// eyes reads everything; it keeps between looks what need not be read again.
type eyes struct {
	reader  reader
	disk    aside[disk]
	facts   *kubelet.Facts
	factsAt time.Time
	folder  string // the path of the last look
}

// disk is what one look read from files.
type disk struct {
	facts  kubelet.Facts
	folder *Folder
	node   string
}

// look reads the truth once. facts is nil if they were never read.
func (e *eyes) look(ctx context.Context, cfg Config, deps Deps) (Input, *kubelet.Facts) {
	find := deps.Kubelet
	if find == nil {
		find = func() kubelet.Facts { return kubelet.Find("/") }
	}
	known := e.facts
	if time.Since(e.factsAt) >= cfg.FileCheckFrequency {
		known = nil
	}
	step, cancel := context.WithTimeout(ctx, cfg.ProbeTimeout)
	defer cancel()
	d, ok := e.disk.do(step, func() disk {
		var d disk
		if d.facts = (kubelet.Facts{}); known != nil {
			d.facts = *known
		} else {
			d.facts = find()
		}
		d.node = nodeName(cfg, d.facts)
		if path := cmp.Or(cfg.Path, d.facts.Config.StaticPodPath); path != "" {
			f := readFolder(path, d.node)
			d.folder = &f
		}
		return d
	})
	if ok {
		if known == nil {
			e.facts, e.factsAt = &d.facts, time.Now()
		}
		e.folder = ""
		if d.folder != nil {
			e.folder = d.folder.Path
		}
	} else {
		if e.facts != nil {
			d.facts = *e.facts
		}
		d.node = nodeName(cfg, d.facts)
		d.folder = &Folder{Path: cmp.Or(cfg.Path, e.folder, "the manifest folder"), Err: "reading it takes longer than " + cfg.ProbeTimeout.String()}
	}
	in := Input{
		Node: d.node, NodeSource: d.facts.NodeSource, Folder: d.folder,
		Kubelet: d.facts.Installed, Running: d.facts.Running != nil, Since: d.facts.Since(),
		FileCheck: d.facts.Config.FileCheckFrequency, Initial: d.facts.Config.InitialBackoff, Max: d.facts.Config.MaxRestartPeriod,
	}
	if cfg.NodeName != "" {
		in.NodeSource = "nodeName"
	}
	if in.Folder == nil {
		in.NoFolder = "kubelet takes no static pods from files (staticPodPath: " + d.facts.Config.Sources["staticPodPath"] + ")"
	}
	in.FileCheck = cmp.Or(in.FileCheck, 20*time.Second)
	in.Initial = cmp.Or(in.Initial, 10*time.Second)
	in.Max = cmp.Or(in.Max, 300*time.Second)
	rt, err := runtimeOf(deps)
	if err != nil {
		in.Runtime = Runtime{Err: err.Error()}
	} else {
		in.Runtime = e.reader.read(ctx, rt, cfg.ProbeTimeout)
	}
	return in, e.facts
}

func runtimeOf(deps Deps) (CRI, error) {
	if deps.Runtime == nil {
		return nil, errors.New("there is no connection to a container runtime")
	}
	rt, err := deps.Runtime()
	if err == nil && rt == nil {
		err = errors.New("there is no connection to a container runtime")
	}
	return rt, err
}

func nodeName(cfg Config, f kubelet.Facts) string { return lower(cmp.Or(cfg.NodeName, f.NodeName)) }
