package agent

import (
	"context"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/config"
	"nodeagent/internal/metrics"
	"nodeagent/internal/netcheck"
	"nodeagent/internal/netcheck/nodes"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/repair"
	"nodeagent/internal/runtime"
	"nodeagent/internal/staticpod"
	"nodeagent/internal/staticpod/cgroup"
	"nodeagent/internal/staticpod/companion"
	"nodeagent/internal/view"
)

// pods is what the agent asks of whatever mode static pods are in.
type pods interface {
	tasks() []Task
	list() []view.Pod
	brief() []view.Pod // list without what is asked for at each: probes and usage
	restart(ctx context.Context, name string) error
	stop(ctx context.Context, name string, d time.Duration) error
	start(ctx context.Context, name string) error
	prune(ctx context.Context) error
	resume(ctx context.Context) error
	event(containerID, pod string) // something happened in the runtime
	wake()                         // read everything again
}

// wire builds the modules and hands each what it needs of the others.
func (a *agent) wire(c config.Config) error {
	a.metrics = metrics.New(metrics.Sources{
		Snapshot: a.board.Snapshot, Mutes: a.viewMutes, Pods: func() []view.Pod { return a.pods.list() }, Runtime: a.runtimeView,
		Network: func() view.Network { return a.network.Network() }, Certificates: a.certificates, VIP: func() view.VIP { return a.vip.view() }, Repairs: func() view.RepairPlan { return a.repairs.Plan() }, Components: func() view.Components { return a.components.Components() }, Roles: func() []string { return roles(a.components.Components(), a.board.Snapshot()) },
		Mode: func() string { return a.config().StaticPods.Mode }, Tasks: func() map[string]uint64 { return a.supervisor.restarts() },
		Reload:  func() (bool, time.Time) { s := a.settings.Load(); return s.refused == nil, s.at },
		Version: a.o.Version, Revision: a.o.Revision,
		OnError: func(err error) { a.log.Warn("metrics", zap.Error(err)) },
	})
	facts := newFacts()
	a.runtime = runtime.New(func() runtime.Config { return runtimeConfig(a.config(), facts) }, runtime.Hooks{
		OnConnect:    func() { a.pods.wake() },
		OnDisconnect: func() { a.pods.wake() },
		OnAnswer:     func() { a.pods.wake() },
		OnRelist:     func() { a.pods.wake() },
		OnEvent:      func(id, pod string) { a.pods.event(id, pod) },
		Observe:      a.metrics.ObserveCRI,
	}, a.board, a.logOf(partRuntime))
	a.nodes = nodes.New(func() string { return a.config().Network.Kubeconfig }, a.logOf(partNetwork))
	a.network = netcheck.New(func() netcheck.Config { return networkConfig(a.config(), a.nodeName) }, netcheck.Deps{
		Nodes: a.nodes.Nodes, Observe: a.metrics.ObservePeer, Permit: a.permitMend, Done: a.mended, Refuse: a.refusedMend, Store: a.folder, Boot: a.boot, Record: a.ring.Append,
	}, a.board, a.logOf(partNetwork))
	a.wireComponents(facts)
	a.wakes = append(a.wakes, a.runtime.Wake, func() { a.pods.wake() }, a.network.Wake)
	a.wireMachine(facts)
	a.wireCerts(facts)
	a.wireVIP(facts)
	a.wireRepair(facts)
	var err error
	switch c.StaticPods.Mode {
	case config.ModeRun:
		err = a.wireRun(c, facts)
	case config.ModeCompanion:
		a.wireCompanion(facts)
	default:
		a.pods, err = off{}, a.name(c, facts)
	}
	return err
}

func runtimeConfig(c config.Config, facts *facts) runtime.Config {
	out := runtime.Config{Endpoint: c.ContainerRuntimeEndpoint, Kubelet: facts.endpoint, ProbeTimeout: c.RuntimeProbeTimeout, CheckFrequency: c.RuntimeCheckFrequency,
		Processes: facts.procs, KubeletCgroup: func() runtime.KubeletCgroup { return kubeletCgroup(facts.get()) }}
	out.Unneeded = func() string { return unneeded(c, facts.get()) }
	if repair.Booted() {
		out.Unit = runtimeUnit
	}
	if c.RuntimeCanary.Every > 0 {
		if exe, err := program(); err == nil { // one that is being replaced is found at the next look
			out.Canary = canaryConfig(c, exe, func() bool { return facts.get().Installed })
		}
	}
	return out
}

