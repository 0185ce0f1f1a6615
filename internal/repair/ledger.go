package repair

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// Config is what an answer reads anew.
type Config struct {
	Mode     string // Off, DryRun or On
	Disabled []string
	Bounds   map[string]Bounds // by the action's name
}

// Bounds are those of an action that are configured; what is 0 stays as it was declared.
type Bounds struct {
	After, Jitter, Cooldown time.Duration
	Young                   time.Duration // of Rules
}

// Store keeps what must survive the agent, as internal/state's Folder does.
type Store interface {
	Load(name string, version int, v any) (found bool, err error)
	SaveDurable(name string, version int, v any) error
}

// Deps are what others do for this package. Record and Paused may be nil.
type Deps struct {
	Store  Store
	Record func(event.Event) // the timeline; must not block
	Paused func() (bool, string)
	Node   func() string
	Boot   string
	Up     time.Duration // since the boot, when the ledger is made; 0: not known
}

// KindRepair is the kind of this package's events in the timeline.
const KindRepair = "repair"

var needsPerson = &health.Reason{Name: "NeedsPerson", Fix: "Acting again and again did not help: find the cause (`nodeagent events --since 24h`, the part's own log), mend it, then `nodeagent repair clear NAME`."}
var notKept = &health.Reason{Name: "NotKept", Fix: "What was done can't be written down, so nothing is done: make room in the state folder (`df -h /var/lib/nodeagent`)."}

// RepairsLatched has one subject an action that needs a person.
var RepairsLatched = &health.Condition{
	Name: "RepairsLatched", Help: "No repair has used up its budget without helping.", Impact: health.Degraded, Max: 32,
	Reasons: []*health.Reason{needsPerson, notKept},
}

// Conditions are what this package publishes.
func Conditions() []*health.Condition { return []*health.Condition{RepairsLatched} }

// Ledger decides and remembers. It is safe for use by several goroutines.
type Ledger struct {
	config  func() Config
	deps    Deps
	board   *health.Board
	log     *zap.Logger
	actions []*Action

	mu     sync.Mutex
	memory memory
	broken error     // of the last save
	tried  time.Time // when that was
	made   time.Time
}

// New takes up what an earlier agent kept. Only the actions named here are ever permitted; the board must know Conditions.
func New(config func() Config, deps Deps, board *health.Board, log *zap.Logger, actions ...*Action) *Ledger {
	l := &Ledger{config: config, deps: deps, board: board, log: log, actions: actions, made: time.Now()}
	if _, err := deps.Store.Load("repair", version, &l.memory); err != nil {
		log.Error("what was repaired before is not known", zap.Error(err))
		l.memory = memory{}
	}
	if l.memory.Actions == nil {
		l.memory.Actions = map[string]*remembered{}
	}
	for _, a := range actions {
		r := l.memory.Actions[a.Name]
		if r == nil {
			r = &remembered{}
			l.memory.Actions[a.Name] = r
		}
		r.troubles, r.would, r.done = map[string]*trouble{}, map[string]time.Time{}, map[string]uint64{}
		for _, x := range r.takeUp(l.made) {
			_ = l.save()
			l.tell(l.say(Request{Action: a, Target: x.Target, Why: "the agent ended within it"}, "Interrupted", "what became of it is not known"))
		}
	}
	l.publish()
	return l
}

// up is the time since the boot; 0: not known.
func (l *Ledger) up(now time.Time) time.Duration {
	if l.deps.Up == 0 {
		return 0
	}
	return l.deps.Up + now.Sub(l.made)
}

// Ask says whether an act may be done now. If it may, it is written down before the answer: the caller does it and calls Done. Who is told no
// asks again while the trouble lasts.
func (l *Ledger) Ask(q Request) Answer {
	now := time.Now()
	l.mu.Lock()
	r := l.memory.Actions[q.Action.Name]
	if r == nil || r.troubles == nil {
		l.mu.Unlock()
		return Answer{Because: "no such action"}
	}
	s := l.situation(q.Action, now)
	r.keep(s.boot, now, s.up)
	t := r.note(q.Action, q.Target, view.OneLine(q.Why), now)
	t.refused = ""
	switch {
	case barred(q.Action, r, s) != "":
		t.barred = now
	case s.mode == DryRun:
		t.dry = now
	}
	a, latched := decide(l.bounded(q.Action), r, *t, q.Target, s, now)
	var said *event.Event
	switch {
	case latched != "" && s.mode == On:
		r.Latched = &latch{At: now, Why: latched}
		_ = l.save() // it is latched all the same, and written down once it can be
		said = l.say(q, "Latched", "needs a person: "+latched)
	case a.OK:
		r.Acts = append(r.Acts, act{At: now, Boot: s.boot, Up: s.up, Target: q.Target, Outcome: outcomeBegun})
		if l.save() != nil {
			r.Acts = r.Acts[:len(r.Acts)-1]
			a = Answer{Because: "what is done can't be written down: " + l.broken.Error()}
			break
		}
		said = l.say(q, "Begun", "begun")
	case a.Would:
		r.would[q.Target] = now
		r.done[outcomeWould]++
		said = l.say(q, "DryRun", "would be done (repair.mode is dry-run)")
	}
	l.mu.Unlock()
	l.publish()
	l.tell(said)
	return a
}

// Refuse notes that whoever would act will not for now: the plan shows why.
func (l *Ledger) Refuse(q Request, because string) { l.refused(q, because, false) }

// refused notes that something but the ledger stands against an act: the plan shows it. With anew the trouble's time begins once that is over,
// for until then it proves nothing; else only the node's share of the jitter does.
func (l *Ledger) refused(q Request, because string, anew bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.memory.Actions[q.Action.Name]
	if r == nil || r.troubles == nil {
		return
	}
	now := time.Now()
	t := r.note(q.Action, q.Target, view.OneLine(q.Why), now)
	t.refused, t.barred = because, now
	if anew {
		t.from, t.asked = now, 0
	}
}

