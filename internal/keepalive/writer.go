package keepalive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/view"
)

// writer decides and keeps the verdict files. It is the only writer of the verdicts, and stamps the beat only while it can write them.
type writer struct {
	dir         string
	policies    func() []Policy
	maintenance func() Maintenance
	named       func() bool // keepalived.conf names our verdict
	board       *health.Board
	record      func(event.Event)
	log         *zap.Logger

	shown    *view.Map[string, Verdict]
	lines    *view.Map[string, string]
	history  history
	changes  atomic.Uint64 // of a number
	rewrites atomic.Uint64 // of files that somebody changed or removed

	nudge chan struct{}
	ready chan struct{}
	once  sync.Once
	began atomic.Pointer[time.Time]

	// Of Run alone; they live on when it is run again.
	folder *folder
	kept   map[string]*kept
	said   string
}

// kept is one policy's.
type kept struct {
	memory  Memory
	verdict Verdict
	file    fs.FileInfo // as written; nil: not written yet
	next    time.Time
}

func newWriter(dir string) *writer {
	return &writer{
		dir: dir, nudge: make(chan struct{}, 1), ready: make(chan struct{}), kept: map[string]*kept{},
		shown: view.NewMap[string, Verdict](), lines: view.NewMap[string, string](),
	}
}

// Wake decides again, after a reload or a change of the maintenance.
func (w *writer) Wake() {
	select {
	case w.nudge <- struct{}{}:
	default:
	}
}

// Run keeps the verdicts until ctx ends. The files stay.
func (w *writer) Run(ctx context.Context) error {
	defer w.once.Do(func() { close(w.ready) })
	f, err := openFolder(w.dir)
	if err != nil {
		w.publish(err, w.policies())
		return err
	}
	w.folder = f
	defer f.close()
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() { _ = w.board.Watch(ctx, nil, func(health.Snapshot) { w.Wake() }) })
	again := time.Time{} // when the verdicts are decided though nobody told of a change
	for {
		now := time.Now()
		beat := now.Add(reconcile.Wait(now.Add(BeatEvery), now))
		if !now.Before(again) || !w.keep(now) {
			again = now.Add(decideEvery)
			if next := w.pass(now); !next.IsZero() && next.Before(again) {
				again = next
			}
		}
		w.once.Do(func() { close(w.ready) })
		if again.Before(beat) {
			beat = again
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.nudge:
			again = time.Time{}
		case <-time.After(time.Until(beat)):
		}
	}
}

// decideEvery is the longest that a verdict stands on the word that nothing changed.
const decideEvery = 5 * time.Second

// keep stamps the beat where every verdict file is as it was written; false: pass has something to do.
func (w *writer) keep(now time.Time) bool {
	w.began.Store(&now)
	defer w.began.Store(nil)
	for name, k := range w.kept {
		if !w.folder.untouched(name, k.file) {
			return false
		}
	}
	return w.folder.stamp(sinceBoot()) == nil
}

// pass decides every policy and writes what changed. Before a number is in its file nothing here waits: no log, no view, no disk.
func (w *writer) pass(now time.Time) (next time.Time) {
	w.began.Store(&now)
	defer w.began.Store(nil)
	snap := w.board.Snapshot()
	var changed []change
	var problems []error
	policies := w.policies()
	for _, p := range policies {
		k := w.of(p.Name, now)
		was := k.verdict
		k.memory.Maintenance = w.maintenance()
		k.verdict, k.memory, k.next = Decide(snap, p, k.memory, now)
		if k.file == nil || k.verdict.Number != was.Number || !w.folder.untouched(p.Name, k.file) {
			rewrite := k.file != nil && k.verdict.Number == was.Number
			file, err := w.folder.write(p.Name, k.verdict.Number)
			if k.file = file; err != nil {
				problems = append(problems, err)
			} else if rewrite {
				w.rewrites.Add(1)
				changed = append(changed, change{rewritten: true, is: k.verdict})
			}
		}
		if was.Policy == "" || was.Number != k.verdict.Number || was.Word != k.verdict.Word {
			changed = append(changed, change{was: was, is: k.verdict})
		}
		if !k.next.IsZero() && (next.IsZero() || k.next.Before(next)) {
			next = k.next
		}
	}
	for _, p := range policies { // only now: a reader of these holds their lock for a moment
		v := w.kept[p.Name].verdict
		w.lines.Set(p.Name, v.Line())
		w.shown.Set(p.Name, v)
	}
	w.forget(policies)
	if len(problems) == 0 {
		if err := w.folder.stamp(sinceBoot()); err != nil {
			problems = append(problems, err)
		}
	}
	w.tell(changed, now)
	w.publish(errors.Join(problems...), policies)
	return next
}

