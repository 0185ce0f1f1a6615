package agent

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
)

var (
	dead    = &health.Reason{Name: "Dead", Fix: "Start it."}
	hung    = &health.Reason{Name: "Hung", Fix: "Restart it."}
	sockets = &health.Condition{Name: "Sockets", Impact: health.Critical, Max: 10, Reasons: []*health.Reason{dead, hung}}
	trifle  = &health.Condition{Name: "Trifle", Impact: health.Notice, Reasons: []*health.Reason{dead}}
)

// story is a board whose changes go through transitions, inside a bubble.
type story struct {
	board  *health.Board
	logs   *observer.ObservedLogs
	events []event.Event
	began  time.Time
}

func tell(t *testing.T, fn func(*story)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.InfoLevel)
		s := &story{logs: logs, began: time.Now()}
		tr := newTransitions(func(e event.Event) { s.events = append(s.events, e) }, zap.New(core))
		s.board = health.NewBoard(tr.take, sockets, trifle)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go tr.run(ctx)
		fn(s)
	})
}

func (s *story) is(status health.Status, reason *health.Reason) {
	s.board.Publish(health.Look{Of: sockets, Findings: []health.Finding{{Subject: "a.sock", Status: status, Reason: reason, Message: "seen"}}})
}

// lines of the log as "level message subject reason".
func (s *story) lines() []string {
	synctest.Wait()
	var out []string
	for _, l := range s.logs.All() {
		m := l.ContextMap()
		if m["component"] != partAgent { // of none of the real conditions
			out = append(out, fmt.Sprint("component ", m["component"]))
		}
		out = append(out, fmt.Sprintf("%s %s %s/%s %v", l.Level, l.Message, m["condition"], m["subject"], m["reason"]))
	}
	return out
}

func (s *story) kept() []string {
	var out []string
	for _, e := range s.events {
		out = append(out, fmt.Sprintf("%s %s %s: %s, was %s", e.Kind, e.Subject, e.Reason, e.Message, e.Fields["was"]))
	}
	return out
}

func (s *story) want(t *testing.T, lines, events []string) {
	t.Helper()
	if got := s.lines(); !slices.Equal(got, lines) {
		t.Errorf("log:\n%q\nwant\n%q", got, lines)
	}
	if got := s.kept(); !slices.Equal(got, events) {
		t.Errorf("timeline:\n%q\nwant\n%q", got, events)
	}
}

func TestBlipIsInTheTimelineOnly(t *testing.T) {
	tell(t, func(s *story) {
		for range 3 { // one after the other they don't add up
			s.is(health.OK, nil)
			s.is(health.Failing, dead)
			time.Sleep(loggedAfter - time.Millisecond)
			s.is(health.OK, nil)
		}
		time.Sleep(time.Minute)
		s.want(t, nil, slices.Repeat([]string{
			"condition Sockets/a.sock Dead: failing: seen, was ok",
			"condition Sockets/a.sock : ok: seen, was failing",
		}, 3))
	})
}

func TestLastingFailureIsOneLineAndOneOnRecovery(t *testing.T) {
	tell(t, func(s *story) {
		s.is(health.OK, nil)
		s.is(health.Failing, dead)
		time.Sleep(loggedAfter - time.Millisecond)
		s.want(t, nil, []string{"condition Sockets/a.sock Dead: failing: seen, was ok"})
		for range 60 { // looks that find the same say nothing
			time.Sleep(time.Second)
			s.is(health.Failing, dead)
		}
		first := "warn condition failing Sockets/a.sock Dead"
		s.want(t, []string{first}, []string{"condition Sockets/a.sock Dead: failing: seen, was ok"})
		if l := s.logs.All()[0]; l.Time.Sub(s.began) != loggedAfter || l.ContextMap()["fix"] != "Start it." || l.ContextMap()["message"] != "seen" {
			t.Errorf("line after %v: %v", l.Time.Sub(s.began), l.ContextMap())
		}
		s.is(health.OK, nil)
		recovered := "info recovered Sockets/a.sock <nil>"
		if got := s.lines(); !slices.Equal(got, []string{first, recovered}) {
			t.Errorf("log: %q", got)
		}
		// It counts from the new failure again.
		s.is(health.Failing, dead)
		time.Sleep(loggedAfter - time.Millisecond)
		s.want(t, []string{first, recovered}, []string{
			"condition Sockets/a.sock Dead: failing: seen, was ok",
			"condition Sockets/a.sock : ok: seen, was failing",
			"condition Sockets/a.sock Dead: failing: seen, was ok",
		})
		time.Sleep(time.Millisecond)
		if got := s.lines(); !slices.Equal(got, []string{first, recovered, first}) {
			t.Errorf("log: %q", got)
		}
	})
}

