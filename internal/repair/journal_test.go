package repair

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestSilentFor(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 12, 0, 0, time.UTC)
	const up = time.Hour
	line := func(clock time.Time, monotonic time.Duration) string {
		return fmt.Sprintf(`{"_SYSTEMD_UNIT":"kubelet.service","__CURSOR":"s=1","_BOOT_ID":"7df6","__REALTIME_TIMESTAMP":"%d","__MONOTONIC_TIMESTAMP":"%d"}`+"\n", clock.UnixMicro(), monotonic.Microseconds())
	}
	hung := errors.New("it hangs")
	for _, c := range []struct {
		name string
		line string
		err  error
		want time.Duration
		fail error // nil: any, where want is negative
	}{
		{"a minute ago", line(now.Add(-time.Minute), 59*time.Minute), nil, time.Minute, nil},
		{"at once", line(now, up+time.Second), nil, 0, nil},
		{"the clock was set forward since: what is older than the boot by it is not known", line(now.Add(-2*time.Hour), 59*time.Minute), nil, -1, errNoLine},
		{"the clock was set back since", line(now.Add(time.Hour), 59*time.Minute), nil, time.Minute, nil},
		{"the boot before", line(now.Add(-61*time.Minute), 10*time.Hour), nil, -1, errNoLine},
		{"nothing", "\n", nil, -1, errNoLine},
		{"no answer", "", hung, -1, hung},
		{"no JSON", "-- No entries --", nil, -1, nil},
		{"no times", `{"__REALTIME_TIMESTAMP":"x"}`, nil, -1, nil},
	} {
		j := journal(func(context.Context, string) ([]byte, error) { return []byte(c.line), c.err })
		got, err := j.silentFor(t.Context(), "kubelet.service", up, now)
		switch {
		case (c.want < 0) != (err != nil), c.want >= 0 && got != c.want, c.fail != nil && !errors.Is(err, c.fail):
			t.Errorf("%s: %v, %v; want %v, %v", c.name, got, err, c.want, c.fail)
		}
	}
}
