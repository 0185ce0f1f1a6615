package staticpod

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// TestStandby is about the attempt that is made ahead.
func TestStandby(t *testing.T) {
	runs := func(s *State) {
		s.Standby = true
		s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
		s.Containers = []Container{container("c0", "main", "s0", 0, Running)}
		s.Memory.Began = true
		s.Memory.Containers["main"] = ContainerMemory{Next: 1}
	}
	withSpare := func(s *State) {
		runs(s)
		s.Containers = append([]Container{container("c1", "main", "s0", 1, Created)}, s.Containers...)
		s.Memory.Containers["main"] = ContainerMemory{Next: 2}
	}
	ended := func(s *State) {
		withSpare(s)
		s.Containers[1].State = Exited
		s.Memory.Containers["main"] = ContainerMemory{Next: 2, Recorded: 1, LastID: "c0", LastAt: now, Level: 1, NotBefore: now}
	}
	main := containerSlot("main")
	for _, tt := range []struct {
		name   string
		change func(*State)
		want   string
		next   time.Duration
	}{
		{"made while one runs", runs, "prepare container main", 0},
		{"not where it is switched off", func(s *State) { runs(s); s.Standby = false }, "", 0},
		{"not before the container ran a moment", func(s *State) { runs(s); s.Containers[0].Started = now.Add(-100 * time.Millisecond) }, "", 400 * time.Millisecond},
		{"not for one that keeps ending", func(s *State) {
			runs(s)
			s.Memory.Containers["main"] = ContainerMemory{Next: 1, Level: 1}
		}, "", 0},
		{"not where nothing is restarted", func(s *State) {
			runs(s)
			s.Want.Pod.Spec.Spec.RestartPolicy = corev1.RestartPolicyNever
		}, "", 0},
		{"not without its image", func(s *State) { runs(s); s.Images["img-main"] = ImageState{Known: true} }, "", 0},
		{"not twice", withSpare, "", 0},
		{"not while it is on its way", func(s *State) { runs(s); s.Ops[standbySlot("main")] = Action{} }, "", 0},
		{"not again at once where the runtime refuses", func(s *State) {
			runs(s)
			s.Failures[standbySlot("main")] = Failure{Count: 1, NotBefore: now.Add(time.Second)}
		}, "", time.Second},
		{"started when the process is gone", func(s *State) {
			withSpare(s)
			s.Containers[1].Gone, s.Containers[1].GoneAt = true, now
		}, "start created container c1 main", 0},
		{"started when the container ended", ended, "start created container c1 main", 0},
		{"waited for when it is on its way", func(s *State) {
			ended(s)
			s.Containers = s.Containers[1:]
			s.Ops[standbySlot("main")] = Action{}
		}, "", 0},
		{"held back by back-off", func(s *State) {
			ended(s)
			m := s.Memory.Containers["main"]
			m.NotBefore = now.Add(3 * time.Second)
			s.Memory.Containers["main"] = m
		}, "", 3 * time.Second},
		{"never started after an end for good", func(s *State) {
			ended(s)
			s.Want.Pod.Spec.Spec.RestartPolicy = corev1.RestartPolicyOnFailure
			s.Memory.Containers["main"] = ContainerMemory{Next: 2, Recorded: 1, LastID: "c0", LastAt: now, Done: true}
		}, "stop sandbox s0", 0},
		{"given up where it can't be started", func(s *State) {
			ended(s)
			s.Failures[main] = Failure{Count: 2}
		}, "remove container c1 main", 0},
		{"does not hold up a stop", func(s *State) { withSpare(s); s.Want = nil }, "stop container c0 main 30s", 0},
		{"goes with its sandbox", func(s *State) { ended(s); s.Want = nil }, "stop sandbox s0", 0},
		{"an older one that was never started", func(s *State) {
			withSpare(s)
			s.Containers = append([]Container{container("c2", "main", "s0", 2, Created)}, s.Containers...)
		}, "remove container c1 main", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start, next := plan(here(tt.change), now)
			var texts []string
			for _, a := range start {
				texts = append(texts, actionText(a))
			}
			if got := strings.Join(texts, ", "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if want := tt.next; (want == 0) != next.IsZero() || (want != 0 && !next.Equal(now.Add(want))) {
				t.Errorf("next %v, want in %v", next, want)
			}
		})
	}
}

func TestStandbyIsNoContainerToPeople(t *testing.T) {
	s := here(func(s *State) {
		s.Containers = []Container{container("c1", "main", "s0", 1, Created), container("c0", "main", "s0", 0, Running)}
	})
	if v := viewOf("default/web", s.Want, s, now); !v.Ready || len(v.Containers) != 1 || v.Containers[0].ID != "c0" {
		t.Errorf("%+v", v)
	}
}

func TestStartOfAStandbyIsARestart(t *testing.T) {
	m := remember(Memory{}, []Action{{Verb: Prepare, Name: "main", Attempt: 4, Again: true}}, now)
	if c := m.Containers["main"]; c.Next != 5 || c.Restarts != 0 {
		t.Errorf("made: %+v", c)
	}
	m = remember(m, []Action{{Verb: Start, Name: "main", Attempt: 4, Again: true}}, now)
	if c := m.Containers["main"]; c.Next != 5 || c.Restarts != 1 {
		t.Errorf("started: %+v", c)
	}
}