// TestAnotherReason: before the line it changes what the line says and not when; after the line it is in the timeline alone.
func TestAnotherReason(t *testing.T) {
	tell(t, func(s *story) {
		s.is(health.OK, nil)
		s.is(health.Failing, dead)
		time.Sleep(2 * time.Second)
		s.is(health.Failing, hung)
		time.Sleep(time.Second)
		line := []string{"warn condition failing Sockets/a.sock Hung"}
		events := []string{"condition Sockets/a.sock Dead: failing: seen, was ok", "condition Sockets/a.sock Hung: failing: seen, was failing"}
		s.want(t, line, events)
		s.is(health.Failing, dead)
		time.Sleep(time.Minute)
		s.want(t, line, append(events, "condition Sockets/a.sock Dead: failing: seen, was failing"))
		s.is(health.OK, nil)
		if got := s.lines(); len(got) != 2 || got[1] != "info recovered Sockets/a.sock <nil>" {
			t.Errorf("log: %q", got)
		}
	})
}

func TestSubjectThatIsGone(t *testing.T) {
	tell(t, func(s *story) {
		s.is(health.Failing, dead)
		time.Sleep(time.Minute)
		s.board.Publish(health.Look{Of: sockets}) // a whole look without it
		s.want(t, []string{"warn condition failing Sockets/a.sock Dead", "info recovered Sockets/a.sock <nil>"},
			[]string{"condition Sockets/a.sock Dead: failing: seen, was unknown", "condition Sockets/a.sock : gone, was failing"})
		// One that leaves before its line leaves no line, and one that was well leaves nothing at all.
		s.is(health.Failing, dead)
		s.board.Publish(health.Look{Of: sockets})
		s.is(health.OK, nil)
		s.board.Publish(health.Look{Of: sockets})
		time.Sleep(time.Minute)
		if got := s.lines(); len(got) != 2 || len(s.events) != 4 {
			t.Errorf("log %q, timeline %q", got, s.kept())
		}
	})
}

// TestUnknownIsBad: a look that is not repeated in time ends in Unknown, which is said like a failure.
func TestUnknownIsBad(t *testing.T) {
	tell(t, func(s *story) {
		s.board.Publish(health.Look{Of: sockets, Valid: 5 * time.Second, Findings: []health.Finding{{Subject: "a.sock", Status: health.OK}}})
		time.Sleep(5*time.Second + loggedAfter)
		s.want(t, []string{"warn condition unknown Sockets/a.sock Expired"},
			[]string{"condition Sockets/a.sock Expired: unknown: not looked at in time; it was ok, was ok"})
		s.is(health.Absent, nil)
		if got := s.lines(); len(got) != 2 || got[1] != "info recovered Sockets/a.sock <nil>" {
			t.Errorf("log: %q", got)
		}
	})
}

func TestNoticeIsInTheTimelineOnly(t *testing.T) {
	tell(t, func(s *story) {
		s.board.Publish(health.Look{Of: trifle, Findings: []health.Finding{{Status: health.Failing, Reason: dead, Message: "seen"}}})
		time.Sleep(time.Minute)
		s.board.Publish(health.Look{Of: trifle, Findings: []health.Finding{{Status: health.OK}}})
		time.Sleep(time.Minute)
		s.want(t, nil, []string{"condition Trifle Dead: failing: seen, was unknown", "condition Trifle : ok, was failing"})
	})
}