// of begins a policy with the verdict that its file holds. One that is missing or damaged was no verdict: the policy begins unfit.
func (w *writer) of(policy string, now time.Time) *kept {
	k := w.kept[policy]
	if k == nil {
		number, err := readNumber(w.dir, policy)
		if err != nil {
			number = DefaultWeight
		}
		k = &kept{memory: Remember(number, now)}
		w.kept[policy] = k
	}
	return k
}

// forget drops the policies that a reload took away. Their files say unfit from then on: nobody keeps them, and none would be fit.
func (w *writer) forget(policies []Policy) {
	for name := range w.kept {
		if slices.ContainsFunc(policies, func(p Policy) bool { return p.Name == name }) {
			continue
		}
		_, _ = w.folder.write(name, DefaultWeight)
		delete(w.kept, name)
		w.lines.Delete(name)
		w.shown.Delete(name)
	}
}

type change struct {
	was, is   Verdict
	rewritten bool
}

// tell says what changed, after it is in force.
func (w *writer) tell(changed []change, now time.Time) {
	if len(changed) == 0 {
		return
	}
	named := w.named()
	for _, c := range changed {
		e := event.Event{Kind: KindVIP, Subject: c.is.Policy}
		switch {
		case c.rewritten:
			e.Reason, e.Message = "VerdictRewritten", "the verdict file was changed or removed by somebody else, and is written again"
			w.log.Warn(e.Message, zap.String("policy", c.is.Policy), zap.Int("number", c.is.Number))
		case c.was.Policy == "":
			w.log.Info("verdict", zap.String("policy", c.is.Policy), zap.Stringer("word", c.is.Word), zap.Int("number", c.is.Number))
			continue
		default:
			w.changes.Add(1)
			e.Reason, e.Message = "Verdict", fmt.Sprintf("%s: %s (%d), was %s (%d)", c.is.Policy, c.is.Word, c.is.Number, c.was.Word, c.was.Number)
			if len(c.is.Causes) > 0 {
				e.Message += ": " + view.OneLine(c.is.Causes[0].String())
			}
			w.history.add(Transition{At: now, Policy: c.is.Policy, From: c.was.Number, To: c.is.Number, Word: c.is.Word, Cause: causeOf(c.is), Would: !named})
			w.log.Info("verdict", zap.String("policy", c.is.Policy), zap.Stringer("word", c.is.Word), zap.Int("number", c.is.Number), zap.Int("was", c.was.Number),
				zap.String("cause", causeOf(c.is)), zap.Bool("observed_only", !named))
		}
		if w.record != nil {
			w.record(e)
		}
	}
}

func causeOf(v Verdict) string {
	if len(v.Causes) == 0 {
		return ""
	}
	return view.OneLine(v.Causes[0].String())
}

// publish says whether the verdicts reach their files.
func (w *writer) publish(err error, policies []Policy) {
	f := health.Finding{Status: health.OK, Message: "verdicts are written to " + w.dir}
	switch {
	case len(policies) == 0:
		f = health.Finding{Status: health.Absent, Message: "no policy is configured"}
	case err != nil:
		f = health.Finding{Status: health.Failing, Reason: reasonNotWritten, Message: strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	if f.Status == health.Failing && w.said == "" {
		w.log.Error("a verdict can't be written; keepalived goes by the old one", zap.Error(err))
	} else if f.Status != health.Failing && w.said != "" {
		w.log.Info("verdicts are written again")
	}
	w.said = ""
	if f.Status == health.Failing {
		w.said = f.Message
	}
	w.board.Publish(health.Look{Of: VIPVerdict, Valid: 10 * BeatEvery, Findings: []health.Finding{f}})
}

// Ready is closed once the first verdicts are written, or can't be.
func (w *writer) Ready() <-chan struct{} { return w.ready }

// Beat is now while it waits, else when the pass began.
func (w *writer) Beat() time.Time {
	if t := w.began.Load(); t != nil {
		return *t
	}
	return time.Now()
}

// Bound is short: who stands in the way of a verdict for longer is hung.
func (w *writer) Bound() time.Duration { return 10 * time.Second }

func (w *writer) String() string { return "verdicts" }
