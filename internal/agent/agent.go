package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	goruntime "runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"nodeagent/internal/api"
	"nodeagent/internal/api/page"
	"nodeagent/internal/component"
	"nodeagent/internal/component/certs"
	"nodeagent/internal/component/machine"
	"nodeagent/internal/config"
	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/keepalive"
	"nodeagent/internal/metrics"
	"nodeagent/internal/netcheck"
	"nodeagent/internal/netcheck/nodes"
	"nodeagent/internal/repair"
	"nodeagent/internal/runtime"
	"nodeagent/internal/state"
	"nodeagent/internal/view"
)

// Options of a run.
type Options struct {
	ConfigFile string // path of the main configuration file
	Explicit   bool   // it was named, and has to be there
	ConfigDir  string // of the drop-ins
	Version    string
	Revision   string
}

// ConfigError is a configuration that can't be used, with no accepted one to fall back to.
type ConfigError struct{ Err error }

func (e *ConfigError) Error() string { return e.Err.Error() }
func (e *ConfigError) Unwrap() error { return e.Err }

// readyAfter is how long READY waits for first looks that do not come back.
const readyAfter = 5 * time.Second

// agent is the running daemon.
type agent struct {
	o          Options
	began      time.Time
	logs       *zap.Logger // of every part; each has it with its name
	log        *zap.Logger // the agent's own
	level      zap.AtomicLevel
	settings   atomic.Pointer[settings]
	folder     *state.Folder
	ring       *event.Ring
	board      *health.Board
	metrics    *metrics.Metrics
	runtime    *runtime.Runtime
	pods       pods
	network    *netcheck.Checker
	nodes      *nodes.Lister
	machine    *machine.Machine
	certs      *certs.Certs
	vip        *vip
	repairs    *repair.Ledger
	restarter  *repair.Restarter
	components *component.Checker
	nodeName   string
	boot       string
	changes    *api.Sequence
	supervisor *supervisor
	isReady    atomic.Bool
	wakes      []func() // after a reload
	hup        <-chan os.Signal
	reloading  sync.Mutex
	mutes      mutes
}

// Run is the daemon. It returns nil when it was told to stop, a *ConfigError where there is no configuration to run with, state.ErrTaken,
// api.ErrAddressTaken or api.ErrSocketTaken where another process is in the way.
func Run(ctx context.Context, o Options) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	hup := make(chan os.Signal, 1) // from the first moment: a SIGHUP that nobody takes ends the process
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	first, err := first(o)
	if err != nil {
		return &ConfigError{err}
	}
	a, err := build(o, first)
	if err != nil {
		return err
	}
	a.hup = hup
	defer a.close()
	if err := keepalive.TakeName(); err != nil {
		a.log.Warn("keepalived's track_process will not see this process", zap.Error(err))
	}
	return a.run(ctx)
}

// lean is the garbage collector's target: a small heap that is collected a little more often costs less than memory on every node.
const lean = 50

// atMost is how many processors run Go code at once, whatever the machine has: beyond that an idle agent only has more threads to wake. Once it is
// said, Go no longer asks in each second whether their number changed.
const atMost = 4

func build(o Options, s *settings) (_ *agent, err error) {
	debug.SetGCPercent(lean)
	goruntime.GOMAXPROCS(min(goruntime.GOMAXPROCS(0), atMost))
	c := s.loaded.Config
	a := &agent{o: o, began: time.Now(), level: zap.NewAtomicLevel(), boot: state.BootID(), changes: api.NewSequence()}
	a.settings.Store(s)
	if l, err := zapcore.ParseLevel(c.Log.Level); err == nil {
		a.level.SetLevel(l)
	}
	a.logs = newLogger(c.Log.Format, a.level)
	a.log = a.logOf(partAgent)
	for _, moved := range movedFolders(c, os.Getenv) {
		a.log.Warn(moved)
	}
	if a.folder, err = state.Open(c.StateDir); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	if a.ring, err = event.Open(a.folder.Dir(), a.boot, int64(c.Events.MaxSize)); err != nil {
		return nil, err
	}
	if !s.old {
		a.accept(s.loaded)
	}
	transitions := newTransitions(a.ring.Append, a.logs)
	a.board = health.NewBoard(transitions.take, Conditions(c.StaticPods.Mode)...)
	a.board.Tune(tunings(c))
	a.loadMutes()
	if err := a.wire(c); err != nil {
		return nil, err
	}
	tasks := []Task{a.ring, newSimple("transitions", transitions.run), newSimple("changes", a.watchBoard), newSimple("progress", a.feed), newSimple("signals", a.signals)}
	for _, t := range a.runtime.Tasks() {
		tasks = append(tasks, t)
	}
	tasks = append(tasks, a.pods.tasks()...)
	tasks = append(tasks, a.vip.tasks()...)
	tasks = append(tasks, a.restarter)
	tasks = append(tasks, a.nodes)
	for _, t := range a.network.Tasks() {
		tasks = append(tasks, t)
	}
	for _, t := range a.components.Tasks() {
		tasks = append(tasks, t)
	}
	tasks = append(tasks, a.machine.Task())
	status, err := page.New(page.Sources{Status: a.status, Events: a.events, WebConfigFile: c.Metrics.WebConfigFile})
	if err != nil {
		return nil, err
	}
	for _, t := range a.certs.Tasks() {
		tasks = append(tasks, t)
	}
	listener, err := api.NewListener(api.ListenerConfig{Address: c.Metrics.Listen, WebConfigFile: c.Metrics.WebConfigFile},
		api.Pages{Metrics: a.metrics.Handler(), Ready: a.isReady.Load, Version: o.Version, VIP: http.HandlerFunc(a.vip.answer), Status: status}, a.logOf(partAPI))
	if err != nil {
		return nil, err
	}
	tasks = append(tasks, api.NewSocket(api.SocketConfig{Path: c.API.Socket, Group: c.API.Group}, a.backend(), a.logOf(partAPI)), listener)
	a.supervisor = newSupervisor(a.log, fatal, tasks...)
	return a, nil
}

