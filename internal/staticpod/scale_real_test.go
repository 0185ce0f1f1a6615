//go:build integration

package staticpod

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// maxHeapPerPod is what the agent may keep of a pod, probe, goroutines and all.
const maxHeapPerPod = 60 << 10

func TestCrowdExitIsActedOnWhereNothingIsMadeAhead(t *testing.T) { crowdExits(t, false) }

// By the clock of the machine: computing counts, the agent's and the fake's, which share the cores.
func TestCrowdByTheClock(t *testing.T) {
	var asked atomic.Int64
	site := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer site.Close()
	_, port, _ := strings.Cut(site.Listener.Addr().String(), ":")
	m := newMany(t, fmt.Sprintf("    livenessProbe:\n      httpGet: {host: 127.0.0.1, port: %s}\n      periodSeconds: 1\n", port))
	m.run()
	defer func() { m.stop() }()
	soonly(t, "a crowd that runs", func() bool { return m.up() == crowd })
	soonly(t, "a probe of each", func() bool { return asked.Load() >= 2*crowd })
	after := func(d time.Duration) { <-time.After(d) }

	// Probes ask the pods and not the runtime.
	after(time.Second) // the starts' last passes
	m.rt.ResetCalls()
	before, used := asked.Load(), cpu(t)
	after(3 * time.Second)
	used = cpu(t) - used
	if n := asked.Load() - before; n < 2*crowd {
		t.Errorf("%d probes of %d pods in 3 s", n, crowd)
	}
	if calls := m.calls(); len(calls) > 0 {
		t.Errorf("probes made %d calls, the first %s", len(calls), calls[0])
	}
	t.Logf("idle with a probe a second and pod: %.1f %% of a core, the probed server too", 100*used.Seconds()/3)

	// Exits while others flap.
	m.mu.Lock()
	m.flap()
	m.mu.Unlock()
	for i := range flappers { // what a start reads holds from the next one on
		m.kill(crowdName(i))
	}
	after(2 * time.Second)
	m.wire.forget()
	used, before = cpu(t), int64(len(m.calls()))
	began := time.Now()
	killed, floors := map[string]time.Time{}, []time.Duration{}
	for i := flappers; i < flappers+100; i++ {
		killed[crowdName(i)] = m.kill(crowdName(i))
		const gap = 31 * time.Millisecond
		from := time.Now()
		after(gap)
		check(t, m.store.Save("floor", 1, killed))
		floors = append(floors, time.Since(from)-gap)
	}
	used = cpu(t) - used
	t.Logf("50 flap and 100 end in 3 s: %.1f %% of a core, the fake and the probed server too; %d calls", 100*used.Seconds()/time.Since(began).Seconds(), int64(len(m.calls()))-before)
	soonly(t, "the start of each that ended", func() bool {
		for pod, at := range killed {
			if _, ok := m.wire.acted(pod+"-node", at); !ok {
				return false
			}
		}
		return true
	})
	var took []time.Duration
	for pod, at := range killed {
		d, _ := m.wire.acted(pod+"-node", at)
		took = append(took, d)
	}
	slices.Sort(took)
	t.Logf("an exit is acted on, the calls apart, after %v at the median, %v at p90, %v at worst", medianOf(took), took[len(took)*9/10], took[len(took)-1])
	// What nobody can do without on this machine now, to be woken and to write a file, is not the agent's; on a quiet one it is next to nothing.
	floor := min(medianOf(floors), 10*time.Millisecond)
	t.Logf("a wake-up and a write take %v at the median", medianOf(floors))
	if d := medianOf(took); d > 20*time.Millisecond+2*floor {
		t.Errorf("an exit is acted on after %v at the median, the calls apart, want 20 ms", d)
	}

	// What the agent keeps is what is no more without it.
	m.wire.forget()
	m.rt.ResetCalls()
	with := inUse()
	m.stop()
	m.agent, m.wire = nil, nil
	m.agent = &agent{stop: func() {}}
	without := inUse()
	perPod := (int64(with) - int64(without)) / crowd
	t.Logf("%d B of heap and stacks a pod", perPod)
	if perPod > maxHeapPerPod || perPod <= 0 {
		t.Errorf("the agent keeps %d B a pod, want %d at most", perPod, maxHeapPerPod)
	}
}

// cpu is the time that this process used.
func cpu(t *testing.T) time.Duration {
	var ts unix.Timespec
	check(t, unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts))
	return time.Duration(ts.Nano())
}

// inUse is heap and stacks after a collection; the second one takes what finalizers and pools let go.
func inUse() uint64 {
	for range 3 {
		runtime.GC()
	}
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc + s.StackInuse
}
