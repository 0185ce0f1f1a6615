package staticpod

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
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
)

// The crowd of the scale tests: so many pods, of which the first ones end over and over where a test lets them.
const (
	crowd    = 500
	flappers = 50
)

// crowdDelays are containerd's with runc on two cores; in the fake a list of all takes no longer than one of a few.
const (
	crowdList   = 4 * time.Millisecond
	crowdStatus = time.Millisecond
)

// many is a node with a crowd of pods. Its calls go over the wire's encoding, so that the agent shares no memory with the fake.
type many struct {
	*node
	wire   *wire
	writes atomic.Int64 // to the state folder
}

// counted is a store that counts what is written.
type counted struct {
	*state.Folder
	writes *atomic.Int64
}

func (c counted) Save(name string, version int, v any) error {
	c.writes.Add(1)
	return c.Folder.Save(name, version, v)
}

func (c counted) SaveDurable(name string, version int, v any) error {
	c.writes.Add(1)
	return c.Folder.SaveDurable(name, version, v)
}

func newMany(t *testing.T, extra string) *many {
	t.Helper()
	p := crifake.Containerd16()
	p.Delays = crifake.Delays{RunPodSandbox: 89 * time.Millisecond, CreateContainer: 7 * time.Millisecond, StartContainer: 60 * time.Millisecond,
		StopPodSandbox: 60 * time.Millisecond, RemovePodSandbox: 35 * time.Millisecond, Exit: 3 * time.Millisecond}
	m := &many{node: newNode(t, crifake.Options{Personality: p, RealisticDelays: true, Images: []crifake.Image{{Name: image1, Present: true}}})}
	m.rt.Delay("List*", crowdList)
	m.rt.Delay("*Status", crowdStatus)
	m.cfg.Standby = true // the default of the agent's configuration
	for i := range crowd {
		check(t, os.WriteFile(filepath.Join(m.manifests, crowdName(i)+".yaml"), []byte(manifestOf(crowdName(i), image1)+extra), 0o644))
	}
	return m
}

func crowdName(i int) string { return fmt.Sprintf("pod-%03d", i) }

// flap has the first pods of the crowd end 400 ms after each of their starts; each start comes 500 ms after the end.
func (m *many) flap() {
	m.cfg.Restart.Backoff = reconcile.Backoff{Initial: 500 * time.Millisecond, Factor: 1, Max: 500 * time.Millisecond}
	for i := range flappers {
		m.rt.Behave(crowdName(i)+"-node/main", crifake.Behaviour{Exits: true, ExitAfter: 400 * time.Millisecond, Code: 1})
	}
}

// run starts an agent.
func (m *many) run() {
	m.t.Helper()
	m.wire = &wire{rt: m.rt, methods: methodsOf(), pods: map[string]string{}, spans: map[string][]span{}}
	board := health.NewBoard(nil, conditions.StaticPods, conditions.Manifests, conditions.ManifestFolder, conditions.RunMode)
	p, err := New(Deps{
		Config: func() Config { m.mu.Lock(); defer m.mu.Unlock(); return m.cfg },
		CRI:    cri.NewRuntimeServiceClient(m.wire), Images: cri.NewImageServiceClient(m.wire), Store: counted{m.store, &m.writes}, Board: board, Log: zap.NewNop(), Boot: m.boot,
		Record:   func(event.Event) {},
		MayStart: func() (bool, string) { return true, "" },
	})
	check(m.t, err)
	p.exits.close()
	p.exits = &noPidfds{ready: make(chan struct{}), watched: new(atomic.Int32)}
	p.source.newWatcher = func() (*fsnotify.Watcher, error) { return nil, errors.New("no events here") }
	forget := m.rt.OnExit(func(id string, _ int) { p.exited(id) })
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	for _, t := range p.Tasks() {
		tasks.Go(func() { t.Run(ctx) })
	}
	m.agent = &agent{pods: p, board: board, deaf: forget, stop: sync.OnceFunc(func() { forget(); cancel(); tasks.Wait() })}
}

// up is how many pods run and are ready.
func (m *many) up() int {
	n := 0
	for _, v := range m.pods.views.All() {
		if v.Ready {
			n++
		}
	}
	return n
}

// kill ends a pod's container from outside and says when.
func (m *many) kill(pod string) time.Time {
	m.t.Helper()
	at := time.Now()
	check(m.t, m.rt.Exit(pod+"-node/main", 137, ""))
	return at
}

// calls are those since the last ResetCalls, as METHOD KEY.
func (m *many) calls() []string {
	var out []string
	for _, c := range m.rt.Calls() {
		out = append(out, c.Method+" "+c.Key)
	}
	return out
}

// span is one call of the agent.
type span struct {
	method   string
	from, to time.Time
}

// wire is the connection to the fake. It encodes every message and notes which pod each call was about, and how long it took.
type wire struct {
	rt      *crifake.Server
	methods map[string]grpc.MethodHandler

	mu    sync.Mutex
	pods  map[string]string // container or sandbox id -> pod's name in the runtime
	spans map[string][]span // by that name
}

