package repair

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
)

// hand is what a Restarter needs of systemd; Hand is the one, tests have their own.
type hand interface {
	OfProcess(ctx context.Context, pid int) (string, error)
	Unit(ctx context.Context, name string) (Unit, error)
	Restart(ctx context.Context, u Unit) error
}

// Restart says when a unit is restarted.
type Restart struct {
	Action *Action
	Rules  Rules
	Wanted func(s health.Snapshot) Want
	Dump   bool // the daemon's goroutines are asked for first
}

// Want is what a snapshot asks for.
type Want struct {
	PID     int    // a process of the unit; 0: Unit names it
	Unit    string // empty: not known
	Apart   int    // a process that the restart must not end: the unit is left alone if it is in it; 0: none
	Why     string // what is wrong; empty: nothing is
	Against string // what stands against it though it is wrong, and may be its cause; empty: nothing
	Silent  bool   // the unit is left alone if it has written to the journal within Action.After
}

// Restarter restarts units where the ledger permits it. It is a task.
type Restarter struct {
	ledger   *Ledger
	hand     hand
	board    *health.Board
	log      *zap.Logger
	proc     string
	journal  journal
	restarts []Restart
	loop     *reconcile.Loop

	// Of the loop alone.
	asked map[*Action]asked
	heard heard
}

// heard is what the journal said last.
type heard struct {
	unit string
	at   time.Time
	ago  time.Duration
	err  error
}

// hearEvery is how often the journal is asked while trouble lasts, which in dry-run may be for days.
const hearEvery = 30 * time.Second

// asked is what a restart was last asked for.
type asked struct {
	target string
	at     time.Time
}

// noUnit is the target of trouble whose unit is not known.
const noUnit = "a unit that is not known"

// askEvery is how often trouble that lasts is asked about. Actions forget after longer.
const askEvery = 5 * time.Second

// NewRestarter makes a task that does nothing until Run.
func NewRestarter(l *Ledger, restarts ...Restart) *Restarter {
	r := &Restarter{ledger: l, hand: Hand{}, board: l.board, log: l.log, proc: "/proc", journal: journalctl, restarts: restarts, asked: map[*Action]asked{}}
	r.loop = reconcile.NewLoop(r.pass, reconcile.Options{Name: "repairs", Bound: restartDeadline + time.Minute, OnError: func(err error) { r.log.Error("repairs", zap.Error(err)) }})
	return r
}

// Run acts until ctx ends.
func (r *Restarter) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		_ = r.board.Watch(ctx, nil, func(health.Snapshot) { r.loop.Wake() })
	}()
	err := r.loop.Run(ctx)
	cancel()
	<-watching
	return err
}

// Ready is closed once the first pass is over.
func (r *Restarter) Ready() <-chan struct{} { return r.loop.Ready() }

// Beat is now while it waits, else when its pass began.
func (r *Restarter) Beat() time.Time { return r.loop.Beat() }

// Bound is the longest that a pass takes: a restart.
func (r *Restarter) Bound() time.Duration { return r.loop.Bound() }

func (r *Restarter) String() string { return r.loop.String() }

func (r *Restarter) pass(ctx context.Context) (next time.Time, err error) {
	for _, x := range r.restarts {
		again := r.look(ctx, x)
		if !again.IsZero() && (next.IsZero() || again.Before(next)) {
			next = again
		}
	}
	if again := r.ledger.keepAgain(); !again.IsZero() && (next.IsZero() || again.Before(next)) {
		next = again
	}
	return next, nil
}

