package runtime

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
	"nodeagent/internal/health"
)

// rig is a Runtime that runs until the end of the test.
type rig struct {
	t *testing.T
	*Runtime
	board *health.Board
	logs  *observer.ObservedLogs

	mu  sync.Mutex
	cfg Config
}

func start(t *testing.T, cfg Config, hooks Hooks) *rig {
	t.Helper()
	if cfg.ProbeTimeout == 0 {
		cfg.ProbeTimeout = 200 * time.Millisecond
	}
	if cfg.CheckFrequency == 0 {
		cfg.CheckFrequency = 50 * time.Millisecond
	}
	core, logs := observer.New(zap.InfoLevel)
	r := &rig{t: t, board: health.NewBoard(nil, Conditions()...), logs: logs, cfg: cfg}
	r.Runtime = New(func() Config { r.mu.Lock(); defer r.mu.Unlock(); return r.cfg }, hooks, r.board, zap.New(core))
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	for _, task := range r.Tasks() {
		tasks.Go(func() {
			if err := task.Run(ctx); err != context.Canceled {
				t.Errorf("%s ended: %v", task, err)
			}
		})
	}
	t.Cleanup(func() { cancel(); tasks.Wait(); r.Close() })
	for _, task := range r.Tasks() {
		select {
		case <-task.Ready():
		case <-time.After(10 * time.Second):
			t.Fatalf("%s is not ready", task)
		}
	}
	return r
}

func (r *rig) configure(change func(*Config)) {
	r.mu.Lock()
	change(&r.cfg)
	r.mu.Unlock()
	r.Wake()
}

// until waits for a snapshot, and answers how long that took.
func (r *rig) until(ok func(health.Snapshot) bool) time.Duration {
	r.t.Helper()
	began, found := time.Now(), false
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	_ = r.board.Watch(ctx, nil, func(s health.Snapshot) {
		if found = found || ok(s); found {
			cancel()
		}
	})
	if !found {
		for _, s := range r.board.Snapshot().States() {
			r.t.Logf("%s: %+v", s.Condition.Name, s.Worst())
		}
		r.t.Fatal("it did not come to that")
	}
	return time.Since(began)
}

// await waits until RuntimeResponsive, RuntimeReady and NetworkReady have these words.
func (r *rig) await(want ...string) time.Duration {
	r.t.Helper()
	return r.until(func(s health.Snapshot) bool {
		for i, st := range s.States()[:len(want)] {
			e := st.Worst()
			got := e.Status.String()
			if e.Reason != nil {
				got += "/" + e.Reason.Name
			}
			if got != want[i] {
				return false
			}
		}
		return true
	})
}

func (r *rig) awaitWell() time.Duration { r.t.Helper(); return r.await("ok", "ok", "ok") }

func (r *rig) awaitFailing(reason string) time.Duration {
	r.t.Helper()
	return r.await("failing/"+reason, "unknown/RuntimeUnresponsive", "unknown/RuntimeUnresponsive")
}

// receive waits for a channel.
func receive[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// eventually waits for what only can be asked for.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("no %s", what)
		}
	}
}

func TestRuntimeComesAndGoes(t *testing.T) {
	fake := crifake.New(crifake.Options{Personality: crifake.Containerd16()})
	connects, disconnects := make(chan struct{}, 100), make(chan struct{}, 100)
	var calls atomic.Int64
	r := start(t, Config{Endpoint: "unix://" + fake.Serve(t), CheckFrequency: time.Minute}, Hooks{
		OnConnect:    func() { connects <- struct{}{} },
		OnDisconnect: func() { disconnects <- struct{}{} },
		Observe: func(method string, d time.Duration, code string) {
			if method == "Version" && code == "OK" && d > 0 {
				calls.Add(1)
			}
		},
	})
	r.awaitWell()
	receive(t, connects, "connect")
	if !r.Up() || calls.Load() == 0 {
		t.Errorf("up %v, %d observed", r.Up(), calls.Load())
	}
	v, _ := r.View.Get()
	if v.Name != "containerd" || v.Version != "1.6.20" || v.API != "v1" || v.Source != "the configuration" || v.Endpoint == "" {
		t.Errorf("view %+v", v)
	}

	fake.Down()
	r.awaitFailing("Dead")
	receive(t, disconnects, "disconnect")
	if _, err := r.CRI().ListContainers(t.Context(), &cri.ListContainersRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a call on a dead runtime: %v", err)
	}
	if now, _ := r.View.Get(); now.Name != v.Name || now.Version != v.Version || now.Endpoint != v.Endpoint {
		t.Errorf("the view of a dead runtime is %+v", now)
	}

	fake.Up()
	r.awaitWell()
	receive(t, connects, "connect")
	if _, err := r.CRI().ListContainers(t.Context(), &cri.ListContainersRequest{}); err != nil {
		t.Errorf("a call on a runtime that came back: %v", err)
	}
	if _, err := r.Images().ListImages(t.Context(), &cri.ListImagesRequest{}); err != nil {
		t.Errorf("a call to the image service: %v", err)
	}
}

