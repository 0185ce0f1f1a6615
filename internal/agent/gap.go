package agent

import (
	"time"

	"nodeagent/internal/event"
)

// gap is what the timeline lacks before this start: the machine was booted, or the agent ended without a word. False: neither.
func gap(b event.Before, boot string) (event.Event, bool) {
	e := event.Event{Kind: event.KindAgent}
	last := b.Last.Time.Local().Format(time.DateTime)
	switch {
	case b.Last.Seq == 0:
		return e, false
	case boot != "" && b.Last.Boot != "" && b.Last.Boot != boot:
		e.Reason, e.Message = "Rebooted", "the machine was booted; the last word from before is of "+last
		if b.Agent.Reason != "Stopping" && b.Agent.Reason != "NodeShutdown" {
			e.Message += ", and it did not go down in order"
		}
	case b.Agent.Reason != "" && b.Agent.Reason != "Stopping" && b.Agent.Reason != "NodeShutdown":
		e.Reason, e.Message = "Crashed", "the agent before this one ended without a word; its last is of "+last
	default:
		return e, false
	}
	return e, true
}
