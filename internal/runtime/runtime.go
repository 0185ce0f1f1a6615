package runtime

import (
	"cmp"
	"context"
	"reflect"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/health"
	"nodeagent/internal/procs"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/view"
)

// retry is the pause between looks while the runtime is not well, so that a recovery is seen within 1 s of the first good answer.
const retry = 500 * time.Millisecond

// Task is what the agent runs (see the agent's own Task).
type Task interface {
	Run(ctx context.Context) error
	Ready() <-chan struct{}
	Beat() time.Time
	Bound() time.Duration
	String() string
}

// Runtime is the node's CRI runtime as the agent knows it.
type Runtime struct {
	// View is the runtime as last seen. Name, version and API stay while it does not answer.
	View view.Cell[view.Runtime]
	// Details is what the detail task last saw.
	Details view.Cell[view.RuntimeDetails]
	// Canary is what the last canary found, by handler; not set before the first.
	Canary view.Cell[[]view.Canary]

	config func() Config
	hooks  Hooks
	board  *health.Board
	log    *zap.Logger
	link   *link
	looks  *reconcile.Loop
	socket *socket
	events *events

	details *reconcile.Loop
	memory  detailMemory // of the detail task alone
	names   *names
	well    atomic.Pointer[wellness] // what the last look found; nil: none yet
	cni     atomic.Pointer[string]   // folder of the network configuration, as the runtime told; nil or empty: not told

	canaries *reconcile.Loop

	// Of the canary task alone.
	canaryAt     time.Time // when the last one began; zero: none yet
	canaryFailed bool      // that one

	cut  atomic.Pointer[context.CancelFunc] // ends the look that runs
	last Endpoint                           // found last; of the look task alone
}

// New makes a Runtime that does nothing until its Tasks run. config is called once a pass; the board must know Conditions.
func New(config func() Config, hooks Hooks, board *health.Board, log *zap.Logger) *Runtime {
	r := &Runtime{config: config, hooks: hooks, board: board, log: log}
	r.looks = reconcile.NewLoop(r.pass, reconcile.Options{
		Name:    "runtime",
		Bound:   max(30*time.Second, 4*config().ProbeTimeout),
		OnError: func(err error) { log.Error("look at the runtime", zap.Error(err)) },
	})
	r.details = reconcile.NewLoop(r.passDetails, reconcile.Options{
		Name:    "runtime details",
		Bound:   max(60*time.Second, 12*config().ProbeTimeout), // each question of a look in turn, and some to spare
		OnError: func(err error) { log.Error("look at the runtime's details", zap.Error(err)) },
	})
	r.canaries = reconcile.NewLoop(r.passCanary, reconcile.Options{
		Name:    "runtime canary",
		Bound:   30 * time.Minute, // every handler may take the deadline of each step
		OnError: func(err error) { log.Error("canary", zap.Error(err)) },
	})
	r.names = &names{wake: r.details.Wake}
	r.link = newLink(hooks.Observe,
		func() { r.looks.Wake(); call(hooks.OnConnect) },
		func() { r.looks.Wake(); call(hooks.OnDisconnect) })
	r.link.failed = r.names.failed
	r.socket = newSocket(r.link, r.stir, r.details.Wake, log)
	r.events = newEvents(r.link, hooks, func() time.Duration { return config().ProbeTimeout }, r.details.Wake, log)
	r.events.calm = cmp.Or(config().eventsCalm, steady)
	return r
}

// wellness is the reason why the runtime is not responsive; empty: it is.
type wellness struct{ reason string }

// absent is the reason of a runtime that this node does not have and does not need.
const absent = "Absent"

func wellnessOf(responsive health.Finding) wellness {
	switch {
	case responsive.Status == health.Absent:
		return wellness{absent}
	case responsive.Reason != nil:
		return wellness{responsive.Reason.Name}
	}
	return wellness{}
}

// Tasks are what must run: the looks, the watch of the socket, the events, the looks at the details, and the canaries.
func (r *Runtime) Tasks() []Task { return []Task{r.looks, r.socket, r.events, r.details, r.canaries} }

// CRI is the runtime service. It stays good over reconnects and changes of the endpoint; without a runtime it answers Unavailable.
func (r *Runtime) CRI() cri.RuntimeServiceClient { return cri.NewRuntimeServiceClient(r.link) }

// Images is the image service, as CRI is the runtime service.
func (r *Runtime) Images() cri.ImageServiceClient { return cri.NewImageServiceClient(r.link) }