// look decides about one restart, from what is so now: the one before may have taken minutes. It tells when to look again; zero: once something
// changes.
func (r *Restarter) look(ctx context.Context, x Restart) time.Time {
	w := x.Wanted(r.board.Snapshot())
	was, known := r.asked[x.Action]
	if w.Why == "" || r.ledger.config().Mode == Off {
		if known {
			r.ledger.Over(x.Action, was.target)
			delete(r.asked, x.Action)
		}
		return time.Time{}
	}
	// The board changes for a hundred other reasons: none of them is one more sighting of this trouble.
	if due := was.at.Add(askEvery); known && time.Now().Before(due) {
		return due
	}
	target, problem := r.target(ctx, w)
	if known && was.target != target {
		r.ledger.Over(x.Action, was.target)
	}
	now := time.Now()
	r.asked[x.Action] = asked{target, now}
	r.act(ctx, x, w, target, problem)
	return now.Add(askEvery)
}

// target is the unit that is meant, or why it is not known.
func (r *Restarter) target(ctx context.Context, w Want) (target, problem string) {
	if w.PID > 1 {
		name, err := r.hand.OfProcess(ctx, w.PID)
		if err != nil {
			return noUnit, err.Error()
		}
		w.Unit = name
	}
	if w.Unit == "" {
		return noUnit, "systemd has no unit of it that can be restarted"
	}
	return w.Unit, ""
}

// act restarts one unit if all permit it. The ledger is asked last: what it permits is done.
func (r *Restarter) act(ctx context.Context, x Restart, w Want, target, problem string) {
	q := Request{Action: x.Action, Target: target, Why: w.Why}
	if w.Against != "" {
		r.ledger.refused(q, w.Against, true)
		return
	}
	if problem != "" {
		r.ledger.refused(q, problem, false)
		return
	}
	rules := x.Rules
	rules.Young = cmp.Or(r.ledger.config().Bounds[x.Action.Name].Young, rules.Young)
	u, err := r.hand.Unit(ctx, target)
	refusal := ""
	if err != nil {
		refusal = err.Error()
	} else if refusal = refuse(u, rules); refusal == "" {
		refusal = r.holds(ctx, target, w.Apart)
	}
	if refusal == "" && w.Silent {
		refusal = r.speaks(ctx, target, r.ledger.bounded(x.Action).After)
	}
	if refusal != "" {
		r.ledger.refused(q, refusal, false)
		return
	}
	// systemd may have taken its time.
	if again := x.Wanted(r.board.Snapshot()); again.Why == "" || again.Against != "" || !r.ledger.Ask(q).OK {
		return
	}
	if x.Dump {
		if did, err := dumpGoroutines(ctx, r.proc, u.MainPID); err != nil {
			r.log.Warn("no evidence before the restart", zap.Error(err))
		} else if did {
			r.ledger.tell(r.ledger.say(q, "Evidence", fmt.Sprintf("process %d was asked for its goroutines: `journalctl -u %s`", u.MainPID, u.Name)))
		}
	}
	r.ledger.Done(q, r.hand.Restart(ctx, u))
}

// holds says that a unit has a process that must not end with it.
func (r *Restarter) holds(ctx context.Context, unit string, pid int) string {
	if pid <= 1 {
		return ""
	}
	of, err := r.hand.OfProcess(ctx, pid)
	switch {
	case err != nil:
		return err.Error()
	case of == unit:
		return fmt.Sprintf("a restart of %s would end process %d too", unit, pid)
	}
	return ""
}

// speaks says that a unit is not proven stuck, since it writes to the journal, or since that can't be known.
func (r *Restarter) speaks(ctx context.Context, unit string, silent time.Duration) string {
	if now := time.Now(); r.heard.unit != unit || now.Sub(r.heard.at) >= hearEvery {
		ago, err := r.journal.silentFor(ctx, unit, Uptime(), now)
		r.heard = heard{unit, now, ago, err}
	}
	ago, err := r.heard.ago, r.heard.err
	switch {
	case err != nil:
		return fmt.Sprintf("whether %s still writes to its journal is not known: %v", unit, err)
	case ago < silent:
		return fmt.Sprintf("%s is not proven stuck: it wrote to its journal %s ago (`journalctl -u %s`), and counts as stuck after %s without a line", unit, short(ago), unit, short(silent))
	}
	return ""
}
