package vrrplab

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// Timeline records who held the VIP when.
type Timeline struct {
	lab *Lab

	mu    sync.Mutex
	spans []span
}

type span struct {
	from    time.Time
	holders string
}

// look is how often the addresses are read: the precision of a timeline.
const look = 2 * time.Millisecond

// Record begins a timeline, which ends with the test.
func (l *Lab) Record(t testing.TB) *Timeline {
	tl := &Timeline{lab: l}
	ctx, stop := context.WithCancel(context.Background())
	var recording sync.WaitGroup
	recording.Go(func() {
		tick := time.NewTicker(look)
		defer tick.Stop()
		for {
			tl.note(l.Holders(), time.Now())
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	t.Cleanup(func() { stop(); recording.Wait() })
	return tl
}

func (tl *Timeline) note(holders string, now time.Time) {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	if n := len(tl.spans); n == 0 || tl.spans[n-1].holders != holders {
		tl.spans = append(tl.spans, span{now, holders})
	}
}

// Until waits until exactly these nodes hold the VIP ("" for none) and have done so for steady. It fails the test after limit.
func (tl *Timeline) Until(t testing.TB, holders string, steady, limit time.Duration) {
	t.Helper()
	tl.until(t, fmt.Sprintf("it to be on %q", holders), steady, limit, func(h string) bool { return h == holders })
}

// UntilOne is Until for any one node.
func (tl *Timeline) UntilOne(t testing.TB, steady, limit time.Duration) {
	t.Helper()
	tl.until(t, "it to be on one node", steady, limit, func(h string) bool { return len(strings.Fields(h)) == 1 })
}

func (tl *Timeline) until(t testing.TB, want string, steady, limit time.Duration, ok func(holders string) bool) {
	t.Helper()
	begin := time.Now()
	for ; ; time.Sleep(look) {
		tl.mu.Lock()
		last := span{holders: "?", from: begin}
		if n := len(tl.spans); n > 0 {
			last = tl.spans[n-1]
		}
		tl.mu.Unlock()
		from := last.from
		if from.Before(begin) {
			from = begin // what was steady before says nothing of what happened just now
		}
		if ok(last.holders) && time.Since(from) >= steady {
			return
		}
		if time.Since(begin) > limit {
			t.Fatalf("after %v the VIP is on %q since %v, want %s\n%s", limit, last.holders, time.Since(last.from).Round(time.Millisecond), want, tl)
		}
	}
}

// Move is what a change of holder looked like from a moment on.
type Move struct {
	Takeover time.Duration // until the new holder had the VIP, and kept it; -1: it never did
	Gap      time.Duration // with the VIP on no node
	Both     time.Duration // the longest time with the VIP on more than one
}

func (m Move) String() string {
	r := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("takeover %v, gap %v, on two %v", r(m.Takeover), r(m.Gap), r(m.Both))
}

// Since measures from a moment until now. to is the node that shall have the VIP.
func (tl *Timeline) Since(from time.Time, to string) Move {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	m := Move{Takeover: -1}
	for i, s := range tl.spans {
		end := time.Now()
		if i+1 < len(tl.spans) {
			end = tl.spans[i+1].from
		}
		if end.Before(from) {
			continue
		}
		begin := s.from
		if begin.Before(from) {
			begin = from
		}
		held := strings.Fields(s.holders)
		has := false
		for _, h := range held {
			has = has || h == to
		}
		switch {
		case !has:
			m.Takeover = -1
		case m.Takeover < 0:
			m.Takeover = begin.Sub(from)
		}
		switch {
		case len(held) == 0:
			m.Gap += end.Sub(begin)
		case len(held) > 1:
			m.Both = max(m.Both, end.Sub(begin))
		}
	}
	return m
}

// Most is the largest number of nodes that had the VIP at once, and Least the smallest, from a moment on.
func (tl *Timeline) Most(from time.Time) (most, least int) {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	least = len(tl.lab.Nodes)
	for i, s := range tl.spans {
		if i+1 < len(tl.spans) && tl.spans[i+1].from.Before(from) {
			continue
		}
		n := len(strings.Fields(s.holders))
		most, least = max(most, n), min(least, n)
	}
	return most, least
}

// String is the timeline, one line a change.
func (tl *Timeline) String() string {
	tl.mu.Lock()
	defer tl.mu.Unlock()
	var b strings.Builder
	for _, s := range tl.spans {
		fmt.Fprintf(&b, "%s +%8.3fs %q\n", s.from.Format("15:04:05.000"), s.from.Sub(tl.spans[0].from).Seconds(), s.holders)
	}
	return b.String()
}
