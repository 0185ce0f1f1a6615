//go:build integration

package netcheck

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/netcheck/netlab"
)

// benched is a Checker on a host of the lab that mends what it may.
func benched(b *testing.B, h *netlab.Host, mends bool) (*Checker, *health.Board) {
	b.Helper()
	return benchedAs(b, h, func(_ *Config, d *Deps) {
		if mends {
			d.Permit = func(string, string, string) (bool, string, time.Time) { return true, "", time.Time{} }
		}
	})
}

// benchedAs is a Checker on a host of the lab whose peers have answered.
func benchedAs(b *testing.B, h *netlab.Host, change func(*Config, *Deps)) (*Checker, *health.Board) {
	b.Helper()
	cfg, deps := configOf(h), Deps{}
	cfg.young = time.Nanosecond
	change(&cfg, &deps)
	board := health.NewBoard(nil, Conditions()...)
	c := New(func() Config { return cfg }, deps, board, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, task := range c.Tasks() {
		all.Go(func() { _ = task.Run(ctx) })
	}
	b.Cleanup(func() { cancel(); all.Wait() })
	await(b, board, func(s health.Snapshot) bool { return show(s, false) == "" && len(c.answered()) == len(h.Peers()) })
	return c, board
}

func await(b *testing.B, board *health.Board, ok func(health.Snapshot) bool) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	found := false
	_ = board.Watch(ctx, nil, func(s health.Snapshot) {
		if !found && ok(s) {
			found = true
			cancel()
		}
	})
	if !found {
		b.Fatalf("did not come to be; the board shows:\n%s", show(board.Snapshot(), true))
	}
}

func median(took []time.Duration) float64 {
	slices.Sort(took)
	return float64(took[len(took)/2].Microseconds()) / 1000
}

// BenchmarkFinding is the time from a route's end to its finding.
func BenchmarkFinding(b *testing.B) {
	lab := netlab.New(b, netlab.Options{Backend: "vxlan"})
	h := lab.Hosts[0]
	_, board := benched(b, h, false)
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		h.IP("route del 10.244.2.0/24")
		await(b, board, func(s health.Snapshot) bool {
			st, _ := s.Of(FlannelPeers.Name)
			return st.Entry("10.244.2.0/24").ReasonName() == "RouteMissing"
		})
		took = append(took, time.Since(began))
		h.IP("route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink")
		await(b, board, func(s health.Snapshot) bool { return show(s, false) == "" })
	}
	b.ReportMetric(median(took), "p50-ms")
}

// BenchmarkMend is the time from a flannel.1 that was made anew, empty, to pods' traffic that flows again.
func BenchmarkMend(b *testing.B) {
	lab := netlab.New(b, netlab.Options{Backend: "vxlan"})
	h := lab.Hosts[0]
	flanneld(b, lab.Hosts[0])
	_, board := benched(b, h, true)
	var took []time.Duration
	for b.Loop() {
		h.IP("link del flannel.1")
		h.AddDevice()
		began := time.Now()
		for !h.ReachesWithin(h.Peers()[0], 5*time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				b.Fatalf("no traffic; the board shows:\n%s", show(board.Snapshot(), false))
			}
		}
		took = append(took, time.Since(began))
		await(b, board, func(s health.Snapshot) bool { return show(s, false) == "" })
	}
	b.ReportMetric(median(took), "p50-ms")
}