// nameVersion is of the state that keeps the node's name.
const nameVersion = 1

// name finds the node's name. What was found first is kept: a lease that renames the host must not make strangers of our pods.
func (a *agent) name(c config.Config, facts *facts) (err error) {
	if a.nodeName = c.NodeName; a.nodeName != "" {
		return nil
	}
	if _, err := a.folder.Load("node", nameVersion, &a.nodeName); err != nil {
		return err
	}
	if a.nodeName != "" {
		return nil
	}
	if a.nodeName = facts.get().NodeName; a.nodeName == "" {
		if a.nodeName, err = hostname(); err != nil {
			return err
		}
	}
	return a.folder.SaveDurable("node", nameVersion, a.nodeName)
}

// companionPods watches a kubelet's.
type companionPods struct {
	c *companion.Companion
}

func (a *agent) wireCompanion(facts *facts) {
	c := companion.New(func() companion.Config { return companionConfig(a.config()) }, companion.Deps{
		Runtime: func() (companion.CRI, error) { return a.runtime.CRI(), nil },
		Kubelet: facts.fresh, Store: a.folder, Record: a.ring.Append,
	}, a.board, a.logOf(partPods))
	if a.nodeName = facts.get().NodeName; a.config().NodeName != "" {
		a.nodeName = a.config().NodeName
	}
	if a.nodeName == "" {
		a.nodeName, _ = hostname()
	}
	a.pods = companionPods{c}
}

func companionConfig(c config.Config) companion.Config {
	return companion.Config{Path: c.StaticPodPath, NodeName: c.NodeName, FileCheckFrequency: c.FileCheckFrequency, SyncFrequency: c.SyncFrequency, ProbeTimeout: c.RuntimeProbeTimeout}
}

func (p companionPods) tasks() []Task        { return []Task{p.c} }
func (p companionPods) event(string, string) { p.c.Wake() }
func (p companionPods) wake()                { p.c.Wake() }
func (p companionPods) list() []view.Pod {
	v, _ := p.c.Pods.Get()
	return v
}
func (p companionPods) brief() []view.Pod { return p.list() }

func notRunMode(verb string) error {
	return &view.Error{Problem: "the agent does not run pods on this node, so it can't " + verb + " one", Fix: "In companion mode a kubelet does: move the manifest out of its folder and back. Run mode is staticPods.mode: run."}
}

func (companionPods) restart(context.Context, string) error { return notRunMode("restart") }
func (companionPods) stop(context.Context, string, time.Duration) error {
	return notRunMode("stop")
}
func (companionPods) start(context.Context, string) error { return notRunMode("start") }
func (companionPods) prune(context.Context) error         { return notRunMode("stop") }
func (companionPods) resume(context.Context) error        { return notRunMode("start") }

// off is staticPods.mode: off.
type off struct{}

func (off) tasks() []Task                         { return nil }
func (off) list() []view.Pod                      { return nil }
func (off) brief() []view.Pod                     { return nil }
func (off) event(string, string)                  {}
func (off) wake()                                 {}
func (off) restart(context.Context, string) error { return notRunMode("restart") }
func (off) stop(context.Context, string, time.Duration) error {
	return notRunMode("stop")
}
func (off) start(context.Context, string) error { return notRunMode("start") }
func (off) prune(context.Context) error         { return notRunMode("stop") }
func (off) resume(context.Context) error        { return notRunMode("start") }

// runPods runs them.
type runPods struct {
	p        *staticpod.Pods
	gate     *staticpod.Gate
	shutdown *shutdown
}

