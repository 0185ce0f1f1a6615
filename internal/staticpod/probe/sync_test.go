package probe

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestStoppingIsNotProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		ended := make(chan error, 1)
		spec := &corev1.Container{ReadinessProbe: run("up"), LivenessProbe: run("alive", delay(5))}
		x := target("c1", spec)
		b.Sync("default/web", []Target{x})
		synctest.Wait()
		b.expect("c1", "sr")
		b.on("alive", func(ctx context.Context) (int, error) { <-ctx.Done(); ended <- ctx.Err(); return 1, nil })
		b.until(5 * time.Second)
		x.Stopping = true
		b.Sync("default/web", []Target{x})
		if r := b.expect("c1", "s"); r.Message != "its stop was begun" || !r.Since.Equal(time.Now()) {
			t.Errorf("%+v", r)
		}
		synctest.Wait()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the probe in flight ended with %v", err)
		}
		b.until(time.Minute)
		b.ran("up", 0)
		b.ran("alive", 5)
		if b.seen["default/web/app liveness failed"] != 0 {
			t.Error("a probe that was cut off counts")
		}
		// The stop was called off: it is probed from the beginning.
		x.Stopping = false
		b.Sync("default/web", []Target{x})
		b.expect("c1", "s")
		b.until(61 * time.Second)
		b.expect("c1", "sr")
	})
}

func TestSyncIsIdempotentAndFollowsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		spec := &corev1.Container{ReadinessProbe: run("up", delay(3))}
		x := target("c1", spec)
		x.PodIP = ""
		for i := range 20 {
			x.Spec = spec.DeepCopy() // parsed again
			b.Sync("default/web", []Target{x})
			b.until(time.Duration(i) * time.Second)
		}
		b.ran("up", 3, 13)
		b.expect("c1", "sr")
		x.Spec = nil // the manifest is gone, the container is not
		b.Sync("default/web", []Target{x})
		b.until(25 * time.Second)
		b.expect("c1", "sr")
		x.Spec = &corev1.Container{ReadinessProbe: run("other")}
		b.Sync("default/web", []Target{x})
		b.expect("c1", "s")
		b.until(26 * time.Second)
		b.expect("c1", "sr")
		b.ran("up", 3, 13, 23)
		b.ran("other", 25)
	})
}

func TestAnIPThatComesLateIsUsedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		x := target("c1", &corev1.Container{ReadinessProbe: &corev1.Probe{PeriodSeconds: 60, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/"}}}})
		x.PodIP = ""
		b.Sync("default/web", []Target{x})
		b.until(10 * time.Second)
		x.PodIP = "10.0.0.1" // the port is none, so that nothing leaves the bubble
		b.Sync("default/web", []Target{x})
		b.until(11 * time.Second)
		if d := b.Details("c1"); d[0].Unknowns != 2 || !d[0].LastRun.Equal(b.born.Add(10*time.Second)) {
			t.Errorf("%+v", d[0])
		}
	})
}

func TestWhatHasStartedStaysStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		x := target("c1", &corev1.Container{StartupProbe: run("boot"), ReadinessProbe: run("up")})
		b.Sync("default/web", []Target{x})
		b.until(5 * time.Second)
		b.expect("c1", "sr")
		x.Spec = &corev1.Container{StartupProbe: run("boot"), ReadinessProbe: run("other")}
		b.Sync("default/web", []Target{x})
		b.expect("c1", "s")
		b.until(15 * time.Second)
		b.expect("c1", "sr")
		b.ran("boot", 0)
	})
}

func TestOneContainerOfTwoPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{})
		x := target("c1", &corev1.Container{})
		b.Sync("default/a", []Target{x, x})
		b.Sync("default/b", []Target{x})
		b.Sync("default/a", nil)
		b.Sync("default/b", nil)
		b.expectUnknown("c1")
	})
}
