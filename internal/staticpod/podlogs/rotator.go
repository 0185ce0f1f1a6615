package podlogs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"nodeagent/internal/reconcile"
)

// Config of a Rotator.
type Config struct {
	MaxSize  int64 // bytes at which a log is rotated; 0: 10 MiB; below 0: never
	MaxFiles int   // files kept of one attempt, the current one too; 0: 5; at least 2
}

func (c Config) filled() Config {
	if c.MaxSize == 0 {
		c.MaxSize = 10 << 20 // kubelet's containerLogMaxSize
	}
	if c.MaxFiles == 0 {
		c.MaxFiles = 5 // kubelet's containerLogMaxFiles
	}
	c.MaxFiles = max(2, c.MaxFiles)
	return c
}

// Log is the current log file of a running container.
type Log struct{ ContainerID, Path string }

// Deps of a Rotator. Config and Logs are called at each look and must not block.
type Deps struct {
	Config func() Config
	Logs   func() []Log // of the running containers that are ours
	Reopen func(ctx context.Context, containerID string) error
	Log    *zap.Logger
}

const (
	// lookEvery is kubelet's containerLogMonitorInterval. A log that grows fast is looked at sooner.
	lookEvery = 10 * time.Second
	lookFast  = time.Second
	// reopenTimeout bounds one call: a runtime opens a file for it and does nothing else.
	reopenTimeout = 10 * time.Second
	// passBudget ends a pass; what is left is done in the next.
	passBudget = 15 * time.Second
	// tidyEvery is how often compression is tried again that could not be done, after a rotation it is tried at once.
	tidyEvery = 10 * time.Minute
	// retryMost is the longest wait after failures of one log.
	retryMost = 5 * time.Minute
	// warnAfter failures in a row of one log are said.
	warnAfter = 2
)

// Rotator rotates the logs of running containers: the file is renamed, the runtime told to open a new one, older ones compressed, the oldest removed. A crash
// at any step loses no line and is made good by the next look. A look is one stat a log.
//
// Compression has a thread of its own with the lowest priority for CPU and disk. Removing has not: on a busy node too the number of files holds.
type Rotator struct {
	d    Deps
	loop *reconcile.Loop
	tidy *reconcile.Loop

	logs  map[string]seen      // by path; loop's alone
	later map[string]time.Time // rotated files whose compression failed: not before; tidy's alone
}

// seen is what is known of a log from the looks before.
type seen struct {
	size     int64
	at       time.Time
	failures int
	retry    time.Time // nothing is tried before
}

// NewRotator makes a rotator that does nothing until Run.
func NewRotator(d Deps) *Rotator {
	r := &Rotator{d: d, logs: map[string]seen{}, later: map[string]time.Time{}}
	r.loop = reconcile.NewLoop(r.look, reconcile.Options{Name: "pod log rotation", Bound: passBudget + reopenTimeout + 5*time.Second, OnError: func(err error) {
		d.Log.Error("pod log rotation", zap.Error(err))
	}})
	r.tidy = reconcile.NewLoop(r.tidyUp, reconcile.Options{Name: "pod log compression", OnError: func(err error) {
		d.Log.Error("pod log compression", zap.Error(err))
	}})
	return r
}

// Run rotates until ctx ends. A compression in progress is given up then; nothing is lost by it.
func (r *Rotator) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	beside.Go(func() {
		runtime.LockOSThread() // and never unlocked: the thread, which every other goes before, ends with the goroutine
		lowPriority()
		_ = r.tidy.Run(ctx)
	})
	return r.loop.Run(ctx)
}

// Wake makes the rotator look at once.
func (r *Rotator) Wake() { r.loop.Wake() }

// Ready is closed after the first look.
func (r *Rotator) Ready() <-chan struct{} { return r.loop.Ready() }

// Beat is the loop's.
func (r *Rotator) Beat() time.Time { return r.loop.Beat() }

// Bound is the longest a healthy look takes.
func (r *Rotator) Bound() time.Duration { return r.loop.Bound() }

func (r *Rotator) String() string { return r.loop.String() }

// look rotates what has grown too large. It never fails as a whole: one log's trouble is that log's.
func (r *Rotator) look(ctx context.Context) (time.Time, error) {
	began := time.Now()
	cfg := r.d.Config().filled()
	logs := r.d.Logs()
	known := r.logs
	r.logs = make(map[string]seen, len(logs))
	wait := lookEvery
	stopped := false
	for _, l := range logs {
		s := known[l.Path]
		if stopped || ctx.Err() != nil {
			r.logs[l.Path] = s
			continue
		}
		now := time.Now()
		size, err := sizeOf(l.Path)
		missing := errors.Is(err, fs.ErrNotExist)
		rotated := false
		switch {
		case now.Before(s.retry):
			r.logs[l.Path] = s
			continue
		case missing:
			// A crash between rename and reopen, or somebody removed the file: nobody can read what is written until it is opened anew.
			err = r.reopen(ctx, l.ContainerID)
		case err == nil && cfg.MaxSize > 0 && size >= cfg.MaxSize:
			if rotated, err = rotate(l.Path, now, func() error { return r.reopen(ctx, l.ContainerID) }); rotated {
				prune(l.Path, cfg.MaxFiles)
				r.tidy.Wake()
			}
		}
		if ctx.Err() != nil {
			continue
		}
		wait = min(wait, nextLook(s, size, now, cfg.MaxSize))
		if rotated {
			size = 0
		}
		r.logs[l.Path] = r.say(l, seen{size: size, at: now, failures: s.failures}, missing, err)
		if errors.Is(err, context.DeadlineExceeded) || time.Since(began) > passBudget {
			stopped = true // the runtime hangs: each further log would wait as long
		}
	}
	return time.Now().Add(wait), nil
}

func (r *Rotator) reopen(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, reopenTimeout)
	defer cancel()
	if err := r.d.Reopen(ctx, id); err != nil {
		return fmt.Errorf("reopen container log: %w", err)
	}
	return nil
}

// say counts failures, puts off the next try and logs at the threshold and on recovery.
func (r *Rotator) say(l Log, s seen, missing bool, err error) seen {
	switch {
	case err != nil:
		s.failures++
		s.retry = s.at.Add(min(lookEvery<<min(s.failures-1, 10), retryMost))
		if s.failures == warnAfter {
			what := "a container's log can't be rotated and grows on"
			if missing {
				what = "a container's log file is gone and the runtime makes no new one: what the container writes is lost"
			}
			r.d.Log.Warn(what, zap.String("container", l.ContainerID), zap.String("path", l.Path), zap.Error(err))
		}
	case s.failures > 0:
		if s.failures >= warnAfter {
			r.d.Log.Info("a container's log is in order again", zap.String("container", l.ContainerID), zap.String("path", l.Path))
		}
		s.failures = 0
	}
	return s
}

// nextLook is how long a log that has grown from what was seen to size may go unseen. One that is beyond the limit begins anew.
func nextLook(before seen, size int64, now time.Time, limit int64) time.Duration {
	passed, grown := now.Sub(before.at), size-before.size
	if before.at.IsZero() || passed <= 0 || grown <= 0 || limit <= 0 {
		return lookEvery
	}
	left := limit
	if size < limit {
		left = limit - size
	}
	until := float64(left) / (float64(grown) / float64(passed))
	return time.Duration(min(max(until, float64(lookFast)), float64(lookEvery)))
}

// sizeOf a log file, which must be a regular one.
func sizeOf(path string) (int64, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return 0, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 0, fmt.Errorf("%s: %w: something has taken the log's place", path, ErrNotRegular)
	}
	return st.Size, nil
}