func (a *agent) wireRun(c config.Config, facts *facts) error {
	if err := a.name(c, facts); err != nil {
		return err
	}
	other := &owner{facts: facts, runtime: a.runtime.CRI(), timeout: func() time.Duration { return a.config().RuntimeProbeTimeout }}
	gate := staticpod.NewGate(staticpod.GateDeps{
		Store: a.folder, Board: a.board, Record: a.ring.Append, Boot: a.boot, Even: c.StaticPods.EvenWithKubeletInstalled,
		Owner:   other.signs,
		Changed: func() { a.pods.wake() },
	})
	cgroups, err := cgroup.Open("")
	if err != nil {
		return err
	}
	p, err := staticpod.New(staticpod.Deps{
		Config: func() staticpod.Config { return runConfig(a.config(), a.nodeName) },
		CRI:    a.runtime.CRI(), Images: a.runtime.Images(), Store: a.folder, Board: a.board, Record: a.ring.Append, Log: a.logOf(partPods), Boot: a.boot,
		MayStart: gate.MayStart, Cgroups: cgroups, SharesPIDs: a.runtime.SharesPIDs,
	})
	if err != nil {
		return err
	}
	a.pods = runPods{p: p, gate: gate, shutdown: &shutdown{
		bus: &bus{}, board: a.board, record: a.ring.Append, log: a.logOf(partPods), need: func() time.Duration { return a.vip.keepalive.LeaveTime() + p.ShutdownTime() },
		prepare: []func(context.Context){a.vip.leave(a.logOf(partVIP))}, stop: p.Shutdown,
		stay: func() { a.vip.keepalive.Stay(); p.Stay() },
	}}
	return nil
}

func runConfig(c config.Config, node string) staticpod.Config {
	b := c.CrashLoopBackOff
	return staticpod.Config{
		Path: c.StaticPodPath, NodeName: node, LogsDir: c.PodLogsDir, LogLinksDir: c.PodLogLinksDir, LogMaxSize: int64(c.ContainerLogMaxSize), LogMaxFiles: c.ContainerLogMaxFiles,
		RemovedLogsKeep: c.RemovedPodLogsKeep, RemovedLogsMaxSize: int64(c.RemovedPodLogsMaxSize), CgroupRoot: c.CgroupRoot, CgroupDriver: c.CgroupDriver,
		SyncFrequency: c.SyncFrequency, FileCheckFrequency: c.FileCheckFrequency, RuntimeProbeTimeout: c.RuntimeProbeTimeout, RuntimeRequestTimeout: c.RuntimeRequestTimeout,
		Standby: c.StaticPods.PrepareRestarts,
		Restart: staticpod.Restart{
			Backoff:    reconcile.Backoff{Initial: b.InitialDelay, Factor: b.Factor, Max: b.MaxContainerRestartPeriod, Jitter: b.Jitter},
			ResetAfter: b.ResetAfter,
		},
		PullBackoff: reconcile.Backoff{Initial: b.ImagePullInitialDelay, Factor: b.Factor, Max: b.MaxImagePullPeriod, Jitter: b.Jitter},
	}
}

func (r runPods) tasks() []Task {
	out := []Task{r.gate.Task(), newSimple("node shutdown", r.shutdown.run)}
	for _, t := range r.p.Tasks() {
		out = append(out, t)
	}
	return out
}
func (r runPods) list() []view.Pod   { return r.p.List() }
func (r runPods) brief() []view.Pod  { return r.p.Brief() }
func (r runPods) event(id, _ string) { r.p.Hint(id) }
func (r runPods) wake()              { r.p.Wake() }
func (r runPods) restart(ctx context.Context, name string) error {
	return said(r.p.RestartPod(ctx, name))
}
func (r runPods) stop(ctx context.Context, name string, d time.Duration) error {
	return said(r.p.StopPod(ctx, name, d))
}
func (r runPods) start(ctx context.Context, name string) error { return said(r.p.StartPod(ctx, name)) }

// said makes an error of a verb one that reaches the person who asked.
func said(err error) error {
	if err == nil {
		return nil
	}
	return &view.Error{Problem: err.Error()}
}
func (r runPods) prune(context.Context) error  { r.p.Prune(); return nil }
func (r runPods) resume(context.Context) error { r.gate.Resume(); return nil }
