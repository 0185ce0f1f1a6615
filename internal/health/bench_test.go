package health

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"
)

// crowd is a board with one condition of n subjects and a small one beside it, which a verdict needs.
func crowd(n int) (b *Board, big, small *Condition, look Look) {
	big, small = condition("Big", Degraded, 50), condition("Small", Critical, 1)
	b = NewBoard(nil, big, small)
	look = Look{Of: big, Valid: time.Hour}
	for i := range n {
		look.Findings = append(look.Findings, Finding{Subject: fmt.Sprintf("pod-%05d", i), Status: OK, Message: "running"})
	}
	b.Publish(look, Look{Of: small, Findings: []Finding{{Status: OK}}})
	return b, big, small, look
}

// A verdict is what a watcher derives from one call. With 5,000 subjects and five watchers it must be out within 10 ms; this measures
// from before Publish until the last of the five has it, for a whole look in which half of the subjects changed.
func BenchmarkVerdict5000Subjects5Watchers(b *testing.B) {
	board, _, small, look := crowd(5000)
	ctx, cancel := context.WithCancel(b.Context())
	var watchers sync.WaitGroup
	out := make(chan Status, 64)
	for range 5 {
		watchers.Go(func() {
			board.Watch(ctx, []*Condition{small}, func(s Snapshot) {
				st, _ := s.Of("Small")
				out <- st.Worst().Status
			})
		})
	}
	for range 5 {
		<-out
	}
	var worst time.Duration
	n := 0
	for b.Loop() {
		n++
		status := OK
		if n%2 == 1 {
			status = Failing
		}
		for i := 0; i < len(look.Findings); i += 2 {
			look.Findings[i].Status, look.Findings[i].Reason = status, reasonDead
		}
		start := time.Now()
		board.Publish(look, Look{Of: small, Findings: []Finding{{Status: status, Reason: reasonDead}}})
		for range 5 {
			if got := <-out; got != status {
				b.Fatalf("a watcher says %v, want %v", got, status)
			}
		}
		worst = max(worst, time.Since(start))
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
	if mean := b.Elapsed() / time.Duration(n); mean > 10*time.Millisecond {
		b.Errorf("a verdict takes %v on average, want at most 10ms", mean)
	}
	cancel()
	watchers.Wait()
}

func BenchmarkPublishNothingNew5000(b *testing.B) {
	board, _, _, look := crowd(5000)
	for b.Loop() {
		board.Publish(look)
	}
}

func BenchmarkPublishOneOf5000(b *testing.B) {
	board, big, _, _ := crowd(5000)
	n := 0
	for b.Loop() {
		n++
		board.Publish(Look{Of: big, Partial: true, Valid: time.Hour, Findings: []Finding{{Subject: "pod-02500", Status: OK, Message: fmt.Sprint(n)}}})
	}
}

// What makes the verdict cheap, counted and not timed: the state of a big condition that did not change is shared by the new snapshot
// and not built again, a look that found nothing new makes none, and watchers of one condition sleep through changes of another.
func TestWorkOfAPublishIsBounded(t *testing.T) {
	board, big, small, look := crowd(5000)
	before := board.Snapshot()
	board.Publish(look)
	if after := board.Snapshot(); &after.states[0] != &before.states[0] {
		t.Error("a look that found nothing new made a snapshot")
	}
	calls := make(chan Snapshot, 100)
	ctx, cancel := context.WithCancel(t.Context())
	var watchers sync.WaitGroup
	for range 5 {
		watchers.Go(func() { board.Watch(ctx, []*Condition{small}, func(s Snapshot) { calls <- s }) })
	}
	for range 5 {
		<-calls
	}
	for i := range 20 { // of the big one: nobody here watches it
		board.Publish(Look{Of: big, Partial: true, Findings: []Finding{{Subject: "pod-00007", Status: OK, Message: fmt.Sprint(i)}}})
	}
	before = board.Snapshot()
	board.Publish(Look{Of: small, Findings: []Finding{{Status: Failing, Reason: reasonDead}}})
	for range 5 {
		s := <-calls
		if s.Worst() != Failing {
			t.Errorf("a watcher was called with %v", s.Worst())
		}
		if s.states[0] != before.states[0] {
			t.Error("the big condition was built again for a change of the small one")
		}
	}
	cancel()
	watchers.Wait()
	if len(calls) != 0 {
		t.Errorf("%d calls for changes that were not watched", len(calls))
	}
	allocs := testing.AllocsPerRun(10, func() {
		board.Publish(Look{Of: small, Findings: []Finding{{Status: Failing, Reason: reasonDead}}})
	})
	if allocs > 20 {
		t.Errorf("%v allocations for a look at one subject beside 5,000", allocs)
	}
}
