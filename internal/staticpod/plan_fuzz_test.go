package staticpod

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/staticpod/folder"
)

// dice makes choices of a fuzzer's bytes; when they are used up it always takes the first.
type dice struct{ b []byte }

func (d *dice) roll(n int) int {
	if len(d.b) == 0 || n <= 1 {
		return 0
	}
	v := int(d.b[0]) % n
	d.b = d.b[1:]
	return v
}

func (d *dice) coin() bool { return d.roll(2) == 1 }

func (d *dice) when() time.Time {
	return now.Add([]time.Duration{0, -time.Hour, -time.Second, time.Second, time.Hour}[d.roll(5)])
}

// stateOfDice is any state that a runtime, a disk and a person can bring about.
func stateOfDice(d *dice) State {
	s := here(whole)
	names := []string{"first", "side", "last", "main", "stranger"}
	hash := func() string { return []string{"h1", "h0"}[d.roll(2)] }
	switch d.roll(6) {
	case 0:
		s.Want = nil
	case 1:
		s.Want.Stance = folder.Keep
	case 2:
		s.Want.Stance = folder.Freeze
	}
	if s.Want != nil {
		spec := &s.Want.Pod.Spec.Spec
		spec.RestartPolicy = []corev1.RestartPolicy{corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever}[d.roll(3)]
		if d.coin() {
			seconds := int64(1 + d.roll(3))
			spec.ActiveDeadlineSeconds = &seconds
		}
		if d.coin() {
			spec.Containers[0].Lifecycle = &corev1.Lifecycle{PostStart: &corev1.LifecycleHandler{Exec: &corev1.ExecAction{}}}
		}
	}
	s.Held, s.Ending, s.Standby, s.Refresh = d.roll(8) == 1, d.roll(8) == 1, d.coin(), d.coin()
	s.Sandboxes, s.Containers, s.Probes = nil, nil, map[string]ProbeState{}
	for i := range d.roll(3) {
		b := sandbox(fmt.Sprint("s", i), uint32(d.roll(3)), d.coin())
		b.Hash, b.HostNet = hash(), d.coin()
		if d.roll(4) == 1 {
			b.IP, b.UID = "", "u9"
		}
		s.Sandboxes = append(s.Sandboxes, b)
	}
	for i := range d.roll(7) {
		c := container(fmt.Sprint("c", i), names[d.roll(5)], fmt.Sprint("s", d.roll(3)), uint32(d.roll(4)), ContainerState(d.roll(4)))
		c.Hash, c.Role, c.Order, c.Gone, c.GoneAt, c.PreStop = hash(), Role(d.roll(3)), d.roll(3), d.roll(4) == 1, d.when(), d.coin()
		s.Containers = append(s.Containers, c)
		s.Probes[c.ID] = ProbeState{Started: d.coin(), Ready: d.coin(), Failed: []string{"", "liveness"}[d.roll(2)]}
		if d.roll(4) == 1 {
			s.Memory.StopBy[c.ID] = StopMemory{By: d.when(), Hooked: d.coin()}
		}
	}
	for _, n := range names {
		s.Memory.Containers[n] = ContainerMemory{Next: uint32(d.roll(5)), Level: d.roll(4), NotBefore: d.when(), Done: d.roll(4) == 1, LastExit: d.roll(2), LastBox: fmt.Sprint("s", d.roll(3)), Recorded: uint32(d.roll(4)),
			Hooked: fmt.Sprint("c", d.roll(7)), HookError: []string{"", "exit code 1"}[d.roll(2)], LastAt: d.when()}
		im := ImageState{Known: d.roll(4) != 1, Present: d.roll(4) != 1, NotBefore: d.when()}
		if d.roll(8) == 1 {
			im.PullingSince = now
		}
		s.Images["img-"+n] = im
		if d.roll(6) == 1 {
			s.Ops[containerSlot(n)] = Action{Slot: containerSlot(n), Verb: []Verb{CreateAndStart, Start, Stop}[d.roll(3)], Sandbox: fmt.Sprint("s", d.roll(3))}
		}
		if d.roll(6) == 1 {
			s.Failures[containerSlot(n)] = Failure{Count: 1 + d.roll(4), NotBefore: d.when()}
		}
	}
	if d.roll(6) == 1 {
		s.Ops[sandboxSlot] = Action{Slot: sandboxSlot, Verb: RunSandbox}
	}
	if d.roll(6) == 1 {
		s.Memory.Hold = &Hold{Since: d.when(), Until: d.when()}
	}
	s.Memory.Replace, s.Memory.Initialized, s.Memory.StartedAt = []string{"", "s0", "s1"}[d.roll(3)], []string{"", "s0"}[d.roll(2)], d.when()
	return s
}

// FuzzPlan holds what no state may break: a slot is used once, nothing is begun that is held, no second copy is started, nothing that is wanted
// is taken away without a reason.
func FuzzPlan(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 3, 0, 0, 2})
	for i := range 40 {
		b := make([]byte, 200)
		for j := range b {
			b[j] = byte((i + 1) * (j + 3) * 37 >> 2)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := stateOfDice(&dice{b})
		actions, next := plan(s, now)
		if !next.IsZero() && !next.After(now) {
			t.Errorf("looks again at %s, now is %s", next, now)
		}
		seen := map[Slot]bool{}
		for _, a := range actions {
			text := fmt.Sprintf("%+v\nof %+v", a, s)
			if a.Verb != Pull {
				if seen[a.Slot] {
					t.Fatalf("a slot twice: %s", text)
				}
				if _, busy := s.Ops[a.Slot]; busy {
					t.Fatalf("a busy slot: %s", text)
				}
				seen[a.Slot] = true
			}
			starts := a.Verb == CreateAndStart || a.Verb == Start || a.Verb == Prepare || a.Verb == RunSandbox || a.Verb == PostStart
			switch {
			case s.Held || (s.Want != nil && s.Want.Stance == folder.Freeze):
				t.Fatalf("acts on a pod that is held: %s", text)
			case starts && (s.Want == nil || s.Ending || s.Memory.held(now)):
				t.Fatalf("starts what must not run: %s", text)
			case s.Ending && (a.Verb == RemoveSandbox || a.Verb == Cleanup):
				t.Fatalf("removes while the node goes down: %s", text)
			case a.Verb == Cleanup && len(s.Sandboxes)+len(s.Containers) > 0:
				t.Fatalf("cleans up beside what is there: %s", text)
			case a.Verb == RunSandbox:
				for _, o := range s.Sandboxes {
					if o.Ready {
						t.Fatalf("a second sandbox beside %s: %s", o.ID, text)
					}
				}
			case a.Verb == CreateAndStart || a.Verb == Start:
				for _, c := range s.Containers {
					if c.Name == a.Name && c.State == Running && !c.Gone && c.ID != a.ID && c.Attempt >= a.Attempt && c.Sandbox == a.Sandbox && c.Hash == "h1" {
						t.Fatalf("a second copy beside %s: %s", c.ID, text)
					}
				}
			case a.Verb == Stop && a.Grace < minGrace:
				t.Fatalf("less than the least grace: %s", text)
			}
		}
	})
}
