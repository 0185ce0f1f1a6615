package staticpod

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/crifake"
)

// The runtime's next attempts are made ahead, as the agent's configuration has it by default.
func TestCrowdExitIsActedOnWhileOthersFlap(t *testing.T) { crowdExits(t, true) }

// crowdExits kills pods of a crowd while others of it flap. In a bubble computing takes no time: what is left besides the calls is what the
// agent waits for of its own will.
func crowdExits(t *testing.T, standby bool) {
	bubble(t, func(t *testing.T) {
		m := newMany(t, "")
		m.cfg.Standby = standby
		m.flap()
		m.run()
		defer m.stop()
		after(5 * time.Second)
		if got := m.up(); got < crowd-flappers {
			t.Fatalf("%d pods are up, want the %d that do not flap", got, crowd-flappers)
		}
		m.wire.forget()
		m.rt.ResetCalls()
		began := time.Now()
		killed := map[string]time.Time{}
		const last = flappers + 60
		for i := flappers; i < last; i++ {
			killed[crowdName(i)] = m.kill(crowdName(i))
			time.Sleep(37 * time.Millisecond)
		}
		after(2 * time.Second)
		var took []time.Duration
		for pod, at := range killed {
			d, ok := m.wire.acted(pod+"-node", at)
			if !ok {
				t.Fatalf("%s was not started again: %s", pod, m.view(pod).Message)
			}
			took = append(took, d)
		}
		if d := medianOf(took); d > 5*time.Millisecond {
			t.Errorf("an exit is acted on after %v at the median, the calls apart", d)
		}
		if d := slices.Max(took); d > 20*time.Millisecond {
			t.Errorf("an exit is acted on after %v at worst, the calls apart", d)
		}
		// The others flapped all the while, as the test means.
		starts := 0
		for i := range flappers {
			starts += m.rt.Count("StartContainer default/" + crowdName(i) + "-node/main")
		}
		if took := time.Since(began).Seconds(); float64(starts) < 0.8*took*flappers {
			t.Errorf("%d starts of those that flap in %.0f s", starts, took)
		}
		// And the quiet ones cost nothing.
		quiet := map[string]bool{}
		for i := last; i < crowd; i++ {
			quiet[crowdName(i)] = true
		}
		for _, c := range m.calls() {
			if pod := podOf(c); pod == "" || quiet[pod] {
				t.Fatalf("a call about no pod to which anything happened: %s", c)
			}
		}
	})
}

func TestCrowdCallsOfOneEventAndOfAResync(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := newMany(t, "")
		m.cfg.Restart.ResetAfter = 10 * time.Second
		m.run()
		defer m.stop()
		after(25 * time.Second)
		if got := m.up(); got != crowd {
			t.Fatalf("%d pods are up, want %d", got, crowd)
		}
		methods := func() map[string]int {
			out := map[string]int{}
			for _, c := range m.calls() {
				out[strings.Fields(c)[0]]++
			}
			return out
		}
		expect := func(what string, want map[string]int) {
			t.Helper()
			if got := methods(); !maps.Equal(got, want) {
				t.Errorf("%s: calls %v, want %v", what, got, want)
			}
			m.rt.ResetCalls()
		}
		m.rt.ResetCalls()

		// An event about one pod: its two lists.
		c := m.running(crowdName(7))
		m.pods.Hint(c.ID)
		after(time.Second)
		for _, call := range m.calls() {
			if podOf(call) != crowdName(7) {
				t.Errorf("a hint about %s made the call %s", crowdName(7), call)
			}
		}
		expect("a hint with nothing behind it", map[string]int{"ListPodSandbox": 1, "ListContainers": 1})
		m.pods.Hint("stranger")
		after(time.Second)
		expect("a hint about a stranger", map[string]int{})

		// An exit: calls about that pod alone.
		m.writes.Store(0)
		m.kill(crowdName(8))
		after(5 * time.Second)
		for _, call := range m.calls() {
			if podOf(call) != crowdName(8) {
				t.Errorf("the exit of %s made the call %s", crowdName(8), call)
			}
		}
		if got := m.rt.Count("*"); got == 0 || got > 20 {
			t.Errorf("an exit took %d calls: %v", got, m.calls())
		}

		// The end and the restart that follows are written down at once.
		if got := m.writes.Load(); got != 1 {
			t.Errorf("an exit took %d writes to the state folder, want 1", got)
		}

		// A resync with nothing to find, and one that finds three exits that nobody told of.
		m.rt.ResetCalls()
		m.pods.full.Wake()
		after(2 * time.Second)
		expect("a resync", map[string]int{"ListPodSandbox": 1, "ListContainers": 1})
		m.deaf()
		changed := []string{crowdName(100), crowdName(200), crowdName(300)}
		for _, pod := range changed {
			m.rt.Behave(pod+"-node/main", crifake.Behaviour{})
			m.kill(pod)
		}
		after(10 * time.Millisecond)
		m.rt.Hang("StartContainer") // what follows is of the resync alone
		m.pods.full.Wake()
		after(2 * time.Second)
		for _, call := range m.calls() {
			if pod := podOf(call); pod != "" && !slices.Contains(changed, pod) {
				t.Errorf("a resync made the call %s", call)
			}
		}
		expect("a resync with three changes", map[string]int{"ListPodSandbox": 1, "ListContainers": 1, "ContainerStatus": len(changed), "StartContainer": len(changed)})
		m.rt.ClearFaults()

		// Nothing happens: a resync a minute.
		after(time.Minute) // until the next attempts of the four that ended are made ahead
		m.rt.ResetCalls()
		m.writes.Store(0)
		after(10 * time.Minute)
		if got := m.writes.Load(); got != 0 {
			t.Errorf("ten minutes in which nothing happened took %d writes to the state folder", got)
		}
		expect("ten minutes", map[string]int{"ListPodSandbox": 10, "ListContainers": 10})
	})
}

func TestRememberStarted(t *testing.T) {
	spec := &corev1.PodSpec{Containers: []corev1.Container{{Name: "plain"}, {Name: "slow", StartupProbe: &corev1.Probe{}}, {Name: "slower", StartupProbe: &corev1.Probe{}}}}
	have := []Container{{Name: "plain", ID: "p"}, {Name: "slow", ID: "s"}, {Name: "slower", ID: "r"}, {Name: "of an older manifest", ID: "o"}}
	m := rememberStarted(Memory{Containers: map[string]ContainerMemory{}}, spec, have, map[string]ProbeState{"p": {Started: true}, "s": {Started: true}, "r": {}, "o": {Started: true}})
	if len(m.Containers) != 1 || m.Containers["slow"].Started != "s" {
		t.Errorf("remembered %+v, want the one whose startup probe has passed", m.Containers)
	}
}
