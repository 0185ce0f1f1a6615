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
type act struct {
	At      time.Time `json:"at"`
	Boot    string    `json:"boot"`
	Target  string    `json:"target"`
	Outcome string    `json:"outcome"` // begun, done, failed
}

// latch says that the action needs a person.
type latch struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// Outcomes of an act.
const (
	outcomeBegun  = "begun" // no end is known: the agent ended within it
	outcomeDone   = "done"
	outcomeFailed = "failed"
	outcomeWould  = "would" // of a counter alone
)

// trouble is what is asked for while it lasts.
type trouble struct {
	first, last time.Time
	asked       int
	why         string
	refused     string // by something but the ledger; empty: nothing
}

// keep drops what no bound reaches any more.
func (r *remembered) keep(now time.Time) {
	r.Acts = slices.DeleteFunc(r.Acts, func(a act) bool { return now.Sub(a.At) >= 24*time.Hour })
}

// within counts the acts of a time before now. One of the future, which a clock that was set back leaves, counts.
func (r *remembered) within(d time.Duration, now time.Time) (n int, oldest time.Time) {
	for _, a := range r.Acts {
		if now.Sub(a.At) < d {
			if n == 0 {
				oldest = a.At
			}
			n++
		}
	}
	return n, oldest
}

// last is the newest act on a target in this boot.
func (r *remembered) last(target, boot string) (time.Time, bool) {
	for _, a := range slices.Backward(r.Acts) {
		if a.Target == target && a.Boot == boot {
			return a.At, true
		}
	}
	return time.Time{}, false
}

// note counts one asking. Trouble that was not asked about for long is another one.
func (r *remembered) note(a *Action, target, why string, now time.Time) *trouble {
	t := r.troubles[target]
	if t == nil || now.Sub(t.last) >= a.Forget {
		t = &trouble{first: now}
		r.troubles[target] = t
	}
	t.last, t.why = now, why
	t.asked++
	return t
}
