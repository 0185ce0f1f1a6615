package staticpod

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"nodeagent/internal/crifake"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/view"
)

// up runs a test in a bubble on a node where an agent and the named pods run.
func up(t *testing.T, pods []string, f func(n *node)) {
	upWith(t, crifake.Options{}, pods, f)
}

func upWith(t *testing.T, o crifake.Options, pods []string, f func(n *node)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, o)
		for _, p := range pods {
			n.put(p+".yaml", manifestOf(p, image1))
		}
		n.run()
		after(time.Second)
		for _, p := range pods {
			n.running(p)
		}
		f(n)
		n.stop()
	})
}

func TestPodComesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, crifake.Options{Images: []crifake.Image{{Name: image1, Pull: 7 * time.Second}}, StrictLogDirs: true})
		n.put("web.yaml", manifestOf("web", image1))
		n.run()
		after(time.Second)
		if v := n.view("web"); v.Phase != view.PhasePulling || v.Ready {
			t.Errorf("while the image is pulled: %+v", v)
		}
		if e := n.entry(conditions.StaticPods, "default/web"); e.Status != health.Failing || e.Reason != conditions.PodStarting {
			t.Errorf("while the image is pulled: %+v", e)
		}
		after(7 * time.Second)
		c := n.running("web")
		if v := n.view("web"); v.Phase != view.PhaseRunning || !v.Ready || v.IP == "" || v.File != "web.yaml" || v.Restarts != 0 || v.Containers[0].ID != c.ID || v.Containers[0].PID != c.Pid {
			t.Errorf("%+v", v)
		}
		if e := n.entry(conditions.StaticPods, "default/web"); e.Status != health.OK {
			t.Errorf("%+v", e)
		}
		if e := n.entry(conditions.Manifests, "web.yaml"); e.Status != health.OK {
			t.Errorf("%+v", e)
		}
		if got, want := n.mutations(), []string{"PullImage", "RunPodSandbox", "CreateContainer", "StartContainer"}; !slices.Equal(got, want) {
			t.Errorf("calls %v, want %v", got, want)
		}
		if _, err := os.Stat(c.LogPath); err != nil || !strings.HasPrefix(c.LogPath, n.logs+"/default_web-node_") || !strings.HasSuffix(c.LogPath, "/main/0.log") {
			t.Errorf("log at %s: %v", c.LogPath, err)
		}
		n.stop()
	})
}

func TestExitIsRestartedAtOnceThenWithBackOff(t *testing.T) {
	up(t, []string{"web"}, func(n *node) {
		for i, want := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
			check(n.t, n.rt.Exit("web-node/main", 1, ""))
			ended := time.Now()
			if want > 0 {
				after(want - time.Millisecond)
				if c, ok := n.rt.Running("web-node", "main"); ok {
					n.t.Fatalf("exit %d: attempt %d runs too early", i, c.Attempt)
				}
				v := n.view("web")
				if !v.NextStart.Equal(ended.Add(want)) || v.Phase != view.PhaseBackOff && v.Phase != view.PhaseCrashLoop || (v.Phase == view.PhaseCrashLoop) != (i+1 >= crashLevel) {
					n.t.Errorf("exit %d: phase %s, next start in %s, want %s", i, v.Phase, v.NextStart.Sub(ended), want)
				}
			}
			after(2 * time.Millisecond)
			if c := n.running("web"); c.Attempt != uint32(i+1) || c.Config.Annotations[annotationRestart] != fmt.Sprint(i+1) {
				n.t.Errorf("exit %d: attempt %d, restarts %s", i, c.Attempt, c.Config.Annotations[annotationRestart])
			}
		}
		after(10 * time.Minute) // long enough to count as stable
		check(n.t, n.rt.Exit("web-node/main", 1, ""))
		after(time.Millisecond)
		n.running("web")
		if v := n.view("web"); v.Restarts != 6 || v.Containers[0].LastExit == nil || v.Containers[0].LastExit.Code != 1 {
			n.t.Errorf("%+v", v)
		}
		after(time.Second)
		if got := len(n.rt.Containers("web-node")); got != 2 {
			n.t.Errorf("%d containers, want the running one and the last dead one", got)
		}
		if got := len(n.rt.Sandboxes("")); got != 1 {
			n.t.Errorf("%d sandboxes", got)
		}
	})
}

