package staticpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/state"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/view"
)

const (
	image1 = "registry.test/app:1"
	image2 = "registry.test/app:2"
)

// node is one machine: a runtime, a manifest folder, a state folder, and an agent that may be killed and started again.
type node struct {
	t         *testing.T
	rt        *crifake.Server
	manifests string
	logs      string
	store     *state.Folder
	boot      string
	shut      atomic.Bool                   // the gate
	gone      func(containerID string) bool // of which processes the next agent finds that they are gone; nil: of none
	foreign   atomic.Bool                   // the runtime is of another PID namespace
	watched   atomic.Int32

	mu     sync.Mutex
	events []event.Event
	lags   map[string]time.Duration // method -> how long its answer is on its way
	cfg    Config

	*agent
}

// agent is one life of the daemon.
type agent struct {
	pods  *Pods
	board *health.Board
	stop  func() // as SIGTERM
	kill  func() // as SIGKILL
	deaf  func() // hears of no exit any more
}

func newNode(t *testing.T, o crifake.Options) *node {
	t.Helper()
	dir := t.TempDir()
	n := &node{t: t, manifests: filepath.Join(dir, "manifests"), logs: filepath.Join(dir, "logs"), boot: "boot-1", lags: map[string]time.Duration{}}
	if o.Images == nil {
		o.Images = []crifake.Image{{Name: image1, Present: true}, {Name: image2, Present: true}}
	}
	n.rt = crifake.New(o)
	n.cfg = Config{
		LogMaxSize: 10 << 20, LogMaxFiles: 5, RemovedLogsKeep: 24 * time.Hour, RemovedLogsMaxSize: 1 << 30,
		Path: n.manifests, NodeName: "node", LogsDir: n.logs, CgroupDriver: "cgroupfs", CgroupRoot: "/nodeagent-test-does-not-exist", SyncFrequency: time.Minute,
		FileCheckFrequency: 20 * time.Second, RuntimeProbeTimeout: 3 * time.Second, RuntimeRequestTimeout: 2 * time.Minute,
		Restart:     Restart{Backoff: reconcile.Backoff{Initial: time.Second, Factor: 2, Max: 5 * time.Minute}, ResetAfter: 10 * time.Minute},
		PullBackoff: reconcile.Backoff{Initial: 10 * time.Second, Factor: 2, Max: 5 * time.Minute},
	}
	check(t, os.Mkdir(n.manifests, 0o755))
	var err error
	n.store, err = state.Open(filepath.Join(dir, "state"))
	check(t, err)
	t.Cleanup(func() { n.store.Close() })
	return n
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run starts an agent in the bubble of the test.
func (n *node) run() { n.start(false) }

// runWatching starts one that hears of changes in the folder, outside of any bubble.
func (n *node) runWatching() { n.start(true) }

func (n *node) start(watching bool) {
	n.t.Helper()
	life, die := context.WithCancel(context.Background())
	c := client{n: n, life: life}
	board := health.NewBoard(nil, conditions.StaticPods, conditions.Manifests, conditions.ManifestFolder, conditions.RunMode)
	p, err := New(Deps{
		Config: func() Config { n.mu.Lock(); defer n.mu.Unlock(); return n.cfg },
		CRI:    cri.NewRuntimeServiceClient(c), Images: cri.NewImageServiceClient(c), Store: mortal{n.store, life}, Board: board, Log: zap.NewNop(), Boot: n.boot,
		Record: func(e event.Event) {
			n.mu.Lock()
			defer n.mu.Unlock()
			if life.Err() == nil {
				n.events = append(n.events, e)
			}
		},
		MayStart:   func() (bool, string) { return !n.shut.Load(), "a kubelet is here" },
		SharesPIDs: func() bool { return !n.foreign.Load() },
	})
	check(n.t, err)
	p.exits.close()
	p.exits = &noPidfds{ready: make(chan struct{}), watched: &n.watched, gone: n.gone, tell: p.exited}
	if !watching {
		p.source.newWatcher = func() (*fsnotify.Watcher, error) { return nil, errors.New("no events in a bubble") }
	}
	forget := n.rt.OnExit(func(id string, _ int) { p.exited(id) })
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	for _, t := range p.Tasks() {
		tasks.Go(func() { t.Run(ctx) })
	}
	end := sync.OnceFunc(func() { forget(); cancel(); tasks.Wait(); die() })
	n.agent = &agent{pods: p, board: board, deaf: forget, stop: end, kill: func() { die(); end() }}
}

// noPidfds stands in for exits: the fake runtime's processes have no pidfds, and OnExit tells what they would.
type noPidfds struct {
	watched *atomic.Int32 // how many processes were to be watched
	ready   chan struct{}
	once    sync.Once
	gone    func(containerID string) bool
	tell    func(containerID string)
}

func (e *noPidfds) Run(ctx context.Context) error {
	e.once.Do(func() { close(e.ready) })
	<-ctx.Done()
	return ctx.Err()
}
func (e *noPidfds) Ready() <-chan struct{} { return e.ready }
func (e *noPidfds) Beat() time.Time        { return time.Now() }
func (e *noPidfds) Bound() time.Duration   { return time.Minute }
func (e *noPidfds) String() string         { return "no pidfds" }
func (e *noPidfds) watch(id string, _ int, _ time.Time) {
	e.watched.Add(1)
	if e.gone != nil && e.gone(id) {
		go e.tell(id)
	}
}
func (e *noPidfds) close() {}

// mortal is a store of a process that can be killed: it writes nothing any more then.
type mortal struct {
	*state.Folder
	life context.Context
}

func (m mortal) Save(name string, version int, v any) error {
	if m.life.Err() != nil {
		return errors.New("killed")
	}
	return m.Folder.Save(name, version, v)
}

func (m mortal) SaveDurable(name string, version int, v any) error { return m.Save(name, version, v) }

func (m mortal) Delete(name string) error {
	if m.life.Err() != nil {
		return errors.New("killed")
	}
	return m.Folder.Delete(name)
}

// client is the connection of one agent's life to the runtime. It breaks with it, and holds after each start that nothing runs twice.
type client struct {
	n    *node
	life context.Context
}

func (c client) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	if c.life.Err() != nil {
		return status.Error(codes.Unavailable, "killed")
	}
	for _, s := range []grpc.ServiceDesc{cri.RuntimeService_ServiceDesc, cri.ImageService_ServiceDesc} {
		for _, m := range s.Methods {
			if path.Dir(method) != "/"+s.ServiceName || m.MethodName != path.Base(method) {
				continue
			}
			resp, err := m.Handler(c.n.rt, ctx, func(in any) error { proto.Merge(in.(proto.Message), args.(proto.Message)); return nil }, nil)
			if m.MethodName == "StartContainer" || m.MethodName == "RunPodSandbox" {
				c.n.nothingTwice(m.MethodName)
			}
			c.n.mu.Lock()
			lag := c.n.lags[m.MethodName]
			c.n.mu.Unlock()
			if lag > 0 {
				select {
				case <-ctx.Done():
					return status.FromContextError(ctx.Err()).Err()
				case <-time.After(lag):
				}
			}
			if c.life.Err() != nil {
				return status.Error(codes.Unavailable, "killed")
			}
			if err == nil {
				proto.Merge(reply.(proto.Message), resp.(proto.Message))
			}
			return err
		}
	}
	return status.Error(codes.Unimplemented, method)
}

