package staticpod

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/reconcile"
	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/staticpod/manifest"
)

var now = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// wantedOf is a pod wanted with the content h1 and containers of the given names, image img-NAME:1.
func wantedOf(change func(*corev1.PodSpec), names ...string) *folder.Wanted {
	spec := &corev1.Pod{Spec: corev1.PodSpec{RestartPolicy: corev1.RestartPolicyAlways}}
	for _, n := range names {
		spec.Spec.Containers = append(spec.Spec.Containers, corev1.Container{Name: n, Image: "img-" + n, ImagePullPolicy: corev1.PullIfNotPresent})
	}
	if change != nil {
		change(&spec.Spec)
	}
	return &folder.Wanted{File: "web.yaml", Pod: manifest.Pod{Namespace: "default", Name: "web", Hash: "h1", Spec: spec}}
}

// here is a state in which the pod of one container, main, wants to be there, its image is, and nothing else.
func here(change func(*State)) State {
	s := State{
		Want: wantedOf(nil, "main"), Images: map[string]ImageState{"img-main": {Known: true, Present: true}}, Ops: map[Slot]Action{}, Failures: map[Slot]Failure{},
		Memory: Memory{Hash: "h1", UID: "u1", Namespace: "default", Name: "web", Containers: map[string]ContainerMemory{}, StopBy: map[string]StopMemory{}},
	}
	if change != nil {
		change(&s)
	}
	if s.Probes == nil { // no container has one
		s.Probes = map[string]ProbeState{}
		for _, c := range s.Containers {
			s.Probes[c.ID] = ProbeState{Started: true, Ready: true}
		}
	}
	return s
}

// under is the same restart policy for every container.
func under(p corev1.RestartPolicy) func(string) corev1.RestartPolicy {
	return func(string) corev1.RestartPolicy { return p }
}

func sandbox(id string, attempt uint32, ready bool) Sandbox {
	s := Sandbox{ID: id, Attempt: attempt, Ready: ready, Created: now.Add(-time.Hour), Hash: "h1", UID: "u1"}
	if ready {
		s.IP = "10.0.0.1"
	}
	return s
}

func container(id, name, sandbox string, attempt uint32, state ContainerState) Container {
	return Container{ID: id, Name: name, Sandbox: sandbox, Attempt: attempt, State: state, Hash: "h1", Grace: 30 * time.Second, Started: now.Add(-time.Minute), Created: now.Add(-time.Minute)}
}

func actionText(a Action) string {
	var b strings.Builder
	b.WriteString(string(a.Verb))
	for _, x := range []string{a.ID, a.Name, a.Image} {
		if x != "" && !(x == a.Image && a.Verb != Pull) {
			b.WriteString(" " + x)
		}
	}
	switch a.Verb {
	case RunSandbox:
		fmt.Fprintf(&b, " %d", a.Attempt)
	case CreateAndStart:
		fmt.Fprintf(&b, " %d in %s", a.Attempt, a.Sandbox)
		if a.Again {
			b.WriteString(" again")
		}
	case Stop:
		fmt.Fprintf(&b, " %s", a.Grace)
		if a.Hook {
			b.WriteString(" hook")
		}
	}
	return b.String()
}

