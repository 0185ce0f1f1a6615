package staticpod

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/crifake"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/view"
)

// order of the first starts of a pod's containers, and of their ends.
func (n *node) order(pod string) (started, ended string) {
	type moment struct {
		name string
		at   time.Time
	}
	var starts, ends []moment
	for _, c := range n.rt.Containers(pod + "-node") {
		if !c.Started.IsZero() {
			starts = append(starts, moment{c.Name, c.Started})
		}
		if !c.Finished.IsZero() {
			ends = append(ends, moment{c.Name, c.Finished})
		}
	}
	text := func(m []moment) string {
		var names []string
		for len(m) > 0 {
			first := 0
			for i := range m {
				if m[i].at.Before(m[first].at) {
					first = i
				}
			}
			names = append(names, m[first].name)
			m = append(m[:first:first], m[first+1:]...)
		}
		return strings.Join(names, " ")
	}
	return text(starts), text(ends)
}

const withInit = `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  initContainers:
  - {name: first, image: registry.example.test/app:1}
  - {name: side, image: registry.example.test/app:1, restartPolicy: Always}
  - {name: last, image: registry.example.test/app:1}
  containers:
  - {name: main, image: registry.example.test/app:1}
`

func TestInitContainersAndSidecar(t *testing.T) {
	synctestNode(t, func(n *node) {
		n.rt.Behave("web-node/first", crifake.Behaviour{Exits: true, ExitAfter: 2 * time.Second})
		n.rt.Behave("web-node/last", crifake.Behaviour{Exits: true, ExitAfter: 3 * time.Second})
		n.put("web.yaml", strings.ReplaceAll(withInit, "registry.example.test/app:1", image1))
		n.run()
		after(time.Second)
		if v := n.view("web"); v.Phase != view.PhaseInit || v.Ready || len(v.Containers) != 4 || v.Containers[0].Role != "init" || v.Containers[1].Role != "sidecar" {
			t.Errorf("%+v", v)
		}
		after(6 * time.Second)
		if started, ended := n.order("web"); started != "first side last main" || ended != "first last" {
			t.Errorf("started %s, ended %s", started, ended)
		}
		v := n.view("web")
		if v.Phase != view.PhaseRunning || !v.Ready || v.Restarts != 0 {
			t.Errorf("%+v", v)
		}
		if e := n.entry(conditions.StaticPods, "default/web"); e.Status != health.OK {
			t.Errorf("%+v", e)
		}
		// Another agent finds init done and runs nothing again.
		n.stop()
		n.run()
		after(time.Minute + time.Second)
		if started, _ := n.order("web"); started != "first side last main" {
			t.Errorf("after a restart of the agent: %s", started)
		}
		// The sidecar dies alone and comes back; a new sandbox runs everything again.
		check(t, n.rt.Exit("web-node/side", 1, "Error"))
		after(time.Second)
		if v := n.view("web"); !v.Ready || v.Containers[1].Restarts != 1 || v.Containers[3].Restarts != 0 {
			t.Errorf("%+v", v)
		}
		check(t, n.rt.KillSandbox("web-node"))
		after(time.Minute + 10*time.Second)
		if v := n.view("web"); !v.Ready || v.Containers[0].Attempt != 1 {
			t.Errorf("%+v", v)
		}
		n.remove("web.yaml")
		after(time.Minute)
		n.nothingLeft()
		n.stop()
	})
}

// synctestNode runs a test in a bubble on an empty node.
func synctestNode(t *testing.T, f func(n *node)) {
	t.Helper()
	bubble(t, func(t *testing.T) { f(newNode(t, crifake.Options{})) })
}

func TestInitContainerThatFailsForGood(t *testing.T) {
	synctestNode(t, func(n *node) {
		n.rt.Behave("web-node/first", crifake.Behaviour{Exits: true, ExitAfter: time.Second, Code: 3})
		n.put("web.yaml", strings.Replace(strings.ReplaceAll(withInit, "registry.example.test/app:1", image1), "spec:\n", "spec:\n  restartPolicy: Never\n", 1))
		n.run()
		after(10 * time.Second)
		if v := n.view("web"); v.Phase != view.PhaseFailed {
			t.Errorf("%+v", v)
		}
		if started, _ := n.order("web"); started != "first" {
			t.Errorf("started %s", started)
		}
		n.stop()
	})
}

