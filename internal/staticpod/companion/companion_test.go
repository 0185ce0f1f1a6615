package companion

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/staticpod/kubelet"
	"nodeagent/internal/view"
)

// cri.RuntimeServiceClient is what the daemon hands in.
var _ CRI = cri.RuntimeServiceClient(nil)

func TestReaderAsksForWhatIsNewOnly(t *testing.T) {
	f := fakeWeb()
	var r reader
	for range 3 {
		rt := r.read(t.Context(), f, time.Second)
		if rt.Err != "" || len(rt.Sandboxes) != 1 || len(rt.Containers) != 1 {
			t.Fatalf("%+v", rt)
		}
		c := rt.Containers[0]
		if c.Restarts != 3 || c.Attempt != 2 || c.Type != "container" || c.Wanted != "registry.test/web:1" || c.Status == nil || c.Status.PID != 4242 ||
			c.Status.Process == nil || !slices.Equal(c.Status.Process.Command, []string{"web", "--flag"}) || c.Status.Process.Env["A"] != "one" {
			t.Errorf("container %+v, status %+v", c, c.Status)
		}
		if s := rt.Sandboxes[0]; s.IP != "10.1.2.3" || s.UID != "u1" || !s.Ready {
			t.Errorf("sandbox %+v", s)
		}
	}
	if want := map[string]int{"sandboxes": 3, "containers": 3, "status": 1, "sandbox": 1}; !maps.Equal(f.calls, want) {
		t.Errorf("calls %v, want %v", f.calls, want)
	}
	f.set(func(f *fakeCRI) { f.sandboxes, f.containers = nil, nil })
	if r.read(t.Context(), f, time.Second); len(r.statuses) != 0 || len(r.ips) != 0 {
		t.Error("what is gone is still kept")
	}
}

func TestReaderSeesAStateThatChangedSinceTheList(t *testing.T) {
	f := fakeWeb()
	f.statuses["c1"].Status.State = cri.ContainerState_CONTAINER_EXITED
	f.statuses["c1"].Status.FinishedAt = 9e17 + 1
	var r reader
	c := r.read(t.Context(), f, time.Second).Containers[0]
	if c.State != cri.ContainerState_CONTAINER_EXITED || c.Status.Finished.IsZero() {
		t.Errorf("%v %+v", c.State, c.Status)
	}
}

func TestReaderOfAHungRuntime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := fakeWeb()
		f.hang = true
		var r reader
		began := time.Now()
		rt := r.read(t.Context(), f, 3*time.Second)
		if rt.Err != "list pod sandboxes: no answer within 3s" || time.Since(began) != 3*time.Second {
			t.Errorf("%q after %v", rt.Err, time.Since(began))
		}
		f.set(func(f *fakeCRI) { f.hang, f.hangStatus = false, true })
		rt = r.read(t.Context(), f, 3*time.Second)
		if rt.Err != "" || len(rt.Containers) != 1 || rt.Containers[0].Status != nil {
			t.Errorf("%+v", rt)
		}
	})
}

func TestVerbose(t *testing.T) {
	for _, info := range []string{"", "{", "[]", `{"pid":"x"}`, `{"config":{"envs":[{"key":"A","value":{}}]}}`} {
		if pid, _ := verbose(info); pid != 0 {
			t.Errorf("%q: pid %d", info, pid)
		}
	}
	if pid, p := verbose(`{"pid":7,"runtimeSpec":{}}`); pid != 7 || p != nil {
		t.Errorf("%d %v", pid, p)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadFolder(t *testing.T) {
	dir := t.TempDir()
	m := filepath.Join(dir, "manifests")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(m, 0o700))
	write(t, filepath.Join(dir, "target.yaml"), web)
	must(os.Symlink("../target.yaml", filepath.Join(m, "link")))
	must(os.Symlink("nowhere", filepath.Join(m, "dangling")))
	must(os.Mkdir(filepath.Join(m, "sub"), 0o700))
	must(syscall.Mkfifo(filepath.Join(m, "fifo"), 0o600))
	must(os.Symlink("/dev/zero", filepath.Join(m, "zero")))
	write(t, filepath.Join(m, ".hidden"), web)
	write(t, filepath.Join(m, "a.yaml"), web)
	big, err := os.Create(filepath.Join(m, "big"))
	must(err)
	must(big.Truncate(10<<20 + 1))
	must(big.Close())

	f := readFolder(m, node)
	kinds := map[string]FileKind{}
	for _, x := range f.Files {
		kinds[x.Name] = x.Kind
	}
	if want := map[string]FileKind{"a.yaml": Regular, "big": Regular, "dangling": Gone, "fifo": Special, "link": Regular, "sub": Directory, "zero": Special}; !maps.Equal(kinds, want) {
		t.Errorf("%v, want %v", kinds, want)
	}
	for _, x := range f.Files {
		if ran := x.Verdict.Pod != nil; ran != (x.Name == "a.yaml" || x.Name == "link") {
			t.Errorf("%s: runs %v", x.Name, ran)
		}
		if x.Kind == Regular && time.Since(x.Changed) > time.Hour {
			t.Errorf("%s changed %v", x.Name, x.Changed)
		}
	}
	if !slices.IsSortedFunc(f.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) }) || f.Changed.IsZero() {
		t.Error("not sorted, or without the folder's time")
	}
	if one := readFolder(filepath.Join(m, "a.yaml"), node); len(one.Files) != 1 || one.Files[0].Verdict.Pod == nil {
		t.Errorf("a path that is a file: %+v", one)
	}
	if gone := readFolder(filepath.Join(m, "nope"), node); !gone.Missing {
		t.Errorf("%+v", gone)
	}
	if loop := filepath.Join(dir, "loop"); os.Symlink(loop, loop) == nil {
		if x := readFolder(loop, node); x.Err == "" || x.Missing {
			t.Errorf("%+v", x)
		}
	}
}

func TestAsideRunsOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a aside[int]
		release := make(chan struct{})
		var n atomic.Int32
		hang := func() int { n.Add(1); <-release; return 0 }
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, ok := a.do(ctx, hang); ok {
				t.Error("a call that hangs answered")
			}
			cancel()
		}
		if n.Load() != 1 {
			t.Errorf("%d calls hang", n.Load())
		}
		close(release)
		if v, ok := a.do(t.Context(), func() int { return 42 }); !ok || v != 42 {
			t.Errorf("%d %v", v, ok)
		}
	})
}

// memoryStore keeps states as JSON, as a state folder does.
type memoryStore struct {
	mu    sync.Mutex
	files map[string][]byte
	saves int
	err   error
}

func (s *memoryStore) Save(name string, _ int, v any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := json.Marshal(v)
	if s.files == nil {
		s.files = map[string][]byte{}
	}
	s.files[name] = b
	s.saves++
	return err
}

func (s *memoryStore) Load(name string, _ int, v any) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.files[name]
	if !ok || s.err != nil {
		return false, s.err
	}
	return true, json.Unmarshal(b, v)
}

func facts(path string) kubelet.Facts {
	return kubelet.Facts{Installed: true, Running: &kubelet.Process{PID: 1}, ProcRead: true, NodeName: node, NodeSource: "test", Config: kubelet.Config{
		StaticPodPath: path, FileCheckFrequency: 20 * time.Second, InitialBackoff: 10 * time.Second, MaxRestartPeriod: 300 * time.Second,
	}}
}

type bench struct {
	*Companion
	cri    *fakeCRI
	store  *memoryStore
	board  *health.Board
	dir    string
	mu     sync.Mutex
	events []event.Event
}

func newBench(t *testing.T) *bench {
	b := &bench{cri: fakeWeb(), store: &memoryStore{}, board: health.NewBoard(nil, conditions.StaticPods, conditions.Manifests), dir: t.TempDir()}
	write(t, filepath.Join(b.dir, "web.yaml"), web)
	b.Companion = b.daemon()
	return b
}

// daemon is a new companion over the same node.
func (b *bench) daemon() *Companion {
	return New(func() Config { return Config{} }, Deps{
		Runtime: func() (CRI, error) { return b.cri, nil },
		Kubelet: func() kubelet.Facts { return facts(b.dir) },
		Store:   b.store,
		Record: func(e event.Event) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.events = append(b.events, e)
		},
	}, b.board, zap.NewNop())
}

func (b *bench) phase(t *testing.T, c *Companion) string {
	t.Helper()
	pods, ok := c.Pods.Get()
	if !ok || len(pods) != 1 {
		t.Fatalf("pods %+v", pods)
	}
	return pods[0].Phase
}

func (b *bench) condition(t *testing.T, c *health.Condition, subject string) string {
	t.Helper()
	s, _ := b.board.Snapshot().Of(c.Name)
	e := s.Entry(subject)
	return strings.TrimSpace(e.Status.String() + " " + e.ReasonName())
}

func TestLoopFollowsAPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, stop := context.WithCancel(t.Context())
		go b.loop.Run(ctx)
		<-b.Ready()
		expect := func(phase, condition string) {
			t.Helper()
			synctest.Wait()
			if p, c := b.phase(t, b.Companion), b.condition(t, conditions.StaticPods, "kube-system/web"); p != phase || c != condition {
				t.Errorf("%s, %s; want %s, %s", p, c, phase, condition)
			}
		}
		expect(view.PhaseRunning, "ok")

		b.cri.set(func(f *fakeCRI) { f.sandboxes, f.containers = nil, nil })
		time.Sleep(21 * time.Second) // no event: the resync sees it
		expect(view.PhasePending, "failing NotStarted")
		time.Sleep(51 * time.Second)
		expect(view.PhaseMissing, "failing Missing")

		// Another daemon goes on from there: at once, with the same moment.
		stop()
		synctest.Wait()
		before, _ := b.Pods.Get()
		next := b.daemon()
		ctx, stop = context.WithCancel(t.Context())
		defer stop()
		go next.loop.Run(ctx)
		<-next.Ready()
		after, _ := next.Pods.Get()
		if after[0].Phase != view.PhaseMissing || !after[0].Since.Equal(before[0].Since) {
			t.Errorf("after a restart: %s since %v, before since %v", after[0].Phase, after[0].Since, before[0].Since)
		}

		b.cri.set(func(f *fakeCRI) { f.hang = true })
		next.Wake()
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if got := b.condition(t, conditions.StaticPods, "kube-system/web"); got != "unknown RuntimeUnknown" {
			t.Errorf("a hung runtime: %s", got)
		}
		whole := fakeWeb()
		b.cri.set(func(f *fakeCRI) { f.hang, f.sandboxes, f.containers = false, whole.sandboxes, whole.containers })
		next.Wake()
		synctest.Wait()
		if got := b.condition(t, conditions.StaticPods, "kube-system/web"); got != "ok" {
			t.Errorf("back: %s", got)
		}
		if got := reasons(b.events); got != "pod:Missing pod:Running" {
			t.Errorf("events %q", got)
		}
	})
}

func TestLoopSavesOnlyChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go b.loop.Run(ctx)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if b.store.saves != 1 {
			t.Errorf("saved %d times", b.store.saves)
		}
		if n := b.cri.calls["sandboxes"]; n != 30 && n != 31 {
			t.Errorf("%d passes in ten minutes, want one each 20 s", n)
		}
		stop()
		synctest.Wait()
	})
}

func TestLookHasNoSideEffects(t *testing.T) {
	b := newBench(t)
	pods, looks, err := b.Look(t.Context())
	if err != nil || len(pods) != 1 || pods[0].Phase != view.PhaseRunning || pods[0].IP != "10.1.2.3" || len(looks) != 2 {
		t.Errorf("%+v %+v %v", pods, looks, err)
	}
	if _, ok := b.Pods.Get(); ok || b.store.saves != 0 || len(b.events) != 0 {
		t.Error("a look left something behind")
	}
	if got := b.condition(t, conditions.StaticPods, ""); got != "unknown NoEntry" && got != "unknown NotLooked" {
		t.Errorf("published: %s", got)
	}
	b.store.err = errors.New("of another version")
	if pods, _, err := b.Look(t.Context()); err == nil || len(pods) != 1 {
		t.Errorf("a memory that can't be read: %v, %d pods", err, len(pods))
	}
}

func TestNoRuntime(t *testing.T) {
	b := newBench(t)
	b.deps.Runtime = func() (CRI, error) { return nil, errors.New("no socket found") }
	_, looks, _ := b.Look(t.Context())
	if f := looks[0].Findings[0]; f.Status != health.Unknown || f.Message != "no socket found" {
		t.Errorf("%+v", f)
	}
}

// TestWatch holds that a change of the folder is seen by inotify, long before the resync.
func TestWatch(t *testing.T) {
	b := newBench(t)
	m := filepath.Join(b.dir, "a", "manifests")
	b.deps.Kubelet = func() kubelet.Facts { return facts(m) }
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.Run(ctx)
	}()
	defer func() {
		stop()
		<-done
	}()
	wait := func(what, subject, want string) {
		t.Helper()
		limit, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		b.board.Watch(limit, nil, func(health.Snapshot) {
			if b.condition(t, conditions.Manifests, subject) == want {
				cancel()
			}
		})
		if limit.Err() == context.DeadlineExceeded {
			t.Fatalf("%s: %s is %q, want %q", what, subject, b.condition(t, conditions.Manifests, subject), want)
		}
	}
	wait("no folder; the pod that runs has no manifest", m, "failing FolderMissing")
	if err := os.MkdirAll(m, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(m, "web.yaml"), web)
	wait("folder made", "web.yaml", "ok")
	write(t, filepath.Join(m, "web.yaml"), "a: [b")
	wait("file broken", "web.yaml", "failing Invalid")
	if err := os.Rename(m, m+".old"); err != nil {
		t.Fatal(err)
	}
	wait("folder renamed", m, "failing FolderMissing")
	if err := os.MkdirAll(m, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(m, "web.yaml"), web)
	wait("folder made again", "web.yaml", "ok")
	if err := os.RemoveAll(filepath.Join(b.dir, "a")); err != nil {
		t.Fatal(err)
	}
	wait("folder and the one above removed", m, "failing FolderMissing")
}

func TestPollingIsSaid(t *testing.T) {
	b := newBench(t)
	why := "inotify: too many open files"
	b.unwatched.Store(&why)
	if _, err := b.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, _ := b.board.Snapshot().Of(conditions.Manifests.Name)
	if e := s.Entry(b.dir); e.Status != health.OK || e.Message != "read every 20s, because it can't be watched: "+why {
		t.Errorf("%v %q", e.Status, e.Message)
	}
}
