package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
)

func TestAtMostSoManyAtOnceInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{MaxExec: 2}).start()
		defer b.end()
		var flying, most atomic.Int32
		for i := range 6 {
			cmd := fmt.Sprint("p", i)
			b.on(cmd, func(context.Context) (int, error) {
				most.Store(max(most.Load(), flying.Add(1)))
				time.Sleep(time.Second)
				flying.Add(-1)
				return 0, nil
			})
			b.Sync(fmt.Sprint("default/", i), []Target{target(cmd, &corev1.Container{ReadinessProbe: run(cmd)})})
			synctest.Wait()
		}
		b.until(500 * time.Millisecond)
		b.Sync("default/3", nil) // leaves the queue
		b.until(5 * time.Second)
		if most.Load() != 2 {
			t.Errorf("%d at once, want 2", most.Load())
		}
		for i, want := range [][]float64{{0}, {0}, {1}, nil, {1}, {2}} {
			b.ran(fmt.Sprint("p", i), want...)
		}
	})
}

func TestEndAndRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{})
		b.Sync("default/web", []Target{target("c1", &corev1.Container{ReadinessProbe: run("up"), LivenessProbe: run("hang", limits(1, 1))})})
		b.until(time.Second)
		b.ran("up") // nothing before Run
		b.on("hang", func(ctx context.Context) (int, error) { <-ctx.Done(); return 1, nil })
		b.start()
		b.until(2 * time.Second)
		b.end()
		b.until(time.Minute)
		b.ran("up", 1)
		b.expect("c1", "sr") // the run that was cut off counts for nothing
		b.says("hang", 0)
		b.start()
		defer b.end()
		b.until(61 * time.Second)
		b.ran("up", 1, 60)
		b.ran("hang", 1, 60)
	})
}

func TestPanicIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		b.on("up", func(context.Context) (int, error) { panic("boom") })
		b.Sync("default/web", []Target{target("c1", &corev1.Container{ReadinessProbe: run("up")})})
		b.until(5 * time.Second)
		if r := b.expect("c1", "s"); r.Message != "readiness probe can't be tried: panic: boom" {
			t.Errorf("%+v", r)
		}
		b.says("up", 0)
		b.until(15 * time.Second)
		b.expect("c1", "sr")
	})
}

func TestBeatTellsOfAnExecThatDoesNotReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		release := make(chan struct{})
		b.on("up", func(context.Context) (int, error) { <-release; return 0, nil })
		b.Sync("default/web", []Target{target("c1", &corev1.Container{ReadinessProbe: run("up")})})
		b.until(17 * time.Second)
		if lag := time.Since(b.Beat()); lag > 0 {
			t.Errorf("within the deadline the beat is %v old", lag)
		}
		b.until(time.Minute)
		if lag := time.Since(b.Beat()); lag != 42*time.Second {
			t.Errorf("the beat is %v old, want 42 s: 3 tries of 1 s and 5 s were due at 18 s", lag)
		}
		close(release)
		b.end()
	})
}

// Real time and sockets: an HTTP probe passes while every exec slot hangs.
func TestSlowExecsDelayNoRequest(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	ip, port := at(t, srv.URL)
	hanging := make(chan struct{}, 100)
	ready := make(chan string, 100)
	p := New(Deps{MaxExec: 2, Exec: func(ctx context.Context, _ string, _ []string, _ time.Duration) ([]byte, int, error) {
		hanging <- struct{}{}
		<-ctx.Done()
		return nil, 0, ctx.Err()
	}, Changed: func(key string) { ready <- key }})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- p.Run(ctx) }()
	for i := range 5 {
		p.Sync(fmt.Sprint("default/slow", i), []Target{target(fmt.Sprint("s", i), &corev1.Container{LivenessProbe: run("x", func(p *corev1.Probe) { p.TimeoutSeconds = 60 })})})
	}
	<-hanging
	<-hanging
	web := target("web", &corev1.Container{ReadinessProbe: &corev1.Probe{TimeoutSeconds: 30, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: port}}}})
	web.PodIP = ip
	p.Sync("default/web", []Target{web})
	if key := <-ready; key != "default/web" || !p.Result("web").Ready {
		t.Errorf("%s changed, web is %+v", key, p.Result("web"))
	}
	if len(hanging) != 0 {
		t.Error("more execs run at once than may")
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
}

func TestATimerThatIsLateToHear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Deps{}).start()
		defer b.end()
		b.Sync("default/web", []Target{target("c1", &corev1.Container{ReadinessProbe: run("up")})})
		b.until(5 * time.Second)
		b.fire(b.containers["c1"].workers[Readiness]) // set anew since it was started
		b.until(15 * time.Second)
		b.ran("up", 0, 10)
	})
}
