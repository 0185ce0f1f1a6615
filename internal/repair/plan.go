package repair

import (
	"maps"
	"slices"
	"time"

	"nodeagent/internal/view"
)

// Plan is what each action would do now, and why not.
func (l *Ledger) Plan() view.RepairPlan {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	out := view.RepairPlan{Mode: l.config().Mode}
	for _, a := range l.actions {
		r := l.memory.Actions[a.Name]
		s := l.situation(a, now)
		v := view.Repair{Action: a.Name, Help: a.Help, HourMost: a.Hour, DayMost: a.Day, Done: r.done[outcomeDone], Failed: r.done[outcomeFailed], Would: r.done[outcomeWould]}
		v.Hour, _ = r.within(time.Hour, s.boot, now, s.up)
		v.Day, _ = r.within(24*time.Hour, s.boot, now, s.up)
		if r.Latched != nil {
			v.Latched, v.LatchedWhy = r.Latched.At, r.Latched.Why
		}
		for _, target := range slices.Sorted(maps.Keys(r.troubles)) {
			t := r.troubles[target]
			if now.Sub(t.last) >= a.Forget {
				continue
			}
			answer, _ := decide(l.bounded(a), r, *t, target, s, now)
			if t.refused != "" && barred(a, r, s) == "" {
				answer = Answer{Because: t.refused}
			}
			v.Wanted = append(v.Wanted, view.WantedRepair{Target: target, Why: t.why, Since: t.first, Now: answer.OK, Because: answer.Because, At: answer.At})
		}
		out.Repairs = append(out.Repairs, v)
	}
	return out
}
