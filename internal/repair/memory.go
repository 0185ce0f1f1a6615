package repair

import (
	"slices"
	"time"
)

// version is of the state "repair". A reader of another version starts empty and latches nothing: what was done before is in the timeline.
const version = 1

// memory is what is kept of all actions.
type memory struct {
	Actions map[string]*remembered `json:"actions"`
}

// remembered is what is kept of one action.
type remembered struct {
	Acts    []act  `json:"acts,omitempty"` // of the last 24 hours, the oldest first
	Latched *latch `json:"latched,omitempty"`

	troubles map[string]*trouble // by target; in memory alone: a restart of the agent begins to wait anew
	would    map[string]time.Time
	done     map[string]uint64 // counters by outcome
}

// act is one act. Boot stands beside the time: what happened in another boot still counts against a day's budget, but cools nothing down.
// Within a boot its age is told by Up, which no setting of the clock changes.
type act struct {
	At      time.Time     `json:"at"`
	Boot    string        `json:"boot"`
	Up      time.Duration `json:"up,omitempty"` // since the boot, in nanoseconds; 0: not known
	Target  string        `json:"target"`
	Outcome string        `json:"outcome"` // begun, done, failed, interrupted
}

// age of an act. One of the future, which a clock that was set back leaves, has just been done.
func (a act) age(boot string, now time.Time, up time.Duration) time.Duration {
	if a.Boot == boot && a.Up > 0 {
		return max(up-a.Up, 0)
	}
	return max(now.Sub(a.At), 0)
}

// latch says that the action needs a person.
type latch struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// Outcomes of an act.
const (
	outcomeBegun  = "begun"
	outcomeDone   = "done"
	outcomeFailed = "failed"
	outcomeBroken = "interrupted" // the agent ended within it; what became of it is not known
	outcomeWould  = "would"       // of a counter alone
)

// trouble is what is asked for while it lasts.
type trouble struct {
	first, last time.Time
	from        time.Time // its time counts from here: first, or the end of what proves that it has another cause
	barred      time.Time // when something else than its own time last stood against it; zero: never
	dry         time.Time // when it was last asked about in dry-run
	asked       int
	why         string
	refused     string // by something but the ledger; empty: nothing
}

// keep drops what no bound reaches any more.
func (r *remembered) keep(boot string, now time.Time, up time.Duration) {
	r.Acts = slices.DeleteFunc(r.Acts, func(a act) bool { return a.age(boot, now, up) >= 24*time.Hour })
}

// takeUp makes of what an earlier agent left what this one goes on with: an act without an end has ended with that agent, and one that a clock
// dates to the future, which would count until then, counts from now on. It returns those that were interrupted.
func (r *remembered) takeUp(now time.Time) (interrupted []act) {
	for i := range r.Acts {
		a := &r.Acts[i]
		if a.At.After(now) {
			a.At = now
		}
		if a.Outcome == outcomeBegun {
			a.Outcome = outcomeBroken
			interrupted = append(interrupted, *a)
		}
	}
	return interrupted
}

// within counts the acts of a time before now, and tells the age of the oldest of them.
func (r *remembered) within(d time.Duration, boot string, now time.Time, up time.Duration) (n int, oldest time.Duration) {
	for _, a := range r.Acts {
		if age := a.age(boot, now, up); age < d {
			n++
			oldest = max(oldest, age)
		}
	}
	return n, oldest
}

// last tells how long ago the newest act on a target in this boot was.
func (r *remembered) last(target, boot string, now time.Time, up time.Duration) (ago time.Duration, did bool) {
	for _, a := range slices.Backward(r.Acts) {
		if a.Target == target && a.Boot == boot {
			return a.age(boot, now, up), true
		}
	}
	return 0, false
}

// note counts one asking. Trouble that was not asked about for long is another one.
func (r *remembered) note(a *Action, target, why string, now time.Time) *trouble {
	t := r.troubles[target]
	if t == nil || now.Sub(t.last) >= a.Forget {
		t = &trouble{first: now, from: now}
		r.troubles[target] = t
	}
	t.last, t.why = now, why
	t.asked++
	return t
}
