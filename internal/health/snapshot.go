package health

import (
	"sort"
	"time"
)

// Mute says that a person does not want a condition, or one subject of it, to count for a while. The truth stays
// visible; consumers skip it and say so.
type Mute struct {
	Condition string    `json:"condition"`
	Subject   string    `json:"subject,omitempty"` // empty: every subject
	Until     time.Time `json:"until"`
	Reason    string    `json:"reason,omitempty"`
	By        string    `json:"by,omitempty"`
}

// Covers reports whether the mute is in force for the subject at the time.
func (m Mute) Covers(condition, subject string, now time.Time) bool {
	return m.Condition == condition && (m.Subject == "" || m.Subject == subject) && now.Before(m.Until)
}

// Entry is the state of one subject of a condition.
type Entry struct {
	Subject  string
	Status   Status
	Reason   *Reason // nil only for OK and Absent
	Message  string
	Evidence []Pair
	Since    time.Time // when it took this status
	Mute     *Mute     // in force, or nil
}

// ReasonName is the reason's name, empty without one.
func (e Entry) ReasonName() string {
	if e.Reason == nil {
		return ""
	}
	return e.Reason.Name
}

// Fix is what to do about it, empty when there is nothing to do.
func (e Entry) Fix() string {
	if e.Reason == nil || e.Status == OK || e.Status == Absent {
		return ""
	}
	return e.Reason.Fix
}

// State is one condition in a snapshot. It is immutable.
type State struct {
	Condition *Condition
	Disabled  bool    // switched off in the configuration; it has no entries and counts nowhere
	Entries   []Entry // sorted by subject; at most the bound, the worst ones
	More      int     // subjects left out above the bound
	Total     int     // subjects in all

	all     []Entry // sorted by subject; only where More > 0: the look-up by subject stays exact
	version uint64
}

// Worst is the entry that decides the condition: the worst that is not muted, or the worst at all if every one is.
func (s State) Worst() Entry {
	if s.Disabled {
		return Entry{Status: Absent, Message: "switched off in the configuration"}
	}
	best, found := Entry{}, false
	for _, muted := range []bool{false, true} {
		for _, e := range s.Entries {
			if (e.Mute != nil) == muted && (!found || e.Status.Worse(best.Status)) {
				best, found = e, true
			}
		}
		if found {
			return best
		}
	}
	return Entry{Status: Unknown, Reason: ReasonNoEntry, Message: "the last look named no subject"}
}

// Entry is the state of one subject. One that is not there is Unknown.
func (s State) Entry(subject string) Entry {
	entries := s.Entries
	if s.all != nil {
		entries = s.all
	}
	i := sort.Search(len(entries), func(i int) bool { return entries[i].Subject >= subject })
	if i < len(entries) && entries[i].Subject == subject {
		return entries[i]
	}
	switch {
	case s.Disabled:
		return Entry{Subject: subject, Status: Unknown, Reason: ReasonNoEntry, Message: "switched off in the configuration"}
	case len(entries) == 1 && entries[0].Reason == ReasonNotLooked:
		e := entries[0]
		e.Subject = subject
		return e
	}
	return Entry{Subject: subject, Status: Unknown, Reason: ReasonNoEntry, Message: "not seen by the last look"}
}

// Snapshot is an immutable picture of every condition. Copying it is cheap.
type Snapshot struct {
	At     time.Time // when it came to be
	states []*State  // in the board's order
	index  map[string]int
}

// States lists every condition in the order of declaration.
func (s Snapshot) States() []State {
	out := make([]State, len(s.states))
	for i, st := range s.states {
		out[i] = *st
	}
	return out
}

// Of is the state of a condition by name. A name the board does not know answers false.
func (s Snapshot) Of(name string) (State, bool) {
	i, ok := s.index[name]
	if !ok {
		return State{}, false
	}
	return *s.states[i], true
}

// Worst is the worst status of the conditions that count: neither muted, nor switched off, nor Absent, nor a mere Notice.
// With nothing that counts it is Unknown.
func (s Snapshot) Worst() Status {
	worst, any := Absent, false
	for _, st := range s.states {
		if st.Disabled || st.Condition.Impact == Notice {
			continue
		}
		e := st.Worst()
		if e.Mute != nil {
			continue
		}
		if e.Status != Absent {
			any = true
		}
		if e.Status.Worse(worst) {
			worst = e.Status
		}
	}
	if !any {
		return Unknown
	}
	return worst
}
