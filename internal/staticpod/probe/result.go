package probe

import (
	"fmt"
	"time"
)

// Result is what the probes of one container say. The zero value is that of a container that Sync did not name: neither started nor ready.
type Result struct {
	Started        bool // its startup probe has passed, or it has none
	Ready          bool // started, its readiness probe passes or it has none, and its stop was not begun
	LivenessFailed bool // it has to be replaced; final for this container
	StartupFailed  bool // likewise
	// Grace of the stop that a failed probe leads to, from the probe's terminationGracePeriodSeconds; 0: the pod's.
	Grace   time.Duration
	Message string    // what is not well, and why; empty when all is
	Since   time.Time // when one of the four changed last
}

// Result of a container.
func (p *Prober) Result(containerID string) Result {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.containers[containerID]
	if c == nil {
		return Result{}
	}
	s := c.says
	r := Result{Started: s.started, Ready: s.ready, LivenessFailed: s.livenessFailed, StartupFailed: s.startupFailed, Since: c.since}
	switch {
	case s.startupFailed:
		r.Grace, r.Message = c.workers[Startup].timing.grace, c.workers[Startup].failed()
	case s.livenessFailed:
		r.Grace, r.Message = c.workers[Liveness].timing.grace, c.workers[Liveness].failed()
	case c.target.Stopping:
		r.Message = "its stop was begun"
	case c.target.Spec == nil:
		r.Message = "it is not known what it is to be asked: its manifest is gone"
	case !s.started:
		r.Message = c.workers[Startup].waits()
	case !s.ready:
		r.Message = c.workers[Readiness].waits()
	}
	return r
}

func (w *worker) failed() string {
	times := "once"
	if w.track.run > 1 {
		times = fmt.Sprintf("%d times in a row", w.track.run)
	}
	return fmt.Sprintf("%v probe failed %s: %s", w.role, times, w.error)
}

// waits says why a probe does not pass yet, or no more.
func (w *worker) waits() string {
	switch {
	case w.last.IsZero():
		return fmt.Sprintf("%v probe has not run yet", w.role)
	case w.track.unknown > 0:
		return fmt.Sprintf("%v probe can't be tried: %s", w.role, w.error)
	case w.track.last == Failure:
		return w.failed()
	}
	return fmt.Sprintf("%v probe passed %d of %d times in a row", w.role, w.track.run, w.timing.success)
}

// Status is one probe as people and metrics see it.
type Status struct {
	Role    Role
	Handler string  // exec, httpGet, tcpSocket
	State   Outcome // what it is held to say: readiness begins as Failure, liveness as Success, startup as Unknown
	Held    bool    // decided: it does not run again
	Waiting bool    // for the startup probe
	// InARow counts the equal outcomes that end with the last one, and Untried the runs since which said nothing.
	Last                            Outcome
	InARow, Untried                 int
	Successes, Failures, Unknowns   uint64 // over the container's life
	LastError                       string // of the last run that was no success; safe to show anywhere
	LastOutput                      string // the beginning of what a failed command wrote; may hold secrets, root only
	LastErrorAt                     time.Time
	Warning                         string        // of the last success
	LastRun                         time.Time     // when it ended; zero: never
	LastDuration                    time.Duration // all its tries together
	NextRun                         time.Time     // zero: none is planned
	Period, Timeout                 time.Duration
	SuccessThreshold, FailThreshold int
}

// Details of a container's probes: startup, readiness, liveness, those that it has.
func (p *Prober) Details(containerID string) []Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.containers[containerID]
	if c == nil {
		return nil
	}
	var out []Status
	for r, w := range c.workers {
		if w == nil {
			continue
		}
		s := Status{
			Role: w.role, State: w.track.state, Held: w.track.held, Waiting: !c.says.started && w.role != Startup && !w.off,
			Last: w.track.last, InARow: w.track.run, Untried: w.track.unknown,
			Successes: w.counts[Success], Failures: w.counts[Failure], Unknowns: w.counts[Unknown],
			LastError: w.error, LastOutput: w.output, LastErrorAt: w.errorAt, Warning: w.warning, LastRun: w.last, LastDuration: w.duration,
			Period: w.timing.period, Timeout: w.timing.timeout, SuccessThreshold: w.timing.success, FailThreshold: w.timing.failure,
		}
		if !w.off {
			s.NextRun = w.due
		}
		switch spec := Role(r).of(c.target.Spec); {
		case spec == nil:
		case spec.Exec != nil:
			s.Handler = "exec"
		case spec.HTTPGet != nil:
			s.Handler = "httpGet"
		case spec.TCPSocket != nil:
			s.Handler = "tcpSocket"
		}
		out = append(out, s)
	}
	return out
}