func (c client) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.New("no streams")
}

func (n *node) nothingTwice(after string) {
	seen := map[string]string{}
	for _, c := range n.rt.Containers("") {
		key := c.Namespace + "/" + c.Pod + "/" + c.Name
		if c.State != cri.ContainerState_CONTAINER_RUNNING || c.Lost || n.gone != nil && n.gone(c.ID) {
			continue
		}
		if other, twice := seen[key]; twice {
			n.t.Errorf("after %s: two containers of %s run: %.8s, %.8s", after, key, other, c.ID)
		}
		seen[key] = c.ID
	}
	for _, s := range n.rt.Sandboxes("") {
		if !s.Ready {
			continue
		}
		key := s.Namespace + "/" + s.Pod
		if other, twice := seen[key]; twice {
			n.t.Errorf("after %s: two sandboxes of %s are ready: %.8s, %.8s", after, key, other, s.ID)
		}
		seen[key] = s.ID
	}
}

// manifest of a pod with one container, main; more is added to its spec.
func manifestOf(name, image string, more ...string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\nspec:\n%s  containers:\n  - name: main\n    image: %s\n", name, lines("  ", more), image)
}

// withPreStop is the same whose preStop sleeps.
func withPreStop(name string, seconds, grace int) string {
	return manifestOf(name, image1, fmt.Sprintf("terminationGracePeriodSeconds: %d", grace)) + fmt.Sprintf("    lifecycle:\n      preStop:\n        sleep:\n          seconds: %d\n", seconds)
}