func TestHoldOutlivesTheAgentAndEnds(t *testing.T) {
	up(t, []string{"web"}, func(n *node) {
		check(t, n.pods.StopPod(context.Background(), "web", 10*time.Minute))
		after(5 * time.Second)
		v := n.view("web")
		if v.Phase != view.PhaseStopped || v.StoppedUntil.IsZero() || len(n.rt.Sandboxes("web-node")) != 0 {
			t.Errorf("%+v", v)
		}
		if e := n.entry(conditions.StaticPods, "default/web"); e.Status != health.Failing || e.Reason != conditions.PodStopped || !strings.Contains(e.Message, "by a person until") {
			t.Errorf("%+v", e)
		}
		n.stop()
		n.run()
		after(5 * time.Minute)
		if len(n.rt.Sandboxes("web-node")) != 0 {
			t.Error("another agent forgot the hold")
		}
		after(6 * time.Minute)
		n.running("web")
		if v := n.view("web"); !v.Ready || !v.StoppedUntil.IsZero() {
			t.Errorf("%+v", v)
		}
		check(t, n.pods.StopPod(context.Background(), "default/web", time.Hour))
		after(5 * time.Second)
		check(t, n.pods.StartPod(context.Background(), "web"))
		after(time.Second)
		n.running("web")
		for _, d := range []time.Duration{0, -time.Second, maxHold + 1} {
			if err := n.pods.StopPod(context.Background(), "web", d); err == nil {
				t.Errorf("%s is taken", d)
			}
		}
	})
}

// A pod that ends for good by its restartPolicy is started again after a stop as any other, unless it had ended before.
func TestHoldOfAPodThatIsNotRestarted(t *testing.T) {
	up(t, nil, func(n *node) {
		n.put("job.yaml", manifestOf("job", image1, "restartPolicy: Never"))
		n.rt.Behave("done-node/main", crifake.Behaviour{Exits: true, ExitAfter: time.Second})
		n.put("done.yaml", manifestOf("done", image1, "restartPolicy: OnFailure"))
		after(5 * time.Second)
		first := n.running("job")
		for _, name := range []string{"job", "done"} {
			check(n.t, n.pods.StopPod(context.Background(), name, time.Minute))
		}
		after(30 * time.Second)
		if v := n.view("job"); v.Phase != view.PhaseStopped {
			n.t.Errorf("%+v", v)
		}
		check(n.t, n.pods.StopPod(context.Background(), "job", time.Minute)) // for longer
		after(50 * time.Second)
		if v := n.view("job"); v.Phase != view.PhaseStopped {
			n.t.Errorf("%+v", v)
		}
		after(time.Minute)
		if c := n.running("job"); c.ID == first.ID {
			n.t.Error("it was not stopped")
		}
		if v := n.view("done"); v.Phase != view.PhaseSucceeded || v.Restarts != 0 {
			n.t.Errorf("%+v", v)
		}
	})
}

// To start a pod that runs changes nothing: its init containers stay done.
func TestStartOfAPodThatRuns(t *testing.T) {
	up(t, nil, func(n *node) {
		n.rt.Behave("web-node/init", crifake.Behaviour{Exits: true, ExitAfter: time.Second})
		n.put("web.yaml", strings.Replace(manifestOf("web", image1), "  containers:", "  initContainers: [{name: init, image: "+image1+"}]\n  containers:", 1))
		after(5 * time.Second)
		web := n.running("web")
		check(n.t, n.pods.StartPod(context.Background(), "web"))
		after(time.Minute)
		if v := n.view("web"); v.Phase != view.PhaseRunning || !v.Ready || n.running("web").ID != web.ID || n.did("StartAsked") > 0 {
			n.t.Errorf("%+v", v)
		}
	})
}

// The time for which a person keeps a pod stopped does not count for its deadline.
func TestHoldOfAPodWithADeadline(t *testing.T) {
	up(t, nil, func(n *node) {
		n.put("web.yaml", manifestOf("web", image1, "activeDeadlineSeconds: 300"))
		after(time.Minute)
		check(n.t, n.pods.StopPod(context.Background(), "web", time.Hour))
		after(time.Hour + 3*time.Minute)
		n.running("web")
		after(2 * time.Minute)
		if v := n.view("web"); v.Phase != view.PhaseFailed {
			n.t.Errorf("%+v", v)
		}
	})
}

