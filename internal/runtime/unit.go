package runtime

import "time"

// restartSample is NRestarts at one moment.
type restartSample struct {
	at       time.Time
	restarts uint32
}

// restartWindow and restartsMany are node-problem-detector's for a runtime that restarts too often: five in 20 minutes
// (config/systemd-monitor-counter.json).
const (
	restartWindow = 20 * time.Minute
	restartsMany  = 5
)

// restartsWithin counts the automatic restarts of the window, and drops the samples that are older; one before it stays as the base. A counter
// that went down was reset by a start by hand: a person has seen to it, and it counts anew.
func restartsWithin(samples []restartSample, now time.Time) (kept []restartSample, n int) {
	first := 0
	for i, s := range samples {
		if now.Sub(s.at) >= restartWindow {
			first = i
		}
	}
	kept = samples[first:]
	for i := len(kept) - 1; i > 0; i-- {
		if kept[i].restarts < kept[i-1].restarts {
			kept = kept[i:]
			break
		}
		n += int(kept[i].restarts - kept[i-1].restarts)
	}
	return kept, n
}
