package staticpod

import (
	"reflect"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/view"
)

func TestViewAndFinding(t *testing.T) {
	up := func(s *State) {
		s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
		s.Containers = []Container{container("c0", "main", "s0", 0, Running)}
		s.Containers[0].PID = 7
	}
	exited := func(level int, wait time.Duration, code int) func(*State) {
		return func(s *State) {
			up(s)
			s.Containers[0].State = Exited
			s.Memory.Containers["main"] = ContainerMemory{Next: 1, Restarts: 2, LastID: "c0", LastAt: now, LastExit: code, LastWhy: "OOMKilled", Level: level, NotBefore: now.Add(wait)}
		}
	}
	done := func(code int) func(*State) {
		return func(s *State) {
			exited(0, 0, code)(s)
			m := s.Memory.Containers["main"]
			m.Done = true
			s.Memory.Containers["main"] = m
		}
	}
	for _, test := range []struct {
		name    string
		change  func(*State)
		phase   string
		status  health.Status
		reason  *health.Reason
		message string // part of it
	}{
		{"nothing yet", nil, view.PhasePending, health.Failing, conditions.PodStarting, "being started"},
		{"pulling", func(s *State) { s.Images["img-main"] = ImageState{Known: true, PullingSince: now} }, view.PhasePulling, health.Failing, conditions.PodStarting, "pulling image img-main since " + now.Local().Format("15:04:05")},
		{"pull failed", func(s *State) { s.Images["img-main"] = ImageState{Known: true, Error: "denied"} }, view.PhasePending, health.Failing, conditions.PodImage, "image img-main: denied"},
		{"sandbox failed", func(s *State) { s.Failures[sandboxSlot] = Failure{Count: 1, Error: "no network"} }, view.PhasePending, health.Failing, conditions.PodError, "sandbox: no network"},
		{"container failed", func(s *State) {
			s.Sandboxes = []Sandbox{sandbox("s0", 0, true)}
			s.Failures[containerSlot("main")] = Failure{Count: 1, Error: "no such volume"}
		}, view.PhasePending, health.Failing, conditions.PodError, "container main: no such volume"},
		{"created", func(s *State) { up(s); s.Containers[0].State = Created }, view.PhasePending, health.Failing, conditions.PodStarting, ""},
		{"running", up, view.PhaseRunning, health.OK, nil, ""},
		{"running, and something that failed before", func(s *State) {
			up(s)
			s.Failures[Slot{Kind: "dead", Name: "x"}] = Failure{Count: 1, Error: "busy"}
		}, view.PhaseRunning, health.OK, nil, ""},
		{"running from a kept manifest", func(s *State) { up(s); s.Want.Stance, s.Want.Why = folder.Keep, "its file is refused" }, view.PhaseRunning, health.OK, nil, "its file is refused"},
		{"one of two", func(s *State) { up(s); s.Want = wantedOf(nil, "main", "side") }, view.PhasePending, health.Failing, conditions.PodStarting, ""},
		{"state not known", func(s *State) { up(s); s.Containers[0].State = StateUnknown }, view.PhasePending, health.Failing, conditions.PodStarting, ""},
		{"process gone", func(s *State) { up(s); s.Containers[0].Gone = true }, view.PhasePending, health.Failing, conditions.PodStarting, ""},
		{"ended", exited(1, 0, 137), view.PhaseRestarting, health.Failing, conditions.PodRestarting, "container main exited with code 137 (OOMKilled)"},
		{"back-off", exited(2, time.Second, 1), view.PhaseBackOff, health.Failing, conditions.PodRestarting, "next start "},
		{"crash loop", exited(crashLevel, time.Second, 1), view.PhaseCrashLoop, health.Failing, conditions.PodCrashLoop, "next start "},
		{"ended well for good", done(0), view.PhaseSucceeded, health.OK, nil, ""},
		{"ended badly for good", done(2), view.PhaseFailed, health.Failing, conditions.PodFailed, "exited with code 2"},
		{"being stopped", func(s *State) { up(s); s.Memory.StopBy["c0"] = StopMemory{} }, view.PhaseStopping, health.Failing, conditions.PodStopping, "being stopped"},
		{"not wanted", func(s *State) { up(s); s.Want = nil }, view.PhaseTerminating, health.Failing, conditions.PodStopping, "being stopped"},
		{"held", func(s *State) { up(s); s.Held = true }, view.PhaseRunning, health.Failing, conditions.PodHeld, "somebody else's"},
		{"frozen", func(s *State) {
			s.Want = &folder.Wanted{File: "web.yaml", Stance: folder.Freeze, Why: "gone since the boot"}
		}, view.PhasePending, health.Failing, conditions.PodHeld, "gone since the boot"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := here(test.change)
			v := viewOf("default/web", s.Want, s, now)
			if v.Phase != test.phase || v.Namespace != "default" || v.Name != "web" || v.UID != "u1" || v.Ready != (test.phase == view.PhaseRunning || test.phase == view.PhaseTerminating) {
				t.Errorf("%+v, want phase %s", v, test.phase)
			}
			f := findingOf(v, s, "somebody else's")
			if f.Status != test.status || f.Reason != test.reason || !strings.Contains(f.Message, test.message) || f.Subject != "default/web" {
				t.Errorf("%+v, want %s %+v %q", f, test.status, test.reason, test.message)
			}
			if f.Status == health.Failing && f.Message == "" {
				t.Error("it fails and says nothing")
			}
		})
	}
}

