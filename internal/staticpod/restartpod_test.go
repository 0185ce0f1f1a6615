package staticpod

import (
	"strings"
	"testing"
	"time"
)

func TestRestartPod(t *testing.T) {
	up(t, []string{"web", "other"}, func(n *node) {
		web, other := n.running("web"), n.running("other")
		for range 3 { // in back-off: a person's word ends it
			check(n.t, n.rt.Exit("web-node/main", 1, ""))
			after(time.Second + time.Millisecond)
		}
		check(n.t, n.pods.RestartPod(n.t.Context(), "web"))
		after(time.Millisecond)
		c := n.running("web")
		if c.ID == web.ID || c.SandboxID == web.SandboxID || n.running("other").ID != other.ID || len(n.rt.Sandboxes("web-node")) != 1 {
			n.t.Error(n.describe())
		}
		if n.did("RestartAsked") != 1 {
			n.t.Error("no event")
		}
		after(time.Minute)
		if n.running("web").ID != c.ID {
			n.t.Error("restarted twice")
		}
		if err := n.pods.RestartPod(n.t.Context(), "nothing"); err == nil || !strings.Contains(err.Error(), `no static pod "nothing"`) {
			n.t.Error(err)
		}
		n.put("twin.yaml", strings.Replace(manifestOf("web", image1), "  name: web\n", "  name: web\n  namespace: twin\n", 1))
		after(time.Second)
		if err := n.pods.RestartPod(n.t.Context(), "web"); err == nil || !strings.Contains(err.Error(), "ambiguous") {
			n.t.Error(err)
		}
		check(n.t, n.pods.RestartPod(n.t.Context(), "default/web"))
		n.shut.Store(true)
		if err := n.pods.RestartPod(n.t.Context(), "default/web"); err == nil || !strings.Contains(err.Error(), "a kubelet is here") {
			n.t.Error(err)
		}
	})
}

func TestRestartAskedForDuringAPassIsNotLost(t *testing.T) {
	up(t, []string{"web"}, func(n *node) {
		web := n.running("web")
		n.lag("ListContainers", time.Second)
		check(n.t, n.rt.Exit("web-node/main", 1, "")) // a pass reads, and will change the memory
		after(500 * time.Millisecond)
		check(n.t, n.pods.RestartPod(n.t.Context(), "web"))
		n.lag("ListContainers", 0)
		after(10 * time.Second)
		if c := n.running("web"); c.SandboxID == web.SandboxID {
			n.t.Error(n.describe())
		}
	})
}

func TestRestartPodSurvivesTheAgent(t *testing.T) {
	up(t, []string{"web"}, func(n *node) {
		web := n.running("web")
		release := n.rt.Hang("StopContainer")
		check(n.t, n.pods.RestartPod(n.t.Context(), "web"))
		after(time.Second)
		n.kill()
		release()
		n.run()
		after(time.Second)
		if c := n.running("web"); c.SandboxID == web.SandboxID {
			n.t.Error(n.describe())
		}
	})
}
