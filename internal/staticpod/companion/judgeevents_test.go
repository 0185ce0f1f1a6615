package companion

import (
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// follow judges a series of inputs, each with the memory of the one before.
func follow(t *testing.T, steps ...func() (Input, time.Time)) []Judgement {
	t.Helper()
	var out []Judgement
	var mem Memory
	for _, s := range steps {
		in, now := s()
		j := judge(in, mem, now)
		mem = j.Memory
		out = append(out, j)
	}
	return out
}

func reasons(es []event.Event) string {
	var out []string
	for _, e := range es {
		out = append(out, e.Kind+":"+e.Reason)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestStaleByUID(t *testing.T) {
	ready := []Sandbox{box("s1", "web", "u1", true)}
	opaque := running("c1", "s1", "web", 0, hour)
	opaque.Status.Process, opaque.Wanted = nil, ""
	step := func(text string, boxes []Sandbox, now time.Time, changed time.Time) func() (Input, time.Time) {
		return func() (Input, time.Time) {
			f := folderOf(file("web.yaml", text))
			f.Files[0].Changed = changed
			c := opaque
			c.Sandbox = boxes[0].ID
			return input(f, boxes, c), now
		}
	}
	changed := strings.Replace(web, "hostNetwork: true", "hostNetwork: true\n  priorityClassName: system-node-critical", 1)
	for _, tt := range []struct {
		name string
		text string
		want string
	}{
		{"content changed", changed, view.PhaseStale},
		{"a comment", "# hello\n" + web, view.PhaseRunning},
		{"a default spelt out", strings.Replace(web, "hostNetwork: true", "hostNetwork: true\n  restartPolicy: Always", 1), view.PhaseRunning},
		{"a key no kubelet knows", strings.Replace(web, "hostNetwork: true", "hostNetwork: true\n  imagee: x", 1), view.PhaseRunning},
	} {
		t.Run(tt.name, func(t *testing.T) {
			js := follow(t, step(web, ready, t0, hour), step(tt.text, ready, at(time.Minute), at(time.Minute)), step(tt.text, ready, at(time.Hour), at(time.Minute)))
			if p := js[1].Pods[0]; p.Phase != view.PhaseRunning {
				t.Errorf("just changed: %s", p.Phase)
			}
			if p := js[2].Pods[0]; p.Phase != tt.want {
				t.Errorf("an hour later: %s %q, want %s", p.Phase, p.Message, tt.want)
			}
		})
	}
	t.Run("replaced in time", func(t *testing.T) {
		after := []Sandbox{box("s2", "web", "u2", true)}
		js := follow(t, step(web, ready, t0, hour), step(changed, ready, at(time.Minute), at(time.Minute)), step(changed, after, at(2*time.Minute), at(time.Minute)), step(changed, after, at(time.Hour), at(time.Minute)))
		if p := js[3].Pods[0]; p.Phase != view.PhaseRunning || p.UID != "u2" {
			t.Errorf("%s %s", p.Phase, p.UID)
		}
		if got := reasons(js[2].Events); got != "pod:Replaced" {
			t.Errorf("events %q", got)
		}
	})
	t.Run("taken back", func(t *testing.T) {
		js := follow(t, step(web, ready, t0, hour), step(changed, ready, at(time.Hour), at(time.Minute)), step(web, ready, at(2*time.Hour), at(2*time.Hour)))
		if a, b := js[1].Pods[0].Phase, js[2].Pods[0].Phase; a != view.PhaseStale || b != view.PhaseRunning {
			t.Errorf("%s, then %s", a, b)
		}
		if got := reasons(js[2].Events); got != "pod:Running" {
			t.Errorf("events %q", got)
		}
	})
	t.Run("a uid of the manifest's own proves nothing", func(t *testing.T) {
		uid := func(s string) string { return strings.Replace(s, "  name: web\n", "  name: web\n  uid: u1\n", 1) }
		js := follow(t, step(uid(web), ready, t0, hour), step(uid(changed), ready, at(time.Hour), at(time.Minute)), step(uid(changed), ready, at(2*time.Hour), at(time.Minute)))
		if p := js[2].Pods[0]; p.Phase != view.PhaseRunning {
			t.Errorf("%s %q", p.Phase, p.Message)
		}
	})
}

func TestEventsOfExits(t *testing.T) {
	ready := []Sandbox{box("s1", "web", "u1", true)}
	step := func(now time.Time, cs ...Container) func() (Input, time.Time) {
		return func() (Input, time.Time) { return input(webFolder(), ready, cs...), now }
	}
	first := exited("c0", "s1", "web", 0, 1, hour, at(-time.Minute))
	second := exited("c1", "s1", "web", 1, 137, at(-50*time.Second), at(10*time.Second))
	js := follow(t,
		step(t0, first, running("c1", "s1", "web", 1, at(-50*time.Second))),
		step(at(10*time.Second), first, second),
		step(at(11*time.Second), first, second),
		step(at(30*time.Second), second, running("c2", "s1", "web", 2, at(20*time.Second))),
	)
	for i, want := range []string{"", "exit:Error", "", ""} {
		if got := reasons(js[i].Events); got != want {
			t.Errorf("step %d: events %q, want %q", i, got, want)
		}
	}
	e := js[1].Events[0]
	if e.Subject != "kube-system/web" || e.Fields["exitCode"] != "137" || !e.Time.Equal(at(10*time.Second)) {
		t.Errorf("event %+v", e)
	}
	p := js[3].Pods[0]
	if p.Restarts != 2 || p.Containers[0].LastExit == nil || p.Containers[0].LastExit.Code != 137 || p.Containers[0].Attempt != 2 {
		t.Errorf("pod %+v", p)
	}
}

func TestEventsOfPhases(t *testing.T) {
	ready := []Sandbox{box("s1", "web", "u1", true)}
	ok := func() (Input, time.Time) {
		return input(webFolder(), ready, running("c1", "s1", "web", 0, hour)), t0
	}
	none := func(now time.Time) func() (Input, time.Time) {
		return func() (Input, time.Time) { return input(webFolder(), nil), now }
	}
	hung := func() (Input, time.Time) {
		in := input(webFolder(), nil)
		in.Runtime.Err = "hung"
		return in, at(3 * time.Minute)
	}
	js := follow(t, ok, none(at(time.Second)), none(at(2*time.Minute)), hung, none(at(4*time.Minute)), func() (Input, time.Time) { in, _ := ok(); return in, at(5 * time.Minute) }, func() (Input, time.Time) { return input(folderOf(), nil), at(6 * time.Minute) })
	for i, want := range []string{"", "", "pod:Missing", "", "", "pod:Running", "pod:Gone"} {
		if got := reasons(js[i].Events); got != want {
			t.Errorf("step %d: events %q, want %q", i, got, want)
		}
	}
	if got := js[4].Pods[0].Since; !got.Equal(at(time.Second)) {
		t.Errorf("missing since %v: the hung runtime must not begin it anew", got)
	}
	if len(js[6].Pods) != 0 || js[6].StaticPod[0].Status != health.Absent {
		t.Errorf("after the end: %+v %+v", js[6].Pods, js[6].StaticPod)
	}
}
