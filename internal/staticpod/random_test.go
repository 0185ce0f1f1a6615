package staticpod

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"nodeagent/internal/crifake"
	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// TestRandomDays plays days on which much goes wrong at once, and holds that in the end all is as the manifests say, that nothing ever ran
// twice (client.Invoke looks after each start), that each death was told once, that a quiet node is left alone, and that nothing is left of
// pods that are gone. The number of a day that fails is that of its subtest; what goes on beside one another is not drawn, so that it may take
// some tries: -run TestRandomDays/7 -count 50.
func TestRandomDays(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { bubble(t, func(t *testing.T) { newDay(t, seed).play() }) })
	}
}

type day struct {
	*node
	r      *rand.Rand
	gone   sync.Map            // ids of containers whose process has ended
	want   map[string][]string // pods in the folder, each with the containers that are to run in the end
	jobs   map[string]bool     // pod/container that runs to its end
	down   bool                // the runtime is
	dead   bool                // no agent runs
	boots  int
	events []string
}

func newDay(t *testing.T, seed uint64) *day {
	r := rand.New(rand.NewPCG(seed, 0))
	d := &day{r: r, want: map[string][]string{}, jobs: map[string]bool{}}
	d.node = newNode(t, crifake.Options{Personality: crifake.Personalities()[seed%4], RealisticDelays: seed%3 > 0})
	d.cfg.Standby = seed%2 > 0
	d.node.gone = func(id string) bool { _, ok := d.gone.Load(id); return ok }
	d.rt.OnExit(func(id string, _ int) { d.gone.Store(id, true) })
	d.put("anchor.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: anchor}\n") // so that the folder never goes from several files to none
	return d
}