func methodsOf() map[string]grpc.MethodHandler {
	out := map[string]grpc.MethodHandler{}
	for _, s := range []grpc.ServiceDesc{cri.RuntimeService_ServiceDesc, cri.ImageService_ServiceDesc} {
		for _, d := range s.Methods {
			out["/"+s.ServiceName+"/"+d.MethodName] = d.Handler
		}
	}
	return out
}

// Invoke implements grpc.ClientConnInterface.
func (w *wire) Invoke(ctx context.Context, method string, args, reply any, _ ...grpc.CallOption) error {
	handler := w.methods[method]
	if handler == nil {
		return status.Error(codes.Unimplemented, method)
	}
	from := time.Now()
	resp, err := handler(w.rt, ctx, func(in any) error { return encoded(in, args) }, nil)
	if err == nil {
		err = encoded(reply, resp)
	}
	w.note(path.Base(method), args, reply, span{path.Base(method), from, time.Now()})
	return err
}

// NewStream implements grpc.ClientConnInterface.
func (w *wire) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, status.Error(codes.Unimplemented, "no streams")
}

func encoded(to, from any) error {
	b, err := proto.Marshal(from.(proto.Message))
	if err != nil {
		return err
	}
	return proto.Unmarshal(b, to.(proto.Message))
}

func (w *wire) note(method string, args, reply any, s span) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pod := ""
	switch r := args.(type) {
	case *cri.RunPodSandboxRequest:
		pod = r.GetConfig().GetMetadata().GetName()
		w.pods[reply.(*cri.RunPodSandboxResponse).GetPodSandboxId()] = pod
	case *cri.CreateContainerRequest:
		pod = r.GetSandboxConfig().GetMetadata().GetName()
		w.pods[reply.(*cri.CreateContainerResponse).GetContainerId()] = pod
	case *cri.ListPodSandboxRequest:
		pod = r.GetFilter().GetLabelSelector()[labelPodName]
	case *cri.ListContainersRequest:
		pod = r.GetFilter().GetLabelSelector()[labelPodName]
	case interface{ GetContainerId() string }:
		pod = w.pods[r.GetContainerId()]
	case interface{ GetPodSandboxId() string }:
		pod = w.pods[r.GetPodSandboxId()]
	}
	w.spans[pod] = append(w.spans[pod], s)
}

// forget drops what was noted.
func (w *wire) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.spans = map[string][]span{}
}

// acted is how long it took from the end of a pod's container until its start was asked of the runtime, the time inside calls about this
// pod apart. A call counts once it has returned.
func (w *wire) acted(pod string, since time.Time) (time.Duration, bool) {
	w.mu.Lock()
	spans := slices.Clone(w.spans[pod])
	w.mu.Unlock()
	return acted(spans, since)
}

func acted(spans []span, since time.Time) (time.Duration, bool) {
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	i := slices.IndexFunc(spans, func(s span) bool {
		return !s.from.Before(since) && (s.method == "CreateContainer" || s.method == "StartContainer")
	})
	if i < 0 {
		return 0, false
	}
	took, at := time.Duration(0), since // at: up to where time is accounted for
	for _, s := range spans[:i] {
		if s.from.After(at) {
			took += s.from.Sub(at)
		}
		if s.to.After(at) {
			at = s.to
		}
	}
	if begun := spans[i].from; begun.After(at) {
		took += begun.Sub(at)
	}
	return took, true
}

func TestActed(t *testing.T) {
	t0 := time.Unix(100, 0)
	at := func(ms int) time.Time { return t0.Add(time.Duration(ms) * time.Millisecond) }
	for name, c := range map[string]struct {
		spans []span
		want  time.Duration
		ok    bool
	}{
		"no call":                  {},
		"not begun":                {spans: []span{{"ListContainers", at(1), at(5)}}},
		"lists side by side":       {spans: []span{{"ListContainers", at(1), at(5)}, {"ListPodSandbox", at(1), at(6)}, {"ContainerStatus", at(7), at(8)}, {"StartContainer", at(10), at(70)}}, want: 4 * time.Millisecond, ok: true},
		"one from before":          {spans: []span{{"ListContainers", at(-3), at(2)}, {"CreateContainer", at(3), at(9)}}, want: time.Millisecond, ok: true},
		"a start from before":      {spans: []span{{"StartContainer", at(-60), at(-1)}}},
		"at once":                  {spans: []span{{"StartContainer", at(0), at(60)}}, ok: true},
		"what follows is no wait":  {spans: []span{{"StartContainer", at(2), at(60)}, {"ListContainers", at(61), at(65)}}, want: 2 * time.Millisecond, ok: true},
		"a long one covers others": {spans: []span{{"PodSandboxStatus", at(0), at(20)}, {"ListContainers", at(5), at(6)}, {"CreateContainer", at(20), at(27)}}, ok: true},
	} {
		if got, ok := acted(c.spans, t0); got != c.want || ok != c.ok {
			t.Errorf("%s: %v %t, want %v %t", name, got, ok, c.want, c.ok)
		}
	}
}

// medianOf is of at least one.
func medianOf(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}

var crowdPod = regexp.MustCompile(`pod-\d{3}`)

// podOf is the pod of the crowd that a call, as METHOD KEY, is about; empty for one about all or none.
func podOf(call string) string { return crowdPod.FindString(call) }
