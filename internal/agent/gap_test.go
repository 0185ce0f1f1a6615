package agent

import (
	"testing"
	"time"

	"nodeagent/internal/event"
)

func TestGap(t *testing.T) {
	now := time.Now()
	agent := func(reason, boot string) event.Event {
		return event.Event{Seq: 5, Time: now, Kind: event.KindAgent, Reason: reason, Boot: boot}
	}
	for _, tt := range []struct {
		name   string
		before event.Before
		boot   string
		want   string
	}{
		{"the first start", event.Before{}, "b1", ""},
		{"stopped and started", event.Before{Last: agent("Stopping", "b1"), Agent: agent("Stopping", "b1")}, "b1", ""},
		{"killed", event.Before{Last: agent("Reload", "b1"), Agent: agent("Reload", "b1")}, "b1", "Crashed"},
		{"booted in order", event.Before{Last: agent("NodeShutdown", "b1"), Agent: agent("NodeShutdown", "b1")}, "b2", "Rebooted"},
		{"power lost", event.Before{Last: agent("Started", "b1"), Agent: agent("Started", "b1")}, "b2", "Rebooted"},
		{"a boot that is not known", event.Before{Last: agent("Stopping", "b1"), Agent: agent("Stopping", "b1")}, "", ""},
	} {
		e, ok := gap(tt.before, tt.boot)
		if ok != (tt.want != "") || e.Reason != tt.want {
			t.Errorf("%s: %v %q, want %q", tt.name, ok, e.Reason, tt.want)
		}
	}
}
