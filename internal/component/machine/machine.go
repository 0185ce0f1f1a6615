package machine

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
)

// Machine looks at the machine again and again.
type Machine struct {
	cfg      func() Config
	deps     Deps
	board    *health.Board
	disks    disks
	timedate timedate
	loop     *reconcile.Loop
}

// New makes a Machine that does nothing until its Task runs. cfg is called once a look; the board must know Conditions.
func New(cfg func() Config, deps Deps, board *health.Board, log *zap.Logger) *Machine {
	m := &Machine{cfg: cfg, deps: deps, board: board}
	m.loop = reconcile.NewLoop(m.pass, reconcile.Options{Name: "machine", Bound: 2 * time.Minute, OnError: func(err error) {
		log.Error("look at the machine", zap.Error(err))
	}})
	return m
}

// Task is the loop, for the agent to run.
func (m *Machine) Task() *reconcile.Loop { return m.loop }

// Wake looks as soon as may be. It never blocks.
func (m *Machine) Wake() { m.loop.Wake() }

func (m *Machine) pass(ctx context.Context) (time.Time, error) {
	cfg := m.cfg().filled()
	began := time.Now()
	m.board.Publish(looks(ctx, cfg, m.deps, &m.disks, &m.timedate)...)
	return began.Add(cfg.CheckFrequency), nil
}

// Look looks once; it changes and keeps nothing.
func Look(ctx context.Context, cfg Config, deps Deps) []health.Look {
	return looks(ctx, cfg.filled(), deps, &disks{}, &timedate{})
}

func looks(ctx context.Context, cfg Config, deps Deps, d *disks, asked *timedate) []health.Look {
	var k Kubelet
	if deps.Kubelet != nil {
		k = deps.Kubelet()
	}
	look := func(c *health.Condition, f ...health.Finding) health.Look {
		return health.Look{Of: c, Valid: cfg.valid(), Findings: f}
	}
	swaps, err := readSwaps(cfg)
	return []health.Look{
		look(clockCondition, judgeClock(readClock(ctx, asked), cfg.ClockOffset)),
		look(filesystemsCondition, lookDisks(cfg, deps, d)...),
		look(inotifyCondition, judgeInotify(tryInotify(), readSetting(cfg, "fs.inotify.max_user_instances").value)),
		look(kernelCondition, lookKernel(cfg, k, d)...),
		look(swapCondition, judgeSwap(k, swaps, err)),
	}
}

func readSwaps(cfg Config) ([]string, error) {
	b, err := os.ReadFile(cfg.path("/proc/swaps"))
	if errors.Is(err, fs.ErrNotExist) { // a kernel without swap
		return nil, nil
	}
	return parseSwaps(string(b)), err
}

func lookDisks(cfg Config, deps Deps, d *disks) []health.Finding {
	var folders []Folder
	if deps.Folders != nil {
		folders = deps.Folders()
	}
	var paths []string
	for _, f := range folders {
		paths = append(paths, f.Path)
	}
	var mounts map[uint64]mount
	if f, err := os.Open(cfg.path("/proc/self/mountinfo")); err == nil {
		mounts = parseMounts(f)
		_ = f.Close()
	}
	return judgeDisks(cfg, folders, d.get(paths, cfg.Timeout), mounts)
}

func lookKernel(cfg Config, k Kubelet, d *disks) []health.Finding {
	var out []health.Finding
	for _, w := range wanted(k) {
		out = append(out, judgeSetting(w, readSetting(cfg, w.name)))
	}
	var have modules
	for _, name := range needed(cfg, d) {
		is := loaded(cfg, name)
		if !is && have.release == "" {
			have = readModules(cfg)
		}
		out = append(out, judgeModule(name, is, have))
	}
	if len(out) == 0 {
		return []health.Finding{{Status: health.Absent, Message: "no part of this node needs a setting or a module that is judged here"}}
	}
	return out
}