func TestACrashLoopLeavesNoPileOfContainers(t *testing.T) {
	up(t, nil, func(n *node) {
		n.rt.Behave("web-node/main", crifake.Behaviour{Exits: true, Code: 1})
		n.put("web.yaml", manifestOf("web", image1))
		after(2 * time.Hour)
		if got := len(n.rt.Containers("web-node")); got > 2 {
			n.t.Errorf("%d containers are left", got)
		}
		if starts := n.rt.Count("StartContainer"); starts < 20 || starts > 40 {
			n.t.Errorf("%d starts in two hours", starts)
		}
		if e := n.entry(conditions.StaticPods, "default/web"); e.Reason != conditions.PodCrashLoop {
			n.t.Errorf("%+v", e)
		}
	})
}

func TestOnePodsHangDelaysNoOther(t *testing.T) {
	for _, method := range []string{"StopContainer default/a-node/*", "RunPodSandbox default/a-node", "ContainerStatus default/a-node/*"} {
		t.Run(method, func(t *testing.T) {
			up(t, []string{"a", "b"}, func(n *node) {
				n.rt.Hang(method)
				n.put("a.yaml", manifestOf("a", image2))
				after(time.Second)
				check(n.t, n.rt.Exit("b-node/main", 1, ""))
				after(20 * time.Millisecond)
				if c := n.running("b"); c.Attempt != 1 {
					n.t.Error(n.describe())
				}
				n.rt.ClearFaults()
				after(time.Minute)
				if c := n.running("a"); c.Config.Image.Image != image2 {
					n.t.Error(n.describe())
				}
			})
		})
	}
}

func TestManyStopsDelayNoRestart(t *testing.T) {
	up(t, []string{"ninth"}, func(n *node) {
		for i := range 8 {
			n.put(fmt.Sprintf("p%d.yaml", i), withPreStop(fmt.Sprintf("p%d", i), 20, 30))
		}
		after(time.Second)
		for i := range 8 {
			n.remove(fmt.Sprintf("p%d.yaml", i))
		}
		after(3 * time.Second)
		if got := n.did("Stopping"); got != 8 {
			n.t.Fatalf("%d pods are being stopped", got)
		}
		check(n.t, n.rt.Exit("ninth-node/main", 1, ""))
		after(50 * time.Millisecond)
		if c := n.running("ninth"); c.Attempt != 1 {
			n.t.Error(n.describe())
		}
		after(20 * time.Second)
		if got := len(n.rt.Sandboxes("")); got != 1 {
			n.t.Errorf("%d sandboxes are left: %s", got, n.describe())
		}
	})
}

func TestFailureAfterTheEffectMakesNoSecondCopy(t *testing.T) {
	for _, method := range []string{"RunPodSandbox", "CreateContainer", "StartContainer", "StopContainer", "StopPodSandbox", "RemovePodSandbox"} {
		t.Run(method, func(t *testing.T) {
			up(t, nil, func(n *node) {
				n.rt.FailAfterEffect(method, 1)
				n.put("web.yaml", manifestOf("web", image1))
				after(3 * time.Second)
				c := n.running("web")
				if cs, ss := n.rt.Containers(""), n.rt.Sandboxes(""); len(cs) != 1 || len(ss) != 1 || c.Attempt != 0 || ss[0].Attempt != 0 {
					n.t.Errorf("coming up: %s", n.describe())
				}
				n.remove("web.yaml")
				after(3 * time.Second)
				n.nothingLeft()
			})
		})
	}
}

