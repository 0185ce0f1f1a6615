package repair

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
)

// hand is what a Restarter needs of systemd; Hand is the one, tests have their own.
type hand interface {
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
	Unit    string
	Why     string // what is wrong; empty: nothing is
	Against string // what stands against it though it is wrong; empty: nothing
}

// Restarter restarts units where the ledger permits it. It is a task.
type Restarter struct {
	ledger   *Ledger
	hand     hand
	board    *health.Board
	log      *zap.Logger
	proc     string
	restarts []Restart
	loop     *reconcile.Loop
	wanted   map[*Action]string // the unit whose trouble the ledger knows of; of the loop alone
}

// askEvery is how often trouble that lasts is asked about. Actions forget after longer.
const askEvery = 5 * time.Second

// NewRestarter makes a task that does nothing until Run.
func NewRestarter(l *Ledger, restarts ...Restart) *Restarter {
	r := &Restarter{ledger: l, hand: Hand{}, board: l.board, log: l.log, proc: "/proc", restarts: restarts, wanted: map[*Action]string{}}
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
	snap := r.board.Snapshot()
	for _, x := range r.restarts {
		w := x.Wanted(snap)
		if was := r.wanted[x.Action]; was != "" && (w.Why == "" || w.Unit != was) {
			r.ledger.Over(x.Action, was)
			delete(r.wanted, x.Action)
		}
		if w.Why == "" {
			continue
		}
		next = time.Now().Add(askEvery)
		if w.Unit != "" {
			r.wanted[x.Action] = w.Unit
			r.act(ctx, x, w)
		}
	}
	return next, nil
}

// act restarts one unit if all permit it. The ledger is asked last: what it permits is done.
func (r *Restarter) act(ctx context.Context, x Restart, w Want) {
	if r.ledger.config().Mode == Off {
		return
	}
	q := Request{Action: x.Action, Target: w.Unit, Why: w.Why}
	if w.Against != "" {
		r.ledger.refused(q, w.Against)
		return
	}
	u, err := r.hand.Unit(ctx, w.Unit)
	refusal := ""
	if err != nil {
		refusal = err.Error()
	} else {
		refusal = refuse(u, x.Rules, time.Now())
	}
	if refusal != "" {
		r.ledger.refused(q, refusal)
		return
	}
	if !r.ledger.Ask(q).OK {
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
