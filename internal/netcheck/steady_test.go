package netcheck

import (
	"testing"
	"time"

	"nodeagent/internal/health"
)

func TestSteady(t *testing.T) {
	start := time.Date(2026, 3, 1, 3, 12, 0, 0, time.UTC)
	peer := func(status health.Status, r *health.Reason) verdicts {
		return verdicts{FlannelPeers: {{Subject: "10.244.2.0/24", Status: status, Reason: r}}}
	}
	gone := verdicts{FlannelPeers: nil}
	whole := peer(health.OK, nil)
	port := func(status health.Status, r *health.Reason) verdicts {
		return verdicts{PodBridge: {{Subject: "cni0", Status: status, Reason: r}}}
	}
	rules := func(status health.Status, r *health.Reason) verdicts {
		return verdicts{NetworkFilter: {{Subject: "flannel", Status: status, Reason: r}}}
	}
	type look struct {
		at    time.Duration
		v     verdicts
		want  string // reason shown; "ok", "none"
		again time.Duration
	}
	for _, c := range []struct {
		name  string
		looks []look
	}{
		{"the first look shows all", []look{{0, peer(health.Failing, routeMissing), "RouteMissing", 0}}},
		{"a break is shown once it has lasted", []look{
			{0, whole, "ok", 0},
			{time.Second, peer(health.Failing, routeMissing), "ok", time.Second + 30*time.Millisecond},
			{time.Second + 30*time.Millisecond, peer(health.Failing, routeMissing), "RouteMissing", 0}}},
		{"what passes is not shown, and begins anew", []look{
			{0, whole, "ok", 0},
			{10 * time.Millisecond, peer(health.Failing, routeMissing), "ok", 40 * time.Millisecond},
			{20 * time.Millisecond, whole, "ok", 0},
			{45 * time.Millisecond, peer(health.Failing, routeMissing), "ok", 75 * time.Millisecond}}},
		{"another fault of a failing subject is shown at once", []look{
			{0, peer(health.Failing, routeMissing), "RouteMissing", 0},
			{time.Millisecond, peer(health.Failing, fdbMissing), "FDBMissing", 0}}},
		{"a peer joins step by step", []look{
			{0, gone, "none", 0},
			{time.Second, peer(health.Failing, neighbourMissing), "none", 2 * time.Second},
			{1900 * time.Millisecond, peer(health.Failing, fdbMissing), "none", 2 * time.Second},
			{1950 * time.Millisecond, whole, "ok", 0}}},
		{"a peer joins by half", []look{
			{0, gone, "none", 0},
			{time.Second, peer(health.Failing, neighbourMissing), "none", 2 * time.Second},
			{2 * time.Second, peer(health.Failing, neighbourMissing), "NeighbourMissing", 0}}},
		{"a peer leaves step by step", []look{
			{0, whole, "ok", 0},
			{time.Second, peer(health.Failing, leftOver), "ok", 2 * time.Second},
			{1500 * time.Millisecond, gone, "none", 0}}},
		{"flanneld starts anew", []look{
			{0, rules(health.OK, nil), "ok", 0},
			{time.Second, rules(health.Failing, chainEmpty), "ok", 2 * time.Second},
			{1200 * time.Millisecond, rules(health.OK, nil), "ok", 0}}},
		{"the plugin bridge takes its time", []look{
			{0, port(health.OK, nil), "ok", 0},
			{time.Second, port(health.Failing, bridgeAddress), "ok", 2 * time.Second},
			{2 * time.Second, port(health.Failing, bridgeAddress), "AddressMissing", 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s steady
			for _, l := range c.looks {
				shown, again := s.pass(l.v, start.Add(l.at))
				got := "none"
				for _, findings := range shown {
					for _, f := range findings {
						if got = "ok"; f.Status == health.Failing {
							got = f.Reason.Name
						}
					}
				}
				if got != l.want {
					t.Errorf("at %v %s is shown, want %s", l.at, got, l.want)
				}
				if want := start.Add(l.again); l.again == 0 && !again.IsZero() || l.again > 0 && !again.Equal(want) {
					t.Errorf("at %v the next look is %v after the start, want %v", l.at, again.Sub(start), l.again)
				}
			}
		})
	}
}
