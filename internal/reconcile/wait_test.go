package reconcile

import (
	"testing"
	"time"
)

func TestWait(t *testing.T) {
	midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		now, next, want time.Duration
	}{
		{0, 0, 0},
		{time.Second, 0, -time.Second},
		{0, 999 * time.Millisecond, 999 * time.Millisecond}, // sooner than in a second: exact
		{0, time.Second, time.Second},
		{3 * time.Millisecond, 1003 * time.Millisecond, 997 * time.Millisecond}, // woken late, it stays on the grid
		{700 * time.Millisecond, 1700 * time.Millisecond, 800 * time.Millisecond},
		{700 * time.Millisecond, 10600 * time.Millisecond, 9800 * time.Millisecond},
		{0, time.Minute + 499*time.Millisecond, time.Minute},
	} {
		if got := Wait(midnight.Add(c.next), midnight.Add(c.now)); got != c.want {
			t.Errorf("at %v for %v it waits %v, want %v", c.now, c.next, got, c.want)
		}
	}
}