func TestPlan(t *testing.T) {
	oldHash := func(s Sandbox) Sandbox { s.Hash = "h0"; return s }
	oldContent := func(c Container) Container { c.Hash = "h0"; return c }
	gone := func(c Container, since time.Duration) Container { c.Gone, c.GoneAt = true, now.Add(-since); return c }
	up := func(s *State) {
		s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
		s.Containers = []Container{container("c0", "main", "s0", 0, Running)}
		s.Memory.Began = true
		s.Memory.Containers["main"] = ContainerMemory{Next: 1}
	}
	exited := func(s *State) {
		up(s)
		s.Containers[0].State = Exited
		s.Memory.Containers["main"] = ContainerMemory{Next: 1, LastID: "c0", Recorded: 1, LastAt: now, Level: 1, NotBefore: now}
	}
	policy := func(p corev1.RestartPolicy) func(*corev1.PodSpec) {
		return func(s *corev1.PodSpec) { s.RestartPolicy = p }
	}
	pull := func(p corev1.PullPolicy) func(*corev1.PodSpec) {
		return func(s *corev1.PodSpec) { s.Containers[0].ImagePullPolicy = p }
	}
	op := func(s *State, slot Slot, v Verb) { s.Ops[slot] = Action{Slot: slot, Verb: v} }
	main := containerSlot("main")

	tests := []struct {
		name   string
		change func(*State)
		want   string // actions, separated by ", "
		next   time.Duration
	}{
		// From nothing.
		{"image first", func(s *State) { s.Images["img-main"] = ImageState{Known: true} }, "pull img-main", 0},
		{"image is on its way", func(s *State) { s.Images["img-main"] = ImageState{Known: true, PullingSince: now} }, "", 0},
		{"image is not known", func(s *State) { s.Images["img-main"] = ImageState{} }, "", 0},
		{"pull failed", func(s *State) { s.Images["img-main"] = ImageState{Known: true, NotBefore: now.Add(7 * time.Second)} }, "", 7 * time.Second},
		{"one of two images", func(s *State) {
			s.Want = wantedOf(nil, "main", "side")
			s.Images["img-side"] = ImageState{Known: true}
		}, "pull img-side", 0},
		{"then the sandbox", nil, "run sandbox 0", 0},
		{"the next attempt after one that was begun", func(s *State) { s.Memory.Began, s.Memory.Sandbox = true, 4 }, "run sandbox 5", 0},
		{"the sandbox is on its way", func(s *State) { op(s, sandboxSlot, RunSandbox) }, "", 0},
		{"the sandbox failed", func(s *State) { s.Failures[sandboxSlot] = Failure{Count: 1, NotBefore: now.Add(time.Second)} }, "", time.Second},
		{"then every container", func(s *State) {
			s.Want = wantedOf(nil, "main", "side")
			s.Images["img-side"] = ImageState{Known: true, Present: true}
			s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
		}, "start container main 0 in s0, start container side 0 in s0", 0},
		{"one container is on its way", func(s *State) {
			s.Want = wantedOf(nil, "main", "side")
			s.Images["img-side"] = ImageState{Known: true, Present: true}
			s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
			op(s, main, CreateAndStart)
		}, "start container side 0 in s0", 0},
		{"a sandbox without an address yet", func(s *State) {
			s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
			s.Sandboxes[0].IP, s.Sandboxes[0].Created = "", now.Add(-300*time.Millisecond)
		}, "", 700 * time.Millisecond},
		{"a sandbox with no address, made before the clock was set back", func(s *State) {
			up(s)
			s.Containers = nil
			s.Sandboxes[0].IP, s.Sandboxes[0].Created = "", now.Add(time.Hour)
		}, "stop sandbox s0", 0},
		{"a sandbox that gets no address", func(s *State) {
			s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
			s.Sandboxes[0].IP = ""
		}, "stop sandbox s0", 0},
		{"the host's network has none", func(s *State) {
			s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
			s.Sandboxes[0].IP, s.Sandboxes[0].HostNet = "", true
		}, "start container main 0 in s0", 0},
		{"all is well", up, "", 0},

		// Images by policy.
		{"Never, and it is not there", func(s *State) {
			s.Want, s.Images["img-main"] = wantedOf(pull(corev1.PullNever), "main"), ImageState{Known: true}
		}, "", 0},
		{"Never, and it is there", func(s *State) { s.Want = wantedOf(pull(corev1.PullNever), "main") }, "run sandbox 0", 0},
		{"Always, though it is there", func(s *State) { s.Want = wantedOf(pull(corev1.PullAlways), "main") }, "pull img-main", 0},
		{"Always, pulled for this content", func(s *State) {
			s.Want, s.Images["img-main"] = wantedOf(pull(corev1.PullAlways), "main"), ImageState{Known: true, Present: true, Fresh: true}
		}, "run sandbox 0", 0},
		{"Always, and a restart", func(s *State) { exited(s); s.Want = wantedOf(pull(corev1.PullAlways), "main") }, "start container main 1 in s0 again", 0},
		{"a restart whose image was collected", func(s *State) { exited(s); s.Images["img-main"] = ImageState{Known: true} }, "pull img-main", 0},

		// Restarts.
		{"restart", exited, "start container main 1 in s0 again", 0},
		{"back-off", func(s *State) {
			exited(s)
			s.Memory.Containers["main"] = ContainerMemory{Next: 1, LastID: "c0", Recorded: 1, LastAt: now, Level: 2, NotBefore: now.Add(3 * time.Second)}
		}, "", 3 * time.Second},
		{"back-off holds in a new sandbox too", func(s *State) {
			exited(s)
			s.Containers, s.Sandboxes = nil, []Sandbox{sandbox("s1", 1, true)}
			s.Memory.Containers["main"] = ContainerMemory{Next: 1, LastID: "c0", Recorded: 1, LastAt: now, Level: 2, NotBefore: now.Add(3 * time.Second)}
		}, "", 3 * time.Second},
		{"a failed start holds back", func(s *State) {
			exited(s)
			s.Failures[main] = Failure{Count: 1, NotBefore: now.Add(time.Second)}
		}, "", time.Second},
		{"Never", func(s *State) {
			exited(s)
			s.Want = wantedOf(policy(corev1.RestartPolicyNever), "main")
			s.Memory.Containers["main"] = ContainerMemory{Next: 1, LastID: "c0", Recorded: 1, Done: true}
		}, "stop sandbox s0", 0},
		{"one of two is done", func(s *State) {
			exited(s)
			s.Want = wantedOf(policy(corev1.RestartPolicyNever), "main", "side")
			s.Images["img-side"] = ImageState{Known: true, Present: true}
			s.Containers = append(s.Containers, container("d0", "side", "s0", 0, Running))
			s.Memory.Containers["main"] = ContainerMemory{Next: 1, LastID: "c0", Recorded: 1, Done: true}
		}, "", 0},
		{"done, and its sandbox is stopped", func(s *State) {
			exited(s)
			s.Sandboxes[0] = sandbox("s0", 0, false)
			s.Memory.Containers["main"] = ContainerMemory{Next: 1, LastID: "c0", Recorded: 1, Done: true}
		}, "", 0},
		{"done, and nothing is left of it", func(s *State) { s.Memory.Containers["main"] = ContainerMemory{Next: 1, Done: true} }, "", 0},

		// Leftovers.
		{"a created leftover is started", func(s *State) { up(s); s.Containers[0].State = Created }, "start created container c0 main", 0},
		{"one that can't be is tried again", func(s *State) {
			up(s)
			s.Containers[0].State = Created
			s.Failures[main] = Failure{Count: 1, NotBefore: now}
		}, "start created container c0 main", 0},
		{"and removed", func(s *State) {
			up(s)
			s.Containers[0].State = Created
			s.Failures[main] = Failure{Count: 2, NotBefore: now.Add(time.Minute)}
		}, "remove container c0 main", 0},
		{"one dead container is kept", func(s *State) {
			up(s)
			s.Containers = []Container{container("c2", "main", "s0", 2, Running), container("c1", "main", "s0", 1, Exited), container("c0", "main", "s0", 0, Exited)}
			s.Memory.Containers["main"] = ContainerMemory{Next: 3, LastID: "c1", Recorded: 2}
		}, "remove container c0 main", 0},
		{"the dead are left alone while the next is to be started", func(s *State) {
			up(s)
			s.Containers = []Container{container("c1", "main", "s0", 1, Exited), container("c0", "main", "s0", 0, Exited)}
			s.Memory.Containers["main"] = ContainerMemory{Next: 2, LastID: "c1", Recorded: 2, NotBefore: now}
		}, "start container main 2 in s0 again", 0},
		{"and removed while it waits", func(s *State) {
			up(s)
			s.Containers = []Container{container("c1", "main", "s0", 1, Exited), container("c0", "main", "s0", 0, Exited)}
			s.Memory.Containers["main"] = ContainerMemory{Next: 2, LastID: "c1", Recorded: 2, NotBefore: now.Add(time.Second)}
		}, "remove container c0 main", time.Second},
		{"a removal delays no restart", func(s *State) {
			exited(s)
			op(s, Slot{Kind: "dead", Name: "c9"}, RemoveContainer)
			s.Failures[Slot{Kind: "dead", Name: "c9"}] = Failure{Count: 3, NotBefore: now.Add(time.Minute)}
		}, "start container main 1 in s0 again", 0},
		{"a creation that came late starts nothing beside what runs", func(s *State) {
			up(s)
			late := container("c0", "main", "s0", 0, Created)
			late.Created = now
			s.Containers = []Container{late, container("c1", "main", "s0", 1, Running)}
			s.Memory.Containers["main"] = ContainerMemory{Next: 2}
		}, "remove container c0 main", 0},
		{"two run", func(s *State) {
			up(s)
			s.Containers = []Container{container("c1", "main", "s0", 1, Running), container("c0", "main", "s0", 0, Running)}
		}, "stop container c0 main 30s", 0},

		// A runtime that does not notice.
		{"the process is gone, the runtime has not noticed, a restart is due at once", func(s *State) { up(s); s.Containers[0] = gone(s.Containers[0], time.Millisecond) },
			"start container main 1 in s0 again", 0},
		{"the exit code counts", func(s *State) {
			up(s)
			s.Want = wantedOf(policy(corev1.RestartPolicyOnFailure), "main")
			s.Containers[0] = gone(s.Containers[0], 4*time.Second)
		}, "", 6 * time.Second},
		{"something of it may live on", func(s *State) {
			up(s)
			s.Want = wantedOf(func(p *corev1.PodSpec) { p.HostPID = true }, "main")
			s.Containers[0] = gone(s.Containers[0], 4*time.Second)
		}, "", 6 * time.Second},
		{"it crashed before", func(s *State) {
			up(s)
			s.Containers[0] = gone(s.Containers[0], 2*time.Second)
			s.Memory.Containers["main"] = ContainerMemory{Next: 1, Level: 1}
		}, "", time.Second},
		{"it crashed before, and the runtime does not notice", func(s *State) {
			up(s)
			s.Containers[0] = gone(s.Containers[0], staleSoon)
			s.Memory.Containers["main"] = ContainerMemory{Next: 1, Level: 1}
		}, "stop container c0 main 2s", 0},
		{"an older death is not recorded yet", func(s *State) {
			up(s)
			s.Containers = []Container{gone(container("c1", "main", "s0", 1, Running), time.Second), gone(container("c0", "main", "s0", 0, Running), 2*time.Second)}
			s.Memory.Containers["main"] = ContainerMemory{Next: 2}
		}, "", time.Second},
		{"it is to go, and its end is waited for a moment", func(s *State) {
			up(s)
			s.Want = nil
			s.Containers[0] = gone(s.Containers[0], 2*time.Second)
		}, "", time.Second},
		{"it is to go, and the runtime does not notice its end", func(s *State) {
			up(s)
			s.Want = nil
			s.Containers[0] = gone(s.Containers[0], staleSoon)
		}, "stop container c0 main 2s", 0},
		{"it never notices", func(s *State) {
			up(s)
			s.Want = wantedOf(policy(corev1.RestartPolicyOnFailure), "main")
			s.Containers[0] = gone(s.Containers[0], 10*time.Second)
		}, "stop container c0 main 2s", 0},
		{"it was listed and is no more", func(s *State) { up(s); s.Containers[0].State, s.Containers[0].Missing = StateUnknown, true }, "", 0},
		{"it does not know the state", func(s *State) { up(s); s.Containers[0].State = StateUnknown }, "stop container c0 main 30s", 0},
		{"it does not know the state, and the stop was begun", func(s *State) {
			up(s)
			s.Containers[0].State = StateUnknown
			s.Memory.StopBy = map[string]StopMemory{"c0": {By: now.Add(5 * time.Second)}}
		}, "stop container c0 main 5s", 0},

		// Sandboxes.
		{"a sandbox that died: its containers first", func(s *State) { up(s); s.Sandboxes[0] = sandbox("s0", 0, false) }, "stop container c0 main 30s", 0},
		{"then itself", func(s *State) { exited(s); s.Sandboxes[0] = sandbox("s0", 0, false) }, "remove sandbox s0", 0},
		{"two ready ones: the older goes", func(s *State) {
			up(s)
			s.Sandboxes = []Sandbox{sandbox("s1", 1, true), sandbox("s0", 0, true)}
			s.Containers = []Container{container("c1", "main", "s1", 1, Running)}
		}, "stop sandbox s0", 0},
		{"an older dead one goes beside", func(s *State) {
			up(s)
			s.Sandboxes = []Sandbox{sandbox("s1", 1, true), sandbox("s0", 0, false)}
			s.Containers = nil
		}, "remove sandbox s0, start container main 1 in s1", 0},
		{"a restart asked for by a person", func(s *State) { up(s); s.Memory.Replace = "s0" }, "stop container c0 main 30s", 0},
		{"one of another UID", func(s *State) { up(s); s.Memory.UID = "u2" }, "stop container c0 main 30s", 0},

		// Another content.
		{"images first", func(s *State) {
			up(s)
			s.Sandboxes[0], s.Containers[0] = oldHash(s.Sandboxes[0]), oldContent(s.Containers[0])
			s.Images["img-main"] = ImageState{Known: true}
		}, "pull img-main", 0},
		{"then the old one is stopped", func(s *State) {
			up(s)
			s.Sandboxes[0], s.Containers[0] = oldHash(s.Sandboxes[0]), oldContent(s.Containers[0])
		}, "stop container c0 main 30s", 0},
		{"which takes a while", func(s *State) {
			up(s)
			s.Sandboxes[0], s.Containers[0] = oldHash(s.Sandboxes[0]), oldContent(s.Containers[0])
			op(s, main, Stop)
		}, "", 0},
		{"until its last container is gone", func(s *State) {
			up(s)
			s.Sandboxes[0] = oldHash(s.Sandboxes[0])
			s.Containers = []Container{oldContent(container("c0", "main", "s0", 0, Exited)), oldContent(container("d0", "side", "s0", 0, Running))}
			op(s, containerSlot("side"), Stop)
		}, "", 0},
		{"its sandbox holds an address and ports", func(s *State) {
			exited(s)
			s.Sandboxes[0], s.Containers[0] = oldHash(s.Sandboxes[0]), oldContent(s.Containers[0])
		}, "stop sandbox s0", 0},
		{"the new one does not wait for the removal", func(s *State) {
			exited(s)
			s.Sandboxes[0], s.Containers[0] = oldHash(sandbox("s0", 0, false)), oldContent(s.Containers[0])
		}, "remove sandbox s0, run sandbox 1", 0},
		{"nor for one that fails", func(s *State) {
			exited(s)
			s.Sandboxes[0], s.Containers[0] = oldHash(sandbox("s0", 0, false)), oldContent(s.Containers[0])
			s.Failures[Slot{Kind: "sandbox", Name: "s0"}] = Failure{Count: 1, NotBefore: now.Add(time.Minute)}
		}, "run sandbox 1", time.Minute},
		{"a creation in the old sandbox is on its way", func(s *State) {
			s.Sandboxes = []Sandbox{oldHash(sandbox("s0", 0, true))}
			s.Ops[main] = Action{Slot: main, Verb: CreateAndStart, Sandbox: "s0"}
		}, "", 0},
		{"so is that of a successor", func(s *State) {
			s.Sandboxes = []Sandbox{oldHash(sandbox("s0", 0, true))}
			s.Ops[standbySlot("main")] = Action{Slot: standbySlot("main"), Verb: Prepare, Sandbox: "s0"}
		}, "", 0},
		{"an old container that was only created", func(s *State) {
			up(s)
			s.Sandboxes[0], s.Containers[0] = oldHash(s.Sandboxes[0]), oldContent(container("c0", "main", "s0", 0, Created))
		}, "stop sandbox s0", 0},

		// Not wanted.
		{"removal with a hook", func(s *State) { up(s); s.Want = nil; s.Containers[0].PreStop = true }, "stop container c0 main 30s hook", 0},
		{"every container at once", func(s *State) {
			up(s)
			s.Want = nil
			s.Containers = append(s.Containers, container("d0", "side", "s0", 0, Running))
		}, "stop container c0 main 30s, stop container d0 side 30s", 0},
		{"a stop goes on with what is left of its grace", func(s *State) {
			up(s)
			s.Want = nil
			s.Containers[0].PreStop = true
			s.Memory.StopBy["c0"] = StopMemory{By: now.Add(11 * time.Second), Hooked: true}
		}, "stop container c0 main 11s", 0},
		{"and with the least there is", func(s *State) {
			up(s)
			s.Want = nil
			s.Memory.StopBy["c0"] = StopMemory{By: now.Add(-time.Hour)}
		}, "stop container c0 main 2s", 0},
		{"never with more than there was, though the clock was set back", func(s *State) {
			up(s)
			s.Want = nil
			s.Memory.StopBy["c0"] = StopMemory{By: now.Add(time.Hour)}
		}, "stop container c0 main 30s", 0},
		{"a stop is ended though the pod is wanted again", func(s *State) {
			up(s)
			s.Memory.StopBy["c0"] = StopMemory{By: now.Add(11 * time.Second)}
		}, "stop container c0 main 11s", 0},
		{"no grace", func(s *State) { up(s); s.Want = nil; s.Containers[0].Grace = 0 }, "stop container c0 main 2s", 0},
		{"then the sandbox", func(s *State) { exited(s); s.Want = nil }, "stop sandbox s0", 0},
		{"then it is removed", func(s *State) { exited(s); s.Want = nil; s.Sandboxes[0] = sandbox("s0", 0, false) }, "remove sandbox s0", 0},
		{"a container without a sandbox", func(s *State) { exited(s); s.Want, s.Sandboxes = nil, nil }, "remove container c0 main", 0},
		{"then what was made for it", func(s *State) { s.Want = nil }, "clean up", 0},
		{"not while anything is on its way", func(s *State) { s.Want = nil; op(s, sandboxSlot, RunSandbox) }, "", 0},

		// Nobody's hands.
		{"frozen", func(s *State) { exited(s); s.Want.Stance = folder.Freeze }, "", 0},
		{"kept", func(s *State) { exited(s); s.Want.Stance = folder.Keep }, "start container main 1 in s0 again", 0},
		{"held", func(s *State) { exited(s); s.Held = true }, "", 0},
		{"held and not wanted", func(s *State) { up(s); s.Held, s.Want = true, nil }, "", 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			actions, next := plan(here(test.change), now)
			var got []string
			slots := map[Slot]bool{}
			for _, a := range actions {
				got = append(got, actionText(a))
				if a.Verb != Pull && slots[a.Slot] {
					t.Errorf("two actions in slot %v", a.Slot)
				}
				slots[a.Slot] = true
			}
			slices.Sort(got)
			if text := strings.Join(got, ", "); text != test.want {
				t.Errorf("got %q, want %q", text, test.want)
			}
			var in time.Duration
			if !next.IsZero() {
				in = next.Sub(now)
			}
			if in != test.next {
				t.Errorf("next look in %s, want %s", in, test.next)
			}
		})
	}
}

