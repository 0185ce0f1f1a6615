package certs

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// settle is the quiet time after which changed files are read: a renewal writes a dozen of them.
const settle = time.Second

// watch wakes when a file in one of the folders changes. Where inotify can't be had, the hourly look stays.
type watch struct {
	cfg   func() Config
	wake  func()
	log   *zap.Logger
	once  sync.Once
	ready chan struct{}
}

func newWatch(cfg func() Config, wake func(), log *zap.Logger) *watch {
	return &watch{cfg: cfg, wake: wake, log: log, ready: make(chan struct{})}
}

// Run watches until ctx ends.
func (w *watch) Run(ctx context.Context) error {
	said := ""
	for ctx.Err() == nil {
		err := w.watch(ctx)
		w.once.Do(func() { close(w.ready) })
		if ctx.Err() != nil {
			break
		}
		if err != nil && err.Error() != said {
			said = err.Error()
			w.log.Warn("the folders of certificates can't be watched and are read at intervals", zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(w.cfg().Every):
		}
	}
	return ctx.Err()
}

func (w *watch) watch(ctx context.Context) error {
	n, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("inotify: %w", err)
	}
	defer n.Close()
	w.arm(n)
	w.once.Do(func() { close(w.ready) })
	again := time.NewTicker(w.cfg().Every)
	defer again.Stop()
	quiet := time.NewTimer(settle)
	quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-again.C: // a folder may have come without a word
			w.arm(n)
		case _, ok := <-n.Events:
			if !ok {
				return fmt.Errorf("inotify ended")
			}
			quiet.Reset(settle)
		case err, ok := <-n.Errors:
			if !ok {
				return fmt.Errorf("inotify ended")
			}
			return fmt.Errorf("inotify: %w", err)
		case <-quiet.C:
			w.arm(n) // a folder that came, or was replaced
			w.wake()
		}
	}
}

// arm watches each folder, or the nearest one above it that exists, through which it is seen to come. Adding twice is no harm.
func (w *watch) arm(n *fsnotify.Watcher) {
	cfg := w.cfg()
	for _, p := range slices.Concat(cfg.Folders, cfg.Kubeconfigs) {
		if filepath.Ext(p) == ".conf" {
			p = filepath.Dir(p)
		}
		for n.Add(p) != nil && p != "/" {
			p = filepath.Dir(p)
		}
	}
}

// Ready is closed once Run watches, or has found that it can't.
func (w *watch) Ready() <-chan struct{} { return w.ready }

// Beat is always now: it only waits.
func (w *watch) Beat() time.Time { return time.Now() }

// Bound is never reached.
func (w *watch) Bound() time.Duration { return time.Minute }

func (w *watch) String() string { return "certificate files" }