func fatal(err error) bool {
	return errors.Is(err, api.ErrAddressTaken) || errors.Is(err, api.ErrSocketTaken)
}

func (a *agent) close() {
	if a.runtime != nil {
		a.runtime.Close()
	}
	if a.ring != nil {
		a.ring.Close()
	}
	a.folder.Close()
	_ = a.log.Sync()
}

func (a *agent) run(ctx context.Context) error {
	s := a.settings.Load()
	if e, ok := gap(a.ring.Before(), a.boot); ok {
		a.ring.Append(e)
	}
	a.ring.Append(event.Event{Kind: event.KindAgent, Reason: "Started", Message: "nodeagent " + a.o.Version + " started, static pods: " + s.loaded.Config.StaticPods.Mode})
	a.log.Info("started", zap.String("version", a.o.Version), zap.String("mode", s.loaded.Config.StaticPods.Mode), zap.String("node", a.nodeName),
		zap.String("metrics", s.loaded.Config.Metrics.Listen))
	if s.refused != nil {
		a.log.Error("the configuration files are bad; the last accepted configuration runs", zap.Error(s.refused))
	}
	a.publishConfig()
	ended, end := context.WithCancel(ctx)
	defer end()
	go func() {
		select {
		case <-a.supervisor.ready():
		case <-time.After(readyAfter):
		case <-ended.Done():
			return
		}
		a.isReady.Store(true)
		notify(daemon.SdNotifyReady)
	}()
	stopping := make(chan struct{})
	go func() {
		defer close(stopping)
		<-ended.Done()
		if ctx.Err() != nil {
			notify(daemon.SdNotifyStopping)
			a.ring.Append(event.Event{Kind: event.KindAgent, Reason: "Stopping", Message: "told to stop; pods are left as they are"})
		}
	}()
	err := a.supervisor.run(ctx)
	end()
	<-stopping
	_ = a.ring.Run(ended) // what the others said while they ended
	a.log.Info("stopped")
	return err
}

// signals reloads on SIGHUP.
func (a *agent) signals(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.hup:
			_, _ = a.reload(ctx) // its outcome is a condition, an event and a line in the log
		}
	}
}

// watchBoard tells long polls of the API that something changed.
func (a *agent) watchBoard(ctx context.Context) error {
	return a.board.Watch(ctx, nil, func(health.Snapshot) { a.changes.Bump() })
}

// config in force.
func (a *agent) config() config.Config { return a.settings.Load().loaded.Config }

// resolve finds a condition by its name; its error is for the person who asked.
func (a *agent) resolve(condition string) (string, error) {
	return api.Resolve(a.board.Snapshot(), condition)
}

// status is the whole node.
func (a *agent) status() view.Status {
	s := a.board.Snapshot()
	components := a.components.Components()
	return view.Status{
		Roles: roles(components, s), Components: shownComponents(components),
		Node: a.nodeName, Version: a.o.Version, Time: time.Now(), Since: a.began, Daemon: true, Status: s.Worst().String(),
		Mode: a.config().StaticPods.Mode, Runtime: a.runtimeView(), Conditions: api.Conditions(s), Pods: a.pods.list(), Network: shownNetwork(a.network.Network()), VIP: shownVIP(a.vip.view()), Maintenance: a.vip.maintenance(), Mutes: a.viewMutes(),
	}
}

func (a *agent) runtimeView() view.Runtime {
	v, _ := a.runtime.View.Get()
	if d, ok := a.runtime.Details.Get(); ok {
		v.Details = &d
	}
	v.Canaries, _ = a.runtime.Canary.Get()
	return v
}

// events are the timeline's, oldest first.
func (a *agent) events(since time.Time) ([]event.Event, error) {
	list, err := event.Since(a.folder.Dir(), since)
	for i := range list {
		list[i].Log = "" // for root alone, who reads it from the ring
	}
	return list, err
}

// backend is what the API may do.
func (a *agent) backend() api.Backend {
	return api.Backend{
		Status: a.status,
		Pods:   a.pods.list,
		Events: a.events, EventsAfter: a.ring.After,
		Check: func(name, subject string) view.Check {
			return api.Check(a.board.Snapshot(), name, subject)
		},
		Network:          a.network.Network,
		VIP:              a.vip.view,
		Repairs:          a.repairs.Plan,
		ClearRepairs:     a.clearRepairs,
		Config:           func() string { return configText(a.settings.Load().loaded) },
		Reload:           a.reload,
		Mute:             a.mute,
		Unmute:           a.unmute,
		RestartPod:       a.pods.restart,
		StopPod:          a.pods.stop,
		StartPod:         a.pods.start,
		PrunePods:        a.pods.prune,
		ResumePods:       a.pods.resume,
		StartMaintenance: a.vip.startMaintenance,
		StopMaintenance:  a.vip.keepalive.StopMaintenance,
		Changed:          a.changes.Wait,
	}
}

// hostname in lower case, as Kubernetes names nodes.
func hostname() (string, error) {
	h, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name this node: %w", err)
	}
	return strings.ToLower(strings.TrimSpace(h)), nil
}
