package staticpod

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/crifake"
	"nodeagent/internal/view"
)

// A grace of more seconds than 32 bits hold is a long one, not the default.
func TestStopWithAVeryLongGrace(t *testing.T) {
	for _, seconds := range []string{"4000000000", "9223372036854775807"} {
		up(t, nil, func(n *node) {
			n.rt.Behave("web-node/main", crifake.Behaviour{Stop: crifake.StopBehaviour{After: 5 * time.Minute}})
			n.put("web.yaml", manifestOf("web", image1, "terminationGracePeriodSeconds: "+seconds))
			after(time.Second)
			n.running("web")
			if d := n.pods.ShutdownTime(); d != math.MaxInt32*time.Second {
				n.t.Errorf("a shutdown takes up to %s", d)
			}
			n.remove("web.yaml")
			after(4 * time.Minute)
			n.running("web")
			after(2 * time.Minute)
			n.nothingLeft()
		})
	}
}

func TestAttemptsAreOrderedWhateverTheClockSaid(t *testing.T) {
	dead, runs := container("c0", "main", "s0", 0, Exited), container("c1", "main", "s0", 1, Running)
	runs.Created = dead.Created.Add(-time.Hour)
	s := here(func(s *State) {
		s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
		s.Containers = []Container{dead, runs}
	})
	slices.SortFunc(s.Containers, newestFirst)
	if v := viewOf("default/web", s.Want, s, now); v.Phase != view.PhaseRunning || v.Containers[0].ID != "c1" {
		t.Errorf("%+v", v)
	}
}

// What a person asks for before the first pass over a pod, because the runtime is down, outlives the agent.
func TestHoldOfAPodThatWasNeverLookedAt(t *testing.T) {
	synctestNode(t, func(n *node) {
		n.rt.Down()
		n.put("web.yaml", manifestOf("web", image1))
		n.run()
		after(time.Second)
		check(t, n.pods.StopPod(context.Background(), "web", time.Hour))
		n.kill()
		n.rt.Up()
		n.run()
		after(time.Minute)
		if v := n.view("web"); v.Phase != view.PhaseStopped {
			t.Errorf("%+v", v)
		}
		n.kill()
		n.remove("web.yaml")
		n.put("other.yaml", manifestOf("other", image1))
		n.run()
		after(time.Minute)
		if names, _ := n.store.List("pods"); strings.Join(names, " ") != "pods/default_other" {
			t.Errorf("state of %s", names)
		}
		n.stop()
	})
}

// A pod that goes from one QoS class to another and back is sampled in the cgroup that it is in.
func TestCgroupOfThePresentContentIsSampled(t *testing.T) {
	up(t, nil, func(n *node) {
		for _, request := range []string{"", "    resources: {requests: {cpu: 10m}}\n", ""} {
			n.put("web.yaml", manifestOf("web", image1)+request)
			after(5 * time.Second)
			n.running("web")
			targets := n.pods.sampled()
			if len(targets) != 1 || strings.Contains(targets[0].Parent, "burstable") != (request != "") {
				n.t.Errorf("%q: %+v", request, targets)
			}
		}
	})
}
