package component

import (
	"math"
	"slices"
	"time"
)

// Window over which latencies are judged, and the fewest samples that say something: one slow sync in ten is no 99th percentile.
const (
	latencyWindow  = 5 * time.Minute
	latencySamples = 50
)

// latency is a histogram over time. The first look takes all since the process started; later ones the window.
type latency struct {
	kept []momentOf
}

type momentOf struct {
	at time.Time
	b  buckets
}

// quantile is a percentile over the samples of a window.
type quantile struct {
	p99     float64 // in seconds; +Inf: above the last bound
	samples float64
	over    time.Duration // 0: since the start of the process
}

// take adds a reading and gives the 99th percentile of what is new since the oldest one in the window.
func (l *latency) take(b buckets, now time.Time) quantile {
	if n := len(l.kept); n > 0 && (!slices.Equal(l.kept[n-1].b.bounds, b.bounds) || l.kept[n-1].b.total() > b.total()) {
		l.kept = nil // another process
	}
	old := 0
	for i, m := range l.kept {
		if now.Sub(m.at) >= latencyWindow {
			old = i
		}
	}
	l.kept = append(slices.Clip(l.kept[min(old, len(l.kept)):]), momentOf{now, b})
	base := l.kept[0]
	if len(l.kept) == 1 || b.total()-base.b.total() < latencySamples && now.Sub(base.at) < latencyWindow {
		return quantile{p99: percentile(b.bounds, b.counts, 0.99), samples: b.total()}
	}
	counts := make([]float64, len(b.counts))
	for i := range counts {
		counts[i] = b.counts[i] - base.b.counts[i]
	}
	return quantile{p99: percentile(b.bounds, counts, 0.99), samples: b.total() - base.b.total(), over: now.Sub(base.at)}
}

// percentile is what PromQL's histogram_quantile gives: linear within a bucket.
func percentile(bounds, counts []float64, q float64) float64 {
	if len(counts) == 0 || counts[len(counts)-1] == 0 {
		return 0
	}
	rank := q * counts[len(counts)-1]
	i := slices.IndexFunc(counts, func(c float64) bool { return c >= rank })
	if i < 0 {
		return 0 // counts that go down are no histogram
	}
	low, before := 0.0, 0.0
	if i > 0 {
		low, before = bounds[i-1], counts[i-1]
	}
	if math.IsInf(bounds[i], 1) {
		return math.Inf(1)
	}
	if counts[i] == before {
		return bounds[i]
	}
	return low + (bounds[i]-low)*(rank-before)/(counts[i]-before)
}