func TestConditionsFollowTheRuntime(t *testing.T) {
	fake := crifake.New(crifake.Options{})
	answers := make(chan struct{}, 16)
	r := start(t, Config{Endpoint: fake.Serve(t)}, Hooks{OnAnswer: func() { answers <- struct{}{} }})
	r.awaitWell()
	for len(answers) > 0 { // it may have been looked at before it served
		<-answers
	}

	release := fake.Hang("*")
	r.awaitFailing("Hung")
	if len(answers) != 0 {
		t.Error("a runtime that hangs is said to answer again")
	}
	release()
	<-answers
	r.awaitWell()

	release = fake.Hang("Status")
	r.awaitFailing("Hung")
	release()
	r.awaitWell()

	clear := fake.Fail("Version", status.Error(codes.Unimplemented, "unknown service runtime.v1.RuntimeService"), -1)
	r.awaitFailing("NoCRI")
	clear()
	r.awaitWell()

	fake.SetCondition(cri.NetworkReady, false, "NetworkPluginNotReady", "Network plugin returns error: cni plugin not initialized")
	r.await("ok", "ok", "failing/CNINotInitialized")
	fake.SetCondition(cri.RuntimeReady, false, "", "out of order")
	r.await("ok", "failing/NotReady", "failing/CNINotInitialized")
	fake.SetCondition(cri.NetworkReady, true, "", "")
	fake.SetCondition(cri.RuntimeReady, true, "", "")
	r.awaitWell()
}

func (r *rig) awaitRuntime(name string) {
	r.t.Helper()
	r.until(func(s health.Snapshot) bool { return strings.HasPrefix(s.States()[0].Worst().Message, name) })
}

func TestEndpointChanges(t *testing.T) {
	one, two := crifake.New(crifake.Options{Personality: crifake.Containerd16()}), crifake.New(crifake.Options{Personality: crifake.CRIO()})
	r := start(t, Config{Endpoint: one.Serve(t)}, Hooks{})
	r.awaitWell()
	client := r.CRI()
	at := two.Serve(t)
	r.configure(func(c *Config) {
		c.Endpoint = ""
		c.Kubelet = func() (string, string) { return "unix://" + at, "kubelet's flags" }
	})
	r.awaitRuntime("cri-o 1.34.0")
	if v, err := client.Version(t.Context(), &cri.VersionRequest{}); err != nil || v.RuntimeName != "cri-o" {
		t.Errorf("a client made before the change reaches %v, %v", v, err)
	}

	r.configure(func(c *Config) { c.Kubelet = nil; c.Endpoint = "tcp://127.0.0.1:1" })
	r.awaitFailing("InvalidEndpoint")
	if r.Up() {
		t.Error("up with no endpoint")
	}
	if _, err := client.Version(t.Context(), &cri.VersionRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a call with no endpoint: %v", err)
	}
}

// A runtime that comes after the agent is found by itself; one that goes and removes its socket is dead, not unheard of.
func TestRuntimeIsFoundLater(t *testing.T) {
	dir, err := os.MkdirTemp("", "rt") // short: a socket's path may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	r := start(t, Config{Root: dir}, Hooks{})
	r.awaitFailing("NotFound")

	socket := filepath.Join(dir, containerdDefault)
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	fake := crifake.New(crifake.Options{})
	if err := os.Symlink(fake.Serve(t), socket); err != nil {
		t.Fatal(err)
	}
	r.awaitWell()

	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	fake.Down()
	r.awaitFailing("Dead")
}

// The socket is taken over while the old daemon holds the connection and says nothing.
func TestSocketReplacedByAnother(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	old, young := crifake.New(crifake.Options{Personality: crifake.Containerd16()}), crifake.New(crifake.Options{})
	if err := os.Symlink(old.Serve(t), socket); err != nil {
		t.Fatal(err)
	}
	r := start(t, Config{Endpoint: socket, ProbeTimeout: time.Minute, CheckFrequency: time.Hour}, Hooks{})
	r.awaitWell()

	old.Hang("*")
	r.Wake()
	eventually(t, "a look that hangs", func() bool { return old.InFlight("Status") > 0 })
	other := filepath.Join(dir, "t")
	if err := os.Symlink(young.Serve(t), other); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, socket); err != nil {
		t.Fatal(err)
	}
	r.awaitRuntime("containerd 2.4.2")
}

func TestClosed(t *testing.T) {
	fake := crifake.New(crifake.Options{})
	r := start(t, Config{Endpoint: fake.Serve(t)}, Hooks{})
	r.awaitWell()
	r.Close()
	r.Wake()
	if _, err := r.CRI().Version(t.Context(), &cri.VersionRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a call after Close: %v", err)
	}
	eventually(t, "end of the connection", func() bool { return !r.Up() })
}

func TestNotGRPC(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			c.Close()
		}
	}()
	looks, _ := Look(t.Context(), Config{Endpoint: l.Addr().String(), ProbeTimeout: time.Second, CheckFrequency: time.Second})
	if f := looks[0].Findings[0]; f.Status != health.Failing || f.Reason != reasonError && f.Reason != reasonHung {
		t.Errorf("got %+v", f)
	}
}

func TestLookAlone(t *testing.T) {
	fake := crifake.New(crifake.Options{Personality: crifake.CRIO()})
	cfg := Config{Endpoint: fake.Serve(t), ProbeTimeout: 10 * time.Second, CheckFrequency: time.Second}
	looks, v := Look(t.Context(), cfg)
	if len(looks) != len(Conditions()) || looks[0].Findings[0].Status != health.OK || v.Name != "cri-o" || v.Version != "1.34.0" {
		t.Errorf("got %+v, %+v", looks, v)
	}
	for _, c := range fake.Calls() {
		if !slices.Contains([]string{"Version", "Status", "RuntimeConfig", "ListPodSandbox", "ListContainers", "ListImages", "ImageStatus", "ImageFsInfo", "HTTPconfig", "HTTPinfo"}, c.Method) {
			t.Errorf("a look with no side effects called %s", c.Method)
		}
	}
	fake.Down()
	looks, v = Look(t.Context(), cfg)
	if f := looks[0].Findings[0]; f.Reason != reasonDead || v.Source != "the configuration" {
		t.Errorf("got %+v, %+v", f, v)
	}
}