// Dial connects once to the endpoint found now, for a caller that runs no Tasks. It does not wait for the connection.
func (r *Runtime) Dial() error { return r.link.set(r.config().detect().Endpoint) }

// Up reports whether the connection stands. A hung runtime may keep it standing: see RuntimeResponsive.
func (r *Runtime) Up() bool { return r.link.up() }

// SharesPIDs reports whether whoever listens on the socket is in this process' PID namespace, so that the pids it tells are the same processes
// here. What can't be known is no.
func (r *Runtime) SharesPIDs() bool {
	c := r.link.now.Load()
	if c == nil {
		return false
	}
	d := c.dialed.Load()
	if d == nil || d.peer <= 0 { // the kernel tells 0 of a process that is not seen from here (unix(7), SO_PEERCRED)
		return false
	}
	apart, err := procs.Apart(procfs, d.peer, "pid")
	return err == nil && !apart
}

// Wake looks as soon as may be, for a reload.
func (r *Runtime) Wake() {
	r.looks.Wake()
	r.details.Wake()
	r.canaries.Wake()
}

// Close ends the connection, and with it every call and stream on it. The clients answer Unavailable from then on.
func (r *Runtime) Close() { r.link.close() }

// pass is one look: the only place where the endpoint is set, the conditions are published and View is written.
func (r *Runtime) pass(ctx context.Context) (next time.Time, err error) {
	began := time.Now()
	cfg := r.config()
	s := Seen{Where: r.find(cfg), Timeout: cfg.ProbeTimeout, Unneeded: cfg.unneeded()}
	lookCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	r.cut.Store(&cancel) // before set: a socket that is replaced from here on is either seen by it or cuts the look
	defer r.cut.Store(nil)
	var c *connection
	if err := r.link.set(s.Where.Endpoint); err != nil {
		s.Version.Err, s.Status.Err = err, err
	} else if c = r.link.now.Load(); c != nil {
		c.look(lookCtx, &s)
		if lookCtx.Err() != nil { // the agent stops, or a wake waits: what was seen is of the past
			return time.Now().Add(retry), nil
		}
	} else if s.Where.Endpoint.Path != "" { // closed
		return time.Time{}, nil
	}
	s.seeCNI(r.cni.Load(), time.Now())
	looks := judge(s, cfg.valid())
	r.board.Publish(looks...)
	r.show(s)
	r.found(looks[0].Findings[0])
	if s.Version.Err == nil && s.Version.Resp != nil {
		r.events.know(s.Version.Resp.GetRuntimeName(), c)
	}
	pause := cfg.CheckFrequency
	if s := looks[0].Findings[0].Status; s != health.OK && s != health.Absent {
		pause = min(pause, retry)
	}
	// From beginning to beginning, but a look that took its whole deadline is followed by a pause too.
	return later(began.Add(pause), time.Now().Add(min(pause, retry))), nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// find detects anew, and stays with what was found last while nothing else is there: a runtime that removed its socket is dead,
// not unheard of. A node that needs none is done with it.
func (r *Runtime) find(cfg Config) Detection {
	d := cfg.detect()
	if !d.Fixed && !d.Exists && r.last.Path != "" && cfg.unneeded() == "" {
		d.Endpoint, d.Docker = r.last, false
	}
	r.last = d.Endpoint
	return d
}

func (r *Runtime) show(s Seen) {
	is := show(s)
	was, _ := r.View.Get()
	if is.Name == "" && was.Endpoint == is.Endpoint {
		is.Name, is.Version, is.API = was.Name, was.Version, was.API
	}
	if !reflect.DeepEqual(is, was) {
		r.View.Set(is)
	}
}

// stir is called when something happened to the socket's file. A look that hangs at what was there before is cut short.
func (r *Runtime) stir() {
	r.looks.Wake()
	c := r.link.now.Load()
	if c == nil {
		return
	}
	if id := identify(c.endpoint.Path); id != c.id && id != (socketID{}) {
		if cut := r.cut.Load(); cut != nil {
			(*cut)()
		}
	}
}

// found tells the tasks of the details and of the canary what the look found, and wakes them if that is news.
func (r *Runtime) found(responsive health.Finding) {
	now := wellnessOf(responsive)
	if was := r.well.Swap(&now); was == nil || *was != now {
		r.details.Wake()
		r.canaries.Wake()
		if now.reason == "" && was != nil {
			call(r.hooks.OnAnswer)
		}
	}
}
