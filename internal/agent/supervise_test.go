package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
)

var errFatal = errors.New("the address is taken")

func onlyFatal(err error) bool { return errors.Is(err, errFatal) }

// actor is a task that does as it is told. Its fields belong to the bubble: they are read after synctest.Wait.
type actor struct {
	name  string
	do    func(ctx context.Context, run int) error // run counts from 1
	ready chan struct{}
	beat  func() time.Time
	began []time.Time
	ended []time.Time
}

func newActor(name string, do func(ctx context.Context, run int) error) *actor {
	return &actor{name: name, do: do, ready: make(chan struct{}), beat: time.Now}
}

func (a *actor) Run(ctx context.Context) error {
	a.began = append(a.began, time.Now())
	defer func() { a.ended = append(a.ended, time.Now()) }()
	return a.do(ctx, len(a.began))
}
func (a *actor) Ready() <-chan struct{} { return a.ready }
func (a *actor) Beat() time.Time        { return a.beat() }
func (a *actor) Bound() time.Duration   { return 10 * time.Second }
func (a *actor) String() string         { return a.name }

func waits(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }

// start runs a supervisor until the test ends; the answer of run comes out of the channel.
func start(t *testing.T, tasks ...Task) (s *supervisor, stop context.CancelFunc, result <-chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s = newSupervisor(zap.NewNop(), onlyFatal, tasks...)
	out := make(chan error, 1)
	go func() { out <- s.run(ctx) }()
	return s, cancel, out
}

// TestTaskIsRunAgain: whatever way a task ends, it runs again after a wait that doubles up to 30 s, and that begins anew after a minute of
// steady work.
func TestTaskIsRunAgain(t *testing.T) {
	const ends = 10 // 200 ms x 2^8 is above 30 s
	synctest.Test(t, func(t *testing.T) {
		flaky := newActor("flaky", func(ctx context.Context, run int) error {
			switch {
			case run > ends+1:
				return waits(ctx, run)
			case run == ends+1:
				time.Sleep(steady)
				return errors.New("after a steady time")
			case run%3 == 0:
				return nil
			case run%3 == 1:
				panic("no such thing")
			}
			return errors.New("broken")
		})
		calm := newActor("calm", waits)
		s, stop, result := start(t, flaky, calm)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if len(flaky.began) != ends+2 || len(calm.began) != 1 {
			t.Fatalf("%d and %d runs, want %d and 1", len(flaky.began), len(calm.began), ends+2)
		}
		for i := range ends {
			least := min(200*time.Millisecond<<i, 30*time.Second)
			if d := flaky.began[i+1].Sub(flaky.ended[i]); d < least || d > min(least*11/10, 30*time.Second) {
				t.Errorf("wait %d is %v, want %v and at most a tenth more", i, d, least)
			}
		}
		if d := flaky.began[ends+1].Sub(flaky.ended[ends]); d < 200*time.Millisecond || d > 220*time.Millisecond {
			t.Errorf("after a steady run the wait is %v, want the first one", d)
		}
		if n := s.restarts(); n["flaky"] != ends+1 || n["calm"] != 0 || len(n) != 2 {
			t.Errorf("restarts %v", n)
		}
		stop()
		if err := <-result; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

// TestTasksCondition: a task that is down is Failing with why, in one line, and OK once it runs again.
func TestTasksCondition(t *testing.T) {
	for name, end := range map[string]struct {
		how  func() error
		want string
	}{
		"panic":  {func() error { panic("index out of range\nsecond line") }, "panic: index out of range"},
		"error":  {func() error { return errors.New("no such device") }, "no such device"},
		"return": {func() error { return nil }, "it returned"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				flaky := newActor("flaky", func(ctx context.Context, run int) error {
					if run == 1 {
						return end.how()
					}
					return waits(ctx, run)
				})
				s, stop, result := start(t, newActor("calm", waits), flaky)
				board := health.NewBoard(nil, agentTasks)
				entry := func(subject string) health.Entry {
					look, alive := s.look(time.Now())
					if !alive {
						t.Error("a task that is being run again is no hang: the watchdog must be fed")
					}
					board.Publish(look)
					st, _ := board.Snapshot().Of("AgentTasks")
					return st.Entry(subject)
				}
				synctest.Wait()
				if e := entry("flaky"); e.Status != health.Failing || e.Reason != taskRestarting || e.Message != end.want {
					t.Errorf("down: %v %s %q", e.Status, e.ReasonName(), e.Message)
				}
				if e := entry("calm"); e.Status != health.OK {
					t.Errorf("the other task is %v", e.Status)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if e := entry("flaky"); e.Status != health.OK || e.Message != "" {
					t.Errorf("up again: %v %q", e.Status, e.Message)
				}
				stop()
				<-result
			})
		})
	}
}

func TestFatalErrorEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calm := newActor("calm", waits)
		inBackoff := newActor("flaky", func(context.Context, int) error { return errors.New("broken") })
		server := newActor("http listener", func(_ context.Context, run int) error {
			time.Sleep(time.Minute)
			if run == 1 {
				return errors.New("passes")
			}
			return fmt.Errorf("listen on :1: %w", errFatal)
		})
		_, stop, result := start(t, calm, inBackoff, server)
		defer stop()
		err := <-result
		if !errors.Is(err, errFatal) || !strings.HasPrefix(err.Error(), "http listener: listen on :1: ") {
			t.Errorf("run: %v", err)
		}
		if len(server.began) != 2 || len(calm.ended) != 1 || len(inBackoff.ended) != len(inBackoff.began) {
			t.Error("a task runs on")
		}
	})
}

