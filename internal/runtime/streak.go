package runtime

import (
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
)

// streaks says in the log what lasts: a failure at its second look in a row, or when it takes another reason, and the recovery from one that was
// said. What is Unknown because something else fails is not said again.
type streaks struct{ of map[*health.Condition]*streak }

type streak struct {
	reason *health.Reason
	since  time.Time
	looks  int
	said   bool
}

func (s *streaks) note(looks []health.Look, now time.Time, log *zap.Logger) {
	if s.of == nil {
		s.of = map[*health.Condition]*streak{}
	}
	for _, l := range looks {
		f := l.Findings[0]
		was := s.of[l.Of]
		switch {
		case f.Status == health.Unknown:
		case f.Status != health.Failing:
			delete(s.of, l.Of)
			if was != nil && was.said {
				log.Info(l.Of.Name+" is well again", zap.String("was", was.reason.Name), zap.Duration("after", now.Sub(was.since)))
			}
		case was == nil:
			s.of[l.Of] = &streak{reason: f.Reason, since: now, looks: 1}
		default:
			was.looks++
			if was.looks >= 2 && (!was.said || was.reason != f.Reason) {
				was.said = true
				log.Warn(l.Of.Name+" fails: "+f.Message, zap.String("reason", f.Reason.Name), zap.String("fix", f.Reason.Fix))
			}
			was.reason = f.Reason
		}
	}
}
