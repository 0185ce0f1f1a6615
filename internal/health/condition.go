package health

import (
	"fmt"
	"strings"
	"time"
)

// Status is what one look found for one subject. The zero value is Unknown, so that a forgotten field never reads as OK.
type Status uint8

// The statuses.
const (
	Unknown Status = iota // could not be found out, never looked at, or no longer valid
	OK                    // positively seen to be as it should be
	Failing               // positively seen not to be as it should be
	Absent                // this node does not have it; never red
)

// String is the word shown to people and used in JSON.
func (s Status) String() string {
	switch s {
	case OK:
		return "ok"
	case Failing:
		return "failing"
	case Absent:
		return "absent"
	default:
		return "unknown"
	}
}

// MarshalText makes Status a word in JSON.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word back; an unknown word is an error.
func (s *Status) UnmarshalText(b []byte) error {
	for _, c := range []Status{Unknown, OK, Failing, Absent} {
		if c.String() == string(b) {
			*s = c
			return nil
		}
	}
	return fmt.Errorf("health status %q: want one of unknown, ok, failing, absent", b)
}

// severity orders statuses from harmless to worst.
func (s Status) severity() int {
	switch s {
	case Failing:
		return 3
	case Unknown:
		return 2
	case OK:
		return 1
	default:
		return 0
	}
}

// Worse reports whether s is worse news than t: Failing, then Unknown, then OK, then Absent.
func (s Status) Worse(t Status) bool { return s.severity() > t.severity() }

// Impact says how much a failing condition matters to the node.
type Impact uint8

// The impacts.
const (
	Notice   Impact = iota // worth knowing, nothing is broken
	Degraded               // part of the node's work is not done, or soon will not be
	Critical               // pods, network or VIP of this node are down
)

// String is the word shown to people and used in JSON.
func (i Impact) String() string {
	switch i {
	case Critical:
		return "critical"
	case Degraded:
		return "degraded"
	default:
		return "notice"
	}
}

// Reason is one member of a condition's closed set of reasons: a metric label, a row of the docs, and what to do.
type Reason struct {
	Name string // CamelCase, unique in its condition
	Fix  string // what a person does about it, one sentence
}

// Condition is a declared item of health. It lives in a package-level variable beside its reporter.
type Condition struct {
	Name    string    // CamelCase, unique on the board
	Help    string    // what being OK means, one sentence
	Impact  Impact    // how much it matters when it fails
	Max     int       // subjects shown and exported; above it the worst and a count. 0 means one
	Reasons []*Reason // every reason a finding may carry
}

// Max of a condition that declares none.
func (c *Condition) limit() int { return max(c.Max, 1) }

func (c *Condition) allows(r *Reason) bool {
	for _, x := range c.Reasons {
		if x == r {
			return true
		}
	}
	return r == ReasonNotLooked || r == ReasonExpired || r == ReasonUndeclared || r == ReasonNoEntry
}

// Reasons that the board itself gives; they belong to every condition.
var (
	ReasonNotLooked  = &Reason{Name: "NotLooked", Fix: "Wait for the first look; if it does not come, see `nodeagent status` and the agent's log."}
	ReasonExpired    = &Reason{Name: "Expired", Fix: "The check has not reported in time; see the agent's log for a stuck or failing task."}
	ReasonNoEntry    = &Reason{Name: "NoEntry", Fix: "The last look did not mention this subject; check the name."}
	ReasonUndeclared = &Reason{Name: "Undeclared", Fix: "A finding carried a reason outside the condition's set; report this as a bug."}
)

// BoardReasons lists the reasons every condition may carry besides its own.
func BoardReasons() []*Reason {
	return []*Reason{ReasonNotLooked, ReasonExpired, ReasonNoEntry, ReasonUndeclared}
}

// Pair is one piece of evidence.
type Pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Finding is what a look found about one subject. Failing and Unknown need a Reason of the condition's set.
type Finding struct {
	Subject  string
	Status   Status
	Reason   *Reason
	Message  string
	Evidence []Pair
}

// Look is one look at one condition. Unless Partial it is whole: subjects it does not name are gone.
type Look struct {
	Of       *Condition
	Valid    time.Duration // how long it may be believed, from the interval and deadline in force; 0 or less: for ever
	Partial  bool
	Findings []Finding
}

// Validity of a look that is repeated every interval and may take deadline to fail: two missed looks and a margin.
func Validity(interval, deadline time.Duration) time.Duration {
	return 2*interval + 2*deadline + time.Second
}

func (f Finding) normal(c *Condition) Finding {
	switch {
	case f.Reason != nil && !c.allows(f.Reason):
		f.Status, f.Reason = Unknown, ReasonUndeclared
	case f.Reason == nil && (f.Status == Failing || f.Status == Unknown):
		f.Reason = ReasonUndeclared
	case f.Status > Absent:
		f.Status, f.Reason = Unknown, ReasonUndeclared
	}
	f.Message = strings.TrimSpace(f.Message)
	return f
}