func TestObserve(t *testing.T) {
	r := Restart{Backoff: reconcile.Backoff{Initial: time.Second, Factor: 2, Max: 10 * time.Second}, ResetAfter: 10 * time.Minute}
	m := Memory{Boot: "1"}
	at := now
	die := func(attempt uint32, ran time.Duration, change func(*Container, *Memory)) Death {
		t.Helper()
		c := container(fmt.Sprint("c", attempt), "main", "s0", attempt, Exited)
		c.Started, c.Finished, c.ExitCode, c.Reason = at, at.Add(ran), 1, "Error"
		at = at.Add(ran)
		if change != nil {
			change(&c, &m)
		}
		var deaths []Death
		m, deaths = observe(m, []Container{c}, under("Always"), "1", r, at)
		if len(deaths) != 1 {
			t.Fatalf("attempt %d: %d deaths", attempt, len(deaths))
		}
		if _, again := observe(m, []Container{c}, under("Always"), "1", r, at); len(again) > 0 {
			t.Fatalf("attempt %d: recorded twice", attempt)
		}
		return deaths[0]
	}
	for i, want := range []time.Duration{0, 1, 2, 4, 8, 10, 10} {
		if d := die(uint32(i), time.Second, nil); d.NotBefore.Sub(at) != want*time.Second || !d.Restart || d.Quiet {
			t.Errorf("death %d: restart in %s, want %d s", i, d.NotBefore.Sub(at), want)
		}
	}
	if c := m.Containers["main"]; c.Next != 7 || c.Level != 7 || c.LastID != "c6" || c.LastLong != time.Second || c.LastExit != 1 || c.Recorded != 7 {
		t.Errorf("%+v", c)
	}
	if d := die(7, 10*time.Minute, nil); d.NotBefore != at || d.Level != 1 {
		t.Errorf("after a stable time: %+v", d)
	}
	if d := die(8, time.Second, func(_ *Container, m *Memory) { m.StopBy = map[string]StopMemory{"c8": {}} }); !d.Asked || !d.Quiet || d.NotBefore != at || d.Level != 1 || len(m.StopBy) > 0 {
		t.Errorf("asked for: %+v, %v", d, m.StopBy)
	}
	if d := die(9, time.Second, func(_ *Container, m *Memory) { m.Boot = "0" }); !d.Quiet || d.NotBefore != at || d.Level != 1 || m.Boot != "1" {
		t.Errorf("found after a boot: %+v", d)
	}
	if d := die(10, time.Second, func(c *Container, _ *Memory) { c.ExitCode, c.Reason = 255, "Unknown" }); !d.Quiet || d.Level != 1 {
		t.Errorf("the runtime was away: %+v", d)
	}
	if d := die(11, time.Second, func(c *Container, _ *Memory) { c.Finished = at.Add(time.Hour) }); d.NotBefore.Sub(at) > time.Second {
		t.Errorf("finished in the future: %+v", d)
	}
	if d := die(12, 0, func(c *Container, _ *Memory) { c.Started = time.Time{} }); m.Containers["main"].LastLong != 0 {
		t.Errorf("it never started: %+v", d)
	}
}