func TestSlowListsMakeNoSecondCopy(t *testing.T) {
	for _, method := range []string{"ListPodSandbox", "ListContainers"} {
		t.Run(method, func(t *testing.T) {
			upWith(t, crifake.Options{RealisticDelays: true}, nil, func(n *node) {
				n.lag(method, 300*time.Millisecond)
				n.put("web.yaml", manifestOf("web", image1))
				for range 20 {
					after(70 * time.Millisecond)
					n.pods.full.Wake()
					n.pods.wake("default/web")
				}
				after(3 * time.Second)
				if c := n.running("web"); c.Attempt != 0 || len(n.rt.Containers("")) != 1 || len(n.rt.Sandboxes("")) != 1 || n.rt.Count("RunPodSandbox") != 1 || n.rt.Count("CreateContainer") != 1 {
					n.t.Errorf("%v %s", n.mutations(), n.describe())
				}
			})
		})
	}
}

func TestAFullReadingThatIsOvertakenMakesNoSecondCopy(t *testing.T) {
	upWith(t, crifake.Options{RealisticDelays: true}, nil, func(n *node) { // a sandbox takes 89 ms
		n.put("web.yaml", manifestOf("web", image1))
		after(50 * time.Millisecond)
		n.lag("ListContainers", 100*time.Millisecond)
		n.pods.full.Wake() // sees no sandbox yet, and says so when there is one
		after(10 * time.Millisecond)
		n.lag("ListContainers", 0)
		after(3 * time.Second)
		if n.running("web"); n.rt.Count("RunPodSandbox") != 1 {
			n.t.Error(n.describe())
		}
	})
}

func TestRuntimeDownAndUp(t *testing.T) {
	for _, p := range crifake.Personalities() {
		t.Run(p.Name, func(t *testing.T) {
			upWith(t, crifake.Options{Personality: p}, []string{"stays", "ends"}, func(n *node) {
				stays := n.running("stays")
				n.rt.Down()
				after(5 * time.Second)
				check(n.t, n.rt.Exit("ends-node/main", 3, ""))
				after(2 * time.Minute)
				for _, pod := range []string{"stays", "ends"} {
					if e := n.entry(conditions.StaticPods, "default/"+pod); e.Status != health.Unknown || e.Reason != conditions.PodUnknown {
						n.t.Errorf("%s while the runtime is away: %+v", pod, e)
					}
				}
				n.rt.Up()
				after(6 * time.Second) // the back-off of the full reading ends at 5 s
				if c := n.running("stays"); c.ID != stays.ID || c.Attempt != 0 {
					n.t.Error(n.describe())
				}
				if c := n.running("ends"); c.Attempt != 1 {
					n.t.Error(n.describe())
				}
				if e := n.entry(conditions.StaticPods, "default/ends"); e.Status != health.OK {
					n.t.Errorf("%+v", e)
				}
			})
		})
	}
}

func TestGateShutTouchesNothing(t *testing.T) {
	up(t, []string{"web"}, func(n *node) {
		n.shut.Store(true)
		n.pods.Wake()
		after(time.Second)
		n.rt.ResetCalls()
		check(n.t, n.rt.Exit("web-node/main", 1, ""))
		n.put("new.yaml", manifestOf("new", image1))
		after(2 * time.Minute)
		n.remove("web.yaml")
		after(2 * time.Minute)
		if got := n.mutations(); len(got) > 0 {
			n.t.Errorf("calls %v", got)
		}
		if e := n.entry(conditions.StaticPods, "default/new"); e.Reason != conditions.PodHeld || e.Message != "a kubelet is here" {
			n.t.Errorf("%+v", e)
		}
		n.shut.Store(false)
		n.pods.Wake()
		after(time.Second)
		n.running("new")
		if len(n.rt.Sandboxes("")) != 1 {
			n.t.Error(n.describe())
		}
	})
}

