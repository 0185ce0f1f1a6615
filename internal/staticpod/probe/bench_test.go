package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// crowd is 500 pods with three exec probes each.
func crowd(p *Prober) (keys []string, targets [][]Target) {
	for i := range 500 {
		spec := &corev1.Container{StartupProbe: run("a"), ReadinessProbe: run("b"), LivenessProbe: run("c")}
		key := fmt.Sprint("default/pod", i)
		x := target(fmt.Sprintf("%064d", i), spec)
		keys, targets = append(keys, key), append(targets, []Target{x})
		p.Sync(key, targets[i])
	}
	return keys, targets
}

func ok(context.Context, string, []string, time.Duration) ([]byte, int, error) { return nil, 0, nil }

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A probe is worth a timer and a few words, its share of container and manifest included, and no goroutine while it waits.
func TestMemoryOfAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := New(Deps{Exec: ok})
		goroutines := runtime.NumGoroutine()
		go p.Run(ctx)
		before := heap()
		keys, targets := crowd(p)
		time.Sleep(15 * time.Second) // all have run and wait for the next time
		synctest.Wait()
		size := (heap() - before) / 1500
		t.Logf("%d bytes a probe, its manifest included", size)
		if size > 2048 {
			t.Errorf("%d bytes a probe, want 2048 at most", size)
		}
		if n := runtime.NumGoroutine() - goroutines; n > 1 {
			t.Errorf("%d goroutines while 1500 probes wait, want Run alone", n)
		}
		for i, key := range keys {
			if !p.Result(targets[i][0].ContainerID).Ready {
				t.Fatalf("%s is not ready: %+v", key, p.Result(targets[i][0].ContainerID))
			}
		}
		cancel()
		synctest.Wait()
	})
}

func BenchmarkSyncUnchanged(b *testing.B) {
	p := New(Deps{Exec: ok})
	keys, targets := crowd(p)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Sync(keys[i%500], targets[i%500])
	}
}

func BenchmarkResult(b *testing.B) {
	p := New(Deps{Exec: ok})
	_, targets := crowd(p)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		p.Result(targets[i%500][0].ContainerID)
	}
}

// A whole httpGet probe over loopback, the server's part included.
func BenchmarkHTTPGet(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	ip, port := at(b, srv.URL)
	p := &corev1.Probe{TimeoutSeconds: 5, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: port}}}
	h := newHandlers(nil)
	b.ReportAllocs()
	for b.Loop() {
		if a := h.probe(b.Context(), p, Target{PodIP: ip}); a.outcome != Success {
			b.Fatalf("%+v", a)
		}
	}
}
