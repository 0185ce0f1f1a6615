package repair

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nodeagent/internal/health"
)

// stand runs a Restarter for one unit whose trouble is the board's condition; want makes the Want of its message.
func stand(t *testing.T, b *bench, a *Action, want func(message string) Want) (*Ledger, *fakeHand, func(health.Finding)) {
	t.Helper()
	l := b.ledger(a)
	h := &fakeHand{unit: Unit{Name: "x.service", LoadState: "loaded", ActiveState: "active", FileState: "enabled", KillMode: "process"}}
	r := NewRestarter(l, Restart{Action: a, Rules: Rules{KeepChildren: true}, Wanted: func(s health.Snapshot) Want {
		if st, _ := s.Of(b.trip.Name); st.Worst().Status == health.Failing {
			return want(st.Worst().Message)
		}
		return Want{}
	}})
	r.hand, r.journal = h, func(context.Context, string) ([]byte, error) { return nil, nil }
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-over })
	return l, h, func(f health.Finding) { b.board.Publish(health.Look{Of: b.trip, Findings: []health.Finding{f}}) }
}

func wait(d time.Duration) { time.Sleep(d); synctest.Wait() }

func because(l *Ledger) string {
	w := l.Plan().Repairs[0].Wanted
	if len(w) != 1 {
		return fmt.Sprintf("%d wanted", len(w))
	}
	return w[0].Because
}

// TestRestarterCounts: a board that changes for other reasons is no sighting of the trouble, and asks systemd nothing.
func TestRestarterCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := newBench(), testAction()
		a.After, a.Asked = 0, 4
		_, h, say := stand(t, b, a, func(m string) Want { return Want{Unit: "x.service", Why: m} })
		for i := range 100 {
			say(health.Finding{Status: health.Failing, Reason: b.sick, Message: fmt.Sprint("hung ", i)})
			wait(100 * time.Millisecond)
		}
		if h.count() != 0 {
			t.Fatal("restarted after 10 s, though it is asked about every 5 s and has to be seen four times")
		}
		wait(10 * time.Second)
		if h.count() != 1 {
			t.Errorf("%d restarts after 20 s", h.count())
		}
	})
}

// TestRestarterAgainst: what may be the cause of the trouble has to be over for the trouble's whole time.
func TestRestarterAgainst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := newBench(), testAction()
		l, h, say := stand(t, b, a, func(m string) Want {
			w := Want{Unit: "x.service", Why: m}
			if m == "deadlock" {
				w.Against = "it would wait for ever"
			}
			return w
		})
		say(health.Finding{Status: health.Failing, Reason: b.sick, Message: "deadlock"})
		wait(time.Hour)
		say(health.Finding{Status: health.Failing, Reason: b.sick, Message: "hung"})
		wait(50 * time.Second)
		if h.count() != 0 {
			t.Fatal("restarted though what stood against it has just ended")
		}
		if why := because(l); !strings.Contains(why, "acted on in") {
			t.Errorf("the plan says %q", why)
		}
		wait(20 * time.Second)
		if h.count() != 1 {
			t.Errorf("%d restarts", h.count())
		}
	})
}

// TestRestarterModes: off in the middle forgets the trouble, which waits anew; nothing that was counted before makes it act at once.
func TestRestarterModes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := newBench(), testAction()
		l, h, say := stand(t, b, a, func(m string) Want { return Want{Unit: "x.service", Why: m} })
		say(health.Finding{Status: health.Failing, Reason: b.sick, Message: "hung"})
		wait(50 * time.Second)
		b.set(Off)
		wait(6 * time.Second)
		if len(l.Plan().Repairs[0].Wanted) != 0 {
			t.Errorf("off, and %s", because(l))
		}
		b.set(On)
		say(health.Finding{Status: health.Failing, Reason: b.sick, Message: "hung still"})
		wait(55 * time.Second)
		if h.count() != 0 {
			t.Fatal("acts on trouble of before it was switched off")
		}
		wait(15 * time.Second)
		if h.count() != 1 || b.said() != "Begun Done" {
			t.Errorf("%d restarts", h.count())
		}
	})
}

// TestRestarterRefuses: what the unit itself, or its process, has against it is in the plan.
func TestRestarterRefuses(t *testing.T) {
	for _, c := range []struct {
		w    Want
		want string
	}{
		{Want{Why: "hung"}, "no unit of it"},
		{Want{Why: "hung", Unit: "x.service", Apart: 7}, "would end process 7 too"},
		{Want{Why: "hung", PID: 7, Silent: true}, "is not known"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, a := newBench(), testAction()
			l, h, say := stand(t, b, a, func(string) Want { return c.w })
			say(health.Finding{Status: health.Failing, Reason: b.sick, Message: "hung"})
			wait(time.Hour)
			if why := because(l); h.count() != 0 || !strings.Contains(why, c.want) {
				t.Errorf("%+v: %d restarts, the plan says %q", c.w, h.count(), why)
			}
			say(health.Finding{Status: health.OK})
			wait(time.Second)
			if len(l.Plan().Repairs[0].Wanted) != 0 {
				t.Errorf("%+v: wanted still: %s", c.w, because(l))
			}
		})
	}
}

// TestRestarterBounds: what is configured holds, of the ledger and of the unit's age.
func TestRestarterBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, a := newBench(), testAction()
		a.Jitter = time.Hour
		b.config.Bounds = map[string]Bounds{a.Name: {After: 20 * time.Second, Jitter: time.Second, Cooldown: time.Minute, Young: 10 * time.Minute}}
		l, h, say := stand(t, b, a, func(m string) Want { return Want{Unit: "x.service", Why: m} })
		h.unit.Age = 5 * time.Minute
		say(health.Finding{Status: health.Failing, Reason: b.sick, Message: "hung"})
		wait(time.Minute)
		if why := because(l); h.count() != 0 || !strings.Contains(why, "left alone for 10m") {
			t.Errorf("%d restarts, the plan says %q", h.count(), why)
		}
		h.mu.Lock()
		h.unit.Age = 0
		h.mu.Unlock()
		wait(6 * time.Second)
		if h.count() != 1 {
			t.Errorf("%d restarts, %s", h.count(), because(l))
		}
		wait(66 * time.Second)
		if h.count() != 2 {
			t.Errorf("%d restarts a minute later, %s", h.count(), because(l))
		}
	})
}
