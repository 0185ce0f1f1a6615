package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// shortID is as much of an id as crictl shows; its commands take it too.
const shortID = 13

// describeText is a description for people.
func describeText(d description, now time.Time, width int, p painter) string {
	var b page
	b.width = width
	pod := d.Pod
	shownFor := ""
	if d.Daemon { // who looks once does not know since when it is so
		shownFor = sinceText(pod.Since, now)
	}
	status := p.paint(podTone(pod), view.OneLine(pod.Phase))
	b.line(view.OneLine(podName(pod)) + ": " + status + shownFor + ", ready " + readyText(pod) + ", " + plural(pod.Restarts, "restart"))
	if pod.Message != "" && !(pod.Ready && pod.Phase == view.PhaseRunning) {
		b.wrap("  ", view.OneLine(pod.Message))
	}
	if d.Fix != "" {
		b.wrap("  -> ", view.OneLine(d.Fix))
	}
	b.line("")
	if !pod.StoppedUntil.IsZero() {
		b.fact("", "Stopped", "by a person until "+clock(pod.StoppedUntil, now)+"; `nodeagent pods start` ends that")
	}
	if m := d.Manifest; m != nil {
		text := m.Path
		if m.Changed {
			text += "; what runs is of another content than the file has now"
		}
		b.fact("", "Manifest", text)
		b.fact("", "QoS class", m.QOS)
	} else {
		b.fact("", "Manifest", pod.File)
	}
	b.fact("", "UID", pod.UID)
	b.fact("", "IP", pod.IP)
	b.fact("", "Sandbox", cutID(pod.Sandbox))
	b.fact("", "Uses", usageText(pod.Usage, now))
	if d.Manifest != nil {
		b.fact("", "Volumes", strings.Join(d.Manifest.Volumes, ", "))
	}
	for _, c := range pod.Containers {
		b.line("")
		b.container(d, c, now, p)
	}
	for i, n := range d.Notes {
		if i == 0 {
			b.line("")
		}
		b.wrap("Note: ", n)
	}
	b.events(d.Events, podName(pod), now, p)
	return b.String()
}

// page is a text that is written line by line.
type page struct {
	strings.Builder
	width int
}

func (b *page) line(s string) { b.WriteString(strings.TrimRight(s, " ") + "\n") }

func (b *page) wrap(head, text string) {
	for _, l := range wrap(head, text, b.width) {
		b.line(l)
	}
}

// fact is a name and a value; none where the value is empty. The value may be of any bytes.
func (b *page) fact(indent, name, value string) {
	if value != "" {
		b.wrap(fmt.Sprintf("%s%-10s ", indent, name), view.OneLine(value))
	}
}

func (b *page) container(d description, c view.Container, now time.Time, p painter) {
	title := "Container " + view.OneLine(c.Name)
	if c.Role != "" {
		title += " (" + view.OneLine(c.Role) + ")"
	}
	b.line(p.paint(toneTitle, title))
	state := c.State + sinceText(runningSince(c), now)
	switch {
	case c.Ready && c.Role == "init":
		state += ", done"
	case c.Ready:
		state += ", ready"
	case c.State == "running" && c.Role != "init":
		state += ", not ready"
	}
	if c.PID > 0 {
		state += fmt.Sprintf(", pid %d", c.PID)
	}
	b.fact("  ", "State", state)
	b.fact("  ", "Image", c.Image)
	b.fact("  ", "ID", cutID(c.ID))
	b.fact("  ", "Restarts", fmt.Sprintf("%d, attempt %d", c.Restarts, c.Attempt))
	if e := c.LastExit; e != nil {
		text := fmt.Sprintf("code %d", e.Code)
		if e.Reason != "" {
			text += " (" + e.Reason + ")"
		}
		if !e.At.IsZero() {
			text += " " + since(e.At, now) + " ago, at " + clock(e.At, now)
		}
		b.fact("  ", "Last end", text)
	}
	if !c.NextStart.IsZero() {
		b.fact("  ", "Next start", "in "+age(c.NextStart.Sub(now).Round(time.Second))+", at "+c.NextStart.In(now.Location()).Format("15:04:05"))
	}
	if d.Manifest != nil {
		r := d.Manifest.Limits[c.Name]
		b.fact("  ", "Limits", quantities(r.Limits))
		b.fact("  ", "Requests", quantities(r.Requests))
	}
	for _, x := range c.Probes {
		text := x.Kind + " " + x.Status
		if !x.At.IsZero() {
			text += " " + since(x.At, now) + " ago"
		}
		if x.Message != "" {
			text += ": " + x.Message
		}
		b.fact("  ", "Probe", text)
	}
}

func (b *page) events(list []event.Event, key string, now time.Time, p painter) {
	b.line("")
	if len(list) == 0 {
		b.line("No events; --since 0 looks further back")
		return
	}
	b.line(p.paint(toneTitle, "Events"))
	if older := len(list) - eventsShown; older > 0 {
		b.line("  " + plural(older, "older event") + " left out; -o json has all")
		list = list[older:]
	}
	for _, e := range list {
		what := e.Kind
		if c := strings.TrimPrefix(e.Subject, key+"/"); c != e.Subject && e.Kind != event.KindCondition {
			what += " " + c
		}
		if e.Kind == event.KindExit {
			what += " " + e.Reason
		}
		b.wrap("  "+e.Time.In(now.Location()).Format("01-02 15:04:05")+"  ", view.OneLine(what+": "+e.Message))
		for _, l := range logText(e.Log, "    ", b.width) {
			b.line(l)
		}
	}
}

// runningSince is when a container came into its state, as far as it is known.
func runningSince(c view.Container) time.Time {
	if c.State == "exited" && c.LastExit != nil {
		return c.LastExit.At
	}
	if c.State == "running" {
		return c.StartedAt
	}
	return time.Time{}
}

func sinceText(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " for " + since(t, now) + " (since " + clock(t, now) + ")"
}

func usageText(u *view.Usage, now time.Time) string {
	if u == nil {
		return ""
	}
	text := cores(u.CPU) + " CPU, " + bytesText(u.WorkingSet) + " memory"
	if u.MemoryLimit > 0 {
		text += " of " + bytesText(u.MemoryLimit)
	}
	if u.ThrottledSeconds > 0 {
		text += fmt.Sprintf(", throttled %.1f s in all", u.ThrottledSeconds)
	}
	if u.OOMKills > 0 {
		text += fmt.Sprintf(", %d killed for want of memory", u.OOMKills)
	}
	if old := now.Sub(u.At); old > time.Minute {
		text += ", " + age(old) + " ago"
	}
	return text
}

func quantities(list corev1.ResourceList) string {
	var out []string
	for _, name := range slices.SortedFunc(maps.Keys(list), func(a, b corev1.ResourceName) int { return cmp.Compare(a, b) }) {
		q := list[name]
		out = append(out, string(name)+" "+q.String())
	}
	return strings.Join(out, ", ")
}

func cutID(id string) string {
	r := []rune(view.OneLine(id))
	return string(r[:min(len(r), shortID)])
}