// TestContextEndsAll: a stop waits for no back-off, and is no error.
func TestContextEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newActor("slow", func(ctx context.Context, _ int) error {
			<-ctx.Done()
			time.Sleep(2 * time.Second)
			return errFatal // too late to matter
		})
		flaky := newActor("flaky", func(context.Context, int) error { return errors.New("broken") })
		s, stop, result := start(t, slow, flaky)
		time.Sleep(time.Hour)
		began := time.Now()
		stop()
		if err := <-result; err != nil {
			t.Errorf("run: %v", err)
		}
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("it took %v, want the 2s of the slow task", d)
		}
		if len(slow.ended) != 1 || s.restarts()["slow"] != 0 {
			t.Error("the slow task was not waited for, or run again")
		}
	})
}

func TestLookFindsStuckTasks(t *testing.T) {
	now := time.Now()
	busy, stuck, idle := newActor("busy", waits), newActor("stuck", waits), newActor("idle", waits)
	busy.beat = func() time.Time { return now.Add(-busy.Bound()) } // at its bound is not over it
	stuck.beat = func() time.Time { return now.Add(-stuck.Bound() - 2*time.Second) }
	idle.beat = func() time.Time { return now }
	s := newSupervisor(zap.NewNop(), onlyFatal, busy, stuck, idle)

	l, alive := s.look(now)
	if alive {
		t.Error("the watchdog would be fed with a task stuck")
	}
	if l.Of != agentTasks || l.Partial || l.Valid <= progressEvery {
		t.Errorf("look %+v", l)
	}
	want := []health.Finding{
		{Subject: "busy", Status: health.OK},
		{Subject: "stuck", Status: health.Failing, Reason: taskStuck, Message: "no progress for 12s, its bound is 10s"},
		{Subject: "idle", Status: health.OK},
	}
	if !slices.EqualFunc(l.Findings, want, func(a, b health.Finding) bool {
		return a.Subject == b.Subject && a.Status == b.Status && a.Reason == b.Reason && a.Message == b.Message
	}) {
		t.Errorf("findings %+v", l.Findings)
	}

	stuck.beat = func() time.Time { return now }
	if l, alive = s.look(now); !alive || l.Findings[1].Status != health.OK {
		t.Errorf("it moves again: alive %v, %+v", alive, l.Findings[1])
	}
}

func TestReadyWaitsForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newActor("a", waits), newActor("b", waits)
		ready := newSupervisor(zap.NewNop(), onlyFatal, a, b).ready()
		is := func() bool {
			synctest.Wait()
			select {
			case <-ready:
				return true
			default:
				return false
			}
		}
		if is() {
			t.Error("ready before any task")
		}
		close(b.ready)
		if is() {
			t.Error("ready with one of two")
		}
		close(a.ready)
		if !is() {
			t.Error("not ready with both")
		}
	})
}

// TestSimpleTask: it is ready as soon as it runs, and may run again.
func TestSimpleTask(t *testing.T) {
	runs := 0
	s := newSimple("x", func(context.Context) error { runs++; return nil })
	select {
	case <-s.Ready():
		t.Error("ready before it ran")
	default:
	}
	s.Run(t.Context())
	s.Run(t.Context())
	<-s.Ready()
	if runs != 2 || time.Since(s.Beat()) > s.Bound() {
		t.Errorf("%d runs", runs)
	}
}
