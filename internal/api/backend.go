package api

import (
	"context"
	"sync"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// Backend is what the socket's routes call. Every function is set. Those without a context must answer from memory or a local file. An
// error that is a *view.Error reaches the caller as it is, with status 400; any other is a 500.
type Backend struct {
	Status       func() view.Status
	Pods         func() []view.Pod
	Network      func() view.Network
	VIP          func() view.VIP
	Repairs      func() view.RepairPlan
	ClearRepairs func(ctx context.Context, action string) (view.ClearResult, error) // empty: all
	Events       func(since time.Time) ([]event.Event, error)                       // oldest first
	EventsAfter  func(ctx context.Context, seq uint64) ([]event.Event, error)       // waits for one above seq, or until ctx ends
	Check        func(name, subject string) view.Check
	Config       func() string // the effective configuration as text, secrets left out

	Reload           func(ctx context.Context) (view.ReloadResult, error)
	Mute             func(ctx context.Context, m view.Mute) error // of a condition that was not looked up yet
	Unmute           func(ctx context.Context, condition, subject string) error
	RestartPod       func(ctx context.Context, name string) error
	StopPod          func(ctx context.Context, name string, d time.Duration) error // to be started again by itself after d
	StartPod         func(ctx context.Context, name string) error                  // ends what StopPod began
	StartMaintenance func(ctx context.Context, d time.Duration, reason, by string, force bool) (view.Maintenance, error)
	StopMaintenance  func(ctx context.Context) error
	PrunePods        func(ctx context.Context) error // let go the pods that are kept although their manifests are gone
	ResumePods       func(ctx context.Context) error // run pods again after stepping back from another owner of the node

	// Changed waits until what Status shows has another sequence number than after, or ctx ends, and returns the number then.
	Changed func(ctx context.Context, after uint64) uint64
}

// Sequence numbers changes, so that a long poll knows whether it missed one. The zero value is not ready; see NewSequence.
type Sequence struct {
	mu   sync.Mutex
	n    uint64
	next chan struct{} // closed and replaced at each bump
}

// NewSequence starts at the time in milliseconds: numbers of an earlier daemon are not met again.
func NewSequence() *Sequence {
	return &Sequence{n: uint64(time.Now().UnixMilli()), next: make(chan struct{})}
}

// Bump says that something changed. It never blocks.
func (s *Sequence) Bump() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	close(s.next)
	s.next = make(chan struct{})
}

// Wait is Backend.Changed.
func (s *Sequence) Wait(ctx context.Context, after uint64) uint64 {
	for {
		s.mu.Lock()
		n, next := s.n, s.next
		s.mu.Unlock()
		if n != after {
			return n
		}
		select {
		case <-next:
		case <-ctx.Done():
			return n
		}
	}
}
