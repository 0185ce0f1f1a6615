package page

import (
	"html/template"
	"strings"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// document is everything the template draws, in the order in which it draws it. The template decides nothing but what is empty.
type document struct {
	Node, Status, Roles, Mode, Runtime, Version string
	Icon                                        template.URL
	Refresh                                     int // seconds; 0: the page stays as it is
	Up, At                                      moment
	Maintenance                                 *maintenance
	Problems                                    []problem
	Unmuted                                     int // problems that count
	Pods                                        []pod
	NoPods                                      string
	Network                                     *network
	VIP                                         *vip
	Conditions                                  []condition
	Absent                                      []condition
	Mutes                                       []mute
	Timeline                                    []line
	TimelineError                               string
}

type maintenance struct {
	Left       moment
	By, Reason string
}

type mute struct {
	Condition, Subject, By, Reason string
	Left                           moment
}

type pod struct {
	Name, Phase, Message, File string
	Ready                      bool
	Tone                       string
	Restarts                   int
	Since, Next                moment
}

type line struct {
	At                            moment
	Kind, Subject, Reason, Detail string
}

func documentOf(s view.Status, events []event.Event, eventsErr error, now time.Time) document {
	d := document{
		Node: s.Node, Status: s.Status, Roles: strings.Join(s.Roles, "+"), Mode: s.Mode, Version: s.Version, Icon: icon(s.Status), Refresh: int(refreshEvery / time.Second),
		Runtime: strings.TrimSpace(s.Runtime.Name + " " + s.Runtime.Version), Up: momentOf(s.Since, now), At: momentOf(now, now),
		Network: networkOf(s.Network, now), VIP: vipOf(s.VIP, now), Timeline: timeline(events, now),
	}
	d.Problems = problems(s.Conditions, now)
	for _, p := range d.Problems {
		if p.Counts {
			d.Unmuted++
		}
	}
	d.Conditions, d.Absent = conditions(s.Conditions, now)
	if m := s.Maintenance; m != nil {
		d.Maintenance = &maintenance{Left: until(m.Until, now), By: m.By, Reason: m.Reason}
	}
	for _, m := range s.Mutes {
		d.Mutes = append(d.Mutes, mute{Condition: m.Condition, Subject: m.Subject, By: m.By, Reason: m.Reason, Left: until(m.Until, now)})
	}
	for _, p := range s.Pods {
		d.Pods = append(d.Pods, podOf(p, now))
	}
	switch {
	case s.Mode == "off":
		d.NoPods = "Static pods are off on this node (staticPods.mode)."
	case len(d.Pods) == 0:
		d.NoPods = "No static pods are seen."
	}
	if eventsErr != nil {
		d.TimelineError = "The timeline can't be read: " + eventsErr.Error()
	}
	return d
}

// icon is what a browser shows in the page's tab, so that a row of tabs is a row of nodes.
func icon(status string) template.URL {
	colour := "9a6700"
	switch status {
	case "ok":
		colour = "1a7f37"
	case "failing":
		colour = "cf222e"
	}
	return template.URL("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 8 8'%3E%3Ccircle cx='4' cy='4' r='4' fill='%23" + colour + "'/%3E%3C/svg%3E")
}

func podOf(p view.Pod, now time.Time) pod {
	out := pod{Name: strings.TrimPrefix(p.Namespace+"/"+p.Name, "/"), Phase: p.Phase, Message: p.Message, File: p.File, Ready: p.Ready, Restarts: p.Restarts, Since: momentOf(p.Since, now), Tone: "unknown"}
	switch p.Phase {
	case view.PhaseRunning, view.PhaseSucceeded:
		out.Tone = "ok"
	case view.PhaseBackOff, view.PhaseCrashLoop, view.PhaseFailed, view.PhaseMissing, view.PhaseRefused, view.PhaseDuplicate, view.PhaseNotReady:
		out.Tone = "failing"
	case view.PhaseStopped, view.PhaseStopping, view.PhaseTerminating:
		out.Tone = "absent"
	}
	switch {
	case !p.StoppedUntil.IsZero():
		out.Next = until(p.StoppedUntil, now)
	case p.NextStart.After(now):
		out.Next = until(p.NextStart, now)
	}
	return out
}

// timeline lists the newest events first. What a container said at its end stays out: the page may be open on a wall.
func timeline(events []event.Event, now time.Time) []line {
	var out []line
	for i := len(events) - 1; i >= 0 && len(out) < timelineMost; i-- {
		e := events[i]
		l := line{At: momentOf(e.Time, now), Kind: e.Kind, Subject: e.Subject, Reason: e.Reason, Detail: e.Message}
		if e.Kind == event.KindExit {
			l.Detail = ""
			if code := e.Fields["exitCode"]; code != "" {
				l.Detail = "ended with exit code " + code
			}
		}
		out = append(out, l)
	}
	return out
}
