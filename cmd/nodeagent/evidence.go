package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/podlogs"
	"nodeagent/internal/view"
)

// withLogs reads the timeline from its files, where the last log lines of each death are. They never come through the socket.
func (g *globals) withLogs(t time.Time) ([]event.Event, error) {
	if err := forRoot("the timeline's log lines may hold secrets"); err != nil {
		return nil, err
	}
	return event.Since(g.lenient().StateDir, t)
}

// podEvents are the events of a pod, without an error where a part of them can't be had. note says what is missing.
func (g *globals) podEvents(ctx context.Context, key string, t time.Time) (list []event.Event, note string) {
	var err error
	if os.Geteuid() == 0 {
		list, err = g.withLogs(t)
	} else {
		c, _ := g.client()
		defer c.Close()
		list, err = c.Events(ctx, t)
		note = "the last log lines of each death are for root: run it with sudo"
	}
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return nil, ""
		}
		return nil, "the events can't be read: " + view.OneLine(err.Error())
	}
	return eventsOf(list, key), note
}

// eventsOf a pod: its own, those of its containers, and those of conditions about it.
func eventsOf(list []event.Event, key string) []event.Event {
	var out []event.Event
	for _, e := range list {
		subject := e.Subject
		if e.Kind == event.KindCondition {
			_, subject, _ = strings.Cut(e.Subject, "/")
		}
		if subject == key || strings.HasPrefix(subject, key+"/") {
			out = append(out, e)
		}
	}
	return out
}

// logText are the last lines that a container wrote, made safe and broken at the width, each behind a bar.
func logText(log, indent string, width int) []string {
	const tab = "        "
	var out []string
	head := indent + "| "
	room := max(width-utf8.RuneCountInString(head), 10)
	for l := range strings.Lines(log) {
		r := []rune(strings.TrimRight(strings.ReplaceAll(podlogs.Escape(strings.TrimSuffix(l, "\n")), "\t", tab), " "))
		for len(r) > room {
			out = append(out, strings.TrimRight(head+string(r[:room]), " "))
			r = r[room:]
		}
		out = append(out, strings.TrimRight(head+string(r), " "))
	}
	return out
}
