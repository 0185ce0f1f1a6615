package staticpod

import (
	"strings"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// The runtime calls a container running for ever, and no stop helps: it is taken for exited, as its restartPolicy says.
func TestLostContainerIsTakenForExited(t *testing.T) {
	up(t, nil, func(n *node) {
		for name, policy := range map[string]string{"job": "OnFailure", "once": "Never", "web": "Always"} {
			n.put(name+".yaml", manifestOf(name, image1, "restartPolicy: "+policy))
		}
		after(time.Second)
		n.rt.ResetCalls()
		first := map[string]string{}
		for _, name := range []string{"job", "once", "web"} {
			first[name] = n.running(name).ID
			check(n.t, n.rt.Lose(name+"-node/main"))
		}
		after(9 * time.Second)
		if n.rt.Count("StopContainer") != 0 {
			n.t.Error("stopped too early")
		}
		after(20 * time.Second)
		latest := func(name string) crifake.Container {
			all := n.rt.Containers(name + "-node")
			return all[len(all)-1]
		}
		for _, name := range []string{"job", "web"} {
			if c := latest(name); c.Attempt != 1 || c.State != cri.ContainerState_CONTAINER_RUNNING || n.view(name).Restarts != 1 {
				n.t.Errorf("%s was not started again: %s", name, n.describe())
			}
		}
		if v := n.view("once"); v.Phase != view.PhaseFailed || v.Restarts != 0 {
			n.t.Errorf("%+v", v)
		}
		// The one after it is lost too, and an agent that begins anew finds both.
		check(n.t, n.rt.Lose(latest("job").ID))
		n.kill()
		n.run()
		after(100 * time.Millisecond)
		n.agent.pods.exited(first["job"]) // as pidfds tell when they are opened
		n.agent.pods.exited(latest("job").ID)
		after(time.Minute)
		if c := latest("job"); c.Attempt != 2 || n.view("job").Restarts != 2 {
			n.t.Errorf("a second loss: %s", n.describe())
		}
		// A restart of the runtime tells it the truth: what is left of the dead goes, and nothing is started for it again.
		n.rt.Down()
		after(time.Second)
		n.rt.Up()
		n.agent.pods.Wake()
		after(3 * time.Minute)
		if c := latest("job"); c.Attempt != 2 || c.State != cri.ContainerState_CONTAINER_RUNNING || len(n.rt.Containers("job-node")) != 2 {
			n.t.Errorf("after the runtime's restart: %s", n.describe())
		}
		n.mu.Lock()
		deaths := 0
		for _, e := range n.events {
			if e.Kind == event.KindExit && strings.Contains(e.Subject, "job") {
				deaths++
			}
		}
		n.mu.Unlock()
		if deaths != 2 {
			n.t.Errorf("%d deaths were recorded, of two", deaths)
		}
	})
}
