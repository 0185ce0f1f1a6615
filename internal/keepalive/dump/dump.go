package dump

import (
	"context"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
)

// every is between two dumps, however often the agent is woken.
const every = time.Minute

// timeout is of one dump, which takes keepalived milliseconds.
const timeout = 2 * time.Second

// Deps are what others know. They must not block.
type Deps struct {
	Enabled func() bool
	Running func() []int // process ids of keepalived's parents
	Tracked func() []Tracked
}

// Dump asks once a minute. It is a task of the agent.
type Dump struct {
	*reconcile.Loop
	deps  Deps
	board *health.Board
	asked time.Time
}

// New makes a Dump that does nothing until it runs.
func New(deps Deps, board *health.Board, log *zap.Logger) *Dump {
	d := &Dump{deps: deps, board: board}
	d.Loop = reconcile.NewLoop(d.pass, reconcile.Options{Name: "keepalived's dump", OnError: func(err error) { log.Error("ask keepalived for its dump", zap.Error(err)) }})
	return d
}

func (d *Dump) pass(ctx context.Context) (time.Time, error) {
	now := time.Now()
	pids := d.deps.Running()
	s := Seen{Off: !d.deps.Enabled(), Running: len(pids) > 0, Tracked: d.deps.Tracked()}
	if asks := !s.Off && s.Running && len(s.Tracked) > 0; asks {
		if next := d.asked.Add(every); !d.asked.IsZero() && now.Before(next) {
			return next, nil // what was published stays
		}
		d.asked = now
		asking, cancel := context.WithTimeout(ctx, timeout)
		s.Dump, s.Err = ask(asking, "/proc", pids[0])
		cancel()
		if ctx.Err() != nil {
			return time.Time{}, nil
		}
	}
	d.board.Publish(health.Look{Of: VRRPTracking, Valid: health.Validity(every, timeout), Findings: judge(s, time.Now())})
	return now.Add(every), nil
}
