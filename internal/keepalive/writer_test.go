package keepalive

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/state"
)

// memStore is a Store in memory.
type memStore struct{ m map[string]any }

func (s memStore) Save(name string, _ int, v any) error        { s.m[name] = v; return nil }
func (s memStore) SaveDurable(name string, n int, v any) error { return s.Save(name, n, v) }
func (s memStore) Delete(name string) error                    { delete(s.m, name); return nil }
func (s memStore) Load(name string, _ int, v any) (bool, error) {
	switch x := s.m[name].(type) {
	case Maintenance:
		*v.(*Maintenance) = x
	case toldState:
		*v.(*toldState) = x
	case error:
		return false, x
	default:
		return false, nil
	}
	return true, nil
}

// bench is a writer with a board, in a folder of its own.
type bench struct {
	fixture
	w      *writer
	dir    string
	mu     sync.Mutex
	events []event.Event
}

func newBench(t testing.TB, p ...Policy) *bench {
	b := &bench{fixture: newFixture(), dir: filepath.Join(t.TempDir(), "verdict")}
	b.w = newWriter(b.dir)
	b.w.policies = func() []Policy { return p }
	b.w.maintenance = func() Maintenance { return Maintenance{} }
	b.w.named = func() bool { return false }
	b.w.board, b.w.log = b.board, zap.NewNop()
	b.w.record = func(e event.Event) { b.mu.Lock(); defer b.mu.Unlock(); b.events = append(b.events, e) }
	return b
}

func (b *bench) open(t testing.TB) {
	t.Helper()
	f, err := openFolder(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	b.w.folder = f
	t.Cleanup(f.close)
}

func (b *bench) number(t testing.TB) int {
	t.Helper()
	n, err := readNumber(b.dir, "vip")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func start(t testing.TB, run func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	})
	t.Cleanup(func() { stop(); running.Wait() })
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it did not come", what)
		}
	}
}

