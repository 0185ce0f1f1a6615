package podlogs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/reconcile"
)

// KeepConfig says how long the logs of removed pods stay.
type KeepConfig struct {
	Keep     time.Duration // after the removal; 0: 24 h; below 0: for ever
	MaxBytes int64         // of all of them together, as they are on disk; the oldest go first; 0: 1 GiB; below 0: no bound
}

func (c KeepConfig) filled() KeepConfig {
	if c.Keep == 0 {
		c.Keep = 24 * time.Hour
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 1 << 30
	}
	return c
}

// Store keeps the records; *state.Folder is one.
type Store interface {
	SaveDurable(name string, version int, v any) error
	Load(name string, version int, v any) (found bool, err error)
}

// CollectorDeps of a Collector. Config and Live must not block.
type CollectorDeps struct {
	Root    string // the folder of all pods' logs
	LinkDir string // where Link puts its links, which go with the logs; empty for none
	Config  func() KeepConfig
	Store   Store
	Live    func(uid string) bool // a pod of this UID is wanted, has containers, or that is not known yet
	Log     *zap.Logger
}

// recordsName in the store.
const recordsName = "removed-logs"

// Collector removes the log folders of pods that were removed, once they are old or take too much room. It touches only folders that were
// recorded, and only as long as they are what was recorded.
//
// A static pod that comes back has its old UID and so its old folder: Returned must be called before anything is made in it. Live is asked
// again before each removal.
type Collector struct {
	d    CollectorDeps
	loop *reconcile.Loop

	mu      sync.Mutex // held while a folder is removed, so that Returned waits for it
	loaded  bool
	records []Removed
}

// NewCollector makes a collector that removes nothing until Run. Record and Returned work before it.
func NewCollector(d CollectorDeps) *Collector {
	c := &Collector{d: d}
	c.d.Root = filepath.Clean(d.Root)
	c.loop = reconcile.NewLoop(c.collect, reconcile.Options{Name: "removed pods' logs", Bound: 2 * time.Minute,
		Backoff: reconcile.Backoff{Initial: time.Minute, Factor: 2, Max: time.Hour, Jitter: 0.1}, OnError: c.failed()})
	return c
}

// failed logs each new error once.
func (c *Collector) failed() func(error) {
	last := ""
	return func(err error) {
		if err.Error() != last {
			last = err.Error()
			c.d.Log.Warn("logs of removed pods can't be cleared away", zap.Error(err))
		}
	}
}

// Run collects until ctx ends.
func (c *Collector) Run(ctx context.Context) error { return c.loop.Run(ctx) }

// Wake makes the collector look at once, as after a change of its configuration.
func (c *Collector) Wake() { c.loop.Wake() }

// Ready is closed after the first look.
func (c *Collector) Ready() <-chan struct{} { return c.loop.Ready() }

// Beat is the loop's.
func (c *Collector) Beat() time.Time { return c.loop.Beat() }

// Bound is the longest a healthy pass takes.
func (c *Collector) Bound() time.Duration { return c.loop.Bound() }

func (c *Collector) String() string { return c.loop.String() }

// Record notes that a pod was removed and returns when that is on disk. A pod recorded already keeps the time of then. An error if dir is not
// the pod's own folder below the root, or it can't be written down: the folder stays then.
func (c *Collector) Record(uid, dir string) error {
	r := Removed{UID: uid, Dir: filepath.Clean(dir), At: time.Now().Round(0).UTC()}
	if err := c.belongs(r); err != nil {
		return fmt.Errorf("record a removed pod's logs: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.load(); err != nil {
		return err
	}
	if slices.ContainsFunc(c.records, func(x Removed) bool { return x.UID == uid }) {
		return nil
	}
	if err := c.save(append(slices.Clone(c.records), r)); err != nil {
		return err
	}
	c.loop.Wake()
	return nil
}

// Returned forgets the record of a pod that is there again. It waits while that pod's folder is being removed; after it nothing in the folder is.
func (c *Collector) Returned(uid string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.load(); err != nil {
		return err
	}
	return c.forget(uid)
}

func (c *Collector) forget(uid string) error {
	is := func(r Removed) bool { return r.UID == uid }
	if !slices.ContainsFunc(c.records, is) {
		return nil
	}
	return c.save(slices.DeleteFunc(slices.Clone(c.records), is))
}

// Records lists the pods whose logs wait for their end.
func (c *Collector) Records() ([]Removed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.load()
	return slices.Clone(c.records), err
}

func (c *Collector) load() error {
	if c.loaded {
		return nil
	}
	var records []Removed
	if _, err := c.d.Store.Load(recordsName, recordsVersion, &records); err != nil {
		return fmt.Errorf("records of removed pods' logs: %w", err)
	}
	c.records, c.loaded = records, true
	return nil
}

func (c *Collector) save(records []Removed) error {
	if err := c.d.Store.SaveDurable(recordsName, recordsVersion, records); err != nil {
		return fmt.Errorf("records of removed pods' logs: %w", err)
	}
	c.records = records
	return nil
}

// collect removes what is expired.
func (c *Collector) collect(ctx context.Context) (time.Time, error) {
	cfg := c.d.Config().filled()
	records, err := c.Records()
	if err != nil {
		return time.Time{}, err
	}
	var have []sized
	var errs []error
	for _, r := range records {
		bytes, err := c.size(ctx, r)
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		switch {
		case c.d.Live(r.UID):
			err = c.Returned(r.UID)
		case errors.Is(err, fs.ErrNotExist):
			err = c.remove(r)
		case errors.Is(err, errNotOurs):
			c.d.Log.Warn("what stands in place of a removed pod's logs is left alone: remove it by hand", zap.String("dir", r.Dir), zap.Error(err))
			err = c.Returned(r.UID)
		case err == nil:
			have = append(have, sized{Removed: r, bytes: bytes})
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	gone, next := expired(have, time.Now(), cfg.Keep, cfg.MaxBytes)
	for _, r := range gone {
		if ctx.Err() != nil {
			return time.Time{}, ctx.Err()
		}
		if err := c.remove(r); err != nil {
			errs = append(errs, err)
		}
	}
	return next, errors.Join(errs...)
}

// remove removes one folder and then its record, unless the pod has come back.
func (c *Collector) remove(r Removed) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.records, r) {
		return nil // it came back
	}
	if !c.d.Live(r.UID) {
		err := c.removeDir(r)
		if err == nil && c.d.LinkDir != "" {
			_, err = SweepLinks(c.d.LinkDir, c.d.Root, func(uid string) bool { return uid == r.UID })
		}
		if err != nil {
			return fmt.Errorf("remove logs of a removed pod: %w", err)
		}
	}
	return c.forget(r.UID)
}
