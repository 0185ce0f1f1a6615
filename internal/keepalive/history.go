package keepalive

import (
	"slices"
	"sync"
	"time"
)

// KindVIP is the kind of this package's events in the timeline.
const KindVIP = "vip"

// Transition is a verdict that changed.
type Transition struct {
	At     time.Time `json:"at"`
	Policy string    `json:"policy"`
	From   int       `json:"from"`
	To     int       `json:"to"`
	Word   Word      `json:"word"`
	Cause  string    `json:"cause,omitempty"`
	Would  bool      `json:"would,omitempty"` // keepalived.conf did not name the verdict: this is what would have been
}

// remembered transitions; the timeline has all.
const remembered = 32

// history keeps the newest transitions, for a page and for who observes before keepalived is told to listen.
type history struct {
	mu   sync.Mutex
	list []Transition
}

func (h *history) add(t Transition) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.list = append(h.list, t); len(h.list) > remembered {
		h.list = slices.Delete(h.list, 0, len(h.list)-remembered)
	}
}

// all lists them, the oldest first.
func (h *history) all() []Transition {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}