func TestVerdictFiles(t *testing.T) {
	b := newBench(t, undamped())
	b.open(t)
	now := time.Now()
	b.w.pass(now)
	if n := b.number(t); n != DefaultWeight {
		t.Errorf("a node that nobody looked at begins with %d", n)
	}
	b.set(b.balancer, health.OK, nil)
	b.set(b.api, health.OK, nil)
	b.w.pass(now)
	if n := b.number(t); n != 0 {
		t.Errorf("a well node has %d", n)
	}
	b.set(b.balancer, health.Failing, b.down)
	b.w.pass(now)
	text, err := os.ReadFile(filepath.Join(b.dir, "vip"))
	if err != nil || string(text) != "-254\n" {
		t.Errorf("file: %q, %v", text, err)
	}
	for _, name := range []string{"vip", beatName} {
		if st, err := os.Stat(filepath.Join(b.dir, name)); err != nil || st.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
	if st, err := os.Stat(b.dir); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("folder: %v, %v", st.Mode(), err)
	}
	var got []string
	for _, e := range b.events {
		got = append(got, e.Kind+" "+e.Reason+" "+e.Message)
	}
	want := []string{"vip Verdict vip: ok (0), was unknown (-60)", "vip Verdict vip: fault (-254), was ok (0): HAProxy failing Down"}
	if !slices.Equal(got, want) {
		t.Errorf("events:\n%s", strings.Join(got, "\n"))
	}
	h := b.w.history.all()
	if len(h) != 2 || h[1].From != 0 || h[1].To != Fault || !h[1].Would || h[1].Cause != "HAProxy failing Down" {
		t.Errorf("history: %+v", h)
	}
	if left, _ := filepath.Glob(filepath.Join(b.dir, ".*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestVerdictFileIsKept(t *testing.T) {
	b := newBench(t, undamped())
	b.open(t)
	b.set(b.balancer, health.OK, nil)
	b.set(b.api, health.Failing, b.hung)
	b.w.pass(time.Now())
	path := filepath.Join(b.dir, "vip")
	for name, harm := range map[string]func() error{
		"removed": func() error { return os.Remove(path) },
		"emptied": func() error { return os.Truncate(path, 0) },
		"changed": func() error { return os.WriteFile(path, []byte("0\n"), 0o644) },
		"swapped": func() error { return errors.Join(os.Remove(path), os.WriteFile(path, []byte("-60\n"), 0o600)) },
	} {
		if err := harm(); err != nil {
			t.Fatal(err)
		}
		before := b.w.rewrites.Load()
		b.w.pass(time.Now())
		if n := b.number(t); n != -60 || b.w.rewrites.Load() != before+1 {
			t.Errorf("%s: %d, %d rewrites", name, n, b.w.rewrites.Load()-before)
		}
	}
	before := b.w.rewrites.Load()
	if b.w.pass(time.Now()); b.w.rewrites.Load() != before {
		t.Error("a file that nobody touched is written again")
	}
}

func TestVerdictThatCannotBeWritten(t *testing.T) {
	b := newBench(t, undamped())
	b.open(t)
	b.set(b.balancer, health.OK, nil)
	b.set(b.api, health.OK, nil)
	b.w.pass(time.Now())
	age, err := BeatAge(b.dir)
	if err != nil || age > time.Second {
		t.Fatalf("beat: %v, %v", age, err)
	}
	if err := os.WriteFile(filepath.Join(b.dir, beatName), beatText(time.Second), 0o644); err != nil {
		t.Fatal(err)
	}
	// A folder in the file's place stops root too.
	path := filepath.Join(b.dir, "vip")
	if err := errors.Join(os.Remove(path), os.MkdirAll(filepath.Join(path, "x"), 0o755)); err != nil {
		t.Fatal(err)
	}
	b.w.pass(time.Now())
	st, _ := b.board.Snapshot().Of("VIPVerdict")
	if e := st.Worst(); e.Status != health.Failing || e.Reason != reasonNotWritten {
		t.Errorf("%+v", e)
	}
	if age, err := BeatAge(b.dir); err != nil || age < time.Second {
		t.Errorf("a verdict that can't be written is stamped as kept: %v, %v", age, err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	b.w.pass(time.Now())
	st, _ = b.board.Snapshot().Of("VIPVerdict")
	if e := st.Worst(); e.Status != health.OK || b.number(t) != 0 {
		t.Errorf("it does not recover: %+v", e)
	}
}

// With a file where the folder belongs the tasks end and say so, and nobody waits for them.
func TestFolderThatCannotBeMade(t *testing.T) {
	b := newBench(t, undamped())
	if err := os.WriteFile(b.dir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := b.w.Run(t.Context()); err == nil {
		t.Error("no error")
	}
	<-b.w.Ready()
	st, _ := b.board.Snapshot().Of("VIPVerdict")
	if e := st.Worst(); e.Reason != reasonNotWritten {
		t.Errorf("%+v", e)
	}
	s := newSockets(b.dir, func() []string { return []string{"vip"} }, b.w.lines.Get, zap.NewNop())
	if err := s.Run(t.Context()); err == nil {
		t.Error("no error")
	}
	<-s.Ready()
}

func TestPolicyThatIsTakenAwayIsUnfit(t *testing.T) {
	b := newBench(t, undamped())
	b.open(t)
	b.set(b.balancer, health.OK, nil)
	b.set(b.api, health.OK, nil)
	b.w.pass(time.Now())
	b.w.policies = func() []Policy { return nil }
	b.w.pass(time.Now())
	if n := b.number(t); n != DefaultWeight {
		t.Errorf("%d", n)
	}
	if _, ok := b.w.lines.Get("vip"); ok {
		t.Error("its line is still answered")
	}
}

func TestBeat(t *testing.T) {
	dir := t.TempDir()
	f, err := openFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if _, err := BeatAge(dir); err == nil {
		t.Error("no beat has an age")
	}
	if err := f.stamp(sinceBoot()); err != nil {
		t.Fatal(err)
	}
	if age, err := BeatAge(dir); err != nil || age < 0 || age > time.Second {
		t.Errorf("%v, %v", age, err)
	}
	before, _ := os.Stat(filepath.Join(dir, beatName))
	if err := f.stamp(sinceBoot()); err != nil {
		t.Fatal(err)
	}
	if after, _ := os.Stat(filepath.Join(dir, beatName)); !os.SameFile(before, after) {
		t.Error("each beat is a new file, which wakes keepalived")
	}
	for _, bad := range []string{"", "x", "-5", "999999999999999\n", "0\n"} {
		if err := os.WriteFile(filepath.Join(dir, beatName), []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if age, err := BeatAge(dir); err == nil {
			t.Errorf("%q has the age %v", bad, age)
		}
	}
	if err := os.Remove(filepath.Join(dir, beatName)); err != nil {
		t.Fatal(err)
	}
	if f.stamp(sinceBoot()) == nil {
		t.Error("a stamp on a removed file is no error")
	}
	if err := f.stamp(sinceBoot()); err != nil {
		t.Errorf("and it is not made again: %v", err)
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"0\n", "-60", "-254\n", "", "-255", "1", "0x0", " -1 \n", "--1", "９"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseNumber(s); err == nil && (n < Fault || n > 0 || strings.TrimLeft(strings.TrimSpace(s), "-+0123456789") != "") {
			t.Errorf("%q is %d", s, n)
		}
	})
}

func TestLine(t *testing.T) {
	for _, tc := range []struct {
		v    Verdict
		want string
	}{
		{Verdict{Word: WordOK}, "fit 0 ok\n"},
		{Verdict{Number: -60, Word: WordUnknown}, "unfit -60 unknown\n"},
		{Verdict{Number: Fault, Word: WordFault, Causes: []Cause{{Condition: "HAProxy", Status: health.Failing, Reason: "Down", Message: "a\nb\x1b[0m"}}},
			"unfit -254 fault HAProxy failing Down: a b [0m\n"},
	} {
		if got := tc.v.Line(); got != tc.want {
			t.Errorf("%q, want %q", got, tc.want)
		}
	}
	long := Verdict{Number: -60, Causes: []Cause{{Message: strings.Repeat("é", 500)}}}.Line()
	if len(long) > lineLength || !strings.HasSuffix(long, "\n") || strings.Count(long, "\n") != 1 {
		t.Errorf("%d bytes: %q", len(long), long)
	}
}

// From the publish of a condition to the rename of the verdict; the target is 10 ms at the median.
func TestPublishToRename(t *testing.T) {
	b := newBench(t, undamped())
	b.set(b.balancer, health.OK, nil)
	b.set(b.api, health.OK, nil)
	start(t, b.w.Run)
	<-b.w.Ready()
	path := filepath.Join(b.dir, "vip")
	var took []time.Duration
	for i := range 101 {
		status, want := health.Failing, "-254\n"
		if i%2 == 1 {
			status, want = health.OK, "0\n"
		}
		begin := time.Now()
		b.set(b.balancer, status, b.down)
		eventually(t, "verdict "+want, func() bool { text, err := os.ReadFile(path); return err == nil && string(text) == want })
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("median %v, worst %v", median, took[len(took)-1])
	if median > 10*time.Millisecond {
		t.Errorf("median %v, want at most 10ms", median)
	}
}

// TestEachBeat: what somebody did to the files is put right with the next beat, though nothing is decided meanwhile; and the beat is stamped by it.
func TestEachBeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, undamped())
		start(t, b.w.Run)
		<-b.w.Ready()
		synctest.Wait()
		path, beat := filepath.Join(b.dir, "vip"), filepath.Join(b.dir, beatName)
		for second := range 2 * int(decideEvery/BeatEvery) {
			if err := errors.Join(os.WriteFile(beat, []byte("never"), 0o644), os.WriteFile(path, []byte("0\n"), 0o644)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(BeatEvery)
			synctest.Wait()
			if n := b.number(t); n == 0 {
				t.Errorf("second %d: a verdict that somebody wrote stands", second)
			}
			if text, err := os.ReadFile(beat); err != nil || strings.HasPrefix(string(text), "never") {
				t.Errorf("second %d: no beat: %q, %v", second, text, err)
			}
		}
		before := b.w.rewrites.Load()
		for range 2 * int(decideEvery/BeatEvery) {
			if err := os.WriteFile(beat, []byte("never"), 0o644); err != nil {
				t.Fatal(err)
			}
			time.Sleep(BeatEvery)
			synctest.Wait()
			if text, err := os.ReadFile(beat); err != nil || strings.HasPrefix(string(text), "never") {
				t.Errorf("no beat while nothing happens: %q, %v", text, err)
			}
		}
		if b.w.rewrites.Load() != before {
			t.Error("a file that nobody touched is written again")
		}
	})
}

func TestMaintenanceOutlivesTheAgent(t *testing.T) {
	folder, err := state.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	cfg := Config{Dir: filepath.Join(t.TempDir(), "verdict"), Policies: []Policy{undamped()}, CheckFrequency: time.Second, PeerTimeout: time.Second, Proc: t.TempDir()}
	f := newFixture()
	build := func() *Keepalive {
		return New(func() Config { return cfg }, Deps{Store: folder, Node: func() string { return "n1" }}, f.board, zap.NewNop())
	}
	k := build()
	if _, err := k.StartMaintenance(t.Context(), MaintenanceRequest{For: time.Hour, Reason: "new disk", By: "ann"}); err != nil {
		t.Fatalf("an agent with no verdict takes nothing away: %v", err)
	}
	k = build()
	m, ok := k.Maintenance()
	if !ok || m.Reason != "new disk" || m.By != "ann" || time.Until(m.Until) < 59*time.Minute {
		t.Errorf("%+v", m)
	}
	if v := k.View(); v.Maintenance == nil {
		t.Error("it is not shown")
	}
	if err := k.StopMaintenance(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := build().Maintenance(); ok {
		t.Error("it did not end")
	}
	for _, d := range []time.Duration{0, -1, MaxMaintenance + 1} {
		if _, err := k.StartMaintenance(t.Context(), MaintenanceRequest{For: d, Force: true}); err == nil {
			t.Errorf("maintenance for %v", d)
		}
	}
}

func TestDamagedMaintenanceIsNone(t *testing.T) {
	if m := loadMaintenance(memStore{map[string]any{"maintenance": fmt.Errorf("damaged")}}, zap.NewNop()); m.In(time.Now()) {
		t.Errorf("%+v", m)
	}
}
