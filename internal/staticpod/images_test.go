package staticpod

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"nodeagent/internal/crifake"
	"nodeagent/internal/staticpod/conditions"
)

func TestImageCollectedBelowARunningPod(t *testing.T) {
	up(t, []string{"web"}, func(n *node) {
		n.rt.RemoveLocalImage(image1)
		check(n.t, n.rt.Exit("web-node/main", 1, ""))
		after(3 * time.Second)
		if c := n.running("web"); n.rt.Count("PullImage") != 1 {
			n.t.Errorf("attempt %d, %d pulls", c.Attempt, n.rt.Count("PullImage"))
		}
	})
}

func TestImageThatCannotBeAskedForIsAskedAgain(t *testing.T) {
	up(t, nil, func(n *node) {
		n.rt.Fail("ImageStatus", status.Error(codes.Internal, "busy"), 3)
		n.put("web.yaml", manifestOf("web", image1))
		after(3 * time.Second)
		n.running("web")
	})
}

func TestPullThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, crifake.Options{Images: []crifake.Image{{Name: image1, PullErr: errors.New("registry says no")}}})
		n.put("a.yaml", manifestOf("a", image1))
		n.put("b.yaml", manifestOf("b", image1))
		n.run()
		after(9 * time.Second)
		if got := n.rt.Count("PullImage"); got != 1 {
			t.Errorf("%d pulls of one image for two pods in 9 s", got)
		}
		if e := n.entry(conditions.StaticPods, "default/b"); e.Reason != conditions.PodImage || !strings.Contains(e.Message, "registry says no") {
			t.Errorf("%+v", e)
		}
		after(2 * time.Minute) // 10, 20, 40 s
		if got := n.rt.Count("PullImage"); got != 4 || n.did("PullFailed") != 1 {
			t.Errorf("%d pulls in two minutes, %d events", got, n.did("PullFailed"))
		}
		n.rt.AddImage(crifake.Image{Name: image1})
		after(80 * time.Second)
		n.running("a")
		n.running("b")
		n.stop()
	})
}
