package probe

import (
	"math"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestTimingHasTheDefaultsOfTheAPI(t *testing.T) {
	want := timing{period: 10 * time.Second, timeout: time.Second, success: 1, failure: 3}
	if got := timingOf(&corev1.Probe{}); got != want {
		t.Errorf("empty: %+v, want %+v", got, want)
	}
	grace := int64(7)
	full := &corev1.Probe{InitialDelaySeconds: 1, PeriodSeconds: 2, TimeoutSeconds: 3, SuccessThreshold: 4, FailureThreshold: 5, TerminationGracePeriodSeconds: &grace}
	want = timing{time.Second, 2 * time.Second, 3 * time.Second, 4, 5, 7 * time.Second}
	if got := timingOf(full); got != want {
		t.Errorf("full: %+v, want %+v", got, want)
	}
	grace = math.MaxInt64
	if got := timingOf(full).grace; got != math.MaxInt32*time.Second {
		t.Errorf("a grace that no duration holds is %v", got)
	}
}

func TestFirstAndNext(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	p := timing{delay: 30 * time.Second, period: 20 * time.Second}
	for _, c := range []struct {
		name    string
		started time.Time
		older   bool
		drawn   float64
		want    time.Duration
	}{
		{"just started", now, false, 0.5, 30 * time.Second},
		{"part of the delay is over", now.Add(-12 * time.Second), false, 0.5, 18 * time.Second},
		{"the delay is over", now.Add(-time.Hour), false, 0.5, 0},
		{"not known when", time.Time{}, false, 0.5, 30 * time.Second},
		{"the clock was set back", now.Add(time.Hour), false, 0.5, 30 * time.Second},
		{"older than the agent", now.Add(-time.Hour), true, 0.5, 5 * time.Second},
	} {
		if got := p.first(c.started, now, c.older, c.drawn).Sub(now); got != c.want {
			t.Errorf("%s: in %v, want %v", c.name, got, c.want)
		}
	}
	if got := (timing{period: 4 * time.Second}).first(now.Add(-time.Hour), now, true, 0.5).Sub(now); got != 2*time.Second {
		t.Errorf("jitter within a period of 4 s: %v, want 2 s", got)
	}
	for took, want := range map[time.Duration]time.Duration{time.Second: 20 * time.Second, 20 * time.Second: 20 * time.Second, time.Minute: time.Minute} {
		if got := p.next(now, now.Add(took)).Sub(now); got != want {
			t.Errorf("a run of %v: next after %v, want %v", took, got, want)
		}
	}
}

func TestTrack(t *testing.T) {
	const u, s, f = Unknown, Success, Failure
	for _, c := range []struct {
		name             string
		role             Role
		success, failure int
		outcomes, states []Outcome
		held             bool
	}{
		{"readiness begins failed", Readiness, 1, 3, nil, nil, false},
		{"readiness passes at once", Readiness, 1, 3, []Outcome{s, f, f, f, s}, []Outcome{s, s, s, f, s}, false},
		{"readiness needs two in a row", Readiness, 2, 1, []Outcome{s, f, s, s, f}, []Outcome{f, f, f, s, f}, false},
		{"unknown neither counts nor interrupts", Readiness, 2, 2, []Outcome{s, u, s, f, u, u, u, f}, []Outcome{f, f, s, s, s, s, s, f}, false},
		{"liveness begins passed and fails for good", Liveness, 1, 2, []Outcome{f, s, f, f, s, s}, []Outcome{s, s, s, f, f, f}, true},
		{"liveness lives on unknown", Liveness, 1, 1, []Outcome{u, u, u, u}, []Outcome{s, s, s, s}, false},
		{"startup passes for good", Startup, 1, 2, []Outcome{f, s, f, f}, []Outcome{u, s, s, s}, true},
		{"startup fails for good", Startup, 1, 2, []Outcome{u, f, f, s}, []Outcome{u, u, f, f}, true},
	} {
		tr := begin(c.role)
		if want := map[Role]Outcome{Startup: u, Readiness: f, Liveness: s}[c.role]; tr.state != want {
			t.Errorf("%s: begins as %v, want %v", c.name, tr.state, want)
		}
		for i, o := range c.outcomes {
			if tr, _ = tr.after(c.role, timing{success: c.success, failure: c.failure}, o); tr.state != c.states[i] {
				t.Errorf("%s: after %v: %v, want %v", c.name, c.outcomes[:i+1], tr.state, c.states[i])
			}
		}
		if tr.held != c.held {
			t.Errorf("%s: held %v, want %v", c.name, tr.held, c.held)
		}
	}
}
