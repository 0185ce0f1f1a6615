package staticpod

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/probe"
)

// hookDeadline ends a postStart that never ends. A kubelet has none, and waits.
const hookDeadline = time.Hour

// postStart runs a container's hook beside it. Its outcome is remembered; one that the agent's end cut short is run again by the next, for a
// hook is promised at least once. What a hook's command or server said may hold secrets and stays out of events and state.
func (p *Pods) postStart(o opContext, a Action) error {
	c, _, _ := containerOf(&o.want.Pod.Spec.Spec, a.Name)
	ctx, cancel := context.WithTimeout(p.opsCtx, hookDeadline)
	defer cancel()
	said, fatal := p.hook(ctx, o, c.Lifecycle.PostStart, probe.Target{ContainerID: a.ID, Container: a.Name, PodIP: p.podIP(o, a.Sandbox), Spec: c})
	if p.opsCtx.Err() != nil {
		return p.opsCtx.Err()
	}
	if said != "" {
		p.d.Record(event.Event{Kind: event.KindPod, Subject: o.x.key + "/" + a.Name, Reason: "PostStartFailed", Message: "postStart: " + said})
	}
	if !fatal {
		said = ""
	}
	return p.change(o.x, func(m *Memory) {
		cm := m.Containers[a.Name]
		cm.Hooked, cm.HookError = a.ID, said
		m.Containers[a.Name] = cm
	})
}

// preStop runs the hook until it ends or the grace does; its failure is said and stops nothing.
func (p *Pods) preStop(ctx context.Context, o opContext, c Container, by time.Time) {
	var h corev1.LifecycleHandler
	if err := json.Unmarshal([]byte(c.hook), &h); err != nil {
		p.note(o.x, "read preStop of "+c.Name, err)
		return
	}
	ctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	said, _ := p.hook(ctx, o, &h, probe.Target{ContainerID: c.ID, Container: c.Name, PodIP: p.podIP(o, c.Sandbox), Spec: &corev1.Container{Name: c.Name}})
	if said != "" && p.opsCtx.Err() == nil {
		p.d.Record(event.Event{Kind: event.KindPod, Subject: o.x.key + "/" + c.Name, Reason: "PreStopFailed", Message: "preStop: " + said})
	}
}

// hook runs one. said is what went wrong, empty if nothing did; fatal, whether the container is to end for it: an HTTP server that says no
// is no reason to a kubelet, and none here.
func (p *Pods) hook(ctx context.Context, o opContext, h *corev1.LifecycleHandler, t probe.Target) (said string, fatal bool) {
	t.Key = o.x.key
	err := probe.RunHook(ctx, h, t, p.exec)
	if err == nil {
		return "", false
	}
	var he *probe.HookError
	if errors.As(err, &he) {
		return clip(he.Message), he.Status == 0
	}
	return clip(err.Error()), true
}

// podIP is where a pod's ports are reached from this node.
func (p *Pods) podIP(o opContext, sandbox string) string {
	if s := o.sandbox(sandbox); s.IP != "" {
		return s.IP
	}
	return p.nodeAddress()
}
