package reconcile

import (
	"math"
	"math/rand/v2"
	"time"
)

// Backoff is an exponential delay. The zero value never delays.
type Backoff struct {
	Initial time.Duration
	Factor  float64 // below 1 counts as 2
	Max     time.Duration
	Jitter  float64 // 0 to 1: the share of a delay that is drawn at random, upwards
}

// Delay of the level-th failure in a row, counted from 0, before jitter.
func (b Backoff) Delay(level int) time.Duration {
	if b.Initial <= 0 || level < 0 {
		return 0
	}
	f := b.Factor
	if f < 1 {
		f = 2
	}
	d := float64(b.Initial) * math.Pow(f, float64(level))
	if b.Max > 0 && (d > float64(b.Max) || math.IsInf(d, 0)) {
		return b.Max
	}
	return time.Duration(d)
}

// Jittered is Delay with its jitter; never above Max.
func (b Backoff) Jittered(level int) time.Duration {
	d := b.Delay(level)
	if b.Jitter > 0 && d > 0 {
		d += time.Duration(float64(d) * min(b.Jitter, 1) * rand.Float64())
		if b.Max > 0 {
			d = min(d, b.Max)
		}
	}
	return d
}
