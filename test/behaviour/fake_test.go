//go:build !integration

package behaviour

import (
	"testing"
	"time"

	"nodeagent/internal/crifake"
)

// TestFake plays the script over the fake runtime in each of its personalities. Its containers are real processes, so that they can be
// killed; its cgroups are not, so that pidfds are of no use and events or the resync have to do. Where a real runtime plays the script (the tag integration) it is not played again.
func TestFake(t *testing.T) {
	for _, p := range crifake.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			f := crifake.New(crifake.Options{Personality: p, RealProcesses: true, PodEvents: true})
			f.AddImage(crifake.Image{Name: "fake.invalid/workload:1", Present: true})
			f.OnExec(func(crifake.Exec) crifake.ExecResult { return crifake.ExecResult{Delay: 3 * time.Second} })
			socket := f.Serve(t)
			var release func()
			script(t, rig{
				socket: socket, image: "fake.invalid/workload:1", cgroup: "/fake", resync: "300ms",
				hook: "      lifecycle: {preStop: {exec: {command: [wait]}}}\n",
				down: f.Down, up: f.Up,
				hang: func() { release = f.Hang("*") }, resume: func() { release() },
			})
		})
	}
}
