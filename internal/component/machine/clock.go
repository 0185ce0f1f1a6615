package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
)

// The kernel lets maxerror grow by 500 ppm while nobody sets the clock, and calls it unsynchronised at 16 s (NTP_PHASE_LIMIT in
// linux/timex.h). Time services look every 34 minutes at the longest by default (chrony 17), which is one second: four seconds are more
// than two hours without.
const (
	unsynchronised = 16 * time.Second
	sourceLost     = 4 * time.Second
)

// clock is what the kernel tells of its own. The flag STA_UNSYNC is not asked: chrony without rtcsync leaves it set on a clock that it
// keeps, but it sets maxerror.
type clock struct {
	maxError time.Duration
	offset   time.Duration // what is still to be slewed; some services slew in other ways and leave 0
	told     bool          // systemd-timedated told instead: nothing above is known, only whether somebody sets the clock
	set      bool
	err      error
}

func readClock(ctx context.Context, asked *timedate) clock {
	var t unix.Timex // Modes 0: nothing is set
	if _, err := unix.Adjtimex(&t); err != nil {
		// The unit of companion has no system call of clocks: each can set one too.
		set, askErr := asked.get(ctx)
		if askErr != nil {
			return clock{err: errors.Join(fmt.Errorf("adjtimex: %w", err), askErr)}
		}
		return clock{told: true, set: set}
	}
	unit := time.Microsecond
	if t.Status&unix.STA_NANO != 0 {
		unit = time.Nanosecond
	}
	return clock{maxError: time.Duration(t.Maxerror) * time.Microsecond, offset: time.Duration(t.Offset) * unit}
}

func judgeClock(c clock, most time.Duration) health.Finding {
	if c.err != nil {
		return unknown(reasonClockUnread, c.err)
	}
	if c.told {
		if !c.set {
			return failing(reasonUnsynchronised, "no time service sets the clock, says systemd-timedated")
		}
		return fine("set by a time service, says systemd-timedated")
	}
	evidence := []health.Pair{{Key: "maxError", Value: c.maxError.String()}, {Key: "offset", Value: c.offset.String()}}
	switch {
	case c.maxError >= unsynchronised:
		return failing(reasonUnsynchronised, "no time service sets the clock", evidence...)
	case c.maxError >= sourceLost:
		return failing(reasonSourceLost, fmt.Sprintf("the clock may be off by %v: it was set last about %v ago", c.maxError.Round(100*time.Millisecond), lastSet(c.maxError)), evidence...)
	case c.offset.Abs() >= most:
		return failing(reasonOffset, fmt.Sprintf("the clock is off by %v", c.offset.Round(time.Millisecond)), evidence...)
	}
	return fine(fmt.Sprintf("within %v of the true time", c.maxError.Round(time.Millisecond)), evidence...)
}

// lastSet is how long maxerror has grown, at least.
func lastSet(maxError time.Duration) time.Duration {
	const growth = 500e-6
	return time.Duration(float64(maxError) / growth).Round(10 * time.Minute)
}
