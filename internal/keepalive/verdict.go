package keepalive

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// Word is a verdict in one word. The zero value is unknown.
type Word uint8

// The words.
const (
	WordUnknown     Word = iota // something that counts could not be found out, or nothing counts
	WordOK                      // all that counts is positively well
	WordDegraded                // something that counts is failing
	WordFault                   // a balancer is positively dead
	WordMaintenance             // a person took the node away
)

// String is the word shown to people and used in JSON.
func (w Word) String() string {
	switch w {
	case WordOK:
		return "ok"
	case WordDegraded:
		return "degraded"
	case WordFault:
		return "fault"
	case WordMaintenance:
		return "maintenance"
	default:
		return "unknown"
	}
}

// MarshalText makes Word a word in JSON.
func (w Word) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads the word back; one that is not known is an error.
func (w *Word) UnmarshalText(b []byte) error {
	for _, c := range []Word{WordUnknown, WordOK, WordDegraded, WordFault, WordMaintenance} {
		if c.String() == string(b) {
			*w = c
			return nil
		}
	}
	return fmt.Errorf("verdict %q: want one of unknown, ok, degraded, fault, maintenance", b)
}

// Verdict is what a policy makes of the node's health.
type Verdict struct {
	Policy string    `json:"policy"`
	Number int       `json:"number"` // what the verdict file holds: 0 fit, down to Least, or Fault
	Word   Word      `json:"word"`
	Causes []Cause   `json:"causes,omitempty"` // why the number is below 0
	Since  time.Time `json:"since"`            // of this number and word
	Next   *Next     `json:"next,omitempty"`   // what it becomes if nothing changes; nil: nothing waits
}

// Next is a verdict that waits for its rise, its fall, or the end of FAULT.
type Next struct {
	Number int       `json:"number"`
	At     time.Time `json:"at"`
}

// Cause is one condition that lowers the verdict.
type Cause struct {
	Condition string        `json:"condition,omitempty"` // empty: no condition but the agent itself
	Subject   string        `json:"subject,omitempty"`
	Status    health.Status `json:"status"`
	Reason    string        `json:"reason,omitempty"`
	Message   string        `json:"message,omitempty"`
	Weight    int           `json:"weight"`
}

func (c Cause) String() string {
	s := c.Condition
	if c.Subject != "" {
		s += " " + c.Subject
	}
	if s != "" {
		s += " " + c.Status.String()
		if c.Reason != "" {
			s += " " + c.Reason
		}
	}
	if c.Message != "" {
		s = strings.TrimPrefix(s+": "+c.Message, ": ")
	}
	return s
}

// Fit reports whether the node may hold the VIP before others.
func (v Verdict) Fit() bool { return v.Number >= 0 }

// lineLength bounds the line of a verdict socket, in bytes, with its end.
const lineLength = 256

// Line is what the verdict socket answers: fit or unfit, the number, the word, and the first cause. nodeagent-check reads the first and the third.
func (v Verdict) Line() string {
	fit := "unfit"
	if v.Fit() {
		fit = "fit"
	}
	s := fit + " " + strconv.Itoa(v.Number) + " " + v.Word.String()
	if len(v.Causes) > 0 {
		s += " " + v.Causes[0].String()
	}
	s = view.OneLine(s)
	if len(s) >= lineLength {
		s = strings.ToValidUTF8(s[:lineLength-1], "")
	}
	return s + "\n"
}