func TestAResyncIsTwoLists(t *testing.T) {
	up(t, []string{"a", "b", "c"}, func(n *node) {
		n.rt.ResetCalls()
		after(time.Minute)
		if calls := n.rt.Calls(); len(calls) != 2 || n.rt.Count("ListContainers") != 1 || n.rt.Count("ListPodSandbox") != 1 {
			n.t.Errorf("calls %v", calls)
		}
		n.deaf() // nobody tells of the exit but the resync
		n.rt.ResetCalls()
		check(n.t, n.rt.Exit("b-node/main", 1, ""))
		after(time.Minute)
		if got := n.rt.Count("ContainerStatus default/b-node/main"); got < 1 || got > 2 || n.rt.Count("ContainerStatus") != got {
			n.t.Errorf("calls %v", n.rt.Calls())
		}
		n.running("b")
	})
}

func TestSandboxThatDied(t *testing.T) {
	up(t, []string{"web"}, func(n *node) {
		web := n.running("web")
		check(n.t, n.rt.KillSandbox("web-node"))
		n.pods.Hint(web.SandboxID)
		after(time.Second)
		if c := n.running("web"); c.SandboxID == web.SandboxID || len(n.rt.Sandboxes("")) != 1 {
			n.t.Error(n.describe())
		}
		// One that died while no agent ran leaves nothing behind either.
		n.kill()
		check(n.t, n.rt.KillSandbox("web-node"))
		n.run()
		after(time.Minute)
		n.running("web")
		n.remove("web.yaml")
		after(time.Minute)
		n.nothingLeft()
	})
}

func TestStaleRunningContainerIsStopped(t *testing.T) {
	up(t, nil, func(n *node) {
		n.put("job.yaml", manifestOf("job", image1, "restartPolicy: OnFailure")) // whose exit code counts: nothing gets ahead of it
		after(time.Second)
		check(n.t, n.rt.Vanish("job-node/main"))
		after(9 * time.Second)
		if n.rt.Count("StopContainer") != 0 {
			n.t.Error("stopped too early")
		}
		after(1500 * time.Millisecond)
		if c := n.running("job"); c.Attempt != 1 {
			n.t.Error(n.describe())
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, e := range n.events {
			if strings.Contains(e.Message, "stopped by the agent") {
				n.t.Errorf("%+v: nobody asked it to end", e)
			}
		}
	})
}

func TestJobEnds(t *testing.T) {
	up(t, nil, func(n *node) {
		n.put("once.yaml", manifestOf("once", image1, "restartPolicy: Never"))
		n.put("retry.yaml", manifestOf("retry", image1, "restartPolicy: OnFailure"))
		after(time.Second)
		check(n.t, n.rt.Exit("once-node/main", 1, ""))
		check(n.t, n.rt.Exit("retry-node/main", 1, ""))
		after(time.Second)
		check(n.t, n.rt.Exit("retry-node/main", 0, ""))
		after(time.Second)
		if v := n.view("once"); v.Phase != view.PhaseFailed || v.Restarts != 0 {
			n.t.Errorf("%+v", v)
		}
		if v := n.view("retry"); v.Phase != view.PhaseSucceeded || v.Restarts != 1 {
			n.t.Errorf("%+v", v)
		}
		for _, s := range n.rt.Sandboxes("") {
			if s.Ready {
				n.t.Errorf("a finished pod keeps its sandbox: %s", n.describe())
			}
		}
		n.rt.ResetCalls()
		n.kill()
		n.run()
		after(5 * time.Minute)
		if got := n.mutations(); len(got) > 0 {
			n.t.Errorf("calls %v", got)
		}
	})
}

func TestStrangersAreNotTouched(t *testing.T) {
	up(t, nil, func(n *node) {
		first := n.store.Instance()
		n.put("web.yaml", manifestOf("web", image1))
		after(time.Second)
		n.stop()
		strange := newNode(n.t, crifake.Options{})
		strange.rt = n.rt
		if strange.store.Instance() == first {
			n.t.Fatal("one id for two state folders")
		}
		n.rt.ResetCalls()
		strange.run()
		after(5 * time.Minute)
		if got := n.mutations(); len(got) > 0 {
			n.t.Errorf("calls %v", got)
		}
		strange.stop()
		n.run()
	})
}
