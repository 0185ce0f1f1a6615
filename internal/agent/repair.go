package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/config"
	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/netcheck"
	"nodeagent/internal/repair"
	"nodeagent/internal/runtime"
	"nodeagent/internal/view"
)

// restartRuntime is for a runtime that is hung, or dead and not brought back by systemd. The bounds are wide: a restart takes the runtime from
// every pod of the node for seconds, and what a restart does not mend twice needs a person.
var restartRuntime = &repair.Action{
	Name: "restart-runtime", Help: "restarts the unit of a container runtime that has hung or failed",
	After: time.Minute, Asked: 3, Forget: 30 * time.Second, Cooldown: 15 * time.Minute, Hour: 2, Day: 4, Jitter: time.Minute,
}

func repairConfig(c config.Config) repair.Config {
	out := repair.Config{Mode: c.Repair.Mode, Disabled: c.Repair.Disabled, Bounds: map[string]repair.Bounds{}}
	for name, r := range c.Repair.Restarts {
		out.Bounds[name] = repair.Bounds{After: r.After, Jitter: r.Spread, Cooldown: r.Cooldown, Young: r.Young}
	}
	return out
}

func (a *agent) wireRepair(facts *facts) {
	a.repairs = repair.New(func() repair.Config { return repairConfig(a.config()) }, repair.Deps{
		Store: a.folder, Record: func(e event.Event) { a.ring.Append(e) }, Paused: a.vip.paused, Node: func() string { return a.nodeName }, Boot: a.boot, Up: repair.Uptime(),
	}, a.board, a.logOf(partRepair), repairActions()...)
	a.restarter = repair.NewRestarter(a.repairs, repair.Restart{
		Action: restartRuntime, Dump: true,
		Rules:  repair.Rules{MayStart: true, KeepChildren: true, Young: 2 * time.Minute},
		Wanted: func(s health.Snapshot) repair.Want { return a.runtimeStuck(s, facts) },
	}, repair.Restart{Action: restartKubelet, Rules: repair.Rules{Young: 5 * time.Minute}, Wanted: a.kubeletStuck(facts)})
}

// repairActions of this agent, in the order in which they are shown.
func repairActions() []*repair.Action {
	return append([]*repair.Action{restartRuntime, restartKubelet}, networkMends...)
}

// networkMends put back what flanneld does not. They are cheap, harmless where they are not needed, and wanted at once: the bounds only stop
// a fight with whoever takes it away again.
var networkMends = []*repair.Action{
	{Name: netcheck.MendPeer, Help: "puts back the route, neighbour or FDB entry of a Flannel peer", Forget: 2 * time.Minute, Cooldown: 10 * time.Second, Hour: 200, Day: 1000},
	{Name: netcheck.MendDevice, Help: "puts back what Flannel's device has lost, with its peers' entries", Forget: 2 * time.Minute, Cooldown: 10 * time.Second, Hour: 12, Day: 40},
	{Name: netcheck.MendBridge, Help: "puts back the pods' bridge: up, its address, its MTU, its ports", Forget: 2 * time.Minute, Cooldown: 10 * time.Second, Hour: 30, Day: 100},
	{Name: netcheck.MendSysctl, Help: "sets a kernel setting to 1 without which pods have no network", Forget: 2 * time.Minute, Cooldown: 10 * time.Second, Hour: 12, Day: 40},
}

// networkMend is the request for one of them.
func networkMend(action, target, why string) (repair.Request, bool) {
	i := slices.IndexFunc(networkMends, func(a *repair.Action) bool { return a.Name == action })
	if i < 0 {
		return repair.Request{}, false
	}
	return repair.Request{Action: networkMends[i], Target: target, Why: why}, true
}

func (a *agent) permitMend(action, target, why string) (bool, string, time.Time) {
	q, ok := networkMend(action, target, why)
	if !ok {
		return false, "no such repair", time.Time{}
	}
	answer := a.repairs.Ask(q)
	return answer.OK, answer.Because, answer.At
}

func (a *agent) refusedMend(action, target, why, because string) {
	if q, ok := networkMend(action, target, why); ok {
		a.repairs.Refuse(q, because)
	}
}

func (a *agent) mended(action, target, why string, err error) {
	if q, ok := networkMend(action, target, why); ok {
		a.repairs.Done(q, err)
	}
}

// runtimeStuck says what is wrong with the runtime that a restart of its unit may end.
func (a *agent) runtimeStuck(s health.Snapshot, facts *facts) repair.Want {
	state, ok := s.Of(runtime.RuntimeResponsive.Name)
	if !ok || len(state.Entries) == 0 {
		return repair.Want{}
	}
	e := state.Worst()
	if e.Status != health.Failing || e.Mute != nil {
		return repair.Want{}
	}
	switch e.ReasonName() {
	case "Hung", "Dead":
		w := repair.Want{Unit: a.runtimeUnit(), Why: fmt.Sprintf("%s %s: %s", state.Condition.Name, e.ReasonName(), e.Message)}
		if k := facts.get().Running; k != nil { // where both are one unit, as k3s, what bars a kubelet's restart would be passed by
			w.Apart = k.PID
		}
		return w
	}
	return repair.Want{}
}

// runtimeUnit is the unit that the runtime was last seen in, else the one that its package has; empty where neither is known.
func (a *agent) runtimeUnit() string {
	if d, ok := a.runtime.Details.Get(); ok && d.Unit != "" {
		return d.Unit
	}
	v := a.runtimeView()
	switch { // one that was dead when the agent started has told no name: its socket lies where its package puts it
	case v.Name == "containerd", strings.HasSuffix(v.Endpoint, "/run/containerd/containerd.sock"):
		return "containerd.service"
	case v.Name == "cri-o", strings.HasSuffix(v.Endpoint, "/run/crio/crio.sock"):
		return "crio.service"
	}
	return ""
}

func (a *agent) clearRepairs(_ context.Context, name string) (view.ClearResult, error) {
	cleared, err := a.repairs.Clear(name)
	var said *view.Error
	if err != nil && !errors.As(err, &said) {
		err = fmt.Errorf("clear repairs: %w", err)
	}
	return view.ClearResult{Cleared: append([]string{}, cleared...)}, err
}
