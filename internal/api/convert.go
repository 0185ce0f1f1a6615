package api

import (
	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// Conditions shows every condition of a snapshot, in the board's order.
func Conditions(s health.Snapshot) []view.Condition {
	states := s.States()
	out := make([]view.Condition, 0, len(states))
	for _, st := range states {
		c := view.Condition{
			Name:     st.Condition.Name,
			Help:     st.Condition.Help,
			Impact:   st.Condition.Impact.String(),
			Status:   st.Worst().Status.String(),
			Disabled: st.Disabled,
			Subjects: make([]view.Subject, 0, len(st.Entries)),
			More:     st.More,
		}
		for _, e := range st.Entries {
			c.Subjects = append(c.Subjects, subject(e))
		}
		out = append(out, c)
	}
	return out
}

func subject(e health.Entry) view.Subject {
	s := view.Subject{
		Name:    e.Subject,
		Status:  e.Status.String(),
		Reason:  e.ReasonName(),
		Message: e.Message,
		Fix:     e.Fix(),
		Since:   e.Since,
	}
	if e.Mute != nil {
		m := view.Mute(*e.Mute)
		s.Muted = &m
	}
	if len(e.Evidence) > 0 {
		s.Evidence = make(map[string]string, len(e.Evidence))
		for _, p := range e.Evidence {
			s.Evidence[p.Key] = p.Value
		}
	}
	return s
}
