package metrics

import (
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// maxMutes of subjects that have no series of their own; a person mutes a few.
const maxMutes = 50

var (
	conditionDesc = desc("condition", "State of a condition: 1 ok, 0 failing, -1 unknown, 2 absent on this node. Below 1 needs a person, unless muted. Subjects that are well share one series with an empty subject.",
		"condition", "subject", "reason")
	mutedDesc    = desc("condition_muted", "1 while a mute covers the subject, which then counts for nothing. An empty subject is the node itself, or every subject.", "condition", "subject")
	disabledDesc = desc("condition_disabled", "1 where the configuration switches the condition off; it has no other series then.", "condition")
	droppedDesc  = desc("condition_subjects_dropped", "Subjects left out because the condition has more than its bound; the worst are shown.", "condition")
	statusDesc   = desc("status", "The worst of the conditions that count: 1 ok, 0 failing, -1 unknown.")
)

func conditions(snapshot func() health.Snapshot, mutes func() []view.Mute) func(*samples) {
	return func(s *samples) {
		snap := snapshot()
		s.gauge(statusDesc, value(snap.Worst()))
		for _, st := range snap.States() {
			name := st.Condition.Name
			if st.Disabled {
				s.gauge(disabledDesc, 1, name)
				continue
			}
			conditionSamples(s, name, st.Entries)
			if st.More > 0 {
				s.gauge(droppedDesc, float64(st.More), name)
			}
		}
		if mutes == nil {
			return
		}
		// Those of subjects that are not shown, of conditions switched off, and of whole conditions.
		now, list := time.Now(), mutes()
		for _, m := range list[:min(len(list), maxMutes)] {
			if m.Until.After(now) {
				s.gauge(mutedDesc, 1, m.Condition, m.Subject)
			}
		}
	}
}

// conditionSamples gives each subject that is not well a series, and one to all that are: their number is most of what a node has, and says
// nothing that the absence of a failure does not. A subject's series ends with its failure either way, since the reason is one of its labels.
func conditionSamples(s *samples, name string, entries []health.Entry) {
	rest, itself := health.Absent, false
	folded := 0
	for _, e := range entries {
		if e.Subject != "" && (e.Status == health.OK || e.Status == health.Absent) {
			folded++
			if e.Status.Worse(rest) {
				rest = e.Status
			}
			continue
		}
		itself = itself || e.Subject == ""
		s.gauge(conditionDesc, value(e.Status), name, e.Subject, e.ReasonName())
		if e.Mute != nil {
			s.gauge(mutedDesc, 1, name, e.Subject)
		}
	}
	if folded > 0 && !itself {
		s.gauge(conditionDesc, value(rest), name, "", "")
	}
}

func value(s health.Status) float64 {
	switch s {
	case health.OK:
		return 1
	case health.Failing:
		return 0
	case health.Absent:
		return 2
	default:
		return -1
	}
}
