package staticpod

import (
	"testing"
	"time"

	"nodeagent/internal/crifake"
)

// A node that gets another name takes the pods of the old one down before it runs its own: two would be two copies of one pod.
func TestNodeGetsAnotherName(t *testing.T) {
	up(t, nil, func(n *node) {
		n.rt.Behave("web-node/main", crifake.Behaviour{Stop: crifake.StopBehaviour{After: 10 * time.Second}})
		n.put("web.yaml", manifestOf("web", image1))
		n.put("gone.yaml", manifestOf("gone", image1))
		after(time.Second)
		n.running("web")
		n.stop()
		n.remove("gone.yaml")
		n.cfg.NodeName = "other"
		n.run()
		for range 60 {
			after(time.Second)
			_, old := n.rt.Running("web-node", "main")
			if _, own := n.rt.Running("web-other", "main"); own && (old || len(n.rt.Sandboxes("web-node")) > 0) {
				n.t.Fatalf("both are there: %s", n.describe())
			}
		}
		if _, own := n.rt.Running("web-other", "main"); !own || len(n.rt.Sandboxes("")) != 1 {
			n.t.Errorf("%s", n.describe())
		}
		removed, err := n.pods.logs.collector.Records()
		check(n.t, err)
		if len(removed) != 2 { // of web under the old name, and of gone
			n.t.Errorf("logs to be collected: %v", removed)
		}
	})
}
