package repair

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
)

// memStore keeps what was saved as JSON, as the state folder does.
type memStore struct {
	mu   sync.Mutex
	b    []byte
	fail error
}

// fails makes every save end so; nil: none.
func (s *memStore) fails(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

func (s *memStore) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.b)
}

func (s *memStore) Load(_ string, _ int, v any) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.b == nil {
		return false, nil
	}
	return true, json.Unmarshal(s.b, v)
}

func (s *memStore) SaveDurable(_ string, _ int, v any) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	s.b, err = json.Marshal(v)
	return err
}

type bench struct {
	mu     sync.Mutex
	store  memStore
	board  *health.Board
	events []event.Event
	config Config
	paused string
	node   string
	trip   *health.Condition
	sick   *health.Reason
}

func newBench() *bench {
	b := &bench{config: Config{Mode: On}, node: "n", sick: &health.Reason{Name: "Sick", Fix: "x"}}
	b.trip = &health.Condition{Name: "Trouble", Reasons: []*health.Reason{b.sick}}
	b.board = health.NewBoard(nil, RepairsLatched, b.trip)
	return b
}

func (b *bench) ledger(a *Action) *Ledger {
	return New(func() Config { b.mu.Lock(); defer b.mu.Unlock(); return b.config }, Deps{Store: &b.store, Record: b.record, Boot: "b",
		Paused: func() (bool, string) { return b.paused != "", b.paused }, Node: func() string { return b.node }}, b.board, zap.NewNop(), a)
}

func (b *bench) set(mode string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.config.Mode = mode
}

func (b *bench) record(e event.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
}

func (b *bench) said() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, e := range b.events {
		out = append(out, e.Reason)
	}
	b.events = nil
	return strings.Join(out, " ")
}

func (b *bench) latched() bool {
	s, _ := b.board.Snapshot().Of(RepairsLatched.Name)
	return s.Worst().Status == health.Failing
}

// ask asks every 5 s until it is permitted, or for a time.
func ask(l *Ledger, q Request, d time.Duration) (took time.Duration, ok bool) {
	for began := time.Now(); time.Since(began) <= d; time.Sleep(5 * time.Second) {
		if l.Ask(q).OK {
			return time.Since(began), true
		}
	}
	return 0, false
}

func TestLedger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		a := testAction()
		l := b.ledger(a)
		q := Request{Action: a, Target: "u", Why: "it is hung"}
		took, ok := ask(l, q, 2*time.Minute)
		if !ok || took != time.Minute {
			t.Fatalf("permitted after %v, %v", took, ok)
		}
		// It was written down before it is done: an agent that ends now has lost none of its budget.
		if n, _ := b.ledger(a).memory.Actions[a.Name].within(time.Hour, "b", time.Now(), 0); n != 1 {
			t.Fatalf("%d acts are on the disk before the act", n)
		}
		// An agent that ended within it says so, and does not do it again.
		if s := b.said(); s != "Begun Interrupted" {
			t.Errorf("said %s", s)
		}
		if took, ok := ask(b.ledger(a), q, time.Hour); !ok || took < 9*time.Minute+50*time.Second {
			t.Errorf("an agent that ended within an act does it again after %v, %v", took, ok)
		}
		b.store.b = nil
		l, _ = b.ledger(a), b.said()
		if took, ok := ask(l, q, 2*time.Minute); !ok || took != time.Minute {
			t.Fatalf("permitted after %v, %v", took, ok)
		}
		l.Done(q, nil)
		if s := b.said(); s != "Begun Done" {
			t.Errorf("said %s", s)
		}
		// Again only when it cooled down, and its time begins anew.
		if took, ok = ask(l, q, time.Hour); !ok || took < 9*time.Minute+50*time.Second || took > 10*time.Minute+5*time.Second {
			t.Fatalf("the second after %v, %v", took, ok)
		}
		l.Done(q, errors.New("no"))
		// The hour's budget is used up and the trouble is there: a person is needed, in the next agent too.
		if _, ok = ask(l, q, 30*time.Minute); ok || !b.latched() {
			t.Fatalf("permitted %v, latched %v", ok, b.latched())
		}
		if s := b.said(); s != "Begun Failed Latched" {
			t.Errorf("said %s", s)
		}
		l = b.ledger(a)
		if _, ok = ask(l, q, 3*time.Hour); ok || !b.latched() {
			t.Fatal("a restart of the agent, or time, clears what needs a person")
		}
		if _, err := l.Clear("nonsense"); err == nil {
			t.Error("clears what is not there")
		}
		if names, err := l.Clear(""); err != nil || len(names) != 1 || b.latched() {
			t.Errorf("cleared %v, %v", names, err)
		}
		if _, ok = ask(l, q, 5*time.Minute); !ok {
			t.Error("cleared, and still not permitted")
		}
	})
}

