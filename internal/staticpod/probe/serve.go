package probe

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"go.uber.org/zap"
)

// lane of a worker.
func (p *Prober) lane(w *worker) *lane {
	if w.exec {
		return &p.exec
	}
	return &p.net
}

// arm sets when the worker runs next. It needs the lock.
func (p *Prober) arm(w *worker, at time.Time) {
	w.due = at
	switch {
	case p.ctx == nil: // Run does it
	case w.timer == nil:
		w.timer = time.AfterFunc(time.Until(at), func() { p.fire(w) })
	default:
		w.timer.Reset(time.Until(at))
	}
}

// halt ends a worker for good. It needs the lock.
func (p *Prober) halt(w *worker) {
	w.off = true
	if w.queued {
		l := p.lane(w)
		l.queue = slices.DeleteFunc(l.queue, func(o *worker) bool { return o == w })
	}
	w.pause()
}

// pause takes back what the worker would do next. It needs the lock.
func (w *worker) pause() {
	w.queued = false
	if w.timer != nil {
		w.timer.Stop()
	}
	if w.cancel != nil {
		w.cancel()
	}
}

// fire is the timer's: the worker runs now, or when its lane has room.
func (p *Prober) fire(w *worker) {
	p.mu.Lock()
	if p.ctx == nil || w.off || w.busy || w.queued || w.due.IsZero() || time.Now().Before(w.due) { // the timer was late to hear
		p.mu.Unlock()
		return
	}
	l := p.lane(w)
	if l.slots >= l.limit {
		w.queued = true
		l.queue = append(l.queue, w)
		p.mu.Unlock()
		return
	}
	l.slots++
	w.busy = true
	p.work.Add(1) // under the lock, so that it can't come after Run's Wait
	p.mu.Unlock()
	defer p.work.Done()
	for w != nil {
		p.run(l, w)
		w = p.next(l)
	}
}

// next is the worker that the slot goes to; nil gives it back.
func (p *Prober) next(l *lane) *worker {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil || len(l.queue) == 0 {
		l.slots--
		return nil
	}
	w := l.queue[0]
	l.queue[0] = nil
	l.queue = l.queue[1:]
	w.queued, w.busy = false, true
	return w
}

// run runs a worker that has a slot once.
func (p *Prober) run(l *lane, w *worker) {
	p.mu.Lock()
	if p.ctx == nil || w.off {
		w.busy = false
		p.mu.Unlock()
		return
	}
	target := w.c.target
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	began := time.Now()
	if began.Sub(w.due) >= w.timing.period {
		w.due = began // it was held up: a turn that was missed is not made up for
	}
	w.cancel, w.deadline = cancel, began.Add(tries*(w.timing.timeout+execSlack))
	l.running[w] = struct{}{}
	p.mu.Unlock()

	a := p.try(ctx, w.role, target)
	now := time.Now()
	took := now.Sub(began)

	p.mu.Lock()
	w.busy, w.cancel = false, nil
	delete(l.running, w)
	counts := ctx.Err() == nil && !w.off
	var change *Change
	changed := false
	if counts {
		change = w.note(a, now, took)
		changed = w.c.settle(now)
		if w.track.held {
			w.due = time.Time{}
		} else {
			p.arm(w, w.timing.next(w.due, now))
		}
		if w.role == Startup && w.track.held {
			p.start(w.c, now)
		}
	}
	p.mu.Unlock()
	if counts {
		p.tell(target, w.role, a, took, change, changed)
	}
}

// try runs the probe. A panic ends neither the agent nor the worker.
func (p *Prober) try(ctx context.Context, r Role, t Target) (a attempt) {
	defer func() {
		if v := recover(); v != nil {
			p.d.Log.Error("probe panicked", zap.String("pod", t.Key), zap.String("container", t.Container), zap.Stringer("probe", r),
				zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
			a = attempt{message: fmt.Sprintf("panic: %v", v)}
		}
	}()
	return p.handlers.probe(ctx, r.of(t.Spec), t)
}

// note keeps what a run found, and answers what is to be told of it.
func (w *worker) note(a attempt, now time.Time, took time.Duration) *Change {
	var decided bool
	w.track, decided = w.track.after(w.role, w.timing, a.outcome)
	w.counts[a.outcome]++
	w.last, w.duration = now, took
	if a.outcome == Success {
		w.warning = a.warning
	} else {
		w.error, w.output, w.errorAt = a.message, a.output, now
	}
	if !decided && (a.outcome != Unknown || w.track.unknown < w.timing.failure) || w.news && w.told == a.outcome {
		return nil
	}
	w.told, w.news = a.outcome, true
	return &Change{Role: w.role, Outcome: a.outcome, Message: a.message + a.warning, Output: a.output}
}

// tell hands out what a run found, without the lock.
func (p *Prober) tell(t Target, r Role, a attempt, took time.Duration, change *Change, changed bool) {
	if p.d.Observe != nil {
		p.d.Observe(Observation{Key: t.Key, Container: t.Container, Role: r, Outcome: a.outcome, Duration: took})
	}
	if change != nil {
		change.Key, change.Container, change.ContainerID = t.Key, t.Container, t.ContainerID
		log := p.d.Log.Warn
		if change.Outcome == Success && a.warning == "" {
			log = p.d.Log.Info
		}
		log("probe", zap.String("pod", t.Key), zap.String("container", t.Container), zap.Stringer("probe", r), zap.Stringer("outcome", change.Outcome),
			zap.String("message", change.Message))
		if p.d.Record != nil {
			p.d.Record(*change)
		}
	}
	if changed && p.d.Changed != nil {
		p.d.Changed(t.Key)
	}
}
