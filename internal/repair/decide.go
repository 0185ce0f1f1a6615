package repair

import (
	"fmt"
	"hash/fnv"
	"time"
)

// situation is all that decides, beside the action and what is remembered.
type situation struct {
	mode   string
	paused string // why nothing is done now; empty: nothing pauses
	off    bool   // this action is switched off
	node   string
	boot   string
}

// decide says whether an act on target may be done now. latch is what to latch the action with: its budget is used up and the trouble is
// still there. It is pure.
func decide(a *Action, r *remembered, t trouble, target string, s situation, now time.Time) (_ Answer, latched string) {
	no := func(at time.Time, format string, args ...any) (Answer, string) {
		return Answer{Because: fmt.Sprintf(format, args...), At: at}, ""
	}
	switch {
	case s.mode == Off:
		return no(time.Time{}, "repair.mode is off")
	case s.off:
		return no(time.Time{}, "%s is in repair.disabled", a.Name)
	case s.paused != "":
		return no(time.Time{}, "%s", s.paused)
	case r.Latched != nil:
		return no(time.Time{}, "needs a person since %s: %s; `nodeagent repair clear %s` lets it go on", r.Latched.At.UTC().Format(time.RFC3339), r.Latched.Why, a.Name)
	}
	if due := t.first.Add(a.After + jitter(a, s.node)); now.Before(due) {
		return no(due, "it lasts %s, and is acted on after %s", short(now.Sub(t.first)), short(due.Sub(t.first)))
	}
	if t.asked < a.Asked {
		return no(time.Time{}, "it was seen %d times, and is acted on when it was seen %d times", t.asked, a.Asked)
	}
	if at, did := r.last(target, s.boot); did && now.Sub(at) < a.Cooldown {
		return no(at.Add(a.Cooldown), "done %s ago, and again after %s at the earliest", short(now.Sub(at)), short(a.Cooldown))
	}
	for _, b := range []struct {
		most int
		in   time.Duration
		word string
	}{{a.Day, 24 * time.Hour, "day"}, {a.Hour, time.Hour, "hour"}} {
		if n, oldest := r.within(b.in, now); n >= b.most {
			why := fmt.Sprintf("%d acts within one %s did not help", n, b.word)
			return Answer{Because: why, At: oldest.Add(b.in)}, why
		}
	}
	if s.mode == DryRun {
		if at, said := r.would[target]; said && now.Sub(at) < a.Cooldown {
			return no(at.Add(a.Cooldown), "dry-run: would have been done %s ago", short(now.Sub(at)))
		}
		return Answer{Because: "dry-run: repair.mode: on would do it", Would: true}, ""
	}
	return Answer{OK: true, Because: "within its bounds", Would: true}, ""
}

// jitter is this node's share of Action.Jitter: always the same, so that a person can know it.
func jitter(a *Action, node string) time.Duration {
	if a.Jitter <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(node + "\x00" + a.Name))
	return time.Duration(h.Sum64() % uint64(a.Jitter)).Truncate(time.Second)
}

func short(d time.Duration) string { return d.Round(time.Second).String() }
