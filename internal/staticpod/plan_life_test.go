package staticpod

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// whole is a pod with two init containers, a sidecar between them and one main container, all images there, its sandbox ready.
func whole(s *State) {
	always := corev1.ContainerRestartPolicyAlways
	s.Want = wantedOf(func(p *corev1.PodSpec) {
		for _, n := range []string{"first", "side", "last"} {
			p.InitContainers = append(p.InitContainers, corev1.Container{Name: n, Image: "img-" + n, ImagePullPolicy: corev1.PullIfNotPresent})
		}
		p.InitContainers[1].RestartPolicy = &always
	}, "main")
	for _, n := range []string{"first", "side", "last"} {
		s.Images["img-"+n] = ImageState{Known: true, Present: true}
	}
	s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
	s.Memory.Began = true
}

func role(c Container, r Role, order int) Container { c.Role, c.Order = r, order; return c }

func first(state ContainerState) Container {
	return role(container("f0", "first", "s0", 0, state), Init, 0)
}
func side(state ContainerState) Container {
	return role(container("d0", "side", "s0", 0, state), Sidecar, 1)
}
func last(state ContainerState) Container {
	return role(container("l0", "last", "s0", 0, state), Init, 2)
}
func mainOf(state ContainerState) Container { return container("c0", "main", "s0", 0, state) }

// done is an init container that ended with a code in a sandbox.
func done(code int, box string) ContainerMemory {
	return ContainerMemory{Next: 1, Recorded: 1, LastID: "x", LastExit: code, LastAt: now, LastBox: box, Done: true}
}

