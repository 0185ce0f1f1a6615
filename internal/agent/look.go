package agent

import (
	"context"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/api"
	"nodeagent/internal/config"
	"nodeagent/internal/health"
	"nodeagent/internal/netcheck"
	"nodeagent/internal/repair"
	"nodeagent/internal/runtime"
	"nodeagent/internal/state"
	"nodeagent/internal/staticpod"
	"nodeagent/internal/staticpod/companion"
	"nodeagent/internal/view"
)

// Look looks at the node once, with no daemon and no side effect: no event streams, nothing written, nothing started. What it may not
// read is Unknown, with the reason.
func Look(ctx context.Context, o Options) (view.Status, error) {
	s, err := first(o)
	if err != nil {
		return view.Status{}, &ConfigError{err}
	}
	c := s.loaded.Config
	mode := c.StaticPods.Mode
	board := health.NewBoard(nil, lookConditions(mode)...)
	board.Tune(tunings(c))
	facts := newFacts()
	log := zap.NewNop()

	looks, rt := runtime.Look(ctx, runtimeConfig(c, facts))
	board.Publish(looks...)
	client := runtime.New(func() runtime.Config { return runtimeConfig(c, facts) }, runtime.Hooks{}, health.NewBoard(nil, runtime.Conditions()...), log)
	defer client.Close()
	if err := client.Dial(); err != nil {
		return view.Status{}, err
	}

	store := peekStore{c.StateDir}
	node := lookName(c, facts, store)
	var pods []view.Pod
	switch mode {
	case config.ModeRun:
		pods = lookRun(ctx, c, node, store, board, client, facts)
	case config.ModeCompanion:
		k := companion.New(func() companion.Config { return companionConfig(c) }, companion.Deps{
			Runtime: func() (companion.CRI, error) { return client.CRI(), nil }, Kubelet: facts.get, Store: store,
		}, nil, log)
		var podLooks []health.Look
		pods, podLooks, _ = k.Look(ctx)
		board.Publish(podLooks...)
	}
	components, componentLooks := lookComponents(ctx, c, facts, pods)
	board.Publish(componentLooks...)
	network, networkLooks := netcheck.Look(ctx, networkConfig(c, node), netcheck.Deps{})
	board.Publish(networkLooks...)
	board.Publish(lookCerts(ctx, c, facts)...)
	board.Publish(lookMachine(ctx, c, facts, network.Backend != "")...)
	vip, vipLooks := lookVIP(ctx, c, store, facts)
	board.Publish(vipLooks...)
	board.Publish(health.Look{Of: agentConfig, Findings: []health.Finding{lookConfig(s)}})
	mutes := lookMutes(store)
	board.SetMutes(mutes)
	snap := board.Snapshot()
	out := view.Status{Node: node, Version: o.Version, Time: time.Now(), Status: snap.Worst().String(), Mode: mode, Runtime: rt, Conditions: api.Conditions(snap), Pods: pods, Network: shownNetwork(network), VIP: shownVIP(vip), Maintenance: vip.Maintenance,
		Roles: roles(components, snap), Components: shownComponents(components)}
	for _, m := range mutes {
		out.Mutes = append(out.Mutes, view.Mute(m))
	}
	return out, nil
}

// lookConditions leaves out what is about the daemon itself, which is known not to run, and so delays no shutdown and mends nothing.
func lookConditions(mode string) []*health.Condition {
	var out []*health.Condition
	for _, c := range Conditions(mode) {
		if c != agentTasks && c != nodeShutdown && c != repair.RepairsLatched {
			out = append(out, c)
		}
	}
	return out
}

func lookConfig(s *settings) health.Finding {
	if s.refused != nil {
		return health.Finding{Status: health.Failing, Reason: configOld, Message: firstLine(s.refused.Error())}
	}
	return health.Finding{Status: health.OK}
}

func lookName(c config.Config, f *facts, store peekStore) string {
	name := c.NodeName
	if name == "" && c.StaticPods.Mode != config.ModeCompanion {
		_, _ = state.Peek(store.dir, "node", nameVersion, &name) // else the name is found anew
	}
	if name == "" {
		name = f.get().NodeName
	}
	if name == "" {
		name, _ = hostname()
	}
	return name
}

func lookMutes(store peekStore) []health.Mute {
	var list []health.Mute
	_, _ = store.Load("mutes", mutesVersion, &list) // what can't be read mutes nothing
	return inForce(list, time.Now())
}

func lookRun(ctx context.Context, c config.Config, node string, store peekStore, board *health.Board, client *runtime.Runtime, facts *facts) []view.Pod {
	other := &owner{facts: facts, runtime: client.CRI(), timeout: func() time.Duration { return c.RuntimeProbeTimeout }}
	var signs []string
	if !c.StaticPods.EvenWithKubeletInstalled {
		signs = other.signs(ctx)
	}
	return staticpod.Look(ctx, staticpod.Deps{
		Config: func() staticpod.Config { return runConfig(c, node) }, CRI: client.CRI(), Images: client.Images(), Store: store, Board: board,
		Log: zap.NewNop(), Boot: state.BootID(),
	}, signs)
}

// peekStore reads a state folder and writes nothing.
type peekStore struct{ dir string }

func (s peekStore) Load(name string, version int, v any) (bool, error) {
	return state.Peek(s.dir, name, version, v)
}
func (s peekStore) Save(string, int, any) error          { return nil }
func (s peekStore) SaveDurable(string, int, any) error   { return nil }
func (s peekStore) Delete(string) error                  { return nil }
func (s peekStore) List(prefix string) ([]string, error) { return state.Names(s.dir, prefix) }
func (s peekStore) Path(elem ...string) string           { return state.Join(s.dir, elem...) }
func (s peekStore) Instance() string                     { return state.Instance(s.dir) }
