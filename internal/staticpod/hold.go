package staticpod

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/folder"
)

// maxHold is the longest stop that can be asked for: one that is forgotten ends by itself.
const maxHold = 31 * 24 * time.Hour

// RestartPod stops a pod gracefully and starts it again, in a new sandbox. name is a pod's name or namespace/name. The wish is
// written down before it is acted upon.
func (p *Pods) RestartPod(_ context.Context, name string) error {
	x, err := p.asked(name)
	if err != nil {
		return err
	}
	p.mu.Lock()
	sandbox := x.sandbox
	x.failures = map[Slot]Failure{}
	p.mu.Unlock()
	err = p.change(x, func(m *Memory) {
		m.Replace = sandbox
		m.afresh()
	})
	if err != nil {
		return err
	}
	p.d.Record(event.Event{Kind: event.KindPod, Subject: x.key, Reason: "RestartAsked", Message: "restart asked for by a person"})
	p.wake(x.key)
	return nil
}

// StopPod stops a pod gracefully and keeps it stopped for a while, over restarts of the agent and of the node. It starts by itself when the
// time is over, or by StartPod.
func (p *Pods) StopPod(_ context.Context, name string, d time.Duration) error {
	if d <= 0 || d > maxHold {
		return fmt.Errorf("a pod can be stopped for up to %s, not for %s", maxHold, d)
	}
	x, err := p.asked(name)
	if err != nil {
		return err
	}
	now := time.Now()
	err = p.change(x, func(m *Memory) {
		since := now
		if m.held(now) { // it goes on, for longer or for less
			since = m.Hold.Since
		}
		m.Hold = &Hold{Since: since, Until: now.Add(d)}
	})
	if err != nil {
		return err
	}
	p.d.Record(event.Event{Kind: event.KindPod, Subject: x.key, Reason: "StopAsked", Message: "stopped by a person until " + now.Add(d).Local().Format(time.DateTime)})
	p.wake(x.key)
	return nil
}

// StartPod ends what StopPod began, and any back-off.
func (p *Pods) StartPod(_ context.Context, name string) error {
	x, err := p.asked(name)
	if err != nil {
		return err
	}
	held := false
	err = p.change(x, func(m *Memory) {
		if held = m.Hold != nil; held {
			m.endHold(time.Now())
		}
		for n, c := range m.Containers { // what waits to be restarted waits no more; what is done stays done
			c.Level, c.NotBefore = 0, time.Time{}
			m.Containers[n] = c
		}
	})
	if err != nil {
		return err
	}
	if held {
		p.d.Record(event.Event{Kind: event.KindPod, Subject: x.key, Reason: "StartAsked", Message: "started again by a person"})
	}
	p.wake(x.key)
	return nil
}

// afresh lets every container start at once and over again.
func (m *Memory) afresh() {
	m.StartedAt = time.Time{}
	for n, c := range m.Containers {
		c.Level, c.NotBefore, c.Done = 0, time.Time{}, false
		m.Containers[n] = c
	}
}

// endHold lets a pod go that was kept stopped: what ended since, ended for that, whatever its restartPolicy is, and the time does not
// count for activeDeadlineSeconds. m must be a clone.
func (m *Memory) endHold(now time.Time) {
	for n, c := range m.Containers {
		if !c.LastAt.Before(m.Hold.Since) {
			c.NotBefore, c.Done = time.Time{}, false
			m.Containers[n] = c
		}
	}
	if d := now.Sub(m.Hold.Since); !m.StartedAt.IsZero() && d > 0 {
		m.StartedAt = m.StartedAt.Add(d)
	}
	m.Hold = nil
}

// asked finds the pod that a person means.
func (p *Pods) asked(name string) (*pod, error) {
	d := p.desired.Load()
	if d == nil {
		return nil, errors.New("the manifests were not read yet: try again in a moment")
	}
	key, err := findKey(d, name)
	if err != nil {
		return nil, err
	}
	if ok, why := p.d.MayStart(); !ok {
		return nil, fmt.Errorf("pods are not run on this node: %s", why)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pod(key), nil
}

func findKey(d *folder.Desired, name string) (string, error) {
	if _, ok := d.Pods[name]; ok {
		return name, nil
	}
	var found []string
	for key := range d.Pods {
		if _, n, _ := strings.Cut(key, "/"); n == name {
			found = append(found, key)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("no static pod %q here: see `nodeagent pods`", name)
	}
	return "", fmt.Errorf("%q is ambiguous: say one of %s", name, strings.Join(found, ", "))
}
