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
	up     time.Duration // since the boot
}

// barred says what stands against every act of the action whatever its trouble; empty: nothing does.
func barred(a *Action, r *remembered, s situation) string {
	switch {
	case s.mode == Off:
		return "repair.mode is off"
	case s.off:
		return a.Name + " is in repair.disabled"
	case s.paused != "":
		return s.paused
	case r.Latched != nil:
		return fmt.Sprintf("needs a person since %s: %s; `nodeagent repair clear %s` lets it go on", r.Latched.At.UTC().Format(time.RFC3339), r.Latched.Why, a.Name)
	}
	return ""
}

// due is when trouble may be acted on. What stood against it ends for many nodes at once, as maintenance or dry-run does: each node waits for its
// share of the jitter after that too.
func due(a *Action, t trouble, s situation) time.Time {
	share := jitter(a, s.node)
	at := t.from.Add(a.After + share)
	if !t.barred.IsZero() {
		at = latest(at, t.barred.Add(share))
	}
	if s.mode == On && !t.dry.IsZero() {
		at = latest(at, t.dry.Add(share))
	}
	return at
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// decide says whether an act on target may be done now. latch is what to latch the action with: its budget is used up and the trouble is
// still there. It is pure.
func decide(a *Action, r *remembered, t trouble, target string, s situation, now time.Time) (_ Answer, latched string) {
	no := func(at time.Time, format string, args ...any) (Answer, string) {
		return Answer{Because: fmt.Sprintf(format, args...), At: at}, ""
	}
	if why := barred(a, r, s); why != "" {
		return no(time.Time{}, "%s", why)
	}
	if at := due(a, t, s); now.Before(at) {
		return no(at, "it lasts %s, and is acted on in %s", short(now.Sub(t.first)), short(at.Sub(now)))
	}
	if t.asked < a.Asked {
		return no(time.Time{}, "it was seen %d times, and is acted on when it was seen %d times", t.asked, a.Asked)
	}
	if ago, did := r.last(target, s.boot, now, s.up); did && ago < a.Cooldown {
		return no(now.Add(a.Cooldown-ago), "done %s ago, and again after %s at the earliest", short(ago), short(a.Cooldown))
	}
	for _, b := range []struct {
		most int
		in   time.Duration
		word string
	}{{a.Day, 24 * time.Hour, "day"}, {a.Hour, time.Hour, "hour"}} {
		if n, oldest := r.within(b.in, s.boot, now, s.up); n >= b.most {
			why := fmt.Sprintf("%d acts within one %s did not help", n, b.word)
			return Answer{Because: why, At: now.Add(b.in - oldest)}, why
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