func TestViewOfContainers(t *testing.T) {
	s := here(func(s *State) {
		s.Want = wantedOf(func(p *corev1.PodSpec) { p.RestartPolicy = corev1.RestartPolicyAlways }, "main", "side")
		s.Sandboxes = []Sandbox{sandbox("s1", 1, true), sandbox("s0", 0, false)}
		s.Containers = []Container{container("c1", "main", "s1", 1, Running), container("c0", "main", "s1", 0, Exited)}
		s.Containers[0].PID = 42
		s.Memory.Containers["main"] = ContainerMemory{Next: 2, Restarts: 1, LastExit: 3, LastWhy: "Error", LastAt: now}
		s.Memory.Containers["side"] = ContainerMemory{Next: 4, Restarts: 2, NotBefore: now.Add(time.Minute)}
	})
	v := viewOf("default/web", s.Want, s, now)
	main, side := v.Containers[0], v.Containers[1]
	if main.Name != "main" || main.ID != "c1" || main.PID != 42 || main.State != "running" || main.Attempt != 1 || main.Image != "img-main" || main.LastExit == nil || main.LastExit.Code != 3 || !main.NextStart.IsZero() {
		t.Errorf("main %+v", main)
	}
	if side.State != "waiting" || side.ID != "" || side.Attempt != 4 || !side.NextStart.Equal(now.Add(time.Minute)) || side.LastExit != nil {
		t.Errorf("side %+v", side)
	}
	if v.Restarts != 3 || !v.NextStart.Equal(now.Add(time.Minute)) || v.IP != "10.0.0.1" || v.File != "web.yaml" {
		t.Errorf("%+v", v)
	}
	if v := viewOf("default/web", nil, s, now); len(v.Containers) != 1 || v.File != "" {
		t.Errorf("of a pod nobody wants what is there is shown: %+v", v)
	}
}

func TestDeathText(t *testing.T) {
	c := Container{ExitCode: 1, Reason: "Error"}
	for want, d := range map[string]Death{
		"exited with code 1 after 2s; it starts again at once":                                   {Container: c, Restart: true},
		"exited with code 1 after 2s; its restartPolicy does not start it again":                 {Container: c},
		"exited with code 1 after 2s; it was stopped by the agent":                               {Container: c, Restart: true, Asked: true},
		"exited with code 137 (OOMKilled) after 2s: too much; it starts again at once":           {Container: Container{ExitCode: 137, Reason: "OOMKilled", Message: "too much"}, Restart: true},
		"exited with code 0 after 2s; its restartPolicy does not start it again":                 {Container: Container{Reason: "Completed"}},
		"exited with code 1 after 2s; it starts again at " + tomorrow.Local().Format("15:04:05"): {Container: c, Restart: true, NotBefore: tomorrow},
	} {
		if got := deathText(d, 2*time.Second); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

var tomorrow = time.Now().Add(24 * time.Hour)

// A file is one subject: several findings of it would take turns on the board, with an event each.
func TestOneFindingOfAFile(t *testing.T) {
	d := &folder.Desired{Notes: []folder.Note{
		{Kind: folder.Warning, File: "b.yaml", Message: "tolerations are ignored"}, {Kind: folder.FolderMissing, Message: "of the folder"},
		{Kind: folder.Duplicate, File: "b.yaml", Message: "web is another's"}, {Kind: folder.Duplicate, File: "b.yaml", Message: "db is another's"},
		{Kind: folder.Invalid, File: "c.yaml", Message: "not valid"},
	}, Pods: map[string]folder.Wanted{"default/web": {File: "a.yaml"}, "default/db": {File: "a.yaml"}, "default/x": {File: "b.yaml"}}}
	got := fileFindings(d)
	want := []health.Finding{
		{Subject: "b.yaml", Status: health.Failing, Reason: conditions.ManifestTaken, Message: "web is another's; tolerations are ignored; db is another's"},
		{Subject: "c.yaml", Status: health.Failing, Reason: conditions.ManifestRejected, Message: "not valid"},
		{Subject: "a.yaml", Status: health.OK},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestFindingOfSeveralFailuresIsTheSameEachTime(t *testing.T) {
	s := here(func(s *State) {
		s.Failures = map[Slot]Failure{}
		for _, name := range []string{"b", "a", "d", "c"} {
			s.Images["img-"+name] = ImageState{Known: true, Error: "no " + name}
		}
	})
	v := viewOf("default/web", s.Want, s, now)
	for range 20 {
		if f := findingOf(v, s, ""); f.Message != "image img-a: no a" {
			t.Fatal(f.Message)
		}
	}
	for _, name := range []string{"b", "a", "d", "c"} {
		s.Failures[containerSlot(name)] = Failure{Count: 1, Error: "no " + name}
	}
	for range 20 {
		if f := findingOf(v, s, ""); f.Message != "container a: no a" {
			t.Fatal(f.Message)
		}
	}
}
