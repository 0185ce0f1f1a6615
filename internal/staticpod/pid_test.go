package staticpod

import (
	"testing"
	"time"
)

func TestJudgeOwner(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const age = 5000 * time.Second
	for _, c := range []struct {
		name    string
		cgroup  string
		started time.Time
		want    owner
	}{
		{"in the container's cgroup", "0::/pods/abc\n", now.Add(-5000 * time.Second), its},
		{"in its cgroup, whatever the clock did", "0::/pods/abc\n", now.Add(-24 * time.Hour), its},
		{"left the cgroup", "0::/\n", now.Add(-5000 * time.Second), unsure},
		{"not younger than the margin", "0::/\n", now.Add(-5009 * time.Second), unsure},
		{"elsewhere, and younger than the container", "0::/\n", now.Add(-5011 * time.Second), another},
		{"the clock was set back", "0::/\n", now.Add(time.Hour), unsure},
		{"nobody knows when it was started", "0::/\n", time.Time{}, unsure},
	} {
		if got := judgeOwner(c.cgroup, age, "abc", c.started, now); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
