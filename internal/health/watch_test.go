package health

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d := condition("C", Critical, 1), condition("D", Critical, 1)
		b := NewBoard(nil, c, d)
		status := func(c *Condition, s Status) {
			b.Publish(Look{Of: c, Findings: []Finding{{Status: s, Reason: reasonDead}}})
		}
		var seen []string
		gate := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- b.Watch(ctx, []*Condition{c}, func(s Snapshot) {
				seen = append(seen, entry(state(t, s, "C").Worst()))
				<-gate
			})
		}()
		check := func(want ...string) {
			t.Helper()
			synctest.Wait()
			if fmt.Sprint(seen) != fmt.Sprint(want) {
				t.Fatalf("seen %v, want %v", seen, want)
			}
		}
		check("=unknown/NotLooked") // at once
		status(c, OK)               // while fn runs these come to one call, with the newest
		status(c, Failing)
		status(d, OK)
		status(c, Unknown)
		check("=unknown/NotLooked")
		gate <- struct{}{}
		check("=unknown/NotLooked", "=unknown/Dead")
		gate <- struct{}{}
		status(d, Failing) // not watched
		check("=unknown/NotLooked", "=unknown/Dead")
		b.SetMutes([]Mute{{Condition: "D", Until: time.Now().Add(time.Hour)}}) // a mute touches every condition
		check("=unknown/NotLooked", "=unknown/Dead", "=unknown/Dead")
		gate <- struct{}{}
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestWatchOfAllSeesWhatExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := condition("C", Critical, 1)
		b := NewBoard(nil, c)
		b.Publish(Look{Of: c, Valid: time.Minute, Findings: []Finding{{Status: OK}}})
		ctx, cancel := context.WithCancel(t.Context())
		start := time.Now()
		b.Watch(ctx, nil, func(s Snapshot) {
			if s.Worst() == Unknown {
				cancel()
			}
		})
		if d := time.Since(start); d != time.Minute {
			t.Errorf("the watcher learned of it after %v", d)
		}
	})
}

// Many writers of their own conditions, watchers, readers, mutes and tunings at once: the race detector finds no race, each writer's
// changes come in order, and every watcher ends with the last picture.
func TestConcurrentUse(t *testing.T) {
	const writers, rounds = 8, 300
	var conds []*Condition
	for i := range writers {
		conds = append(conds, condition(fmt.Sprint("C", i), Critical, 2))
	}
	last := map[string]Status{}
	b := NewBoard(func(ch Change) {
		if !ch.New && !ch.Gone && last[ch.Condition.Name] != ch.Was.Status {
			t.Errorf("%s: %s after %v", ch.Condition.Name, entry(ch.Was), last[ch.Condition.Name])
		}
		last[ch.Condition.Name] = ch.Is.Status
	}, conds...)
	ctx, cancel := context.WithCancel(t.Context())
	var watchers, work sync.WaitGroup
	final := make(chan struct{}, 5)
	for range cap(final) {
		watchers.Go(func() {
			told := false
			b.Watch(ctx, nil, func(s Snapshot) {
				if st, _ := s.Of("C0"); st.Total == 2 && !told { // as nothing but the very last look makes it
					told = true
					final <- struct{}{}
				}
			})
		})
	}
	for i, c := range conds {
		work.Go(func() {
			for n := range rounds {
				s := OK
				if n%3 == 0 {
					s = Failing
				}
				b.Publish(Look{Of: c, Valid: time.Hour, Findings: []Finding{{Subject: "x", Status: s, Reason: reasonDead}}})
				b.Snapshot().Worst()
				if i == 0 {
					b.SetMutes([]Mute{{Condition: "C1", Until: time.Now().Add(time.Duration(n) * time.Microsecond)}})
					b.Tune(map[string]Tuning{"C2": {Max: n}})
				}
			}
			b.Publish(Look{Of: c, Findings: []Finding{{Subject: "x", Status: OK}}})
		})
	}
	work.Wait()
	b.Publish(Look{Of: conds[0], Findings: []Finding{{Subject: "x", Status: OK}, {Subject: "y", Status: Absent}}})
	for range cap(final) { // every watcher comes to the last picture without another nudge
		<-final
	}
	cancel()
	watchers.Wait()
}
