package agent

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
)

// loggedAfter is how long a condition must fail before it is a line in the log. The timeline has each change at once.
const loggedAfter = 3 * time.Second

// transitions carries changes of the board into timeline and log. take never blocks; it may be called under the board's lock.
type transitions struct {
	record func(event.Event)
	log    *zap.Logger

	mu      sync.Mutex
	pending map[string]pendingLine
	over    []health.Change // recoveries of what was logged, not yet logged themselves
	logged  map[string]bool
	wake    chan struct{}
}

type pendingLine struct {
	at     time.Time
	change health.Change
}

func newTransitions(record func(event.Event), log *zap.Logger) *transitions {
	return &transitions{record: record, log: log, pending: map[string]pendingLine{}, logged: map[string]bool{}, wake: make(chan struct{}, 1)}
}

func (t *transitions) take(c health.Change) {
	e, subject := c.Is, c.Is.Subject
	if c.Gone {
		e, subject = health.Entry{Status: health.Absent}, c.Was.Subject
	}
	id := c.Condition.Name
	if subject != "" {
		id += "/" + subject
	}
	bad := e.Status == health.Failing || e.Status == health.Unknown
	wasBad := !c.New && (c.Was.Status == health.Failing || c.Was.Status == health.Unknown)
	if bad || wasBad {
		text := e.Status.String()
		if c.Gone {
			text = "gone"
		}
		if e.Message != "" {
			text += ": " + e.Message
		}
		t.record(event.Event{Kind: event.KindCondition, Subject: id, Reason: e.ReasonName(), Message: text, Fields: map[string]string{"status": e.Status.String(), "was": c.Was.Status.String()}})
	}
	if c.Condition.Impact == health.Notice {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case bad:
		if _, waiting := t.pending[id]; !waiting {
			t.pending[id] = pendingLine{at: time.Now().Add(loggedAfter), change: c}
		} else {
			t.pending[id] = pendingLine{at: t.pending[id].at, change: c}
		}
	case t.logged[id]:
		delete(t.logged, id)
		delete(t.pending, id)
		t.over = append(t.over, c)
	default:
		delete(t.pending, id)
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// run writes the lines that are due.
func (t *transitions) run(ctx context.Context) error {
	for {
		next := t.flush(time.Now())
		var due <-chan time.Time
		if !next.IsZero() {
			due = time.After(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.wake:
		case <-due:
		}
	}
}

// flush writes the lines that are due, without the lock: a log that hangs must not hold up the board.
func (t *transitions) flush(now time.Time) (next time.Time) {
	over, due, next := t.due(now)
	for _, c := range over {
		subject, status := c.Is.Subject, c.Is.Status
		if c.Gone {
			subject, status = c.Was.Subject, health.Absent
		}
		t.log.Info("recovered", logged(partOf(c.Condition.Name)), zap.String("condition", c.Condition.Name), zap.String("subject", subject), zap.String("status", status.String()))
	}
	for _, c := range due {
		e := c.Is
		t.log.Warn("condition "+e.Status.String(), logged(partOf(c.Condition.Name)), zap.String("condition", c.Condition.Name), zap.String("subject", e.Subject),
			zap.String("reason", e.ReasonName()), zap.String("message", e.Message), zap.String("fix", e.Fix()))
	}
	return next
}

// due takes out what is to be written now. A recovery comes first: what fails after it waits for its time again.
func (t *transitions) due(now time.Time) (over, due []health.Change, next time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	over, t.over = t.over, nil
	for id, p := range t.pending {
		switch {
		case !now.Before(p.at):
			delete(t.pending, id)
			if t.logged[id] {
				continue // said once; the timeline has the rest
			}
			t.logged[id] = true
			due = append(due, p.change)
		case next.IsZero() || p.at.Before(next):
			next = p.at
		}
	}
	return over, due, next
}
