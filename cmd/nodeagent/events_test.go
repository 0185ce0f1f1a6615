package main

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"nodeagent/internal/api/client"
	"nodeagent/internal/event"
)

// TestFollowEvents goes on over a daemon that restarts, shows each event once, and ends where asking again can't help.
func TestFollowEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		at := func(seq uint64) event.Event {
			return event.Event{Seq: seq, Time: start.Add(time.Duration(seq) * time.Second)}
		}
		answers := []func(seq uint64) ([]event.Event, error){
			func(seq uint64) ([]event.Event, error) { return []event.Event{at(seq + 1), at(seq + 2)}, nil },
			func(uint64) ([]event.Event, error) { return nil, nil },
			func(uint64) ([]event.Event, error) { return nil, client.ErrNoDaemon },
			func(uint64) ([]event.Event, error) { return nil, client.ErrNoDaemon },
			func(seq uint64) ([]event.Event, error) { return []event.Event{at(seq + 1)}, nil },
			func(uint64) ([]event.Event, error) { return nil, client.ErrPermission },
		}
		var shown []uint64
		lost := 0
		err := follows(t.Context(), func(_ context.Context, seq uint64) ([]event.Event, error) {
			next := answers[0]
			answers = answers[1:]
			return next(seq)
		}, start, []event.Event{at(1), at(2)}, func(list []event.Event) error {
			for _, e := range list {
				shown = append(shown, e.Seq)
			}
			return nil
		}, func(error) { lost++ })
		if !errors.Is(err, client.ErrPermission) || fmt.Sprint(shown) != "[1 2 3 4 5]" || lost != 1 {
			t.Errorf("%v, shown %v, lost %d times", err, shown, lost)
		}
	})
}

// TestFollowShowsNothingOld: where nothing was listed the daemon answers with all that it remembers.
func TestFollowShowsNothingOld(t *testing.T) {
	now := time.Now()
	ctx, stop := context.WithCancel(t.Context())
	var shown []uint64
	_ = follows(ctx, func(context.Context, uint64) ([]event.Event, error) {
		return []event.Event{{Seq: 7, Time: now.Add(-time.Hour)}, {Seq: 8, Time: now}}, nil
	}, now.Add(-time.Minute), nil, func(list []event.Event) error {
		for _, e := range list {
			shown = append(shown, e.Seq)
			stop()
		}
		return nil
	}, func(error) {})
	if fmt.Sprint(shown) != "[8]" {
		t.Errorf("shown %v", shown)
	}
}
