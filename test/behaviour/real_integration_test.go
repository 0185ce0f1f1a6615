//go:build integration

package behaviour

import (
	"os"
	"strings"
	"testing"

	"nodeagent/internal/lab"
	"nodeagent/internal/lab/labtest"
)

// everyContainerd plays over the machine's containerd and runc, and over every further containerd whose path is in
// NODEAGENT_TEST_CONTAINERDS, separated by colons.
func everyContainerd(t *testing.T, play func(t *testing.T, r rig)) {
	t.Parallel() // each has a containerd of its own, and mostly waits
	daemons := []string{""}
	if more := os.Getenv("NODEAGENT_TEST_CONTAINERDS"); more != "" {
		daemons = append(daemons, strings.Split(more, ":")...)
	}
	for _, d := range daemons {
		name := "system"
		if d != "" {
			name = strings.Trim(strings.ReplaceAll(d, "/", "_"), "_")
		}
		t.Run(name, func(t *testing.T) {
			l := labtest.Start(t, lab.Options{Containerd: d, Handlers: []string{"runc"}})
			image := l.WorkloadImage("behaviour.invalid/workload:1", "sleep")
			if err := l.Import(t.Context(), image); err != nil {
				t.Fatal(err)
			}
			must := func(f func() error) func() {
				return func() {
					if err := f(); err != nil {
						t.Fatal(err)
					}
				}
			}
			play(t, rig{
				socket: l.Socket(), image: image.Name, workload: image.Files["/nodeagent"], cgroup: l.CgroupParent(), resync: "1m",
				hook: "      lifecycle: {preStop: {exec: {command: [/nodeagent, workload, exec-sleep, 3s]}}}\n",
				down: must(l.Kill), up: must(func() error { return l.Start(t.Context()) }),
				hang: must(l.Pause), resume: must(l.Resume),
			})
		})
	}
}

// TestContainerd plays the script.
func TestContainerd(t *testing.T) { everyContainerd(t, script) }
