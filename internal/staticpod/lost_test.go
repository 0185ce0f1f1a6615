package staticpod

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
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
		for _, name := range []string{"job", "once"} { // whose exit code counts
			if n.rt.Count("StopContainer default/"+name+"-node/main") != 0 {
				n.t.Errorf("%s is stopped too early", name)
			}
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
		n.pods.exited(first["job"]) // as pidfds tell when they are opened
		n.pods.exited(latest("job").ID)
		after(time.Minute)
		if c := latest("job"); c.Attempt != 2 || n.view("job").Restarts != 2 {
			n.t.Errorf("a second loss: %s", n.describe())
		}
		// A restart of the runtime tells it the truth: what is left of the dead goes, and nothing is started for it again.
		n.rt.Down()
		after(time.Second)
		n.rt.Up()
		n.pods.Wake()
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

// What the runtime loses again and again is started again when its back-off says so and not much later, also where the runtime lets the stop of
// what is no more hang, as containerd 1.6 does.
func TestLostAgainAndAgain(t *testing.T) {
	up(t, nil, func(n *node) {
		n.put("web.yaml", manifestOf("web", image1, ""))
		after(time.Second)
		check(n.t, n.rt.Lose("web-node/main"))
		after(100 * time.Millisecond)
		if c := n.running("web"); c.Attempt != 1 { // no back-off is due yet
			n.t.Fatal(n.describe())
		}
		for attempt := uint32(2); attempt < 4; attempt++ {
			release := n.rt.Hang("StopContainer")
			if attempt == 3 { // the daemon's own deadline is over first
				release()
				release = n.rt.Fail("StopContainer", status.Error(codes.Unknown, "failed to stop container: context deadline exceeded"), -1)
			}
			last := n.running("web")
			check(n.t, n.rt.Lose(last.ID))
			after(staleSoon - 100*time.Millisecond)
			if c := n.running("web"); c.ID != last.ID {
				n.t.Error("followed before the runtime had the time to notice")
			}
			after(100*time.Millisecond + minGrace + stalePatience + time.Second)
			if c := n.running("web"); c.Attempt != attempt {
				n.t.Errorf("attempt %d is not there: %s", attempt, n.describe())
			}
			release()
		}
	})
}

// A runtime that is slow and no more is believed: what it says within the patience of its kind stands, with the exit code.
func TestSlowIsNotLost(t *testing.T) {
	up(t, nil, func(n *node) {
		n.put("job.yaml", manifestOf("job", image1, "restartPolicy: OnFailure"))
		after(time.Second)
		id := n.running("job").ID
		n.pods.exited(id) // its process is gone
		after(staleAfter - time.Second)
		check(n.t, n.rt.Exit(id, 0, "Completed")) // and now the runtime says how it ended
		after(time.Minute)
		if v := n.view("job"); v.Phase != view.PhaseSucceeded || v.Restarts != 0 || n.rt.Count("StopContainer default/job-node/main") != 0 {
			n.t.Errorf("%s with %d restarts: %s", v.Phase, v.Restarts, n.describe())
		}
	})
}

// Where the runtime's pids are not this agent's, what is not found by them is no end: nothing is looked for.
func TestPIDsOfAnotherNamespace(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		up(t, nil, func(n *node) {
			n.foreign.Store(foreign)
			n.put("web.yaml", manifestOf("web", image1, ""))
			after(time.Second)
			if n.running("web"); n.watched.Load() == 0 != foreign {
				n.t.Errorf("foreign %v: %d processes are watched", foreign, n.watched.Load())
			}
		})
	}
}