func lines(indent string, l []string) string {
	out := ""
	for _, x := range l {
		out += indent + x + "\n"
	}
	return out
}

// put writes a manifest as a person does who knows: beside it, and then renamed.
func (n *node) put(name, content string) {
	n.t.Helper()
	tmp := filepath.Join(n.manifests, "."+name)
	check(n.t, os.WriteFile(tmp, []byte(content), 0o644))
	check(n.t, os.Rename(tmp, filepath.Join(n.manifests, name)))
	n.folderChanged()
}

func (n *node) remove(name string) {
	n.t.Helper()
	check(n.t, os.Remove(filepath.Join(n.manifests, name)))
	n.folderChanged()
}

// folderChanged is what fsnotify does.
func (n *node) folderChanged() {
	if n.agent != nil {
		n.pods.source.loop.Wake()
	}
}

// after lets that much time pass, and everything come to rest.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (n *node) running(pod string) crifake.Container {
	n.t.Helper()
	c, ok := n.rt.Running(pod+"-node", "main")
	if !ok {
		n.t.Fatalf("%s does not run: %s", pod, n.describe())
	}
	return c
}

func (n *node) describe() string {
	var b strings.Builder
	for _, v := range n.pods.List() {
		fmt.Fprintf(&b, "\n%s/%s %s: %s", v.Namespace, v.Name, v.Phase, v.Message)
	}
	for _, c := range n.rt.Containers("") {
		fmt.Fprintf(&b, "\n%s/%s attempt %d %s", c.Pod, c.Name, c.Attempt, c.State)
	}
	for _, s := range n.rt.Sandboxes("") {
		fmt.Fprintf(&b, "\nsandbox %s attempt %d ready %t", s.Pod, s.Attempt, s.Ready)
	}
	return b.String()
}

func (n *node) view(pod string) view.Pod {
	v, _ := n.pods.views.Get("default/" + pod)
	return v
}

func (n *node) entry(of *health.Condition, subject string) health.Entry {
	s, _ := n.board.Snapshot().Of(of.Name)
	return s.Entry(subject)
}

// did counts the events of a reason.
func (n *node) did(reason string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	c := 0
	for _, e := range n.events {
		if e.Reason == reason {
			c++
		}
	}
	return c
}

func (n *node) lag(method string, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lags[method] = d
}

// nothingLeft holds that no trace of any pod is left but its logs.
func (n *node) nothingLeft() {
	n.t.Helper()
	if cs, ss := n.rt.Containers(""), n.rt.Sandboxes(""); len(cs)+len(ss) > 0 {
		n.t.Errorf("left in the runtime: %s", n.describe())
	}
	if names, _ := n.store.List("pods"); len(names) > 0 {
		n.t.Errorf("left in the state folder: %v", names)
	}
	if entries, _ := os.ReadDir(n.store.Path("pods")); len(entries) > 0 {
		n.t.Errorf("left in the state folder: %v", entries)
	}
	if views := n.pods.List(); len(views) > 0 {
		n.t.Errorf("left to be seen: %v", views)
	}
	n.pods.mu.Lock()
	defer n.pods.mu.Unlock()
	if len(n.pods.pods)+len(n.pods.owner) > 0 {
		n.t.Errorf("left in memory: %d pods, %d owners", len(n.pods.pods), len(n.pods.owner))
	}
}

// mutations are the calls so far that change something.
func (n *node) mutations() []string {
	var out []string
	for _, c := range n.rt.Calls() {
		if slices.Contains([]string{"RunPodSandbox", "StopPodSandbox", "RemovePodSandbox", "CreateContainer", "StartContainer", "StopContainer", "RemoveContainer", "PullImage"}, c.Method) {
			out = append(out, c.Method)
		}
	}
	return out
}

func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, f)
}
