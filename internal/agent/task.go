package agent

import (
	"context"
	"sync"
	"time"
)

// simple is a task that only waits for things and can't be stuck for long.
type simple struct {
	name  string
	run   func(context.Context) error
	once  sync.Once
	ready chan struct{}
}

func newSimple(name string, run func(context.Context) error) *simple {
	return &simple{name: name, run: run, ready: make(chan struct{})}
}

func (s *simple) Run(ctx context.Context) error {
	s.once.Do(func() { close(s.ready) })
	return s.run(ctx)
}
func (s *simple) Ready() <-chan struct{} { return s.ready }
func (s *simple) Beat() time.Time        { return time.Now() }
func (s *simple) Bound() time.Duration   { return time.Minute }
func (s *simple) String() string         { return s.name }
