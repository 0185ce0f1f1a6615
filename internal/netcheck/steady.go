package netcheck

import (
	"slices"
	"time"

	"nodeagent/internal/health"
)

// steady holds back faults that are only seen in passing: flanneld and the CNI plugins make a device, a bridge or a peer's entries in
// several steps, and a look may fall between two of them. What was there before stays shown until a fault has lasted.
type steady struct {
	shown verdicts // nil: nothing yet
	since map[string]time.Time
}

// lasting is how long a fault must be seen before it is shown; known is whether its subject was there before.
func lasting(c *health.Condition, r *health.Reason, known bool) time.Duration {
	switch {
	case r == portDetached, r == bridgeAddress: // the plugin bridge takes its time, with host-local between its steps
		return time.Second
	case r == masqMissing, r == chainEmpty: // flanneld makes its rules anew at its start, the old ones gone
		return time.Second
	case r == leftOver, c == FlannelPeers && !known: // a peer that leaves or joins step by step, on a busy node; none of its traffic is lost
		return time.Second
	}
	return 30 * time.Millisecond
}

// pass gives what is to be shown of v, and when to look again; zero: nothing is held back. Without an earlier look everything is shown.
func (s *steady) pass(v verdicts, now time.Time) (verdicts, time.Time) {
	var again time.Time
	since := map[string]time.Time{}
	out := verdicts{}
	for c, findings := range v {
		held := false
		kept := findings
		for i, f := range findings {
			if f.Status != health.Failing || s.shown == nil {
				continue
			}
			was, known := s.before(c, f.Subject)
			if known && was.Status == health.Failing {
				continue
			}
			key := c.Name + " " + f.Subject
			first, seen := s.since[key]
			if !seen {
				first = now
			}
			due := first.Add(lasting(c, f.Reason, known))
			if !now.Before(due) {
				continue
			}
			since[key] = first
			if again.IsZero() || due.Before(again) {
				again = due
			}
			if !held {
				kept, held = slices.Clone(findings), true
			}
			kept[i] = was // without one: cut out below
			if !known {
				kept[i] = health.Finding{Subject: cut}
			}
		}
		if held {
			kept = slices.DeleteFunc(kept, func(f health.Finding) bool { return f.Subject == cut })
		}
		out[c] = kept
	}
	s.since = since
	s.shown = out
	return out, again
}

const cut = "\x00"

func (s *steady) before(c *health.Condition, subject string) (health.Finding, bool) {
	i := slices.IndexFunc(s.shown[c], func(f health.Finding) bool { return f.Subject == subject })
	if i < 0 {
		return health.Finding{}, false
	}
	return s.shown[c][i], true
}
