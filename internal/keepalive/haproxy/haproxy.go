package haproxy

import (
	"context"
	"path/filepath"
	"slices"
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

// rescan is the longest that a list of processes is used again while each of them lives: a second HAProxy, or a reload's new worker, is seen
// then at the latest, and so is one that neither its socket nor a port tells of. Reading every process costs some milliseconds, reading one some
// microseconds.
const rescan = 10 * time.Second

// Balancer is the node's HAProxy as the agent knows it.
type Balancer struct {
	// View is the balancer as last seen.
	View view.Cell[View]

	config func() Config
	board  *health.Board
	looks  *reconcile.Loop
	exit   *exit

	// Of the look task alone.
	procs   *procs.Table
	last    Place // where it was last seen to run
	before  bool  // it was seen to run
	own     bool  // its configuration lay inside its own root, and is gone with it
	file    string
	scanned time.Time
	none    bool   // that search found no process
	nowhere *Place // the node had none, and nothing of one, when it was scanned; nil: it had
}

// New makes a Balancer that does nothing until its Tasks run. config is called once a look; the board must know Conditions.
func New(config func() Config, board *health.Board, log *zap.Logger) *Balancer {
	b := &Balancer{config: config, board: board}
	b.looks = reconcile.NewLoop(b.pass, reconcile.Options{
		Name:    "haproxy",
		Bound:   max(30*time.Second, 4*config().Timeout),
		OnError: func(err error) { log.Error("look at HAProxy", zap.Error(err)) },
	})
	b.exit = newExit(b.looks.Wake)
	return b
}

// Tasks are what must run: the looks, and the watch for the process' end.
func (b *Balancer) Tasks() []Task { return []Task{b.looks, b.exit} }

// Wake looks as soon as may be, for a reload.
func (b *Balancer) Wake() { b.looks.Wake() }

// pass is one look: the only place where the conditions are published and View is written.
func (b *Balancer) pass(ctx context.Context) (time.Time, error) {
	began := time.Now()
	c := b.config()
	s := look(ctx, c, b.find(c), b.before)
	if len(s.Place.Processes) == 0 && s.somebody() && ctx.Err() == nil {
		b.scanned = time.Time{} // it has started since it was searched for
		s = look(ctx, c, b.find(c), b.before)
	}
	b.exit.watch(s.Place.Processes)
	if ctx.Err() != nil {
		return time.Time{}, nil
	}
	looks := judge(s, c.valid())
	pause := c.Interval
	switch looks[0].Findings[0].Status {
	case health.Failing, health.Unknown:
		pause = min(pause, retry)
	case health.Absent:
		pause = max(pause, seldom)
		for i := range looks {
			looks[i].Valid = health.Validity(pause, c.Timeout)
		}
	}
	b.board.Publish(looks...)
	b.View.Set(show(s))
	if next := began.Add(pause); next.After(time.Now()) {
		return next, nil
	}
	return time.Now().Add(min(pause, retry)), nil // the look took its whole deadline: a pause follows all the same
}

// find looks for it anew, or stays with the processes of the last time while all of them live. What ran before is remembered: the
// configuration of a pod goes away with its process, and what belongs here does not end to belong here because it died.
func (b *Balancer) find(c Config) Place {
	if c.File != b.file { // another one is meant
		b.last, b.before, b.own, b.scanned, b.file, b.none, b.nowhere = Place{}, false, false, time.Time{}, c.File, false, nil
	}
	if b.procs == nil {
		if b.procs = c.Processes; b.procs == nil {
			b.procs = tableOf(c)
		}
	}
	var known []Process
	search := true
	if time.Since(b.scanned) < rescan {
		if b.nowhere != nil {
			if !configured(c) {
				return *b.nowhere // most nodes have none: they are not searched through every second
			}
			b.none = false
		}
		if search = !b.none; search {
			known = living(b.procs.Proc(), b.last.Processes)
			search = known == nil
		}
	}
	if search {
		b.scanned = time.Now()
	}
	where := find(c, b.procs, known, search)
	if search {
		b.none = len(where.Processes) == 0 && where.ProcErr == nil
	}
	switch {
	case len(where.Processes) > 0:
		b.before, b.last = true, where
		b.own = where.Inside
	case b.before && b.own && where.Path == "":
		where.Path, where.File = b.last.Path, b.last.File
	case where.Path == "" && where.ProcErr == nil:
		b.before = false // it was taken off the node, its configuration too
	}
	b.nowhere = nil
	if len(where.Processes) == 0 && where.Path == "" && where.ProcErr == nil && !b.before {
		b.nowhere = &where
	}
	return where
}

// tableOf is an empty table of the node's processes.
func tableOf(c Config) *procs.Table { return procs.New(filepath.Join("/", c.Root, "proc")) }

// configured says whether a configuration lies where one is looked for.
func configured(c Config) bool {
	files := usualFiles
	if c.File != "" {
		files = []string{c.File}
	}
	return slices.ContainsFunc(files, func(f string) bool { return exists(filepath.Join("/", c.Root, f)) })
}

// living are the processes read anew if every one of them lives on, otherwise none.
func living(proc string, procs []Process) []Process {
	out := slices.Clone(procs)
	for i, p := range procs {
		now, err := readProcess(proc, p.PID)
		if err != nil || now.Born != p.Born {
			return nil
		}
		out[i] = now
	}
	return out
}
