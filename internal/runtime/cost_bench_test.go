//go:build integration && bench

package runtime

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nodeagent/internal/lab"
	"nodeagent/internal/lab/labtest"
)

// TestCost holds what the checks cost containerd at the default frequencies, ten pods, against 0.2 % of a core: what one look and one
// look at the details cost it, by doing many.
func TestCost(t *testing.T) {
	l := labtest.Start(t, lab.Options{})
	const image = "lab.invalid/sleeper:1"
	if err := l.Import(t.Context(), l.WorkloadImage(image, "sleep")); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if _, _, _, err := labtest.RunPod(t.Context(), l, labtest.Pod{Name: fmt.Sprint("p", i), Image: image, HostNetwork: true}); err != nil {
			t.Fatal(err)
		}
	}
	// In nanoseconds on a CPU, of every thread: the ticks of /proc/PID/stat are too coarse for what is asked here.
	used := func() (ns float64) {
		files, err := filepath.Glob(procPath(l.PID(), "task/*/schedstat"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no schedstat: %v", err)
		}
		for _, f := range files {
			if b, err := os.ReadFile(f); err == nil {
				n, _ := strconv.ParseFloat(strings.Fields(string(b))[0], 64)
				ns += n
			}
		}
		return ns
	}
	var looks, passes atomic.Int64
	phase := func(check, detail time.Duration) (perSecond float64) {
		cfg := defaults(l.Socket())
		cfg.CheckFrequency, cfg.DetailFrequency = check, detail
		cfg.ImageSpaceMin, cfg.ImageInodesMin = 0.001, 0.001
		r := start(t, cfg, Hooks{Observe: func(method string, _ time.Duration, _ string) {
			switch method {
			case "Version":
				looks.Add(1)
			case "ListImages":
				passes.Add(1)
			}
		}})
		r.awaitDetailsWell()
		looks.Store(0)
		passes.Store(0)
		return measured(used, 20*time.Second)
	}
	idle := measured(used, 20*time.Second)
	quick := phase(20*time.Millisecond, time.Hour)
	perLook := (quick - idle) / (float64(looks.Load()) / 20)
	quick = phase(time.Hour, 20*time.Millisecond)
	perPass := (quick - idle) / (float64(passes.Load()) / 20)
	d := defaults("")
	cost := 100 * (perLook/d.CheckFrequency.Seconds() + perPass/d.detailFrequency().Seconds()) / 1e9
	t.Logf("containerd, 10 pods: %.3f %% of a core without; a look costs it %.2f ms, the details %.2f ms: %.3f %% at the default frequencies", idle/1e7, perLook/1e6, perPass/1e6, cost)
	if cost > 0.2 {
		t.Errorf("the checks cost containerd %.3f %% of a core, allowed are 0.2", cost)
	}
}

// measured is what containerd used a second, in ns.
func measured(used func() float64, d time.Duration) float64 {
	began, before := time.Now(), used()
	<-time.After(d)
	return (used() - before) / time.Since(began).Seconds()
}
