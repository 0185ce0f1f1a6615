package view

import "time"

// Error is the body of every answer of the API that is no success, and an error as well: what a module's verb returns as *Error reaches
// the person who asked as it is.
type Error struct {
	Problem string   `json:"error"`
	Fix     string   `json:"fix,omitempty"`    // what to do next, one sentence
	Routes  []string `json:"routes,omitempty"` // on an unknown route: those there are
}

func (e *Error) Error() string {
	if e.Fix == "" {
		return e.Problem
	}
	return e.Problem + ": " + e.Fix
}

// Outcomes of a reload.
const (
	ReloadApplied   = "applied"   // the new configuration is in force
	ReloadUnchanged = "unchanged" // the files say what is in force already
	ReloadRefused   = "refused"   // the running configuration stays in force; Error says why
)

// ReloadResult is the outcome of a reload.
type ReloadResult struct {
	Outcome string   `json:"outcome"`           // see the Reload constants
	Changed []string `json:"changed,omitempty"` // the keys whose values changed, sorted
	Error   string   `json:"error,omitempty"`   // one problem a line, each with file, line and key
}

// MuteRequest asks for a mute.
type MuteRequest struct {
	Condition string `json:"condition"`
	Subject   string `json:"subject,omitempty"` // empty: every subject
	For       string `json:"for"`               // a duration: 90s, 30m, 1h; at most 744h
	Reason    string `json:"reason,omitempty"`
	By        string `json:"by,omitempty"` // who asks; empty: the peer's user name
}

// UnmuteRequest ends a mute: the one of exactly this condition and subject.
type UnmuteRequest struct {
	Condition string `json:"condition"`
	Subject   string `json:"subject,omitempty"`
}

// RestartRequest asks for the restart of a static pod.
type RestartRequest struct {
	Name string `json:"name"` // NAME or NAMESPACE/NAME
}

// StopRequest asks for a static pod to be stopped for a while.
type StopRequest struct {
	Name string `json:"name"` // NAME or NAMESPACE/NAME
	For  string `json:"for"`  // a duration: 90s, 30m, 1h; at most 744h
}

// StartRequest asks for the end of such a stop.
type StartRequest struct {
	Name string `json:"name"` // NAME or NAMESPACE/NAME
}

// Watch is the answer of a long poll.
type Watch struct {
	Seq    uint64    `json:"seq"`    // to be sent as `after` next time
	Time   time.Time `json:"time"`   // of the answer
	Status Status    `json:"status"` // as it is now, changed or not
}