func TestPlanLife(t *testing.T) {
	tests := []struct {
		name   string
		change func(*State)
		want   string
		next   time.Duration
	}{
		// Init containers and sidecars.
		{"the first init container alone", whole, "start container first 0 in s0", 0},
		{"images of init containers are pulled before the sandbox", func(s *State) {
			whole(s)
			s.Sandboxes = nil
			s.Images["img-last"] = ImageState{Known: true}
		}, "pull img-last", 0},
		{"it runs: nothing else starts", func(s *State) {
			whole(s)
			s.Containers = []Container{first(Running)}
		}, "", 0},
		{"it failed and starts again", func(s *State) {
			whole(s)
			s.Containers = []Container{first(Exited)}
			s.Memory.Containers["first"] = ContainerMemory{Next: 1, Recorded: 1, LastID: "f0", LastExit: 1, LastAt: now, LastBox: "s0"}
		}, "start container first 1 in s0 again", 0},
		{"it waits in back-off", func(s *State) {
			whole(s)
			s.Containers = []Container{first(Exited)}
			s.Memory.Containers["first"] = ContainerMemory{Next: 1, Recorded: 1, LastID: "f0", LastExit: 1, LastAt: now, LastBox: "s0", NotBefore: now.Add(time.Second)}
		}, "", time.Second},
		{"it failed for good: the pod ends", func(s *State) {
			whole(s)
			s.Containers = []Container{first(Exited)}
			s.Memory.Containers["first"] = done(1, "s0")
		}, "stop sandbox s0", 0},
		{"then the sidecar", func(s *State) {
			whole(s)
			s.Containers = []Container{first(Exited)}
			s.Memory.Containers["first"] = done(0, "s0")
		}, "start container side 0 in s0", 0},
		{"which has to have started", func(s *State) {
			whole(s)
			s.Containers = []Container{side(Running), first(Exited)}
			s.Memory.Containers["first"] = done(0, "s0")
			s.Probes = map[string]ProbeState{"d0": {}}
		}, "", 0},
		{"then the last", func(s *State) {
			whole(s)
			s.Containers = []Container{side(Running), first(Exited)}
			s.Memory.Containers["first"] = done(0, "s0")
		}, "start container last 0 in s0", 0},
		{"the sidecar is kept up while the last one works", func(s *State) {
			whole(s)
			s.Containers = []Container{last(Running), side(Exited), first(Exited)}
			s.Memory.Containers["first"] = done(0, "s0")
			s.Memory.Containers["side"] = ContainerMemory{Next: 1, Recorded: 1, LastID: "d0", LastAt: now, NotBefore: now}
		}, "start container side 1 in s0 again", 0},
		{"then the others", func(s *State) {
			whole(s)
			s.Containers = []Container{last(Exited), side(Running), first(Exited)}
			s.Memory.Containers["first"], s.Memory.Containers["last"] = done(0, "s0"), done(0, "s0")
		}, "start container main 0 in s0", 0},
		{"init containers that were collected don't run again", func(s *State) {
			whole(s)
			s.Containers = []Container{side(Running), mainOf(Running)}
			s.Memory.Initialized = "s0"
		}, "", 0},
		{"in a new sandbox they do", func(s *State) {
			whole(s)
			s.Sandboxes = []Sandbox{sandbox("s1", 1, true)}
			s.Memory.Initialized = "s0"
			s.Memory.Containers["first"], s.Memory.Containers["last"] = done(0, "s0"), done(0, "s0")
		}, "start container first 1 in s1 again", 0},

		// Order of stopping.
		{"main containers first", func(s *State) {
			whole(s)
			s.Want = nil
			s.Containers = []Container{mainOf(Running), side(Running)}
		}, "stop container c0 main 30s", 0},
		{"sidecars wait for them", func(s *State) {
			whole(s)
			s.Want = nil
			s.Containers = []Container{mainOf(Running), side(Running)}
			s.Memory.StopBy["c0"] = StopMemory{By: now.Add(20 * time.Second)}
			s.Memory.EndBy = map[string]time.Time{"s0": now.Add(20 * time.Second)}
			s.Ops[containerSlot("main")] = Action{Verb: Stop}
		}, "", 0},
		{"and have what is left of the grace", func(s *State) {
			whole(s)
			s.Want = nil
			s.Containers = []Container{mainOf(Exited), side(Running)}
			s.Memory.EndBy = map[string]time.Time{"s0": now.Add(12 * time.Second)}
		}, "stop container d0 side 12s", 0},
		{"the last started first", func(s *State) {
			whole(s)
			s.Want = nil
			s.Containers = []Container{side(Running), role(container("e0", "other", "s0", 0, Running), Sidecar, 2)}
		}, "stop container e0 other 30s", 0},
		{"sidecars end with a pod that is done", func(s *State) {
			whole(s)
			s.Want.Pod.Spec.Spec.RestartPolicy = corev1.RestartPolicyNever
			s.Containers = []Container{mainOf(Exited), side(Running)}
			s.Memory.Initialized = "s0"
			s.Memory.Containers["main"] = done(0, "s0")
		}, "stop container d0 side 30s", 0},

		// Hooks and probes.
		{"postStart is run beside the container", func(s *State) {
			hooked(s)
			s.Memory.Containers["main"] = ContainerMemory{Next: 1}
		}, "run postStart of c0 main", 0},
		{"once", func(s *State) {
			hooked(s)
			s.Memory.Containers["main"] = ContainerMemory{Next: 1, Hooked: "c0"}
		}, "", 0},
		{"one that failed ends the container", func(s *State) {
			hooked(s)
			s.Memory.Containers["main"] = ContainerMemory{Next: 1, Hooked: "c0", HookError: "exit code 1"}
		}, "stop container c0 main 30s: postStart failed: exit code 1", 0},
		{"another attempt's failure does not", func(s *State) {
			hooked(s)
			s.Memory.Containers["main"] = ContainerMemory{Next: 2, Hooked: "c9", HookError: "exit code 1"}
		}, "run postStart of c0 main", 0},
		{"a probe ends it", func(s *State) {
			alone(s)
			s.Probes = map[string]ProbeState{"c0": {Started: true, Failed: "liveness probe failed"}}
		}, "stop container c0 main 30s: liveness probe failed", 0},
		{"with its own grace", func(s *State) {
			alone(s)
			five := 5 * time.Second
			s.Probes = map[string]ProbeState{"c0": {Started: true, Failed: "liveness probe failed", Grace: &five}}
		}, "stop container c0 main 5s: liveness probe failed", 0},

		// A person, a deadline, the node.
		{"a hold stops the pod", func(s *State) {
			alone(s)
			s.Memory.Hold = &Hold{Since: now, Until: now.Add(time.Hour)}
		}, "stop container c0 main 30s", time.Hour},
		{"and keeps it stopped", func(s *State) {
			s.Memory.Hold = &Hold{Since: now, Until: now.Add(time.Hour)}
		}, "", time.Hour},
		{"until it is over", func(s *State) {
			s.Memory.Hold = &Hold{Since: now.Add(-time.Hour), Until: now}
		}, "run sandbox 0", 0},
		{"a clock that was set back holds nothing for longer", func(s *State) {
			s.Memory.Hold = &Hold{Since: now.Add(time.Hour), Until: now.Add(2 * time.Hour)}
		}, "run sandbox 0", 0},
		{"a deadline that comes", func(s *State) {
			alone(s)
			seconds := int64(60)
			s.Want.Pod.Spec.Spec.ActiveDeadlineSeconds = &seconds
			s.Memory.StartedAt = now.Add(-50 * time.Second)
		}, "", 10 * time.Second},
		{"a deadline that is over", func(s *State) {
			alone(s)
			seconds := int64(60)
			s.Want.Pod.Spec.Spec.ActiveDeadlineSeconds = &seconds
			s.Memory.StartedAt = now.Add(-60 * time.Second)
		}, "stop container c0 main 30s", 0},
		{"the node goes down: containers first", func(s *State) {
			alone(s)
			s.Ending = true
		}, "stop container c0 main 30s", 0},
		{"then the sandbox", func(s *State) {
			alone(s)
			s.Ending = true
			s.Containers = []Container{mainOf(Exited)}
		}, "stop sandbox s0", 0},
		{"and nothing is removed or started", func(s *State) {
			s.Ending = true
			s.Sandboxes = []Sandbox{sandbox("s0", 0, false)}
			s.Containers = []Container{mainOf(Exited)}
		}, "", 0},
		{"files are brought up to date", func(s *State) {
			alone(s)
			s.Refresh = true
		}, "refresh volumes", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			actions, next := plan(here(test.change), now)
			var got []string
			for _, a := range actions {
				text := actionText(a)
				if a.Why != "" {
					text += ": " + a.Why
				}
				got = append(got, text)
			}
			if text := strings.Join(got, ", "); text != test.want {
				t.Errorf("got  %s\nwant %s", text, test.want)
			}
			var in time.Duration
			if !next.IsZero() {
				in = next.Sub(now)
			}
			if in != test.next {
				t.Errorf("next in %s, want %s", in, test.next)
			}
		})
	}
}

