package reconcile

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Loop runs do for one key: once at the start, at each wake, and when do asked for it.
type Loop struct {
	do    func(context.Context) (time.Time, error)
	o     Options
	wake  chan struct{}
	ready chan struct{}
	once  sync.Once
	began atomic.Pointer[time.Time] // nil while it waits
}

// NewLoop makes a loop that does nothing until Run. do answers when it wants to run again; the zero time means only when woken.
func NewLoop(do func(context.Context) (next time.Time, err error), o Options) *Loop {
	return &Loop{do: do, o: o.filled(), wake: make(chan struct{}, 1), ready: make(chan struct{})}
}

// Wake makes do run as soon as it is free. It never blocks.
func (l *Loop) Wake() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Run runs do until ctx ends. It may be called again after it returned.
func (l *Loop) Run(ctx context.Context) error {
	level := 0
	for {
		now := time.Now()
		l.began.Store(&now)
		next, err := guard(func() (time.Time, error) { return l.do(ctx) })
		l.began.Store(nil)
		l.once.Do(func() { close(l.ready) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			if l.o.OnError != nil {
				l.o.OnError(err)
			}
			next = due(next, err, level, l.o.Backoff, time.Now())
			level++
		} else {
			level = 0
		}
		var at <-chan time.Time
		if !next.IsZero() {
			at = time.After(Wait(next, time.Now()))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-l.wake:
		case <-at:
		}
	}
}

// Ready is closed once do has run, whatever it found.
func (l *Loop) Ready() <-chan struct{} { return l.ready }

// Beat is now while the loop waits, else the moment at which do began.
func (l *Loop) Beat() time.Time {
	if t := l.began.Load(); t != nil {
		return *t
	}
	return time.Now()
}

// Bound is the longest a healthy do takes.
func (l *Loop) Bound() time.Duration { return l.o.Bound }

func (l *Loop) String() string { return l.o.Name }
