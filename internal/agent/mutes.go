package agent

import (
	"context"
	"fmt"
	"sync"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

const mutesVersion = 1

// mutes are kept in the state folder, so that they survive the agent.
type mutes struct {
	mu   sync.Mutex
	list []health.Mute
}

func (a *agent) loadMutes() {
	var list []health.Mute
	if _, err := a.folder.Load("mutes", mutesVersion, &list); err != nil {
		a.log.Warn("the mutes can't be read; none is in force: " + err.Error())
	}
	a.mutes.mu.Lock()
	defer a.mutes.mu.Unlock()
	a.mutes.list = inForce(list, time.Now())
	a.board.SetMutes(a.mutes.list)
}

func inForce(in []health.Mute, now time.Time) []health.Mute {
	var out []health.Mute
	for _, m := range in {
		if m.Until.After(now) {
			out = append(out, m)
		}
	}
	return out
}

// change replaces the mute of one condition and subject, or ends it (nil).
func (a *agent) changeMute(condition, subject string, m *health.Mute) error {
	a.mutes.mu.Lock()
	defer a.mutes.mu.Unlock()
	var next []health.Mute
	found := false
	for _, x := range inForce(a.mutes.list, time.Now()) {
		if x.Condition == condition && x.Subject == subject {
			found = true
			continue
		}
		next = append(next, x)
	}
	if m != nil {
		next = append(next, *m)
	} else if !found {
		return &view.Error{Problem: fmt.Sprintf("%s is not muted", muteName(condition, subject)), Fix: "See `nodeagent status` for the mutes in force."}
	}
	if err := a.folder.SaveDurable("mutes", mutesVersion, next); err != nil {
		return err
	}
	a.mutes.list = next
	a.board.SetMutes(next)
	return nil
}

func muteName(condition, subject string) string {
	if subject == "" {
		return condition
	}
	return condition + " " + subject
}

func (a *agent) mute(_ context.Context, m view.Mute) error {
	name, err := a.resolve(m.Condition)
	if err != nil {
		return err
	}
	err = a.changeMute(name, m.Subject, &health.Mute{Condition: name, Subject: m.Subject, Until: m.Until, Reason: m.Reason, By: m.By})
	if err == nil {
		a.ring.Append(event.Event{Kind: event.KindMute, Subject: muteName(name, m.Subject), Reason: "Muted", Message: fmt.Sprintf("muted until %s by %s: %s", m.Until.Local().Format("2006-01-02 15:04:05"), m.By, m.Reason)})
	}
	return err
}

func (a *agent) unmute(_ context.Context, condition, subject string) error {
	name, err := a.resolve(condition)
	if err != nil {
		return err
	}
	if err = a.changeMute(name, subject, nil); err == nil {
		a.ring.Append(event.Event{Kind: event.KindMute, Subject: muteName(name, subject), Reason: "Unmuted", Message: "counts again"})
	}
	return err
}

// viewMutes are the mutes in force as people see them.
func (a *agent) viewMutes() []view.Mute {
	a.mutes.mu.Lock()
	defer a.mutes.mu.Unlock()
	var out []view.Mute
	for _, m := range inForce(a.mutes.list, time.Now()) {
		out = append(out, view.Mute(m))
	}
	return out
}
