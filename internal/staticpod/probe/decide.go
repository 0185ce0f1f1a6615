package probe

import (
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// maxJitter bounds how long the first run after the agent's restart is put off: readiness is not known until then.
const maxJitter = 10 * time.Second

// timing of a probe.
type timing struct {
	delay, period, timeout time.Duration
	success, failure       int           // thresholds, at least 1
	grace                  time.Duration // of the stop that a failure leads to; 0: the pod's
}

// seconds given as the API takes them: 68 years stand for all that is longer, which a time.Duration would not hold.
func seconds(n int64) time.Duration { return time.Duration(min(n, math.MaxInt32)) * time.Second }

// timingOf reads a probe; what is unset has the API's default (core/v1 SetDefaults_Probe).
func timingOf(p *corev1.Probe) timing {
	or := func(v, def int32) int64 {
		if v <= 0 {
			return int64(def)
		}
		return int64(v)
	}
	t := timing{
		delay: seconds(or(p.InitialDelaySeconds, 0)), period: seconds(or(p.PeriodSeconds, 10)), timeout: seconds(or(p.TimeoutSeconds, 1)),
		success: int(or(p.SuccessThreshold, 1)), failure: int(or(p.FailureThreshold, 3)),
	}
	if g := p.TerminationGracePeriodSeconds; g != nil && *g > 0 {
		t.grace = seconds(*g)
	}
	return t
}

// first is when a probe runs for the first time. It is never later than the delay from now, whatever the clocks say. older is of a container that
// was there before the agent; its share of the jitter is drawn from 0 to 1.
func (t timing) first(started, now time.Time, older bool, drawn float64) time.Time {
	wait := t.delay
	if !started.IsZero() {
		wait = min(max(started.Add(t.delay).Sub(now), 0), t.delay)
	}
	if older {
		wait += time.Duration(drawn * float64(min(t.period, maxJitter)))
	}
	return now.Add(wait)
}

// next is when a probe that was due and has just ended runs again: a period later, or at once if that is over.
func (t timing) next(due, now time.Time) time.Time {
	if at := due.Add(t.period); at.After(now) {
		return at
	}
	return now
}

// track is what a probe's outcomes so far make of it.
type track struct {
	state   Outcome // what the probe is held to say
	last    Outcome // of those in a row
	run     int     // how many they are
	unknown int     // outcomes in a row that were none, since
	held    bool    // decided for the container's life
}

// begin is the state before the first outcome.
func begin(r Role) track {
	switch r {
	case Readiness:
		return track{state: Failure}
	case Liveness:
		return track{state: Success}
	}
	return track{state: Unknown}
}

// after adds an outcome. decided tells that it is, or goes on to be, what the probe is held to say.
func (t track) after(r Role, limits timing, o Outcome) (_ track, decided bool) {
	if t.held {
		return t, false
	}
	if o == Unknown {
		t.unknown++
		return t, false
	}
	t.unknown = 0
	if t.last != o {
		t.last, t.run = o, 0
	}
	t.run++
	if o == Success && t.run < limits.success || o == Failure && t.run < limits.failure {
		return t, false
	}
	t.state = o
	t.held = r == Startup || r == Liveness && o == Failure
	return t, true
}
