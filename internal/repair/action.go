package repair

import "time"

// Action is a kind of act with its bounds. It is declared once, beside who asks for it.
type Action struct {
	Name string // restart-runtime; lower case, dashes: an argument of commands and a metric label
	Help string // what it does, one sentence

	After  time.Duration // trouble must have lasted so long before it is acted on
	Asked  int           // and must have been asked for so often in that time; 0: once
	Forget time.Duration // trouble that nobody asked about for so long is over; above the interval at which it is asked

	Cooldown time.Duration // between two acts on one target
	Hour     int           // acts on all targets within an hour
	Day      int           // within 24 hours

	// Jitter is the most that After is longer on this node, by its name: a common cause must not have three control planes
	// restart the same part at the same moment.
	Jitter time.Duration
}

// Modes.
const (
	Off    = "off"     // nothing is done, and nothing is said of what would be
	DryRun = "dry-run" // nothing is done; what would be is said
	On     = "on"
)

// Request asks for one act.
type Request struct {
	Action *Action
	Target string // a unit, a route, a peer
	Why    string // what is wrong, for the audit line
}

// Answer says whether the act may be done now.
type Answer struct {
	OK      bool
	Because string    // why not, or what permits it
	At      time.Time // when asking again may be answered otherwise; zero: not by time alone
	Would   bool      // everything but dry-run permits it
}