func TestShutdownStopsCriticalPodsLast(t *testing.T) {
	up(t, nil, func(n *node) {
		for _, name := range []string{"app", "etcd"} {
			class := ""
			if name == "etcd" {
				class = "system-node-critical"
			}
			n.rt.Behave(name+"-node/main", crifake.Behaviour{Stop: crifake.StopBehaviour{IgnoresTerm: true}})
			n.put(name+".yaml", manifestOf(name, image1, "priorityClassName: "+class+"\n  terminationGracePeriodSeconds: 4"))
		}
		after(2 * time.Second)
		app, etcd := n.running("app"), n.running("etcd")
		began := time.Now()
		check(t, n.pods.Shutdown(context.Background()))
		if took := time.Since(began); took < 8*time.Second || took > 9*time.Second {
			t.Errorf("took %s, want the two graces one after the other", took)
		}
		for _, c := range n.rt.Containers("") {
			switch c.ID {
			case app.ID:
				if d := c.Finished.Sub(began); d < 4*time.Second || d > 5*time.Second {
					t.Errorf("app ended after %s", d)
				}
			case etcd.ID:
				if d := c.Finished.Sub(began); d < 8*time.Second {
					t.Errorf("etcd ended after %s", d)
				}
			}
		}
		for _, s := range n.rt.Sandboxes("") {
			if s.Ready {
				t.Errorf("sandbox of %s is up", s.Pod)
			}
		}
		after(5 * time.Minute)
		if _, up := n.rt.Running("app-node", "main"); up {
			t.Error("a pod was started while the node goes down")
		}
		n.pods.Stay()
		after(10 * time.Second)
		n.running("app")
		n.running("etcd")
		// Out of time: it says what is still up.
		n.rt.Behave("app-node/main", crifake.Behaviour{Stop: crifake.StopBehaviour{IgnoresTerm: true}})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := n.pods.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "default/app still up") {
			t.Errorf("%v", err)
		}
		n.pods.Stay()
		after(time.Minute)
	})
}

const reader = `apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations: {note: "x"ANNOTATION}
spec:
  containers:
  - name: main
    image: IMAGE
    env:
    - {name: MODE, valueFrom: {configMapKeyRef: {name: app, key: mode}}}
    volumeMounts:
    - {name: conf, mountPath: /conf}
  volumes:
  - name: conf
    configMap: {name: app}
`

func app(mode string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app}\ndata: {mode: " + mode + "}\n"
}

func TestObjectsOfTheFolder(t *testing.T) {
	up(t, nil, func(n *node) {
		n.put("web.yaml", strings.NewReplacer("IMAGE", image1, "ANNOTATION", "").Replace(reader))
		after(2 * time.Second)
		if e := n.entry(conditions.StaticPods, "default/web"); e.Status != health.Failing || !strings.Contains(e.Message, "ConfigMap default/app is not there") {
			t.Errorf("%+v", e)
		}
		after(10 * time.Minute) // long in back-off
		n.put("app.yaml", app("slow"))
		after(time.Second)
		c := n.running("web")
		mode := func(c crifake.Container) string {
			for _, e := range c.Config.Envs {
				if e.Key == "MODE" {
					return string(e.Value)
				}
			}
			return ""
		}
		file := func(c crifake.Container) string {
			for _, m := range c.Config.Mounts {
				if m.ContainerPath == "/conf" {
					b, _ := os.ReadFile(filepath.Join(m.HostPath, "mode"))
					return string(b)
				}
			}
			return "no mount"
		}
		if mode(c) != "slow" || file(c) != "slow" {
			t.Errorf("environment %q, file %q", mode(c), file(c))
		}
		n.put("app.yaml", app("fast"))
		after(time.Second)
		same := n.running("web")
		if same.ID != c.ID || file(same) != "fast" {
			t.Errorf("replaced: %v; file %q", same.ID != c.ID, file(same))
		}
		check(t, n.rt.Exit("web-node/main", 1, "Error"))
		after(time.Second)
		if next := n.running("web"); mode(next) != "fast" {
			t.Errorf("the next attempt has %q", mode(next))
		}
		n.put("web.yaml", strings.NewReplacer("IMAGE", image1, "ANNOTATION", `, "nodeagent/restart-on-config-change": "true"`).Replace(reader))
		after(time.Minute)
		c = n.running("web")
		n.put("app.yaml", app("final"))
		after(time.Minute)
		if next := n.running("web"); next.ID == c.ID || mode(next) != "final" {
			t.Errorf("an annotated pod was not replaced, or has %q", mode(next))
		}
	})
}

