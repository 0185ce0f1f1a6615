package component

import (
	"fmt"
	"time"

	"nodeagent/internal/health"
)

// reachReasons are a component's reasons for an answer that did not come.
type reachReasons struct {
	down, notListening, hung, unreachable, odd *health.Reason
}

func failing(r *health.Reason, format string, args ...any) health.Finding {
	return health.Finding{Status: health.Failing, Reason: r, Message: fmt.Sprintf(format, args...)}
}

// judgeReach tells what the first answer that did not come means; false where all came.
func judgeReach(f found, who, at string, r reachReasons, answers ...answer) (health.Finding, bool) {
	for i, a := range answers {
		switch a.outcome {
		case notAsked:
			if i == 0 {
				return health.Finding{Status: health.Unknown, Reason: unread, Message: who + " was not asked"}, true
			}
		case refused:
			if f.process != nil {
				return failing(r.notListening, "%s runs, and nothing listens on %s", who, at), true
			}
			return failing(r.down, "%s does not run: nothing listens on %s; %s", who, at, f.past()), true
		case unreachable:
			return failing(r.unreachable, "%s at %s: %s", who, at, a.detail), true
		case hung:
			if f.process.starts() {
				return failing(r.notListening, "%s runs for %v and does not serve yet at %s: %s", who, f.process.age.Round(time.Second), at, a.detail), true
			}
			return failing(r.hung, "%s at %s: %s", who, at, a.detail), true
		case broken:
			return failing(r.odd, "%s at %s: %s", who, at, a.detail), true
		}
	}
	return health.Finding{}, false
}

// silent judges a component that serves its health nowhere: that its process runs is all that is known of it.
func (f found) silent(name string, down *health.Reason, why string) health.Finding {
	if f.process == nil && f.fault == "" {
		return failing(down, "%s does not run: %s", name, f.past())
	}
	return health.Finding{Status: health.Unknown, Reason: unread, Message: f.who(name) + " tells its health to nobody: " + why}
}

// who names a component with its process.
func (f found) who(name string) string {
	if f.process != nil {
		return name + " (" + f.process.String() + ")"
	}
	return name
}

// past is why a component that does not run should.
func (f found) past() string {
	if f.manifest != nil {
		return "its manifest is " + f.manifest.file
	}
	return fmt.Sprintf("it ran until %s (pid %d)", f.lost.at.UTC().Format("15:04:05Z"), f.lost.pid)
}

// missing is a component that this node does not have, unless it could not be looked for.
func (f found) missing() health.Finding {
	if f.fault != "" {
		return health.Finding{Status: health.Unknown, Reason: unread, Message: f.fault}
	}
	return health.Finding{Status: health.Absent, Message: f.looked}
}

// evidence is where the component was found.
func (f found) evidence() []health.Pair {
	var e []health.Pair
	if f.manifest != nil {
		e = append(e, health.Pair{Key: "manifest", Value: f.manifest.file})
	}
	if f.process != nil {
		e = append(e, health.Pair{Key: "pid", Value: fmt.Sprint(f.process.pid)})
	}
	if p := f.pod; p != nil {
		text := p.Phase
		if restarts := restartsOf(*p); restarts > 0 {
			text += fmt.Sprintf(", %d restarts", restarts)
		}
		e = append(e, health.Pair{Key: "pod", Value: text})
	}
	if f.process != nil && !f.process.at.IsZero() {
		e = append(e, health.Pair{Key: "runs since", Value: f.process.at.UTC().Format(time.RFC3339)})
	}
	if f.fault != "" {
		e = append(e, health.Pair{Key: "unread", Value: f.fault})
	}
	return e
}