// Done says what came of an act that was permitted.
func (l *Ledger) Done(q Request, err error) {
	outcome, message := outcomeDone, "done"
	if err != nil {
		outcome, message = outcomeFailed, "failed: "+err.Error()
	}
	l.mu.Lock()
	if r := l.memory.Actions[q.Action.Name]; r != nil {
		for i, a := range slices.Backward(r.Acts) {
			if a.Target == q.Target && a.Outcome == outcomeBegun {
				r.Acts[i].Outcome = outcome
				break
			}
		}
		r.done[outcome]++
		delete(r.troubles, q.Target) // what is still wrong is trouble anew, and waits
	}
	_ = l.save()
	said := l.say(q, outcomeName(outcome), message)
	l.mu.Unlock()
	l.publish()
	l.tell(said)
}

func outcomeName(s string) string {
	if s == outcomeFailed {
		return "Failed"
	}
	return "Done"
}

// Over says that the trouble of a target is over: what comes later waits anew.
func (l *Ledger) Over(a *Action, target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.memory.Actions[a.Name]; r != nil {
		delete(r.troubles, target)
	}
}

// Clear lets actions that need a person go on: the named one, or all where name is empty. It returns the names of those that did.
func (l *Ledger) Clear(name string) ([]string, error) {
	if name != "" && !slices.ContainsFunc(l.actions, func(a *Action) bool { return a.Name == name }) {
		return nil, &view.Error{Problem: "no repair " + view.OneLine(name), Fix: "`nodeagent repair plan` lists the names"}
	}
	l.mu.Lock()
	var out []string
	for _, a := range l.actions {
		r := l.memory.Actions[a.Name]
		if r.Latched == nil || name != "" && a.Name != name {
			continue
		}
		r.Latched, r.Acts = nil, nil // its budget is whole again, or it would be latched at once
		out = append(out, a.Name)
	}
	err := l.save()
	l.mu.Unlock()
	l.publish()
	for _, n := range out {
		l.tell(&event.Event{Kind: KindRepair, Subject: n, Reason: "Cleared", Message: n + " goes on: cleared by hand"})
	}
	return out, err
}

// bounded is the action as it is configured.
func (l *Ledger) bounded(a *Action) *Action {
	b := l.config().Bounds[a.Name]
	out := *a
	out.After, out.Jitter, out.Cooldown = cmp.Or(b.After, a.After), cmp.Or(b.Jitter, a.Jitter), cmp.Or(b.Cooldown, a.Cooldown)
	return &out
}

// situation with the lock held.
func (l *Ledger) situation(a *Action, now time.Time) situation {
	c := l.config()
	s := situation{mode: c.Mode, off: slices.Contains(c.Disabled, a.Name), boot: l.deps.Boot, up: l.up(now)}
	if l.deps.Node != nil {
		s.node = l.deps.Node()
	}
	if l.deps.Paused != nil {
		if on, why := l.deps.Paused(); on {
			s.paused = cmp.Or(why, "paused")
		}
	}
	return s
}

func (l *Ledger) save() error {
	l.tried = time.Now()
	l.broken = l.deps.Store.SaveDurable("repair", version, l.memory)
	return l.broken
}

// keepEvery is the pause before what could not be written down is tried again.
const keepEvery = 30 * time.Second

// keepAgain writes down what could not be: the trouble that asked for it may be over, so that nobody asks again and the ledger would stay
// accused of a disk that has room by now. It tells when to try next; zero: all is kept.
func (l *Ledger) keepAgain() time.Time {
	l.mu.Lock()
	if l.broken == nil {
		l.mu.Unlock()
		return time.Time{}
	}
	due := l.tried.Add(keepEvery)
	if time.Now().Before(due) {
		l.mu.Unlock()
		return due
	}
	err := l.save()
	due = l.tried.Add(keepEvery)
	l.mu.Unlock()
	l.publish()
	if err != nil {
		return due
	}
	return time.Time{}
}

// say makes the event of an act.
func (l *Ledger) say(q Request, reason, what string) *event.Event {
	return &event.Event{Kind: KindRepair, Subject: q.Target, Reason: reason,
		Message: fmt.Sprintf("%s %s: %s; why: %s", q.Action.Name, q.Target, what, view.OneLine(q.Why)), Fields: map[string]string{"action": q.Action.Name}}
}

// tell is the audit: one line in the log and one event.
func (l *Ledger) tell(e *event.Event) {
	if e == nil {
		return
	}
	l.log.Info("repair", zap.String("action", e.Fields["action"]), zap.String("target", e.Subject), zap.String("what", e.Reason), zap.String("message", e.Message))
	if l.deps.Record != nil {
		l.deps.Record(*e)
	}
}

// publish holds the lock to its end, so that what is published last is what is so.
func (l *Ledger) publish() {
	l.mu.Lock()
	defer l.mu.Unlock()
	look := health.Look{Of: RepairsLatched}
	for _, a := range l.actions {
		if x := l.memory.Actions[a.Name].Latched; x != nil {
			look.Findings = append(look.Findings, health.Finding{Subject: a.Name, Status: health.Failing, Reason: needsPerson, Message: x.Why})
		}
	}
	if l.broken != nil {
		look.Findings = append(look.Findings, health.Finding{Subject: "ledger", Status: health.Failing, Reason: notKept, Message: l.broken.Error()})
	}
	if len(look.Findings) == 0 {
		look.Findings = []health.Finding{{Status: health.OK}}
	}
	l.board.Publish(look)
}
