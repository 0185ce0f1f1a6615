package crifake

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

type fault struct {
	pattern  string
	released chan struct{} // hang until closed
	delay    time.Duration
	err      error
	late     bool // err comes after the effect
	left     int  // times it still applies; negative: always
}

// Hang makes calls that match the pattern block until their context ends, the runtime goes down or release is called.
// They have no effect while they hang; a released one goes on.
//
// A pattern is METHOD or "METHOD KEY", both globs of path.Match: "*", "List*", "StopContainer default/web/*". The key is
// that of [Call]. Several faults on one call apply in the order: hang, delay, fail.
func (s *Server) Hang(pattern string) (release func()) {
	f := &fault{pattern: pattern, released: make(chan struct{}), left: -1}
	remove := s.addFault(f)
	return func() {
		if remove() {
			close(f.released)
		}
	}
}

// Delay makes calls that match the pattern take d longer, before their effect.
func (s *Server) Delay(pattern string, d time.Duration) (clear func()) {
	remove := s.addFault(&fault{pattern: pattern, delay: d, left: -1})
	return func() { remove() }
}

// Fail makes calls that match the pattern fail with err and have no effect, the given number of times; negative means until
// cleared. An err with no gRPC status gets code Unknown.
func (s *Server) Fail(pattern string, err error, times int) (clear func()) {
	if err == nil {
		panic("crifake: Fail wants an error")
	}
	remove := s.addFault(&fault{pattern: pattern, err: err, left: times})
	return func() { remove() }
}

// FailAfterEffect makes calls that match the pattern do their work and then fail with DeadlineExceeded, the given number
// of times; negative means until cleared.
func (s *Server) FailAfterEffect(pattern string, times int) (clear func()) {
	err := status.Error(codes.DeadlineExceeded, context.DeadlineExceeded.Error())
	remove := s.addFault(&fault{pattern: pattern, err: err, late: true, left: times})
	return func() { remove() }
}

// ClearFaults removes every fault; calls that hang go on.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.released != nil {
			close(f.released)
		}
	}
	s.faults = nil
}

// addFault returns a function that removes the fault and tells whether it was there.
func (s *Server) addFault(f *fault) func() bool {
	glob(f.pattern, "") // a bad pattern panics here, not in a call
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, f)
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		n := len(s.faults)
		s.faults = slices.DeleteFunc(s.faults, func(g *fault) bool { return g == f })
		return len(s.faults) < n
	}
}

// before applies the faults that come before a call's effect.
func (s *Server) before(ctx context.Context, method, key string) error {
	s.mu.Lock()
	var hangs []*fault
	var delay time.Duration
	for _, f := range s.faults {
		if matches(f.pattern, method, key) {
			delay += f.delay
			if f.released != nil {
				hangs = append(hangs, f)
			}
		}
	}
	s.mu.Unlock()
	for _, f := range hangs {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.released:
		}
	}
	if err := sleep(ctx, delay); err != nil {
		return err
	}
	return s.takeError(method, key, false)
}

// after applies FailAfterEffect.
func (s *Server) after(method, key string) error { return s.takeError(method, key, true) }

func (s *Server) takeError(method, key string, late bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.err == nil || f.late != late || f.left == 0 || !matches(f.pattern, method, key) {
			continue
		}
		if f.left > 0 {
			f.left--
		}
		if errors.Is(f.err, context.Canceled) || errors.Is(f.err, context.DeadlineExceeded) {
			return status.FromContextError(f.err).Err()
		}
		return f.err
	}
	return nil
}
