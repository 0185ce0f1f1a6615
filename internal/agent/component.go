package agent

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"nodeagent/internal/component"
	"nodeagent/internal/component/collect"
	"nodeagent/internal/config"
	"nodeagent/internal/health"
	"nodeagent/internal/keepalive"
	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/repair"
	"nodeagent/internal/staticpod/kubelet"
	"nodeagent/internal/view"
)

func componentConfig(c config.Config, facts *facts) component.Config {
	k := c.Components
	manifests := c.StaticPodPath
	if manifests == "" {
		manifests = facts.get().Config.StaticPodPath
	}
	out := component.Config{Every: k.CheckFrequency, Timeout: k.ProbeTimeout, Slow: k.SlowAfter, Kubeconfig: k.Kubeconfig}
	if manifests != "" {
		out.Manifests = []string{manifests}
	}
	return out
}

func (a *agent) wireComponents(facts *facts) {
	deps := componentDeps(facts)
	deps.Pods, deps.Observe = func() []view.Pod { return a.pods.list() }, a.metrics.ObserveComponent
	a.components = component.New(func() component.Config { return componentConfig(a.config(), facts) }, deps, a.board, a.logOf(partKubernetes))
	a.wakes = append(a.wakes, a.components.Wake)
}

func lookComponents(ctx context.Context, c config.Config, facts *facts, pods []view.Pod) (view.Components, []health.Look) {
	deps := componentDeps(facts)
	deps.Pods = func() []view.Pod { return pods }
	return component.Look(ctx, componentConfig(c, facts), deps)
}

// unneeded tells why this node needs no container runtime; empty: it does. The agent needs one to run pods, a kubelet always, and whoever names its socket.
func unneeded(c config.Config, f kubelet.Facts) string {
	if c.StaticPods.Mode == config.ModeRun || c.ContainerRuntimeEndpoint != "" || f.Installed {
		return ""
	}
	folder := cmp.Or(c.StaticPodPath, f.Config.StaticPodPath)
	if entries, err := os.ReadDir(folder); folder != "" && (err == nil && len(entries) > 0 || err != nil && !errors.Is(err, os.ErrNotExist)) {
		return ""
	}
	return "there is no kubelet, no manifest, and the agent runs no pods"
}

// roles of this node, from what was found.
func roles(c view.Components, s health.Snapshot) []string {
	balancer := false
	for _, of := range []*health.Condition{haproxy.HAProxy, keepalive.Keepalived} {
		if state, ok := s.Of(of.Name); ok && !state.Disabled {
			w := state.Worst().Status
			balancer = balancer || w == health.OK || w == health.Failing
		}
	}
	return append([]string{}, c.Roles(balancer)...)
}

// shownComponents is nil where there is none: what a node does not have is no part of its status.
func shownComponents(c view.Components) *view.Components {
	if !slices.ContainsFunc(c.List, func(x view.Component) bool { return x.Here }) {
		return nil
	}
	return &c
}

func componentDeps(facts *facts) component.Deps {
	d := component.Deps{Processes: facts.procs, Kubelet: func() component.Kubelet { return kubeletOf(facts.get()) }}
	if repair.Booted() {
		d.Unit = componentUnit
		d.LastError = lastError
	}
	return d
}

// lastErrorDeadline: a kubelet is not to be told as down much later for a journal on a disk that hangs.
const lastErrorDeadline = 3 * time.Second

// lastError is the last error among a unit's last lines, without secrets.
func lastError(ctx context.Context, unit string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, lastErrorDeadline)
	defer cancel()
	// Without --since: systemd 252 counts the lines from there on, and not from the end.
	log, err := repair.Journal(ctx, unit, "--lines=30", "--output=cat")
	if err != nil {
		return "", err
	}
	return string(collect.NewRedactor(nil).Redact([]byte(component.LastError(string(log))))), nil
}

// kubeletOf is what the components are told of it. One that is installed and was never set up, as before kubeadm join, is none of this node's.
func kubeletOf(f kubelet.Facts) component.Kubelet {
	k := component.Kubelet{Here: f.Running != nil || f.Installed, Looked: "no kubelet is installed, and none runs", Address: f.Config.HealthzAddress, NodeName: f.NodeName}
	if f.Running != nil {
		k.PID, k.Program, k.Started = f.Running.PID, f.Running.Name, f.Running.StartedAt
	} else if path := f.Config.Path; k.Here && path != "" {
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			k.Here, k.Looked = false, "a kubelet is installed, and "+path+" is not there: this node has joined no cluster"
		}
	}
	return k
}
