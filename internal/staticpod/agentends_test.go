package staticpod

import (
	"testing"
	"testing/synctest"
	"time"

	"nodeagent/internal/crifake"
	"nodeagent/internal/view"
)

func TestAgentRestartTouchesNothing(t *testing.T) {
	up(t, []string{"a", "b"}, func(n *node) {
		a := n.running("a")
		for _, end := range []func(){func() { n.stop() }, func() { n.kill() }} {
			end()
			n.rt.ResetCalls()
			n.run()
			after(time.Minute)
			if got := n.mutations(); len(got) > 0 {
				n.t.Errorf("calls %v", got)
			}
		}
		if n.running("a").ID != a.ID {
			n.t.Error(n.describe())
		}
	})
}

// TestAgentKilledAtEveryStep kills the agent while a call of each kind is under way, and while its answer is, and starts another.
func TestAgentKilledAtEveryStep(t *testing.T) {
	methods := []string{"PullImage", "RunPodSandbox", "CreateContainer", "StartContainer", "StopContainer", "StopPodSandbox", "RemovePodSandbox", "RemoveContainer"}
	for _, method := range methods {
		for _, how := range []string{"before", "after"} {
			for _, end := range []string{"killed", "stopped"} {
				t.Run(method+"/"+how+"/"+end, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						n := newNode(t, crifake.Options{Images: []crifake.Image{{Name: image1}, {Name: image2}}})
						n.put("other.yaml", manifestOf("other", image1))
						n.run()
						after(time.Second)
						other := n.running("other")
						arm := func() (disarm func()) {
							if how == "before" {
								return n.rt.Hang(method)
							}
							n.lag(method, time.Hour)
							return func() { n.lag(method, 0) }
						}
						again := func(disarm func()) {
							t.Helper()
							after(2 * time.Second)
							if end == "killed" {
								n.kill()
							} else {
								n.stop()
							}
							disarm()
							n.run()
							after(40 * time.Second)
							if c := n.running("other"); c.ID != other.ID {
								t.Errorf("another pod was touched: %s", n.describe())
							}
						}
						disarm := arm()
						n.put("web.yaml", manifestOf("web", image2)) // coming up
						again(disarm)
						first := n.running("web")
						if got := len(n.rt.Containers("web-node")); got != 1 {
							t.Errorf("up: %s", n.describe())
						}
						for range 2 { // a restart, and one that removes the older dead one
							disarm = arm()
							check(t, n.rt.Exit("web-node/main", 1, ""))
							again(disarm)
							if c := n.running("web"); c.ID == first.ID {
								t.Errorf("restart: %s", n.describe())
							}
						}
						disarm = arm()
						n.put("web.yaml", manifestOf("web", image1)) // changed
						again(disarm)
						if c := n.running("web"); c.Config.Image.Image != image1 || len(n.rt.Sandboxes("web-node")) != 1 || len(n.rt.Containers("web-node")) > 2 {
							t.Errorf("changed: %s", n.describe())
						}
						disarm = arm()
						n.remove("web.yaml")
						again(disarm)
						if cs, ss := n.rt.Containers(""), n.rt.Sandboxes(""); len(cs) != 1 || len(ss) != 1 {
							t.Errorf("removed: %s", n.describe())
						}
						n.stop()
					})
				})
			}
		}
	}
}

func TestInterruptedStopGoesOnWithTheGraceThatIsLeft(t *testing.T) {
	up(t, nil, func(n *node) {
		n.rt.Behave("web-node/main", crifake.Behaviour{Stop: crifake.StopBehaviour{IgnoresTerm: true}})
		n.put("web.yaml", manifestOf("web", image1, "terminationGracePeriodSeconds: 60"))
		after(time.Second)
		n.remove("web.yaml")
		began := time.Now()
		after(20 * time.Second)
		n.kill()
		after(10 * time.Second)
		n.run()
		after(29 * time.Second)
		n.running("web")
		after(2 * time.Second)
		if took := time.Since(began); took < time.Minute || took > 62*time.Second {
			n.t.Fatalf("this test took %s", took)
		}
		n.nothingLeft()
	})
}

func TestAStopThatWasBegunIsEndedThoughThePodIsWantedAgain(t *testing.T) {
	up(t, nil, func(n *node) {
		n.rt.Behave("web-node/main", crifake.Behaviour{Stop: crifake.StopBehaviour{IgnoresTerm: true}})
		n.put("web.yaml", manifestOf("web", image1))
		after(time.Second)
		n.remove("web.yaml")
		after(10 * time.Second)
		n.kill()
		n.put("web.yaml", manifestOf("web", image1))
		n.run()
		after(25 * time.Second)
		if c := n.running("web"); c.Attempt != 1 {
			n.t.Error(n.describe())
		}
		if v := n.view("web"); v.Phase != view.PhaseRunning {
			n.t.Errorf("%+v", v)
		}
	})
}
