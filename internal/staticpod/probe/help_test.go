package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// bench is a prober in a bubble, whose execs answer what the test says.
type bench struct {
	*Prober
	t     *testing.T
	born  time.Time
	stop  context.CancelFunc
	ended chan struct{}

	mu      sync.Mutex
	answer  map[string]func(ctx context.Context) (int, error) // by command; none: 0
	runs    map[string][]time.Duration                        // when each command ran, since born
	changed []string
	records []string
	seen    map[string]int // observations
}

func newBench(t *testing.T, d Deps) *bench {
	b := &bench{t: t, born: time.Now(), answer: map[string]func(context.Context) (int, error){}, runs: map[string][]time.Duration{}, seen: map[string]int{}}
	d.Exec = func(ctx context.Context, _ string, cmd []string, _ time.Duration) ([]byte, int, error) {
		b.mu.Lock()
		b.runs[cmd[0]] = append(b.runs[cmd[0]], time.Since(b.born))
		fn := b.answer[cmd[0]]
		b.mu.Unlock()
		if fn == nil {
			return nil, 0, nil
		}
		exit, err := fn(ctx)
		return []byte("said " + cmd[0]), exit, err
	}
	d.Changed = func(key string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.changed = append(b.changed, fmt.Sprintf("%v %s", time.Since(b.born), key))
	}
	d.Record = func(c Change) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.records = append(b.records, fmt.Sprintf("%v %s/%s %s %v %v: %s", time.Since(b.born), c.Key, c.Container, c.ContainerID, c.Role, c.Outcome, c.Message))
	}
	d.Observe = func(o Observation) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.seen[fmt.Sprintf("%s/%s %v %v", o.Key, o.Container, o.Role, o.Outcome)]++
	}
	b.Prober = New(d)
	return b
}

func (b *bench) start() *bench {
	ctx, cancel := context.WithCancel(b.t.Context())
	b.stop, b.ended = cancel, make(chan struct{})
	go func() {
		defer close(b.ended)
		b.Run(ctx)
	}()
	<-b.Ready()
	synctest.Wait()
	return b
}

func (b *bench) end() {
	b.stop()
	<-b.ended
}

// says sets the exit code of a command from now on.
func (b *bench) says(cmd string, exit int) {
	b.on(cmd, func(context.Context) (int, error) { return exit, nil })
}

func (b *bench) on(cmd string, fn func(context.Context) (int, error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer[cmd] = fn
}

// until lets time pass to a moment since born.
func (b *bench) until(at time.Duration) {
	time.Sleep(at - time.Since(b.born))
	synctest.Wait()
}

// ran checks when a command ran, in seconds since born.
func (b *bench) ran(cmd string, want ...float64) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var got []float64
	for _, d := range b.runs[cmd] {
		got = append(got, d.Seconds())
	}
	if !slices.Equal(got, want) {
		b.t.Errorf("%s ran at %v s, want %v", cmd, got, want)
	}
}

// expect checks the flags of a result: s(tarted), r(eady), L(iveness failed), S(tartup failed).
func (b *bench) expect(id, want string) Result {
	b.t.Helper()
	r := b.Result(id)
	got := ""
	for _, f := range []struct {
		on   bool
		flag string
	}{{r.Started, "s"}, {r.Ready, "r"}, {r.LivenessFailed, "L"}, {r.StartupFailed, "S"}} {
		if f.on {
			got += f.flag
		}
	}
	if got != want {
		b.t.Errorf("after %v: %s is %q (%s), want %q", time.Since(b.born), id, got, r.Message, want)
	}
	if r.Ready != (r.Message == "") && !(r.Ready && r.LivenessFailed) {
		b.t.Errorf("%s: ready %v with message %q", id, r.Ready, r.Message)
	}
	return r
}

func (b *bench) lines(what string, got *[]string, want ...string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(*got, want) {
		b.t.Errorf("%s:\n%s\nwant:\n%s", what, strings.Join(*got, "\n"), strings.Join(want, "\n"))
	}
}

// run is an exec probe of one word with period 10 and the API's other defaults.
func run(cmd string, set ...func(*corev1.Probe)) *corev1.Probe {
	p := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{cmd}}}}
	for _, fn := range set {
		fn(p)
	}
	return p
}

func delay(n int32) func(*corev1.Probe)  { return func(p *corev1.Probe) { p.InitialDelaySeconds = n } }
func period(n int32) func(*corev1.Probe) { return func(p *corev1.Probe) { p.PeriodSeconds = n } }
func limits(success, failure int32) func(*corev1.Probe) {
	return func(p *corev1.Probe) { p.SuccessThreshold, p.FailureThreshold = success, failure }
}

func target(id string, spec *corev1.Container) Target {
	return Target{ContainerID: id, Container: "app", PodIP: "10.0.0.1", Spec: spec, Started: time.Now()}
}

func (b *bench) expectUnknown(id string) {
	b.t.Helper()
	if r := b.Result(id); r != (Result{}) {
		b.t.Errorf("%s: %+v, want nothing", id, r)
	}
	if d := b.Details(id); d != nil {
		b.t.Errorf("%s: details %+v, want none", id, d)
	}
}
