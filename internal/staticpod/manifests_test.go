package staticpod

import (
	"testing"
	"testing/synctest"
	"time"

	"nodeagent/internal/crifake"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/view"
)

func TestManifestRemoved(t *testing.T) {
	up(t, nil, func(n *node) {
		n.put("web.yaml", withPreStop("web", 5, 30)+"    volumeMounts:\n    - {name: tmp, mountPath: /tmp}\n  volumes:\n  - name: tmp\n    emptyDir: {}\n")
		after(time.Second)
		c := n.running("web")
		n.remove("web.yaml")
		after(4 * time.Second)
		if got := n.running("web"); got.ID != c.ID {
			n.t.Error("the hook did not have its time")
		}
		if v := n.view("web"); v.Phase != view.PhaseTerminating {
			n.t.Errorf("%+v", v)
		}
		after(2 * time.Second)
		n.nothingLeft()
		if n.did("Removed") != 1 || n.did("Stopping") != 1 {
			n.t.Errorf("events %v", n.events)
		}
		if e := n.entry(conditions.StaticPods, ""); e.Status != health.Absent {
			n.t.Errorf("%+v", e)
		}
		n.put("web.yaml", manifestOf("web", image1))
		after(time.Second)
		if c, v := n.running("web"), n.view("web"); c.Attempt != 1 || v.Restarts != 0 { // the first one's log is kept
			n.t.Errorf("attempt %d, %d restarts", c.Attempt, v.Restarts)
		}
	})
}

// install(1), git and editors take a file away and write it anew.
func TestManifestIsMissingForAMoment(t *testing.T) {
	up(t, []string{"web", "other"}, func(n *node) {
		web := n.running("web")
		n.rt.ResetCalls()
		for range 3 {
			n.remove("web.yaml")
			after(40 * time.Millisecond)
			n.put("web.yaml", manifestOf("web", image1)+"# written again\n")
			after(time.Second)
		}
		if m := n.mutations(); len(m) > 0 || n.running("web").ID != web.ID {
			n.t.Errorf("%v", m)
		}
		n.remove("web.yaml")
		after(100 * time.Millisecond)
		if n.rt.Count("StopContainer") != 1 {
			n.t.Error("a file that stays away ends nothing, or late")
		}
	})
}

func TestManifestComesBackWhileThePodIsCleanedUp(t *testing.T) {
	for _, method := range []string{"StopContainer", "StopPodSandbox", "RemovePodSandbox"} {
		t.Run(method, func(t *testing.T) {
			up(t, []string{"web"}, func(n *node) {
				release := n.rt.Hang(method)
				n.remove("web.yaml")
				after(time.Second)
				n.put("web.yaml", manifestOf("web", image1))
				after(time.Second)
				release()
				after(time.Second)
				n.running("web")
				if v := n.view("web"); v.Phase != view.PhaseRunning {
					n.t.Errorf("%+v", v)
				}
			})
		})
	}
}

func TestCleanupOfAPodThatIsWantedAgainStartsIt(t *testing.T) {
	up(t, []string{"web"}, func(n *node) {
		x := n.pods.pods["default/web"]
		n.pods.finished(opContext{x: x}, Action{Slot: sandboxSlot, Verb: Cleanup}, nil, 0) // it ended, and the pod is wanted meanwhile
		synctest.Wait()
		if n.pods.pods["default/web"] == x || n.view("web").Phase != view.PhaseRunning {
			n.t.Errorf("%+v", n.view("web"))
		}
		if len(n.rt.Containers("")) != 1 {
			n.t.Error(n.describe())
		}
	})
}

func TestManifestChanged(t *testing.T) {
	upWith(t, crifake.Options{Images: []crifake.Image{{Name: image1, Present: true}, {Name: image2, Pull: 9 * time.Second}}}, []string{"web"}, func(n *node) {
		old := n.running("web")
		n.rt.Behave("web-node/main", crifake.Behaviour{Stop: crifake.StopBehaviour{After: 3 * time.Second}})
		n.put("web.yaml", manifestOf("web", image2))
		after(8 * time.Second)
		if c := n.running("web"); c.ID != old.ID || n.rt.Count("StopContainer") > 0 {
			n.t.Errorf("stopped before the new image was there: %s", n.describe())
		}
		after(3 * time.Second)
		if v := n.view("web"); v.Ready {
			n.t.Errorf("while it stops: %+v", v)
		}
		after(1100 * time.Millisecond)
		c := n.running("web")
		if c.ID == old.ID || c.Config.Image.Image != image2 || c.Attempt != 1 || len(n.rt.Sandboxes("")) != 1 || len(n.rt.Containers("")) != 1 {
			n.t.Error(n.describe())
		}
		if c.Started.Sub(old.Started) > 13*time.Second+100*time.Millisecond {
			n.t.Errorf("started %s after the old one", c.Started.Sub(old.Started))
		}
		if v := n.view("web"); v.Phase != view.PhaseRunning || v.Restarts != 0 {
			n.t.Errorf("%+v", v)
		}
		var m Memory
		n.store.Load("pods/default_web", memoryVersion, &m)
		if len(m.StopBy) > 0 {
			n.t.Errorf("stops of gone containers are remembered: %v", m.StopBy)
		}
	})
}

func TestBadManifestRunsOn(t *testing.T) {
	up(t, []string{"web"}, func(n *node) {
		c := n.running("web")
		n.put("web.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: main\n    imagee: x\n")
		after(time.Minute)
		if n.running("web").ID != c.ID || n.entry(conditions.Manifests, "web.yaml").Reason != conditions.ManifestRejected {
			n.t.Errorf("%+v", n.entry(conditions.Manifests, "web.yaml"))
		}
		if e := n.entry(conditions.StaticPods, "default/web"); e.Status != health.OK || e.Message == "" {
			n.t.Errorf("%+v", e)
		}
		n.stop()
		n.run() // the last good version survives the agent
		after(time.Second)
		check(n.t, n.rt.Exit("web-node/main", 1, ""))
		after(time.Second)
		if got := n.running("web"); got.Attempt != 1 {
			n.t.Error(n.describe())
		}
	})
}
