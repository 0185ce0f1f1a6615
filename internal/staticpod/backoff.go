package staticpod

import (
	"time"

	"nodeagent/internal/reconcile"
)

// RestartPolicy of back-off: the first restart at once, then growing.
type Restart struct {
	Backoff    reconcile.Backoff // from the second restart in a row on
	ResetAfter time.Duration     // a container that ran this long starts again from the first
}

// Death is the end of a container, recorded once.
type Death struct {
	Container Container
	Restart   bool      // it will be started again
	NotBefore time.Time // when, if Restart
	Level     int
	Quiet     bool // found after a boot, or the runtime was away: it fed no back-off
	Asked     bool // we stopped it
}

// observe takes note of containers that ended: it moves the memory forward and says which deaths are new. Pure but for the
// back-off's jitter.
func observe(m Memory, cs []Container, policy string, boot string, r Restart, now time.Time) (Memory, []Death) {
	var deaths []Death
	seen := map[string]bool{}
	m = m.clone()
	for _, c := range cs {
		if seen[c.Name] {
			continue // only the newest attempt of a name counts
		}
		seen[c.Name] = true
		cm := m.Containers[c.Name]
		if c.Attempt >= cm.Next {
			cm.Next = c.Attempt + 1
		}
		if c.State == Running && !c.Gone && cm.Level > 0 && !c.Started.IsZero() && now.Sub(c.Started) >= r.ResetAfter {
			cm.Level = 0
		}
		if c.State == Exited && cm.LastID != c.ID {
			d := Death{Container: c}
			_, d.Asked = m.StopBy[c.ID]
			delete(m.StopBy, c.ID)
			ran := c.Finished.Sub(c.Started)
			if c.Started.IsZero() || ran < 0 {
				ran = 0
			}
			cm.LastID, cm.LastExit, cm.LastWhy, cm.LastAt, cm.LastLong = c.ID, c.ExitCode, c.Reason, c.Finished, ran
			if ran >= r.ResetAfter {
				cm.Level = 0
			}
			d.Restart = policy == "Always" || (policy == "OnFailure" && c.ExitCode != 0)
			// A boot, or a runtime that was away, says nothing about the container itself.
			d.Quiet = d.Asked || m.Boot != boot || (c.ExitCode == 255 && c.Reason == "Unknown")
			if d.Restart {
				cm.Done = false
				if cm.Level == 0 || d.Quiet {
					cm.NotBefore = now
				} else {
					from := c.Finished
					if from.IsZero() || from.After(now) {
						from = now
					}
					cm.NotBefore = from.Add(r.Backoff.Jittered(cm.Level - 1))
				}
				if !d.Quiet {
					cm.Level++
				}
			} else {
				cm.Done = true
			}
			d.NotBefore, d.Level = cm.NotBefore, cm.Level
			deaths = append(deaths, d)
		}
		m.Containers[c.Name] = cm
	}
	m.Boot = boot
	return m, deaths
}
