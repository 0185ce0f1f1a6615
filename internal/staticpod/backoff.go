package staticpod

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/reconcile"
)

// Restart is the policy of back-off: the first restart at once, then growing.
type Restart struct {
	Backoff    reconcile.Backoff // from the second restart in a row on
	ResetAfter time.Duration     // a container that ran this long starts again from the first
}

// longest is the longest wait that a death can have led to which left this level.
func (r Restart) longest(level int) time.Duration {
	d := r.Backoff.Delay(level - 2)
	d += time.Duration(float64(d) * min(r.Backoff.Jitter, 1))
	if r.Backoff.Max > 0 {
		d = min(d, r.Backoff.Max)
	}
	return d
}

// Death is the end of a container, recorded once.
type Death struct {
	Container Container
	Restart   bool      // it will be started again
	NotBefore time.Time // when, if Restart
	Level     int
	Quiet     bool   // found after a boot, or the runtime was away: it fed no back-off
	Asked     bool   // we stopped it with its pod
	Why       string // what it did that we stopped it for
}

// observe takes note of containers that ended, each once and in the order of attempts: it moves the memory forward and says which
// deaths are new. Pure but for the back-off's jitter.
func observe(m Memory, cs []Container, policy func(container string) corev1.RestartPolicy, boot string, r Restart, now time.Time) (Memory, []Death) {
	var deaths []Death
	m = m.clone()
	oldest := slices.Clone(cs)
	slices.SortStableFunc(oldest, func(a, b Container) int { return cmp.Compare(a.Attempt, b.Attempt) })
	for _, c := range oldest {
		cm := m.Containers[c.Name]
		if c.Attempt >= cm.Next {
			cm.Next = c.Attempt + 1
		}
		if latest := now.Add(r.longest(cm.Level)); cm.NotBefore.After(latest) {
			cm.NotBefore = latest // the clock was set back
		}
		if c.State == Running && !c.Gone && cm.Level > 0 && !c.Started.IsZero() && now.Sub(c.Started) >= r.ResetAfter {
			cm.Level = 0
		}
		if c.State == Exited && c.Attempt >= cm.Recorded {
			d := Death{Container: c}
			stop, stopped := m.StopBy[c.ID]
			d.Asked, d.Why = stopped && stop.Why == "", stop.Why
			delete(m.StopBy, c.ID)
			// A boot, or a runtime that was away, says nothing about the container itself.
			d.Quiet = d.Asked || m.Boot != boot || (c.ExitCode == 255 && c.Reason == "Unknown")
			p := policy(c.Name)
			d.Restart = p == corev1.RestartPolicyAlways || (p == corev1.RestartPolicyOnFailure && c.ExitCode != 0)
			cm = cm.died(d, r, now)
			d.NotBefore, d.Level = cm.NotBefore, cm.Level
			deaths = append(deaths, d)
		}
		m.Containers[c.Name] = cm
	}
	m.Boot = boot
	return m, deaths
}

// died is the memory of a container name after one more death.
func (cm ContainerMemory) died(d Death, r Restart, now time.Time) ContainerMemory {
	c := d.Container
	ran := c.Finished.Sub(c.Started)
	if c.Started.IsZero() || ran < 0 {
		ran = 0
	}
	cm.Recorded = c.Attempt + 1
	cm.LastID, cm.LastExit, cm.LastWhy, cm.LastAt, cm.LastLong = c.ID, c.ExitCode, c.Reason, c.Finished, ran
	cm.LastBox = c.Sandbox
	if ran >= r.ResetAfter {
		cm.Level = 0
	}
	cm.Done = !d.Restart
	if !d.Restart {
		return cm
	}
	cm.NotBefore = now
	if cm.Level > 0 && !d.Quiet {
		from := c.Finished
		if from.IsZero() || from.After(now) {
			from = now
		}
		cm.NotBefore = from.Add(r.Backoff.Jittered(cm.Level - 1))
	}
	if !d.Quiet {
		cm.Level++
	}
	return cm
}
