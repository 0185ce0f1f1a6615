// Package event is the node's timeline: what happened, kept in a bounded ring on disk that is readable with the daemon dead.
//
// The ring is two files of JSON lines of which the older is dropped when the newer is full. There is one writer. Append never waits
// for the disk: a bounded queue stands between, and what does not fit is counted and said in the ring itself. A line torn by a crash
// is skipped by readers.
package event

import (
	"time"
)

// Event is one line of the timeline. It carries no secrets, but for Log, which may.
type Event struct {
	Seq     uint64            `json:"seq"` // rises by one an event for the life of the state folder
	Time    time.Time         `json:"time"`
	Boot    string            `json:"boot,omitempty"` // the kernel's boot id
	Kind    string            `json:"kind"`           // see the Kind constants
	Subject string            `json:"subject,omitempty"`
	Reason  string            `json:"reason,omitempty"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
	Log     string            `json:"log,omitempty"` // the last lines a container wrote; for root, who alone can read the ring: the API does not serve it
}

// Kinds of events.
const (
	KindAgent     = "agent"     // start, stop, crash, reload
	KindCondition = "condition" // a condition took another status
	KindPod       = "pod"       // a pod was created, replaced, stopped
	KindExit      = "exit"      // a container ended
	KindMute      = "mute"
	KindRing      = "ring" // about the timeline itself
)
