package reconcile

import (
	"context"
	"sync"
	"time"
)

// Keyed runs do for many keys: one do a key at a time, keys beside one another, a goroutine only while a key is busy.
type Keyed[K comparable] struct {
	do func(context.Context, K) (time.Time, error)
	o  Options

	mu    sync.Mutex
	ctx   context.Context // nil until Run, and after it ended
	keys  map[K]*key
	work  sync.WaitGroup
	ready chan struct{}
	once  sync.Once
}

type key struct {
	busy  bool
	again bool // woken while busy, or before Run
	began time.Time
	level int
	timer *time.Timer
}

// NewKeyed makes a loop that does nothing until Run. do answers when it wants to run again; the zero time means only when woken,
// and a key with neither a time nor an error is forgotten.
func NewKeyed[K comparable](do func(context.Context, K) (next time.Time, err error), o Options) *Keyed[K] {
	return &Keyed[K]{do: do, o: o.filled(), keys: map[K]*key{}, ready: make(chan struct{})}
}

// Run lets keys be done until ctx ends, then waits for those that are busy. It may be called once.
func (q *Keyed[K]) Run(ctx context.Context) error {
	q.mu.Lock()
	q.ctx = ctx
	for k, s := range q.keys {
		if s.again {
			s.again = false
			q.start(k, s)
		}
	}
	q.mu.Unlock()
	q.once.Do(func() { close(q.ready) })
	<-ctx.Done()
	q.mu.Lock()
	q.ctx = nil
	for _, s := range q.keys {
		if s.timer != nil {
			s.timer.Stop()
		}
	}
	q.mu.Unlock()
	q.work.Wait()
	return ctx.Err()
}

// Wake makes do run for the key as soon as it is free. It never blocks on do.
func (q *Keyed[K]) Wake(k K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.keys[k]
	if s == nil {
		s = &key{}
		q.keys[k] = s
	}
	if s.busy || q.ctx == nil {
		s.again = true
		return
	}
	q.start(k, s)
}

// start needs the lock, a running Keyed and a key that is not busy.
func (q *Keyed[K]) start(k K, s *key) {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	s.busy, s.began = true, time.Now()
	ctx := q.ctx
	q.work.Go(func() { q.run(ctx, k, s) })
}

func (q *Keyed[K]) run(ctx context.Context, k K, s *key) {
	for {
		next, err := guard(func() (time.Time, error) { return q.do(ctx, k) })
		if err != nil && ctx.Err() == nil && q.o.OnError != nil {
			q.o.OnError(err)
		}
		q.mu.Lock()
		if err != nil {
			next = due(next, err, s.level, q.o.Backoff, time.Now())
			s.level++
		} else {
			s.level = 0
		}
		if ctx.Err() == nil && s.again {
			s.again, s.began = false, time.Now()
			q.mu.Unlock()
			continue
		}
		s.busy = false
		switch {
		case ctx.Err() != nil:
		case !next.IsZero():
			s.timer = time.AfterFunc(time.Until(next), func() { q.Wake(k) })
		default:
			delete(q.keys, k)
		}
		q.mu.Unlock()
		return
	}
}

// Ready is closed once Run has begun.
func (q *Keyed[K]) Ready() <-chan struct{} { return q.ready }

// Beat is now while no key is busy beyond the bound, else the moment at which the longest busy one began.
func (q *Keyed[K]) Beat() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	beat := time.Now()
	for _, s := range q.keys {
		if s.busy && s.began.Before(beat) {
			beat = s.began
		}
	}
	return beat
}

// Bound is the longest a healthy do takes.
func (q *Keyed[K]) Bound() time.Duration { return q.o.Bound }

func (q *Keyed[K]) String() string { return q.o.Name }