func TestObservePolicies(t *testing.T) {
	for _, test := range []struct {
		policy        corev1.RestartPolicy
		code          int
		restart, done bool
	}{{"Always", 0, true, false}, {"Always", 1, true, false}, {"OnFailure", 1, true, false}, {"OnFailure", 0, false, true}, {"Never", 1, false, true}} {
		c := container("c0", "main", "s0", 0, Exited)
		c.ExitCode = test.code
		m, deaths := observe(Memory{}, []Container{c}, under(test.policy), "1", Restart{}, now)
		if len(deaths) != 1 || deaths[0].Restart != test.restart || m.Containers["main"].Done != test.done {
			t.Errorf("%s, code %d: %+v %+v", test.policy, test.code, deaths, m)
		}
	}
}

func TestObserveWithoutADeath(t *testing.T) {
	r := Restart{Backoff: reconcile.Backoff{Initial: time.Second, Max: 5 * time.Minute, Jitter: 0.5}, ResetAfter: time.Minute}
	m := Memory{Boot: "1", Containers: map[string]ContainerMemory{"main": {Next: 3, Level: 4, NotBefore: now.Add(time.Hour)}}}
	c := container("c7", "main", "s0", 7, Running)
	c.Started = now.Add(-59 * time.Second)
	m, deaths := observe(m, []Container{c}, under("Always"), "1", r, now)
	if got := m.Containers["main"]; len(deaths) > 0 || got.Next != 8 || got.Level != 4 || !got.NotBefore.Equal(now.Add(6*time.Second)) {
		t.Errorf("not stable yet, and the clock was set back, which must cost no more than the wait that was due: %+v", got)
	}
	m, _ = observe(m, []Container{c}, under("Always"), "1", r, now.Add(time.Second))
	if got := m.Containers["main"]; got.Level != 0 {
		t.Errorf("stable: %+v", got)
	}
	two := []Container{container("c9", "main", "s0", 9, Exited), container("c8", "main", "s0", 8, Exited)}
	if m, deaths = observe(m, two, under("Always"), "1", r, now); len(deaths) != 2 || deaths[0].Container.ID != "c8" || m.Containers["main"].LastID != "c9" {
		t.Errorf("two deaths at once: %+v", deaths)
	}
}

