package staticpod

import (
	"context"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/state"
	"nodeagent/internal/staticpod/conditions"
)

func TestDecideGate(t *testing.T) {
	kubelet := []string{"its unit", "its binary"}
	for _, test := range []struct {
		name            string
		before          latch
		signs           []string
		private, resume bool
		after           latch
		reason          *health.Reason // nil: open
	}{
		{name: "nothing else is here", after: latch{Boot: "1", Open: true}},
		{name: "a kubelet before it ever opened", signs: kubelet, reason: conditions.RunKubelet, after: latch{Boot: "1"}},
		{name: "a kubelet that appears", before: latch{Open: true}, signs: kubelet, reason: conditions.RunSteppedBack, after: latch{Boot: "1", Open: true, Stepped: "its unit, its binary"}},
		{name: "it is gone again", before: latch{Open: true, Stepped: "its unit"}, reason: conditions.RunSteppedBack, after: latch{Boot: "1", Open: true, Stepped: "its unit"}},
		{name: "and a person says so", before: latch{Open: true, Stepped: "its unit"}, resume: true, after: latch{Boot: "1", Open: true}},
		{name: "a person who is wrong", before: latch{Open: true, Stepped: "its unit"}, resume: true, signs: kubelet, reason: conditions.RunSteppedBack, after: latch{Boot: "1", Open: true, Stepped: "its unit, its binary"}},
		{name: "mounts of its own", private: true, reason: conditions.RunMounts, after: latch{Boot: "1"}},
		{name: "mounts of its own and a kubelet", private: true, before: latch{Open: true}, signs: kubelet, reason: conditions.RunMounts, after: latch{Boot: "1", Open: true}},
	} {
		test.before.Boot = "1"
		l, f := decideGate(test.before, test.signs, test.private, test.resume)
		if l != test.after {
			t.Errorf("%s: %+v, want %+v", test.name, l, test.after)
		}
		if f.Reason != test.reason || (f.Status == health.OK) != (test.reason == nil) || f.Message == "" {
			t.Errorf("%s: %+v", test.name, f)
		}
	}
}

func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, err := state.Open(filepath.Join(t.TempDir(), "state"))
		check(t, err)
		defer store.Close()
		var kubelet atomic.Bool
		var changes, stepped atomic.Int32
		var board *health.Board
		begin := func(boot string) (*Gate, func()) {
			board = health.NewBoard(nil, conditions.RunMode)
			g := NewGate(GateDeps{Store: store, Board: board, Boot: boot, Changed: func() { changes.Add(1) }, Record: func(e event.Event) { stepped.Add(1) },
				Owner: func(context.Context) []string {
					if kubelet.Load() {
						return []string{"a kubelet answers"}
					}
					return nil
				}})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); g.Task().Run(ctx) }()
			return g, func() { cancel(); <-done }
		}
		expect := func(g *Gate, want bool, when string) {
			t.Helper()
			if ok, why := g.MayStart(); ok != want || why == "" {
				t.Errorf("%s: %t, %q", when, ok, why)
			}
		}
		if ok, why := NewGate(GateDeps{Store: store, Boot: "1"}).MayStart(); ok || why == "" {
			t.Error("it is open before it looked")
		}
		g, end := begin("1")
		after(time.Millisecond)
		if _, f := decideGate(latch{}, nil, false, false); f.Status != health.OK {
			t.Fatal(f)
		}
		if private, known := privateMounts(); known && private {
			end()
			t.Log("this machine's tests have mounts of their own: the gate stays shut")
			expect(g, false, "private mounts")
			return
		}
		expect(g, true, "nothing else")
		kubelet.Store(true)
		after(gateFrequency)
		expect(g, false, "a kubelet appears")
		kubelet.Store(false)
		after(time.Minute)
		expect(g, false, "it is gone")
		end()
		g, end = begin("1")
		after(time.Millisecond)
		expect(g, false, "another agent in the same boot")
		g.Resume()
		after(time.Millisecond)
		expect(g, true, "a person's word")
		kubelet.Store(true)
		after(gateFrequency)
		end()
		kubelet.Store(false)
		g, end = begin("2")
		after(time.Millisecond)
		expect(g, true, "after a boot")
		end()
		if changes.Load() != 5 || stepped.Load() != 2 {
			t.Errorf("%d changes, %d times stepped back", changes.Load(), stepped.Load())
		}
		s, _ := board.Snapshot().Of(conditions.RunMode.Name)
		if s.Worst().Status != health.OK {
			t.Errorf("%+v", s.Worst())
		}
	})
}