// held is a log whose other end is not read until open is closed.
type held struct {
	zapcore.Core
	writes chan struct{}
	open   chan struct{}
}

func (h held) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return ce.AddCore(e, h)
}

func (h held) Write(e zapcore.Entry, f []zapcore.Field) error {
	h.writes <- struct{}{}
	<-h.open
	return h.Core.Write(e, f)
}

// TestLogThatHangsHoldsUpNoVerdict: take runs under the board's lock, so that a log that hangs must not reach it. The clock is real: a
// bubble's stands still while a mutex is waited for, and a failure would hang.
func TestLogThatHangsHoldsUpNoVerdict(t *testing.T) {
	core, logs := observer.New(zapcore.InfoLevel)
	log := held{core, make(chan struct{}, 10), make(chan struct{})}
	tr := newTransitions(func(event.Event) {}, zap.New(log))
	board := health.NewBoard(tr.take, sockets)
	release := sync.OnceFunc(func() { close(log.open) })
	defer release()
	publish := func(status health.Status, reason *health.Reason) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			board.Publish(health.Look{Of: sockets, Findings: []health.Finding{{Subject: "a.sock", Status: status, Reason: reason}}})
			close(done)
		}()
		select {
		case <-done:
		case <-time.After(patience):
			release()
			t.Fatal("Publish waits for the log")
		}
	}
	publish(health.Failing, dead)
	flushed := make(chan struct{})
	go func() {
		tr.flush(time.Now().Add(loggedAfter))
		close(flushed)
	}()
	<-log.writes // the line of the failure hangs
	publish(health.OK, nil)
	publish(health.Failing, hung)
	publish(health.OK, nil)
	release()
	<-flushed
	tr.flush(time.Now())
	var got []string
	for _, l := range logs.All() {
		got = append(got, l.Message)
	}
	if !slices.Equal(got, []string{"condition failing", "recovered"}) {
		t.Errorf("log afterwards: %q", got)
	}
}

// Each line of a condition has the part that reports it, which is one of those that docs/conditions.md lists.
func TestLinesHaveTheirComponent(t *testing.T) {
	page, err := os.ReadFile("../../docs/conditions.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{partRuntime, partPods, partKubernetes, partNetwork, partVIP, partRepair, partCertificates, partMachine, partAPI, partAgent} {
		if !strings.Contains(string(page), "| `"+want+"` | ") {
			t.Errorf("docs/conditions.md does not list the component %s", want)
		}
	}
	for condition, want := range map[string]string{"RuntimeResponsive": "runtime", "StaticPods": "staticpod", "Keepalived": "keepalive", "FlannelConfig": "netcheck", "AgentTasks": "agent"} {
		if got := partOf(condition); got != want {
			t.Errorf("%s is of %s", condition, got)
		}
	}
	core, logs := observer.New(zapcore.InfoLevel)
	tr := newTransitions(func(event.Event) {}, zap.New(core))
	all := Conditions("run")
	board := health.NewBoard(tr.take, all...)
	for _, status := range []health.Status{health.Failing, health.OK} {
		for _, c := range all {
			if f := (health.Finding{Status: status}); status == health.OK {
				board.Publish(health.Look{Of: c, Findings: []health.Finding{f}})
			} else {
				f.Reason = c.Reasons[0]
				board.Publish(health.Look{Of: c, Findings: []health.Finding{f}})
			}
		}
		tr.flush(time.Now().Add(loggedAfter))
	}
	if n := len(logs.FilterMessage("recovered").All()); n < 10 {
		t.Fatalf("%d recoveries were logged", n)
	}
	for _, l := range logs.All() {
		m := l.ContextMap()
		name, _ := m["condition"].(string)
		if _, subject := m["subject"]; m["component"] != partOf(name) || !subject {
			t.Errorf("%s %s: %v", l.Message, name, m)
		}
	}
}