// TestTroubleForgotten: trouble that comes and goes never lasts long enough.
func TestTroubleForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		a := testAction()
		l := b.ledger(a)
		q := Request{Action: a, Target: "u", Why: "it flaps"}
		for range 50 {
			if _, ok := ask(l, q, 40*time.Second); ok {
				t.Fatal("permitted")
			}
			time.Sleep(a.Forget)
		}
		for range 50 {
			if _, ok := ask(l, q, 40*time.Second); ok {
				t.Fatal("permitted")
			}
			l.Over(a, "u")
		}
	})
}

func TestLedgerModes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		a := testAction()
		b.config.Mode = DryRun
		l := b.ledger(a)
		q := Request{Action: a, Target: "u", Why: "it is hung"}
		if _, ok := ask(l, q, 25*time.Minute); ok || b.latched() {
			t.Fatal("dry-run acts, or latches")
		}
		if s := b.said(); s != "DryRun DryRun DryRun" { // after 1, 11 and 21 minutes
			t.Errorf("said %s", s)
		}
		if p := l.Plan(); p.Mode != DryRun || p.Repairs[0].Would != 3 || p.Repairs[0].Day != 0 || len(p.Repairs[0].Wanted) != 1 || p.Repairs[0].Wanted[0].Now {
			t.Errorf("%+v", p)
		}
		b.config.Mode, b.paused = On, "under maintenance"
		if _, ok := ask(l, q, 5*time.Minute); ok || b.said() != "" {
			t.Error("acts, or talks, under maintenance")
		}
		if p := l.Plan(); p.Repairs[0].Wanted[0].Because != "under maintenance" {
			t.Errorf("%+v", p)
		}
		b.paused = ""
		b.store.fails(errors.New("disk full"))
		if _, ok := ask(l, q, 5*time.Minute); ok || !b.latched() {
			t.Error("acts though it can't be written down")
		}
		b.store.fails(nil)
		if _, ok := ask(l, q, time.Minute); !ok || b.latched() {
			t.Error("does not act again once it can be written down")
		}
	})
}

type fakeHand struct {
	mu       sync.Mutex
	unit     Unit
	err      error
	restarts []string
}

func (f *fakeHand) Unit(context.Context, string) (Unit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unit, f.err
}

func (f *fakeHand) set(killMode string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unit.KillMode = killMode
}

func (f *fakeHand) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.restarts)
}

func (f *fakeHand) Restart(_ context.Context, u Unit) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.restarts = append(f.restarts, u.Name)
	return f.err
}

func (f *fakeHand) OfProcess(context.Context, int) (string, error) { return "x.service", nil }

// TestBarred: three nodes that leave maintenance, or a switch to on, together don't act together.
func TestBarred(t *testing.T) {
	for name, bar := range map[string]func(b *bench, on bool){
		"maintenance": func(b *bench, on bool) { b.paused = map[bool]string{true: "under maintenance"}[on] },
		"dry-run":     func(b *bench, on bool) { b.config.Mode = map[bool]string{true: DryRun, false: On}[on] },
		"disabled":    func(b *bench, on bool) { b.config.Disabled = map[bool][]string{true: {"restart-x"}}[on] },
	} {
		synctest.Test(t, func(t *testing.T) {
			a := testAction()
			a.Jitter = time.Minute
			seen := map[time.Duration]bool{}
			for _, node := range []string{"node1", "node2", "node3"} {
				b := newBench()
				b.node = node
				bar(b, true)
				l, q := b.ledger(a), Request{Action: a, Target: "u", Why: "it is hung"}
				if _, ok := ask(l, q, 10*time.Minute); ok {
					t.Fatal("permitted")
				}
				bar(b, false)
				took, ok := ask(l, q, 10*time.Minute)
				if share := jitter(a, node); !ok || took < share-5*time.Second || took > share+5*time.Second {
					t.Errorf("%s: %s acts %v after its end, %v: its share is %v", name, node, took, ok, share)
				}
				seen[took] = true
			}
			if len(seen) < 2 {
				t.Errorf("%s: all act at once", name)
			}
		})
	}
}

