package netcheck

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"nodeagent/internal/reconcile"
	"nodeagent/internal/view"
)

const (
	// settle is the quiet time after which an event is looked at: events come in groups.
	settle = 5 * time.Millisecond
	// share is how many times a look's own duration passes before events ask for the next one: a burst of ten thousand makes a few looks,
	// and events alone never take more than a tenth of a core. At least paceLeast, at most paceMost.
	share     = 10
	paceLeast = 30 * time.Millisecond
	paceMost  = time.Second
	// keptGenerations is how many changes of the ruleset are remembered.
	keptGenerations = 8
)

// watch is a task: it wakes the looks when something happens in the kernel or to Flannel's files.
type watch struct {
	cfg  func() Config
	wake func()
	log  *zap.Logger

	dirty    chan struct{}
	ready    chan struct{}
	once     sync.Once
	devices  atomic.Pointer[map[int]bool] // Flannel's, by index
	overruns atomic.Uint64
	took     atomic.Int64 // the last look, in nanoseconds

	mu          sync.Mutex
	generations []view.RulesetChange // newest last
	deaf        map[string]string    // what can't be heard, and why
}

func newWatch(cfg func() Config, wake func(), log *zap.Logger) *watch {
	return &watch{cfg: cfg, wake: wake, log: log, dirty: make(chan struct{}, 1), ready: make(chan struct{}), deaf: map[string]string{}}
}

// Run listens until ctx ends.
func (w *watch) Run(ctx context.Context) error {
	netns := func() string { return w.cfg().Netns }
	routes := &listener{
		name: "rtnetlink", protocol: unix.NETLINK_ROUTE, groups: groups, netns: netns, overruns: &w.overruns, wake: w.mark,
		hear: func(kind uint16, b []byte) bool {
			var devices map[int]bool
			if p := w.devices.Load(); p != nil {
				devices = *p
			}
			return matters(devices)(kind, b)
		},
		broke: func(err error) { w.broke("rtnetlink", err) }, fine: func() { w.fine("rtnetlink") },
	}
	rules := &listener{
		name: "nftables", protocol: unix.NETLINK_NETFILTER, groups: []uint{unix.NFNLGRP_NFTABLES}, netns: netns, overruns: &w.overruns, wake: w.mark,
		hear: w.generation, broke: func(err error) { w.broke("nftables", err) }, fine: func() { w.fine("nftables") },
	}
	var all sync.WaitGroup
	all.Go(func() { routes.run(ctx) })
	all.Go(func() { rules.run(ctx) })
	all.Go(func() { w.files(ctx) })
	w.once.Do(func() { close(w.ready) })
	w.pass(ctx)
	all.Wait()
	return ctx.Err()
}

// Ready is closed once Run began.
func (w *watch) Ready() <-chan struct{} { return w.ready }

// Beat is always now: it only waits.
func (w *watch) Beat() time.Time { return time.Now() }

// Bound is not reached.
func (w *watch) Bound() time.Duration { return time.Minute }

func (w *watch) String() string { return "network events" }

// mark notes that something happened.
func (w *watch) mark() {
	select {
	case w.dirty <- struct{}{}:
	default:
	}
}

// pass turns marks into wakes, until ctx ends.
func (w *watch) pass(ctx context.Context) {
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.dirty:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(settle, w.pace()-time.Since(last))):
		}
		select { // what came while it waited is part of this wake
		case <-w.dirty:
		default:
		}
		last = time.Now()
		w.wake()
	}
}

func (w *watch) pace() time.Duration {
	return min(max(share*time.Duration(w.took.Load()), paceLeast), paceMost)
}

// generation keeps who changed the ruleset. Its other messages wake nothing: each change ends with one of these.
func (w *watch) generation(kind uint16, b []byte) bool {
	if kind != unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWGEN {
		return false
	}
	g, ok := parseGeneration(b)
	if !ok {
		return true
	}
	g.At = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.generations = append(w.generations, g)
	if len(w.generations) > keptGenerations {
		w.generations = slices.Delete(w.generations, 0, len(w.generations)-keptGenerations)
	}
	return true
}

// changes are the last changes of the ruleset, the newest last.
func (w *watch) changes() []view.RulesetChange {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.generations)
}

func (w *watch) broke(what string, err error) {
	w.mu.Lock()
	was := w.deaf[what]
	w.deaf[what] = err.Error()
	w.mu.Unlock()
	if was == "" {
		w.log.Warn("events can't be heard: the network is looked at at intervals", zap.String("events", what), zap.Error(err))
	}
}

func (w *watch) fine(what string) {
	w.mu.Lock()
	was := w.deaf[what]
	delete(w.deaf, what)
	w.mu.Unlock()
	if was != "" {
		w.log.Info("events are heard again", zap.String("events", what))
	}
}

// files wakes when subnet.env or the CNI configuration changes.
func (w *watch) files(ctx context.Context) {
	for ctx.Err() == nil {
		if err := w.filesOnce(ctx); ctx.Err() == nil {
			w.broke("inotify", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(reopen):
		}
	}
}

func (w *watch) filesOnce(ctx context.Context) error {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("inotify: %w", err)
	}
	defer n.Close()
	w.fine("inotify")
	armed := map[string]uint64{} // by path: the inode
	for {
		cfg, now := w.cfg().filled(), time.Now()
		if arm(n, armed, filepath.Dir(cfg.SubnetEnv), cfg.CNIConfDir) {
			w.mark() // what came before the watch told nobody
			continue // a folder may have come to be meanwhile
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case e, ok := <-n.Events:
			if !ok {
				return errors.New("inotify: closed")
			}
			if armed[e.Name] != 0 && e.Has(fsnotify.Remove|fsnotify.Rename) {
				_ = n.Remove(e.Name)
				delete(armed, e.Name)
			}
			w.mark()
		case err, ok := <-n.Errors:
			if !ok {
				return errors.New("inotify: closed")
			}
			w.mark()
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				return fmt.Errorf("inotify: %w", err)
			}
		case <-time.After(reconcile.Wait(now.Add(cfg.Resync), now)):
		}
	}
}

// arm watches each folder, or the nearest one above it that exists, and tells whether a watch is new. A folder that can't be watched is
// left to the resync.
func arm(n *fsnotify.Watcher, armed map[string]uint64, dirs ...string) (added bool) {
	want := map[string]uint64{}
	for _, dir := range dirs {
		for {
			var st unix.Stat_t
			if unix.Stat(dir, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
				want[dir] = st.Ino
				break
			}
			if dir == filepath.Dir(dir) {
				break
			}
			dir = filepath.Dir(dir)
		}
	}
	for dir, ino := range armed {
		if want[dir] != ino {
			_ = n.Remove(dir) // gone with its folder, often
			delete(armed, dir)
		}
	}
	for dir, ino := range want {
		if armed[dir] == 0 {
			if err := n.Add(dir); err == nil || !errors.Is(err, os.ErrNotExist) {
				armed[dir], added = ino, added || err == nil
			}
		}
	}
	return added
}
