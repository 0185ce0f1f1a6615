package reconcile

import "time"

// step is the grid of Wait. It is half of the shortest period that looks commonly have, so that none comes twice as often.
const step = 500 * time.Millisecond

// Wait is how long to sleep at now in order to run at next, or up to half a second earlier where next is 1 s away or more: then those who wait
// about as long wake at one moment, on the half seconds of the clock. An idle process that wakes costs more than most looks do. What is due sooner
// than in 1 s is waited for exactly.
func Wait(next, now time.Time) time.Duration {
	wait := next.Sub(now)
	if wait < 2*step {
		return wait
	}
	return wait - next.Sub(next.Truncate(step))
}