// say notes what happened, for the test that fails.
func (d *day) say(format string, args ...any) {
	d.events = append(d.events, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// pick draws one of several.
func pick[T any](d *day, from ...T) T { return from[d.r.IntN(len(from))] }

func (d *day) pod() string { return pick(d, "a", "b", "c") }

// container is the name of one that there is.
func (d *day) container() string {
	all := d.rt.Containers("")
	if len(all) == 0 {
		return "none/none"
	}
	c := all[d.r.IntN(len(all))]
	return c.Pod + "/" + c.Name
}

// manifest draws a pod: init containers, sidecars, one or two others, each with or without probes and hooks.
func (d *day) manifest(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  terminationGracePeriodSeconds: %d\n  hostNetwork: %t\n", name, d.r.IntN(40), d.r.IntN(3) == 0)
	d.want[name] = nil
	container := func(n, more string) {
		fmt.Fprintf(&b, "  - {name: %s, image: %q%s", n, pick(d, image1, image2), more)
		if !strings.HasPrefix(n, "init") {
			d.want[name] = append(d.want[name], n)
			b.WriteString(pick(d, "", ", livenessProbe: {exec: {command: [a]}, failureThreshold: 2}", ", startupProbe: {exec: {command: [a]}, periodSeconds: 1}", ", readinessProbe: {exec: {command: [a]}}"))
			b.WriteString(pick(d, "", ", lifecycle: {preStop: {exec: {command: [a]}}}", ", lifecycle: {postStart: {exec: {command: [a]}}}"))
		}
		b.WriteString("}\n")
	}
	b.WriteString("  initContainers:\n")
	for i := range d.r.IntN(4) {
		n := fmt.Sprintf("init%d", i)
		d.rt.Behave(name+"-node/"+n, crifake.Behaviour{Exits: true, ExitAfter: time.Duration(d.r.IntN(4000)) * time.Millisecond})
		container(pick(d, n, fmt.Sprintf("side%d", i)), "")
		if i := strings.LastIndex(b.String(), "name: side"); i > strings.LastIndex(b.String(), "- {name: init") {
			text := strings.TrimSuffix(b.String(), "}\n")
			b.Reset()
			b.WriteString(text + ", restartPolicy: Always}\n")
		}
	}
	b.WriteString("  containers:\n")
	container("main", "")
	if d.r.IntN(2) == 0 {
		container("second", "")
	}
	return b.String()
}

func (d *day) change(pod string) {
	m := d.manifest(pod)
	d.say("change %s: %v", pod, d.want[pod])
	d.put(pod+".yaml", m)
}

func (d *day) drop(pod string) {
	if _, ok := d.want[pod]; ok {
		d.say("remove %s", pod)
		delete(d.want, pod)
		d.remove(pod + ".yaml")
	}
}

// agent ends or starts it.
func (d *day) toggleAgent() {
	d.say("agent, which was dead: %t", d.dead)
	switch {
	case d.dead:
		d.run()
	case d.r.IntN(2) == 0:
		d.kill()
	default:
		d.stop()
	}
	d.dead = !d.dead
}

func (d *day) toggleRuntime() {
	d.say("runtime, which was down: %t", d.down)
	if d.down {
		d.rt.Up()
	} else {
		d.rt.Down()
	}
	d.down = !d.down
}

func (d *day) bootNode() {
	d.say("boot")
	if !d.dead {
		d.toggleAgent()
	}
	for _, c := range d.rt.Containers("") {
		_ = d.rt.Exit(c.ID, 137, "") // those that run
	}
	for _, s := range d.rt.Sandboxes("") {
		_ = d.rt.KillSandbox(s.Namespace + "/" + s.Pod)
	}
	d.boots++
	d.boot = fmt.Sprintf("boot-%d", d.boots)
	if !d.down {
		d.rt.Down()
	}
	d.rt.Up()
	d.down = false
}

// ask is what a person does.
func (d *day) ask() {
	if d.dead {
		return
	}
	p, ctx := d.pod(), context.Background()
	switch d.r.IntN(3) {
	case 0:
		d.say("restart %s: %v", p, d.pods.RestartPod(ctx, p))
	case 1:
		d.say("stop %s: %v", p, d.pods.StopPod(ctx, p, time.Duration(1+d.r.IntN(60))*time.Second))
	default:
		d.say("start %s: %v", p, d.pods.StartPod(ctx, p))
	}
}

// fault has the runtime fail, before or after it did what it was asked for, or hang.
func (d *day) fault() {
	m := pick(d, "PullImage", "RunPodSandbox", "CreateContainer", "StartContainer", "StopContainer", "StopPodSandbox", "RemovePodSandbox", "RemoveContainer",
		"ListContainers", "ListPodSandbox", "ContainerStatus", "PodSandboxStatus", "ImageStatus", "ExecSync")
	switch d.r.IntN(3) {
	case 0:
		d.say("fail %s", m)
		d.rt.Fail(m, pick(d, errors.New("it does not work"), status.Error(codes.Unavailable, "gone"), status.Error(codes.NotFound, "not found")), 2)
	case 1:
		d.say("fail after %s", m)
		d.rt.FailAfterEffect(m, 2)
	default:
		d.say("hang %s", m)
		time.AfterFunc(time.Duration(d.r.IntN(200))*time.Second, d.rt.Hang(m))
	}
}

func (d *day) play() {
	var peace atomic.Bool
	var execs atomic.Int32 // they come from many goroutines, which may not draw
	d.rt.OnExec(func(crifake.Exec) crifake.ExecResult {
		switch n := execs.Add(1) % 12; {
		case peace.Load():
		case n == 5:
			return crifake.ExecResult{Code: 1}
		case n == 11:
			return crifake.ExecResult{Delay: time.Minute}
		}
		return crifake.ExecResult{}
	})
	d.change("a")
	d.run()
	for range 40 {
		after(time.Duration(d.r.IntN(pick(d, 3000, 3000, 3000, 120_000))) * time.Millisecond)
		pick(d,
			func() { d.change(d.pod()) }, func() { d.change(d.pod()) }, func() { d.drop(d.pod()) },
			func() { c := d.container(); d.say("exit %s: %v", c, d.rt.Exit(c, 1, "")) },
			func() { c := d.container(); d.say("vanish %s: %v", c, d.rt.Vanish(c)) },
			func() { p := d.pod() + "-node"; d.say("sandbox of %s dies: %v", p, d.rt.KillSandbox(p)) },
			func() { d.say("an image goes"); d.rt.RemoveLocalImage(pick(d, image1, image2)) },
			d.toggleAgent, d.toggleRuntime, d.bootNode, d.ask, d.ask, d.fault, d.fault,
		)()
	}
	d.rt.ClearFaults()
	if d.down {
		d.toggleRuntime()
	}
	if d.dead {
		d.toggleAgent()
	}
	peace.Store(true)
	after(20 * time.Minute)
	d.rt.ResetCalls()
	after(10 * time.Minute)
	d.judge()
	if d.t.Failed() {
		d.t.Logf("%s\n%s", strings.Join(d.events, "\n"), d.describe())
	}
	for pod := range d.want {
		d.remove(pod + ".yaml")
	}
	after(10 * time.Minute)
	d.nothingLeft()
	d.stop()
}

// judge holds a node that was left in peace for a while against its manifests.
func (d *day) judge() {
	if m := d.mutations(); len(m) > 0 {
		d.t.Errorf("in peace: %v", m)
	}
	if n := d.rt.Count("ListContainers*"); n > 40 {
		d.t.Errorf("in peace: %d lists in 10 minutes", n)
	}
	for pod, containers := range d.want {
		if v := d.view(pod); v.Phase != view.PhaseRunning || !v.Ready {
			d.t.Errorf("%s is %s: %s", pod, v.Phase, v.Message)
		}
		for _, c := range containers {
			if _, ok := d.rt.Running(pod+"-node", c); !ok {
				d.t.Errorf("%s/%s does not run", pod, c)
			}
		}
		if n := len(d.rt.Sandboxes(pod + "-node")); n != 1 {
			d.t.Errorf("%s has %d sandboxes", pod, n)
		}
	}
	for _, s := range d.rt.Sandboxes("") {
		if _, ok := d.want[strings.TrimSuffix(s.Pod, "-node")]; !ok {
			d.t.Errorf("a sandbox of %s is left", s.Pod)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var told []string
	for _, e := range d.node.events {
		if e.Kind != event.KindExit {
			continue
		}
		if id := e.Fields["container"]; slices.Contains(told, id) {
			d.t.Errorf("the end of %s was told twice", e.Subject)
		} else {
			told = append(told, id)
		}
	}
}