func TestRemember(t *testing.T) {
	m := Memory{Containers: map[string]ContainerMemory{"main": {Next: 1}}, StopBy: map[string]StopMemory{"begun": {By: now.Add(time.Second)}}}
	got := remember(m, []Action{
		{Verb: RunSandbox, Attempt: 3},
		{Verb: CreateAndStart, Name: "main", Attempt: 1, Again: true},
		{Verb: CreateAndStart, Name: "side", Attempt: 0},
		{Verb: Stop, ID: "new", Grace: 5 * time.Second, Hook: true},
		{Verb: Stop, ID: "begun", Grace: time.Minute, Hook: true},
		{Verb: Stop, ID: "stale", Grace: time.Minute, Stale: true},
		{Verb: Pull, Image: "x"},
	}, now)
	if got.Sandbox != 3 || !got.Began {
		t.Errorf("sandbox %d, %t", got.Sandbox, got.Began)
	}
	if c := got.Containers["main"]; c.Next != 2 || c.Restarts != 1 {
		t.Errorf("main %+v", c)
	}
	if c := got.Containers["side"]; c.Next != 1 || c.Restarts != 0 {
		t.Errorf("side %+v", c)
	}
	if s := got.StopBy["new"]; !s.By.Equal(now.Add(5*time.Second)) || !s.Hooked {
		t.Errorf("new %+v", s)
	}
	if s := got.StopBy["begun"]; !s.By.Equal(now.Add(time.Second)) || !s.Hooked {
		t.Errorf("begun %+v: its end must not move", s)
	}
	if _, ok := got.StopBy["stale"]; ok || len(m.StopBy) != 1 || m.Containers["main"].Next != 1 {
		t.Errorf("%+v, before %+v", got, m)
	}
}

