package agent

import (
	"nodeagent/internal/keepalive"
	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/keepalive/wire"
	"nodeagent/internal/view"
)

func vipView(k keepalive.View) view.VIP {
	v := view.VIP{Named: k.Named, Counters: view.VIPCounters(k.Counters)}
	for _, x := range k.Verdicts {
		y := view.Verdict{Policy: x.Policy, Number: x.Number, Word: x.Word.String(), Since: x.Since}
		for _, c := range x.Causes {
			y.Causes = append(y.Causes, c.String())
		}
		if x.Next != nil {
			y.Next, y.NextAt = x.Next.Number, x.Next.At
		}
		v.Verdicts = append(v.Verdicts, y)
	}
	for _, t := range k.Transitions {
		v.Changes = append(v.Changes, view.VerdictChange{At: t.At, Policy: t.Policy, From: t.From, To: t.To, Word: t.Word.String(), Cause: t.Cause, Would: t.Would})
	}
	if k.Maintenance != nil {
		m := view.Maintenance(*k.Maintenance)
		v.Maintenance = &m
	}
	for _, p := range k.Keepalived {
		v.Keepalived = append(v.Keepalived, p.PID)
	}
	for _, i := range k.Instances {
		y := view.VRRPInstance{Name: i.Name, Interface: i.Interface, VRID: i.VRID, Priority: i.Priority, Effective: i.Effective, State: string(i.State),
			Since: i.Since, Transitions: i.Transitions, Tracked: i.Tracked}
		for _, a := range i.VIPs {
			y.VIPs = append(y.VIPs, view.VIPState{Address: a.Address, Present: a.Present})
		}
		v.Instances = append(v.Instances, y)
	}
	return v
}

func addHeard(v *view.VIP, w wire.View) {
	v.WireOff = w.Off
	for _, n := range w.Malformed {
		v.Malformed += n
	}
	for _, p := range w.Peers {
		v.Heard = append(v.Heard, view.VRRPPeer{Interface: p.Interface, VRID: p.VRID, Address: p.Address, Version: p.Version, Priority: p.Priority,
			Live: p.Live, Instance: p.Instance, Last: p.Last})
	}
}

// balancerView is nil where there is none.
func balancerView(b haproxy.View) *view.Balancer {
	if b.Absent || b.File == "" && len(b.PIDs) == 0 {
		return nil
	}
	v := &view.Balancer{Version: b.Version, File: b.File, Socket: b.Socket, Answered: b.Answered, Conns: b.Conns, MaxConn: b.MaxConn, Kubelet: string(b.Kubelet)}
	for _, x := range b.Backends {
		y := view.Backend{Name: x.Name, Status: x.Status, Sessions: x.Sessions, Queue: x.Queue, Live: x.Live, Checked: x.Checked}
		for _, s := range x.Servers {
			y.Servers = append(y.Servers, view.BackendServer{Name: s.Name, Address: s.Address, Status: s.Status, Check: s.Check})
		}
		v.Backends = append(v.Backends, y)
	}
	return v
}
