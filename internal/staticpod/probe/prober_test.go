package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestNoProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		b.expectUnknown("c1")
		on := target("c1", &corev1.Container{})
		b.Sync("default/web", []Target{on, {ContainerID: "c2", Container: "gone"}})
		b.expect("c1", "sr")
		b.expect("c2", "") // nobody knows what to ask
		on.Stopping = true
		b.Sync("default/web", []Target{on})
		b.expect("c1", "s")
		b.expectUnknown("c2")
		b.Sync("default/web", nil)
		b.expectUnknown("c1")
		if len(b.containers)+len(b.pods) != 0 {
			t.Error("something is kept of a pod that is gone")
		}
		b.lines("changed", &b.changed) // the caller of Sync reads the results itself
	})
}

func TestReadiness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		b.says("up", 1)
		b.Sync("default/web", []Target{target("c1", &corev1.Container{ReadinessProbe: run("up", delay(3), limits(2, 2))})})
		synctest.Wait()
		if r := b.expect("c1", "s"); r.Message != "readiness probe has not run yet" {
			t.Errorf("message %q", r.Message)
		}
		b.until(5 * time.Second)
		if r := b.expect("c1", "s"); r.Message != "readiness probe failed once: exec: exit code 1" {
			t.Errorf("message %q", r.Message)
		}
		b.until(15 * time.Second)
		b.says("up", 0)
		b.until(25 * time.Second)
		if r := b.expect("c1", "s"); r.Message != "readiness probe passed 1 of 2 times in a row" {
			t.Errorf("message %q", r.Message)
		}
		b.until(35 * time.Second)
		if r := b.expect("c1", "sr"); !r.Since.Equal(b.born.Add(33 * time.Second)) {
			t.Errorf("since %v", r.Since.Sub(b.born))
		}
		b.says("up", 1)
		b.until(45 * time.Second)
		b.expect("c1", "sr")
		b.until(55 * time.Second)
		b.expect("c1", "s")
		b.ran("up", 3, 13, 23, 33, 43, 53)
		b.lines("changed", &b.changed, "33s default/web", "53s default/web")
		b.lines("records", &b.records,
			"13s default/web/app c1 readiness failed: exec: exit code 1",
			"33s default/web/app c1 readiness successful: ",
			"53s default/web/app c1 readiness failed: exec: exit code 1")
		if b.seen["default/web/app readiness failed"] != 4 || b.seen["default/web/app readiness successful"] != 2 {
			t.Errorf("observed %v", b.seen)
		}
		d := b.Details("c1")
		if len(d) != 1 || d[0].Failures != 4 || d[0].Successes != 2 || d[0].LastOutput != "said up" || d[0].Handler != "exec" || d[0].InARow != 2 ||
			!d[0].NextRun.Equal(b.born.Add(63*time.Second)) || d[0].State != Failure {
			t.Errorf("details %+v", d)
		}
	})
}

func TestLivenessFailureHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		grace := int64(5)
		spec := &corev1.Container{LivenessProbe: run("alive", period(2), func(p *corev1.Probe) { p.TerminationGracePeriodSeconds = &grace })}
		b.Sync("default/web", []Target{target("c1", spec)})
		b.until(5 * time.Second)
		b.says("alive", 1)
		b.until(9 * time.Second)
		b.expect("c1", "sr")
		b.until(time.Minute)
		r := b.expect("c1", "srL")
		if r.Grace != 5*time.Second || r.Message != "liveness probe failed 3 times in a row: exec: exit code 1" {
			t.Errorf("%+v", r)
		}
		b.ran("alive", 0, 2, 4, 6, 8, 10)
		// The stop, and the next container of the same name.
		stopping := target("c1", spec)
		stopping.Stopping = true
		b.Sync("default/web", []Target{stopping})
		b.expect("c1", "sL")
		b.says("alive", 0)
		b.Sync("default/web", []Target{target("c2", spec)})
		b.until(61 * time.Second)
		b.expectUnknown("c1")
		b.expect("c2", "sr")
		b.ran("alive", 0, 2, 4, 6, 8, 10, 60)
		b.lines("changed", &b.changed, "10s default/web")
		b.lines("records", &b.records, "10s default/web/app c1 liveness failed: exec: exit code 1")
	})
}

func TestOthersWaitForStartup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		spec := &corev1.Container{StartupProbe: run("boot", period(3), limits(1, 10)), ReadinessProbe: run("up"), LivenessProbe: run("alive", delay(8))}
		b.says("boot", 1)
		b.Sync("default/web", []Target{target("c1", spec)})
		b.until(5 * time.Second)
		b.expect("c1", "")
		if d := b.Details("c1"); len(d) != 3 || d[0].Waiting || !d[1].Waiting || !d[2].Waiting || d[0].State != Unknown || d[0].Last != Failure {
			t.Errorf("details %+v", d)
		}
		b.says("boot", 0)
		b.until(7 * time.Second)
		b.expect("c1", "sr")
		b.until(20 * time.Second)
		b.ran("boot", 0, 3, 6)
		b.ran("up", 6, 16)
		b.ran("alive", 8, 18)
		b.lines("changed", &b.changed, "6s default/web", "6s default/web")
	})
}

func TestStartupFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		b.says("boot", 1)
		b.Sync("default/web", []Target{target("c1", &corev1.Container{StartupProbe: run("boot", period(1), limits(1, 3)), ReadinessProbe: run("up")})})
		b.until(time.Minute)
		if r := b.expect("c1", "S"); r.Grace != 0 || r.Message != "startup probe failed 3 times in a row: exec: exit code 1" {
			t.Errorf("%+v", r)
		}
		b.ran("boot", 0, 1, 2)
		b.ran("up")
	})
}

func TestUnknownChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		spec := &corev1.Container{LivenessProbe: run("alive", period(10), limits(1, 2)), ReadinessProbe: run("up", period(10), limits(1, 2))}
		b.Sync("default/web", []Target{target("c1", spec)})
		b.until(5 * time.Second)
		b.expect("c1", "sr")
		down := func(context.Context) (int, error) { return 0, errors.New("the socket is gone") }
		b.on("alive", down)
		b.on("up", down)
		b.until(65 * time.Second)
		b.expect("c1", "sr")
		b.says("alive", 1)
		b.says("up", 0)
		b.until(75 * time.Second)
		b.expect("c1", "sr")
		b.until(85 * time.Second)
		b.expect("c1", "srL")
		var told []string
		for _, r := range b.records {
			if strings.Contains(r, "liveness") {
				told = append(told, r)
			}
		}
		b.lines("records", &told,
			"20s default/web/app c1 liveness unknown: exec: the runtime could not run the command: the socket is gone",
			"1m20s default/web/app c1 liveness failed: exec: exit code 1")
		if d := b.Details("c1"); d[1].Unknowns != 6 || d[1].Untried != 0 {
			t.Errorf("details %+v", d[1])
		}
	})
}

// A runtime that hangs and comes back has killed nobody.
func TestHungRuntime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		b.on("alive", func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
		b.Sync("default/web", []Target{target("c1", &corev1.Container{LivenessProbe: run("alive", period(1), limits(1, 1))})})
		b.until(59 * time.Second)
		b.expect("c1", "sr")
		if lag := time.Since(b.Beat()); lag > 0 {
			t.Errorf("the beat is %v old though every probe keeps its deadline", lag)
		}
		b.ran("alive", 0, 6, 12, 18, 24, 30, 36, 42, 48, 54) // one at a time, at once after a period that is over
	})
}

func TestJitterOnlyAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		spec := &corev1.Container{ReadinessProbe: run("old", period(60))}
		var old []Target
		for i := range 200 {
			x := target(fmt.Sprint("old", i), spec)
			x.Started = b.born.Add(-time.Hour)
			old = append(old, x)
		}
		b.Sync("default/old", old)
		b.until(maxJitter)
		first, last := b.runs["old"][0], b.runs["old"][len(b.runs["old"])-1]
		if len(b.runs["old"]) != 200 || first > time.Second || last < 9*time.Second {
			t.Errorf("%d runs from %v to %v, want 200 spread over 10 s", len(b.runs["old"]), first, last)
		}
		young := target("young", &corev1.Container{ReadinessProbe: run("new", period(60))})
		b.Sync("default/young", []Target{young})
		b.until(time.Minute)
		b.ran("new", 10)
	})
}

// Only the first run is spread: what follows startup comes at once.
func TestNoJitterAfterStartup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		b.says("boot", 1)
		x := target("c1", &corev1.Container{StartupProbe: run("boot", limits(1, 10)), ReadinessProbe: run("up"), LivenessProbe: run("alive")})
		x.Started = b.born.Add(-time.Hour)
		b.Sync("default/web", []Target{x})
		b.until(10 * time.Second)
		b.says("boot", 0)
		b.until(21 * time.Second)
		b.mu.Lock()
		defer b.mu.Unlock()
		passed := b.runs["boot"][len(b.runs["boot"])-1]
		if len(b.runs["boot"]) != 2 || len(b.runs["up"]) == 0 || b.runs["up"][0] != passed || b.runs["alive"][0] != passed {
			t.Errorf("%v", b.runs)
		}
	})
}

func TestStartupIsNotRunAgainWhereItIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		b.says("boot", 1)
		x := target("c1", &corev1.Container{StartupProbe: run("boot"), ReadinessProbe: run("up")})
		x.Started, x.WasStarted = b.born.Add(-time.Hour), true
		b.Sync("default/web", []Target{x})
		b.expect("c1", "s") // nobody has said yet that it is ready
		b.until(10 * time.Second)
		b.expect("c1", "sr")
		b.ran("boot")
	})
}
