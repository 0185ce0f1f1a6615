package staticpod

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/staticpod/probe"
	"nodeagent/internal/view"
)

// probe tells the prober what runs of a pod, and gives what is known of it. A container whose postStart is not over is not looked at.
func (p *Pods) probe(x *pod, want *folder.Wanted, s State, have group) map[string]ProbeState {
	var targets []probe.Target
	spec := &want.Pod.Spec.Spec
	for _, c := range have.containers {
		of, role, _ := containerOf(spec, c.Name)
		m := s.Memory.Containers[c.Name]
		if c.State != Running || c.Gone || of == nil || (of.Lifecycle != nil && of.Lifecycle.PostStart != nil && m.Hooked != c.ID) {
			continue
		}
		_, stopping := s.Memory.StopBy[c.ID]
		t := probe.Target{ContainerID: c.ID, Container: c.Name, Spec: of, Started: c.Started, Stopping: stopping, WasStarted: m.Started == c.ID}
		if role == Init { // runs to its end; it has no probes
			t.Spec = nil
		}
		for _, b := range have.sandboxes {
			if b.ID == c.Sandbox {
				t.PodIP = b.IP
				if b.HostNet {
					t.PodIP = p.nodeAddress()
				}
			}
		}
		targets = append(targets, t)
	}
	out := map[string]ProbeState{}
	if p.looking { // nobody probes for a look: what has a probe is not known to be ready
		for _, t := range targets {
			c := t.Spec
			out[t.ContainerID] = ProbeState{Started: true, Ready: c == nil || (c.ReadinessProbe == nil && c.StartupProbe == nil)}
		}
		return out
	}
	p.prober.Sync(x.key, targets)
	for _, t := range targets {
		r := p.prober.Result(t.ContainerID)
		st := ProbeState{Started: r.Started, Ready: r.Ready, Message: r.Message}
		if r.LivenessFailed || r.StartupFailed {
			st.Failed = r.Message
			if r.Grace > 0 {
				st.Grace = &r.Grace
			}
		}
		out[t.ContainerID] = st
	}
	return out
}

// nodeAddress is where pods in the host's network are reached.
func (p *Pods) nodeAddress() string {
	if ip := p.hostAddress(); ip != "" {
		return ip
	}
	return "127.0.0.1"
}

// rememberStarted notes the containers whose startup probe has passed, so that it is not asked again after a restart of the agent. One that
// has no such probe costs no writing.
func rememberStarted(m Memory, spec *corev1.PodSpec, have []Container, probes map[string]ProbeState) Memory {
	for _, c := range have {
		of, _, _ := containerOf(spec, c.Name)
		if cm := m.Containers[c.Name]; of != nil && of.StartupProbe != nil && probes[c.ID].Started && cm.Started != c.ID {
			cm.Started = c.ID
			m.Containers[c.Name] = cm
		}
	}
	return m
}

// List is every pod as people see it, with how its probes stand and what it uses now.
func (p *Pods) List() []view.Pod {
	list := p.views.All()
	for i := range list {
		v := &list[i]
		v.Containers = slices.Clone(v.Containers)
		for j := range v.Containers {
			c := &v.Containers[j]
			if c.State != "running" {
				continue
			}
			for _, d := range p.prober.Details(c.ID) {
				c.Probes = append(c.Probes, probeView(d))
			}
		}
		key := v.Namespace + "/" + v.Name
		if v.Usage = p.kernel.usage(key); v.Usage != nil {
			v.Usage.OOMKills = p.oomKills(key)
		}
	}
	return list
}

// Brief is List without what is asked for at each call: the probes and the usage. What the views hold is not to be changed.
func (p *Pods) Brief() []view.Pod { return p.views.All() }

func probeView(d probe.Status) view.Probe {
	v := view.Probe{Kind: d.Role.String(), Status: "unknown", At: d.LastRun}
	switch {
	case d.Waiting || d.Untried > 0 || d.LastRun.IsZero():
	case d.State == probe.Success:
		v.Status = "ok"
	case d.State == probe.Failure:
		v.Status = "failing"
	}
	if d.Last != probe.Success || d.Untried > 0 {
		v.Message = clip(d.LastError)
	} else {
		v.Message = clip(d.Warning)
	}
	return v
}

// probeChanged tells the timeline what a probe says from now on.
func (p *Pods) probeChanged(c probe.Change) {
	reason, message := "ProbePassed", c.Role.String()+" probe passes"
	switch c.Outcome {
	case probe.Failure:
		reason, message = "ProbeFailed", c.Message
	case probe.Unknown:
		reason, message = "ProbeUnknown", c.Message
	}
	p.d.Record(event.Event{Kind: event.KindPod, Subject: c.Key + "/" + c.Container, Reason: reason, Message: clip(message), Fields: map[string]string{"container": c.ContainerID}})
}
