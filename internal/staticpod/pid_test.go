package staticpod

import (
	"fmt"
	"testing"
	"time"
)

func TestJudgeOwner(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	// Started 1000 s after boot, 5000 s ago.
	stat := func(ticks int) []byte {
		return fmt.Appendf(nil, "7 (a) Z (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 %d 20", ticks)
	}
	const uptime = "6000.00 1.00"
	for _, c := range []struct {
		name    string
		cgroup  string
		stat    []byte
		uptime  string
		started time.Time
		want    owner
	}{
		{"in the container's cgroup", "0::/pods/abc\n", stat(100_000), uptime, now.Add(-5000 * time.Second), its},
		{"in its cgroup, whatever the clock did", "0::/pods/abc\n", stat(100_000), uptime, now.Add(-24 * time.Hour), its},
		{"left the cgroup", "0::/\n", stat(100_000), uptime, now.Add(-5000 * time.Second), unsure},
		{"not younger than the margin", "0::/\n", stat(100_000), uptime, now.Add(-5009 * time.Second), unsure},
		{"elsewhere, and younger than the container", "0::/\n", stat(100_000), uptime, now.Add(-5011 * time.Second), another},
		{"the clock was set back", "0::/\n", stat(100_000), uptime, now.Add(time.Hour), unsure},
		{"nobody knows when it was started", "0::/\n", stat(100_000), uptime, time.Time{}, unsure},
		{"a stat that is none", "0::/\n", []byte("7 (a"), uptime, now.Add(-24 * time.Hour), unsure},
		{"an uptime that is none", "0::/\n", stat(100_000), "", now.Add(-24 * time.Hour), unsure},
	} {
		if got := judgeOwner(c.cgroup, c.stat, c.uptime, "abc", c.started, now); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
