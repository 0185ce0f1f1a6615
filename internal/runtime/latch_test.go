package runtime

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	eventsapi "github.com/containerd/containerd/api/services/events/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
	"nodeagent/internal/health"
)

const pauseImage = "registry.k8s.io/pause:3.10"

// swap makes a socket, which is a link, that of another runtime, as a new daemon does.
func swap(t *testing.T, socket string, to *crifake.Server) {
	t.Helper()
	if err := os.Symlink(to.Serve(t), socket+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(socket+".new", socket); err != nil {
		t.Fatal(err)
	}
}

// crioConfig is a /config of CRI-O with one runtime that works.
func crioConfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "goodrunc")
	if err := os.WriteFile(path+".new", []byte("#!/bin/sh\necho runc version 1.2.4\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return "[crio.image]\npause_image = \"" + pauseImage + "\"\n[crio.runtime]\ndefault_runtime = \"good\"\n[crio.runtime.runtimes.good]\nruntime_path = \"" + path + "\"\n"
}

// Whatever a runtime was accused of is over once another one answers in its place.
func TestReplacedRuntimeLeavesNothing(t *testing.T) {
	bad := crifake.New(crifake.Options{Personality: crifake.Containerd16()})
	bad.SetStatusInfo("config", `{"containerd":{"defaultRuntimeName":"gone","runtimes":{"gone":{"runtimeType":"io.containerd.runc.v2","options":{"BinaryName":"/no/such/runc"}}}},"sandboxImage":"`+pauseImage+`","cni":{"confDir":"/no/such/folder"}}`)
	bad.SetStatusInfo("lastCNILoadStatus", "cni config load failed: it is broken")
	bad.Fail("ListImages", status.Error(codes.Internal, "broken"), -1)
	socket := filepath.Join(t.TempDir(), "s")
	swap(t, socket, bad)
	var unit atomic.Pointer[Unit]
	unit.Store(&Unit{Name: "containerd.service", KillMode: "control-group"})
	r := start(t, Config{Endpoint: socket, DetailFrequency: 50 * time.Millisecond, ImageSpaceMin: 1e-6, ImageInodesMin: 1e-6,
		Unit: func(context.Context, int, string) (Unit, error) { return *unit.Load(), nil }}, Hooks{})
	r.awaitWell()
	clear := bad.Fail("CreateContainer", status.Error(codes.Unknown, `failed to reserve container name "c_0": name "c_0" is reserved for "`+sandbox(t, r, "holder")+`"`), 1)
	_, _ = r.CRI().CreateContainer(t.Context(), &cri.CreateContainerRequest{})
	clear()
	r.awaitOf(PodNames, "c_0", "failing/Reserved")
	bad.SetCondition(cri.RuntimeReady, false, "", "out of order")
	bad.SetCondition(cri.NetworkReady, false, "NetworkPluginNotReady", "cni plugin not initialized")
	r.await("ok", "failing/NotReady", "failing/CNINotInitialized")
	r.awaitOf(RuntimeCalls, "ListImages", "failing/Error")
	r.awaitOf(PauseImage, "", "failing/Missing")
	r.awaitOf(OCIRuntimes, "gone", "failing/NotFound")
	r.awaitOf(RuntimeUnit, "", "failing/KillMode")

	good := crifake.New(crifake.Options{Personality: crifake.CRIO(), PodEvents: true, ImageFs: "/", Images: []crifake.Image{{Name: pauseImage, Present: true}}})
	good.SetConfig(crioConfig(t))
	unit.Store(&Unit{Name: "crio.service", KillMode: "process"})
	swap(t, socket, good)
	r.awaitWell()
	r.until(func(s health.Snapshot) bool {
		for _, st := range s.States() {
			for _, e := range st.Entries {
				if e.Status != health.OK && e.Status != health.Absent {
					return false
				}
			}
		}
		return true
	})
	r.awaitOf(OCIRuntimes, "gone", "gone")
	if at := r.cni.Load(); at == nil || *at != "" {
		t.Errorf("the folder of the network that the runtime before it told is still %v", at)
	}
}

// A refusal of a name is believed no longer than its holder is listed, and for a while where nothing tells.
func TestNamesForget(t *testing.T) {
	n := &names{wake: func() {}}
	refuse := func(name, holder string) {
		n.failed("RunPodSandbox", status.Errorf(codes.Unknown, `failed to reserve sandbox name %q: name %q is reserved for %q`, name, name, holder))
	}
	has := func(ids map[string]string, at time.Time, want ...string) {
		t.Helper()
		var got []string
		for _, r := range n.now(ids, at) {
			got = append(got, r.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v stand, want %v", got, want)
		}
	}
	refuse("listed", "a")
	refuse("never listed", "b")
	n.failed("RunPodSandbox", status.Error(codes.Unknown, `error reserving pod name crio for id 99: name is reserved`))
	now := time.Now()
	has(map[string]string{"a": "a sandbox, notready"}, now, "listed", "never listed", "crio")
	has(nil, now, "listed", "never listed", "crio") // it was not asked
	has(map[string]string{}, now, "never listed", "crio")
	has(map[string]string{}, now.Add(reservedFor-time.Second), "never listed", "crio")
	has(nil, now.Add(reservedFor+time.Second))
	for range 2 * maxNames {
		refuse(time.Now().Format(time.RFC3339Nano), "c")
	}
	if len(n.all) != maxNames {
		t.Errorf("%d names are kept", len(n.all))
	}
}

// CRI-O is given events and begins anew on a node where nothing happens: that its stream lives is proof enough. While it is away, nothing is
// known of its events.
func TestEventsComeWithoutOne(t *testing.T) {
	mute, telling := crifake.New(crifake.Options{Personality: crifake.CRIO()}), crifake.New(crifake.Options{Personality: crifake.CRIO(), PodEvents: true})
	socket := filepath.Join(t.TempDir(), "s")
	swap(t, socket, mute)
	calm := 300 * time.Millisecond
	r := start(t, Config{Endpoint: socket, DetailFrequency: 50 * time.Millisecond, eventsCalm: calm}, Hooks{})
	r.awaitOf(RuntimeWatch, "events", "failing/NoEvents")
	mute.Down()
	r.awaitOf(RuntimeWatch, "events", "unknown/RuntimeUnresponsive")
	swap(t, socket, telling)
	r.awaitOf(RuntimeWatch, "events", "ok")
	if n := telling.Count("GetContainerEvents"); n != 1 {
		t.Errorf("asked for events %d times", n)
	}
}

// containerd in the place of CRI-O is asked for containerd's events: CRI's are one queue there that its readers share.
func TestEventsOfTheNewRuntime(t *testing.T) {
	before := crifake.New(crifake.Options{Personality: crifake.CRIO(), PodEvents: true})
	socket := filepath.Join(t.TempDir(), "s")
	swap(t, socket, before)
	r := start(t, Config{Endpoint: socket, DetailFrequency: 50 * time.Millisecond}, Hooks{})
	r.awaitOf(RuntimeWatch, "events", "ok")
	eventually(t, "a subscription", func() bool { return before.InFlight("GetContainerEvents") == 1 })
	after := crifake.New(crifake.Options{Personality: crifake.Containerd17()})
	native := nativeEvents{subscribed: make(chan struct{}, 10)}
	server := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(server, after)
	cri.RegisterImageServiceServer(server, after)
	eventsapi.RegisterEventsServer(server, native)
	l, err := net.Listen("unix", socket+".after")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	if err := os.Rename(socket+".after", socket); err != nil {
		t.Fatal(err)
	}
	receive(t, native.subscribed, "subscription")
	if n := after.Count("GetContainerEvents"); n != 0 {
		t.Errorf("CRI's events were asked for %d times", n)
	}
}

// nativeEvents are containerd's own, of which there are none.
type nativeEvents struct {
	eventsapi.UnimplementedEventsServer
	subscribed chan struct{}
}

func (e nativeEvents) Subscribe(_ *eventsapi.SubscribeRequest, s eventsapi.Events_SubscribeServer) error {
	e.subscribed <- struct{}{}
	<-s.Context().Done()
	return s.Context().Err()
}

// A balancer from which the runtime was taken away has none, as one that never had: its agent need not be restarted to see so.
func TestRuntimeTakenAway(t *testing.T) {
	dir, err := os.MkdirTemp("", "rt") // short: a socket's path may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, containerdDefault)
	if err := os.MkdirAll(filepath.Dir(socket), 0o755); err != nil {
		t.Fatal(err)
	}
	fake := crifake.New(crifake.Options{})
	swap(t, socket, fake)
	r := start(t, Config{Root: dir, DetailFrequency: 50 * time.Millisecond, Unneeded: func() string { return "there is no kubelet" },
		Canary: CanaryConfig{Every: time.Hour}}, Hooks{})
	r.awaitWell()
	fake.Down()
	if err := os.Remove(socket); err != nil {
		t.Fatal(err)
	}
	r.await("absent", "absent", "absent")
	for _, c := range details() {
		r.awaitOf(c, "", "absent")
	}
	r.awaitOf(RuntimeCanary, "", "absent")
}

// A unit that is removed, or whose process leaves it, is accused of nothing.
func TestUnitIsRemoved(t *testing.T) {
	fake := crifake.New(crifake.Options{})
	cfg := quick(fake, t)
	var unit atomic.Pointer[Unit]
	unit.Store(&Unit{Name: "containerd.service", KillMode: "control-group"})
	cfg.Unit = func(context.Context, int, string) (Unit, error) { return *unit.Load(), nil }
	r := start(t, cfg, Hooks{})
	r.awaitOf(RuntimeUnit, "", "failing/KillMode")
	unit.Store(&Unit{})
	r.awaitOf(RuntimeUnit, "", "absent")
	unit.Store(&Unit{Name: "crio.service", KillMode: "process", Restarts: 70}) // another one: its restarts count from here on
	r.awaitOf(RuntimeUnit, "", "ok")
}

// Two looks in a row make a finding of a suspicion, with none between that could not look.
func TestSuspicionsAreOfTheLookBefore(t *testing.T) {
	m := detailMemory{once: map[string]bool{"task c": true}}
	m.seeProcesses(t.Context(), &detailsSeen{unresponsive: "Hung"}, nil)
	if len(m.once) != 0 {
		t.Errorf("still suspect: %v", m.once)
	}
}

func TestCanaryDue(t *testing.T) {
	at := time.Unix(0, 0)
	for _, c := range []struct {
		every  time.Duration
		failed bool
		want   time.Duration
	}{{time.Hour, false, time.Hour}, {time.Hour, true, canaryAgain}, {time.Minute, true, time.Minute}} {
		r := &Runtime{canaryAt: at, canaryFailed: c.failed}
		if got := r.canaryDue(c.every).Sub(at); got != c.want {
			t.Errorf("every %v, failed %v: after %v, want %v", c.every, c.failed, got, c.want)
		}
	}
}

// The pids of a runtime that is not there, or not seen from here, are nobody's.
func TestSharesPIDs(t *testing.T) {
	fake := crifake.New(crifake.Options{})
	r := start(t, Config{Endpoint: fake.Serve(t)}, Hooks{})
	r.awaitWell()
	if !r.SharesPIDs() {
		t.Error("a runtime of this very process is of another PID namespace")
	}
	c := r.link.now.Load()
	for _, d := range []*dialed{nil, {peer: 0}, {peer: maxPID + 1}} {
		c.dialed.Store(d)
		if r.SharesPIDs() {
			t.Errorf("%+v shares this process' PID namespace", d)
		}
	}
	r.Close()
	if r.SharesPIDs() {
		t.Error("no runtime shares this process' PID namespace")
	}
}