func TestLivenessProbe(t *testing.T) {
	up(t, nil, func(n *node) {
		well := true
		n.rt.OnExec(func(crifake.Exec) crifake.ExecResult {
			n.mu.Lock()
			defer n.mu.Unlock()
			if well {
				return crifake.ExecResult{}
			}
			return crifake.ExecResult{Code: 1, Stderr: "token=hunter2"}
		})
		n.put("web.yaml", manifestOf("web", image1)+"    livenessProbe: {exec: {command: [check]}, periodSeconds: 1, failureThreshold: 2}\n    readinessProbe: {exec: {command: [check]}, periodSeconds: 1, failureThreshold: 1}\n")
		after(3 * time.Second)
		c := n.running("web")
		if v := n.view("web"); v.Phase != view.PhaseRunning || !v.Ready {
			t.Errorf("%+v", v)
		}
		n.mu.Lock()
		well = false
		n.mu.Unlock()
		after(1100 * time.Millisecond)
		if v := n.view("web"); v.Phase != view.PhaseNotReady || !strings.Contains(v.Message, "readiness probe") {
			t.Errorf("%+v", v)
		}
		after(10 * time.Second)
		if n.did("Unhealthy") == 0 {
			t.Error("no event says why it was stopped")
		}
		n.mu.Lock()
		for _, e := range n.events {
			if strings.Contains(e.Message, "hunter2") || strings.Contains(e.Log, "hunter2") {
				t.Errorf("an event holds what a command wrote: %+v", e)
			}
		}
		well = true
		n.mu.Unlock()
		after(10 * time.Minute)
		next := n.running("web")
		if next.ID == c.ID {
			t.Error("it was not replaced")
		}
		if v := n.view("web"); !v.Ready || v.Restarts == 0 {
			t.Errorf("%+v", v)
		}
	})
}

func TestPostStartThatFails(t *testing.T) {
	up(t, nil, func(n *node) {
		n.rt.OnExec(func(crifake.Exec) crifake.ExecResult { return crifake.ExecResult{Code: 1, Delay: 2 * time.Second} })
		n.put("web.yaml", manifestOf("web", image1)+"    lifecycle: {postStart: {exec: {command: [prepare]}}}\n")
		after(time.Second)
		c := n.running("web")
		if v := n.view("web"); v.Ready {
			t.Errorf("ready before its hook is over: %+v", v)
		}
		after(3 * time.Second)
		if n.did("PostStartFailed") == 0 {
			t.Error("no event")
		}
		n.rt.OnExec(nil)
		after(5 * time.Minute)
		if next := n.running("web"); next.ID == c.ID {
			t.Error("it was left running")
		}
		if v := n.view("web"); !v.Ready {
			t.Errorf("%+v", v)
		}
	})
}

func TestActiveDeadline(t *testing.T) {
	up(t, nil, func(n *node) {
		n.put("web.yaml", manifestOf("web", image1, "activeDeadlineSeconds: 60"))
		after(50 * time.Second)
		n.running("web")
		after(20 * time.Second)
		if v := n.view("web"); v.Phase != view.PhaseFailed || v.Message != "activeDeadlineSeconds is over" {
			t.Errorf("%+v", v)
		}
		after(10 * time.Minute)
		if _, up := n.rt.Running("web-node", "main"); up {
			t.Error("it was started again")
		}
	})
}

func TestImageOfAnInitContainerIsPulled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n := newNode(t, crifake.Options{Images: []crifake.Image{{Name: image1, Present: true}, {Name: image2, Pull: time.Second}}})
		n.put("web.yaml", manifestOf("web", image1, "initContainers: [{name: side, image: \""+image2+"\", restartPolicy: Always}]"))
		n.run()
		after(5 * time.Second)
		if v := n.view("web"); !v.Ready {
			t.Errorf("%+v", v)
		}
		n.stop()
	})
}
