package runtime

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/reconcile"
)

// events subscribes to what the runtime tells of containers: containerd's own events, which every version has and each subscriber gets
// whole, and CRI's events elsewhere. CRI's events of containerd 1.7 are one queue that subscribers share: listening there would take
// events from kubelet.
type events struct {
	link    *link
	hooks   Hooks
	timeout func() time.Duration
	log     *zap.Logger

	name  atomic.Pointer[named] // nil: not told yet
	named chan struct{}
	ready chan struct{}
	once  sync.Once
	began atomic.Pointer[time.Time] // when the hook that runs was called
	said  atomic.Bool               // that there are no events
	tell  func()                    // said changed
	calm  time.Duration             // a stream that lived for so long is one: steady
}

// Where events are not to be had (CRI-O without enable_pod_events ends the stream at once) they are asked for again this often.
var eventBackoff = reconcile.Backoff{Initial: 500 * time.Millisecond, Factor: 2, Max: 5 * time.Minute, Jitter: 0.2}

// steady is how long a stream must have lived for its end to be no sign that there are no events.
const steady = 10 * time.Second

func newEvents(l *link, hooks Hooks, timeout func() time.Duration, tell func(), log *zap.Logger) *events {
	return &events{link: l, tell: tell, hooks: hooks, timeout: timeout, log: log, named: make(chan struct{}, 1), ready: make(chan struct{})}
}

// named is the name that a runtime gave itself over one connection: who answers on the next one may be another.
type named struct {
	name string
	of   *connection
}

// know tells the runtime's name, which decides how events are had.
func (e *events) know(name string, c *connection) {
	now := named{name, c}
	if was := e.name.Swap(&now); was != nil && *was == now {
		return
	}
	select {
	case e.named <- struct{}{}:
	default:
	}
}

// stream is one subscription. next waits for an event; it answers an empty id for one that means nothing here.
type stream interface {
	next() (containerID, pod string, err error)
}

// Run subscribes whenever there is a connection, until ctx ends.
func (e *events) Run(ctx context.Context) error {
	e.once.Do(func() { close(e.ready) })
	var of named   // who the last subscription was to
	var gen uint64 // which of its lives
	native, relist, level := true, true, 0
	for {
		c, changed := e.link.current()
		name := e.name.Load()
		if c == nil || !c.up.Load() || name == nil || name.of != c {
			if !e.wait(ctx, changed, nil) {
				return ctx.Err()
			}
			continue
		}
		if g := c.lives.Load(); *name != of || g != gen { // another connection or runtime, or the same one come back: all the past is void
			of, gen, native, relist, level = *name, g, name.name == "containerd", true, 0
		}
		began := time.Now()
		got, err := e.listen(ctx, c, native, &relist)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		unsupported := status.Code(err) == codes.Unimplemented
		if native && unsupported { // it calls itself containerd and has no events of containerd's
			native, relist = false, true
			continue
		}
		relist = relist || got || time.Since(began) >= e.calm
		if got || time.Since(began) >= e.calm || !unsupported && !errors.Is(err, io.EOF) {
			level = 0 // there are events; something else went wrong
		} else if level > 0 && !e.said.Swap(true) {
			e.tell()
			e.log.Info("the runtime gives no container events: changes are found by looking; on CRI-O set enable_pod_events = true in [crio.runtime]", zap.Error(err))
		}
		if !e.wait(ctx, changed, time.After(eventBackoff.Jittered(level))) {
			return ctx.Err()
		}
		level++
	}
}

// wait ends with the connection's change, a new name or the time; false: ctx ended.
func (e *events) wait(ctx context.Context, changed <-chan struct{}, at <-chan time.Time) bool {
	select {
	case <-ctx.Done():
		return false
	case <-changed:
	case <-e.named:
	case <-at:
	}
	return true
}

// listen is one subscription from beginning to end. got reports whether an event came.
func (e *events) listen(ctx context.Context, c *connection, native bool, relist *bool) (got bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var s stream
	if native {
		s, err = subscribeContainerd(ctx, c)
	} else {
		s, err = subscribeCRI(ctx, c, time.Now())
	}
	if err != nil {
		return false, err
	}
	if *relist {
		// A call behind the subscription on the same connection: once it is answered, the subscription was taken up too.
		callCtx, done := context.WithTimeout(ctx, e.timeout())
		_, err := cri.NewRuntimeServiceClient(c).Version(callCtx, &cri.VersionRequest{Version: "v1"})
		done()
		if err != nil {
			return false, err
		}
		*relist = false
		e.hook(e.hooks.OnRelist)
	}
	quiet := time.AfterFunc(e.calm, e.unsay) // on a node where nothing happens no event comes to prove it
	defer quiet.Stop()
	for {
		id, pod, err := s.next()
		if err != nil {
			return got, err
		}
		e.unsay()
		got = true
		if id != "" && e.hooks.OnEvent != nil {
			e.hook(func() { e.hooks.OnEvent(id, pod) })
		}
	}
}

// unsay is called once there is a subscription that lives.
func (e *events) unsay() {
	if e.said.Swap(false) {
		e.tell()
		e.log.Info("the runtime gives container events again")
	}
}

func (e *events) hook(f func()) {
	now := time.Now()
	e.began.Store(&now)
	call(f)
	e.began.Store(nil)
}

// subscribeCRI asks for CRI's own events. Those created before since are a backlog, which a relist covers.
func subscribeCRI(ctx context.Context, c *connection, since time.Time) (stream, error) {
	s, err := cri.NewRuntimeServiceClient(c).GetContainerEvents(ctx, &cri.GetEventsRequest{})
	if err != nil {
		return nil, err
	}
	return &criStream{s: s, since: since.UnixNano()}, nil
}

type criStream struct {
	s     cri.RuntimeService_GetContainerEventsClient
	since int64
}

func (s *criStream) next() (containerID, pod string, err error) {
	ev, err := s.s.Recv()
	if err != nil {
		return "", "", err
	}
	if ev.GetCreatedAt() < s.since {
		return "", "", nil
	}
	if m := ev.GetPodSandboxStatus().GetMetadata(); m != nil {
		pod = m.GetNamespace() + "/" + m.GetName()
	}
	return ev.GetContainerId(), pod, nil
}

// Ready is closed once Run has begun: what the node is does not hang on events.
func (e *events) Ready() <-chan struct{} { return e.ready }

// Beat is now, or the moment at which the hook that runs was called.
func (e *events) Beat() time.Time {
	if t := e.began.Load(); t != nil {
		return *t
	}
	return time.Now()
}

// Bound is the longest a hook may take before the task counts as stuck.
func (e *events) Bound() time.Duration { return 30 * time.Second }

func (e *events) String() string { return "runtime events" }