func TestMemory(t *testing.T) {
	m := Memory{Hash: "h0", UID: "u1", Boot: "1", Sandbox: 4, Began: true, Made: []string{"/x"}, Replace: "s",
		Containers: map[string]ContainerMemory{"main": {Next: 5, Restarts: 4, Level: 3, NotBefore: now, LastID: "c4", Recorded: 5, LastAt: now, Done: true}}, StopBy: map[string]StopMemory{"c4": {}, "c3": {}}}
	n := m.forContent("h1", "u1", "2")
	if c := n.Containers["main"]; c != (ContainerMemory{Next: 5, LastID: "c4", Recorded: 5}) || n.Sandbox != 4 || !n.Began || n.Boot != "2" || len(n.Made) != 1 || len(n.StopBy) != 2 {
		t.Errorf("%+v", n)
	}
	if !m.forContent("h0", "u1", "2").equal(m) {
		t.Error("the same content changes the memory")
	}
	n.forgetStops(&reading{containers: []Container{{ID: "c3"}}})
	if len(n.StopBy) != 1 || len(m.StopBy) != 2 {
		t.Errorf("%v, of %v", n.StopBy, m.StopBy)
	}
	if !(Memory{}).equal(Memory{Containers: map[string]ContainerMemory{}, StopBy: map[string]StopMemory{}}) {
		t.Error("an empty map and none differ")
	}
}