func TestRestarter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		a := testAction()
		l := b.ledger(a)
		h := &fakeHand{unit: Unit{Name: "x.service", LoadState: "loaded", ActiveState: "active", FileState: "enabled", KillMode: "control-group"}}
		r := NewRestarter(l, Restart{Action: a, Rules: Rules{KeepChildren: true}, Wanted: func(s health.Snapshot) Want {
			st, _ := s.Of(b.trip.Name)
			if st.Worst().Status != health.Failing {
				return Want{}
			}
			w := Want{Unit: "x.service", Why: st.Worst().Message}
			if w.Why == "deadlock" {
				w.Against = "it would wait for ever"
			}
			return w
		}})
		r.hand = h
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- r.Run(ctx) }()
		say := func(f health.Finding) { b.board.Publish(health.Look{Of: b.trip, Findings: []health.Finding{f}}) }
		say(health.Finding{Status: health.OK})
		time.Sleep(time.Hour)
		synctest.Wait()
		if h.count() != 0 || len(l.Plan().Repairs[0].Wanted) != 0 {
			t.Fatal("restarts what is well")
		}
		say(health.Finding{Status: health.Failing, Reason: b.sick, Message: "hung"})
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if p := l.Plan(); h.count() != 0 || !strings.Contains(p.Repairs[0].Wanted[0].Because, "kill every pod") {
			t.Fatalf("%d, %+v", h.count(), p)
		}
		h.set("process")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if h.count() != 1 || b.said() != "Begun Done" {
			t.Fatalf("restarts: %d", h.count())
		}
		say(health.Finding{Status: health.Failing, Reason: b.sick, Message: "deadlock"})
		time.Sleep(time.Hour)
		synctest.Wait()
		if p := l.Plan(); h.count() != 1 || p.Repairs[0].Wanted[0].Because != "it would wait for ever" {
			t.Errorf("%d, %+v", h.count(), p)
		}
		say(health.Finding{Status: health.OK})
		time.Sleep(time.Hour)
		synctest.Wait()
		if p := l.Plan(); h.count() != 1 || len(p.Repairs[0].Wanted) != 0 {
			t.Errorf("%d, %+v", h.count(), p)
		}
		cancel()
		<-over
	})
}

// A disk that was full when an act was to be written down is no trouble any more once it has room, whether or not somebody asks again.
func TestNotKeptIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		a := testAction()
		l := b.ledger(a)
		r := NewRestarter(l, Restart{Action: a, Wanted: func(health.Snapshot) Want { return Want{} }})
		ctx, cancel := context.WithCancel(t.Context())
		over := make(chan error)
		go func() { over <- r.Run(ctx) }()
		q := Request{Action: a, Target: "a route", Why: "it is gone"}
		b.store.fails(errors.New("disk full"))
		if _, ok := ask(l, q, 2*time.Minute); ok || !b.latched() {
			t.Fatal("acts though it can't be written down, or does not say so")
		}
		l.Over(a, q.Target)
		time.Sleep(time.Hour)
		synctest.Wait()
		if !b.latched() {
			t.Error("said to be kept while the disk is full")
		}
		b.store.fails(nil)
		time.Sleep(keepEvery)
		synctest.Wait()
		if b.latched() {
			t.Error("the disk has room, and the ledger is accused for ever")
		}
		// The end of an act that can't be written down is said too.
		if _, ok := ask(l, q, 5*time.Minute); !ok {
			t.Fatal("not permitted")
		}
		b.store.fails(errors.New("disk full"))
		l.Done(q, nil)
		if !b.latched() {
			t.Error("an act's end was lost, and nobody is told")
		}
		b.store.fails(nil)
		time.Sleep(2 * keepEvery)
		synctest.Wait()
		if b.latched() || !strings.Contains(b.store.text(), outcomeDone) {
			t.Errorf("latched %v, kept %s", b.latched(), b.store.text())
		}
		cancel()
		<-over
	})
}

func TestCatchesSignal(t *testing.T) {
	dir := t.TempDir()
	for pid, content := range map[string]string{"10": "Name:\tx\nSigCgt:\t0000000000000200\n", "11": "SigCgt:\t0000000000000100\n", "12": "Name:\tx\n", "13": "SigCgt:\tzz\n"} {
		if err := errors.Join(os.Mkdir(filepath.Join(dir, pid), 0o755), os.WriteFile(filepath.Join(dir, pid, "status"), []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for pid, want := range map[int]string{10: "true", 11: "false", 12: "error", 13: "error", 14: "error"} {
		got, err := catchesSignal(dir, pid, syscall.SIGUSR1)
		if say := map[bool]string{true: "true", false: "false"}[got]; err == nil && say != want || (err != nil) != (want == "error") {
			t.Errorf("process %d: %v, %v, want %s", pid, got, err, want)
		}
	}
}