// alone is a pod whose one container runs.
func alone(s *State) {
	s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
	s.Containers = []Container{mainOf(Running)}
	s.Memory.Began = true
	s.Memory.Containers["main"] = ContainerMemory{Next: 1}
}

// hooked is one whose container has a postStart.
func hooked(s *State) {
	alone(s)
	s.Want.Pod.Spec.Spec.Containers[0].Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"x"}}}}
}

func TestDeathsOfStoppedContainers(t *testing.T) {
	c := container("c0", "main", "s0", 0, Exited)
	c.ExitCode = 137
	r := Restart{}
	for _, test := range []struct {
		why    string
		quiet  bool
		levels int
	}{{"", true, 0}, {"liveness probe failed", false, 1}} {
		m := Memory{Boot: "1", StopBy: map[string]StopMemory{"c0": {Why: test.why}}}
		m, deaths := observe(m, []Container{c}, under(corev1.RestartPolicyAlways), "1", r, now)
		if len(deaths) != 1 || deaths[0].Quiet != test.quiet || deaths[0].Why != test.why || m.Containers["main"].Level != test.levels || m.Containers["main"].LastBox != "s0" {
			t.Errorf("%q: %+v, %+v", test.why, deaths, m.Containers)
		}
	}
}

func TestRoles(t *testing.T) {
	for _, test := range []struct {
		role  Role
		order int
		text  string
	}{{Main, 0, ""}, {Init, 3, "init:3"}, {Sidecar, 0, "sidecar:0"}} {
		if got := roleText(test.role, test.order); got != test.text {
			t.Errorf("%q, want %q", got, test.text)
		}
		if r, n := roleFrom(test.text); r != test.role || n != test.order {
			t.Errorf("%q: %v %d", test.text, r, n)
		}
	}
	for _, strange := range []string{"init", "init:x", "other:1", ":"} {
		if r, n := roleFrom(strange); r != Main || n != 0 {
			t.Errorf("%q: %v %d", strange, r, n)
		}
	}
}
