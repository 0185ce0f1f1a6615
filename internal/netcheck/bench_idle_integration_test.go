//go:build integration

package netcheck

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/netcheck/netlab"
)

// idleFor holds a look by the clock and the probes of two peers several times over, with the intervals of the configuration's defaults.
const idleFor = time.Minute

// BenchmarkIdle is what a healthy node of a cluster of three, with nothing happening, costs of one core.
func BenchmarkIdle(b *testing.B) {
	lab := netlab.New(b, netlab.Options{Backend: "vxlan"})
	benchedAs(b, lab.Hosts[0], func(c *Config, _ *Deps) { c.ProbeInterval, c.ProbeTimeout, c.FullSizeInterval = 0, 0, 0 })
	for b.Loop() {
		before := used(b)
		time.Sleep(idleFor)
		b.ReportMetric(100*float64(used(b)-before)/float64(idleFor), "core-%")
	}
}

// used is the processor time of this process.
func used(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
