package agent

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
)

// Task is a part of the agent that runs until its context ends.
type Task interface {
	Run(ctx context.Context) error
	Ready() <-chan struct{} // closed once its first look is over, whatever that found
	Beat() time.Time        // the last moment of progress; now while it waits
	Bound() time.Duration   // a Beat older than this means that it is stuck
	String() string
}

var taskBackoff = reconcile.Backoff{Initial: 200 * time.Millisecond, Factor: 2, Max: 30 * time.Second, Jitter: 0.1}

// steady is how long a task must run for its back-off to begin anew.
const steady = time.Minute

// supervisor runs tasks and knows how they do.
type supervisor struct {
	log   *zap.Logger
	fatal func(error) bool // errors that end the agent

	mu    sync.Mutex
	tasks []Task
	state map[string]*taskState
}

type taskState struct {
	restarts uint64
	down     string // why it does not run now
}

func newSupervisor(log *zap.Logger, fatal func(error) bool, tasks ...Task) *supervisor {
	s := &supervisor{log: log, fatal: fatal, tasks: tasks, state: map[string]*taskState{}}
	for _, t := range tasks {
		s.state[t.String()] = &taskState{}
	}
	return s
}

// run runs every task until ctx ends, or one ends with a fatal error, which is returned.
func (s *supervisor) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for _, t := range s.tasks {
		all.Go(func() {
			if err := s.keep(ctx, t); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); s.fatal(err) {
		return err
	}
	return nil
}

// keep runs one task again and again. It returns an error only if that is fatal.
func (s *supervisor) keep(ctx context.Context, t Task) error {
	for level := 0; ; level++ {
		began := time.Now()
		err := guard(ctx, t)
		if ctx.Err() != nil {
			return nil
		}
		if s.fatal(err) {
			return fmt.Errorf("%s: %w", t, err)
		}
		if time.Since(began) >= steady {
			level = 0
		}
		delay := taskBackoff.Jittered(level)
		s.log.Error("a task ended and is run again", zap.Stringer("task", t), zap.Duration("in", delay), zap.Error(err))
		s.mu.Lock()
		s.state[t.String()].restarts++
		s.state[t.String()].down = fmt.Sprint(err)
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
		s.mu.Lock()
		s.state[t.String()].down = ""
		s.mu.Unlock()
	}
}

// errReturned stands for a task that ended of itself and gave no reason.
var errReturned = errors.New("it returned")

func guard(ctx context.Context, t Task) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	if err = t.Run(ctx); err == nil {
		err = errReturned
	}
	return err
}

// ready is closed once every task is ready.
func (s *supervisor) ready() <-chan struct{} {
	out := make(chan struct{})
	go func() {
		for _, t := range s.tasks {
			<-t.Ready()
		}
		close(out)
	}()
	return out
}

// restarts of each task, for metrics.
func (s *supervisor) restarts() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]uint64{}
	for name, st := range s.state {
		out[name] = st.restarts
	}
	return out
}

// look judges the tasks; alive is whether the watchdog may be fed.
func (s *supervisor) look(now time.Time) (l health.Look, alive bool) {
	l = health.Look{Of: agentTasks, Valid: health.Validity(progressEvery, progressEvery)}
	alive = true
	s.mu.Lock()
	defer s.mu.Unlock()
	l.Findings = make([]health.Finding, 0, len(s.tasks))
	for _, t := range s.tasks {
		f := health.Finding{Subject: t.String(), Status: health.OK}
		if down := s.state[f.Subject].down; down != "" {
			f.Status, f.Reason, f.Message = health.Failing, taskRestarting, firstLine(down)
		} else if late := now.Sub(t.Beat()); late > t.Bound() {
			f.Status, f.Reason, f.Message = health.Failing, taskStuck, fmt.Sprintf("no progress for %s, its bound is %s", late.Round(time.Second), t.Bound())
			alive = false
		}
		l.Findings = append(l.Findings, f)
	}
	return l, alive
}

func firstLine(s string) string {
	for i, r := range s {
		if r == '\n' {
			return s[:i]
		}
	}
	return s
}
