package page

import (
	"fmt"
	"strings"
	"time"

	"nodeagent/internal/view"
)

type network struct {
	Backend, Subnets, Uplink string
	Known                    int
	Peers                    []peer
}

type peer struct {
	Node, Subnet, State, Tone, RTT, Loss, PathMTU, Message string
	Answered                                               moment
}

func networkOf(n *view.Network, now time.Time) *network {
	if n == nil || n.Absent != "" {
		return nil
	}
	out := &network{Backend: n.Backend, Subnets: strings.Join(n.Subnets, ", "), Uplink: n.Uplink, Known: n.Known}
	for _, p := range n.Peers {
		row := peer{Node: p.Node, Subnet: p.Subnet.String(), State: p.State, RTT: milliseconds(p.RTT), Message: p.Message, Answered: momentOf(p.Answered, now), Tone: "unknown"}
		switch p.State {
		case view.PeerUp:
			row.Tone = "ok"
		case view.PeerUnreachable, view.PeerDown:
			row.Tone = "failing"
		}
		if row.Node == "" && p.Underlay.IsValid() {
			row.Node = p.Underlay.String()
		}
		if p.Probes > 0 {
			row.Loss = percent(p.Loss)
		}
		if p.PathMTU > 0 {
			row.PathMTU = fmt.Sprint(p.PathMTU)
		}
		out.Peers = append(out.Peers, row)
	}
	return out
}

type vip struct {
	Verdicts  []verdict
	Observed  bool // keepalived does not read the verdicts
	Instances []instance
	Balancer  *balancer
}

type verdict struct {
	Policy, Word, Tone, Causes string
	Number                     int
	Since                      moment
}

type instance struct {
	Name, State, Tone, Where, Addresses, Priority string
	Since                                         moment
}

type balancer struct {
	Version  string
	Answered bool
	Backends []backend
}

type backend struct {
	Name, Status, Tone string
	Live, Checked      int
	Sessions           int64
}

func vipOf(v *view.VIP, now time.Time) *vip {
	if v == nil {
		return nil
	}
	out := &vip{Observed: !v.Named}
	for _, x := range v.Verdicts {
		out.Verdicts = append(out.Verdicts, verdict{Policy: x.Policy, Word: x.Word, Number: x.Number, Causes: strings.Join(x.Causes, ", "), Since: momentOf(x.Since, now), Tone: verdictTone(x)})
	}
	for _, x := range v.Instances {
		out.Instances = append(out.Instances, instanceOf(x, now))
	}
	if b := v.Balancer; b != nil {
		out.Balancer = &balancer{Version: b.Version, Answered: b.Answered}
		for _, x := range b.Backends {
			row := backend{Name: x.Name, Status: x.Status, Live: x.Live, Checked: x.Checked, Sessions: x.Sessions, Tone: "ok"}
			if x.Status != "UP" || x.Checked > 0 && x.Live == 0 {
				row.Tone = "failing"
			}
			out.Balancer.Backends = append(out.Balancer.Backends, row)
		}
	}
	return out
}

func verdictTone(v view.Verdict) string {
	switch {
	case v.Number == 0 && v.Word == "ok":
		return "ok"
	case v.Number <= -254:
		return "failing"
	}
	return "unknown"
}

func instanceOf(x view.VRRPInstance, now time.Time) instance {
	out := instance{Name: x.Name, State: x.State, Since: momentOf(x.Since, now), Tone: "unknown"}
	switch x.State {
	case "MASTER", "BACKUP":
		out.Tone = "ok"
	case "FAULT", "STOP":
		out.Tone = "failing"
	}
	out.Where = x.Interface
	if x.VRID > 0 {
		out.Where += fmt.Sprintf(" vrid %d", x.VRID)
	}
	if x.Priority > 0 {
		out.Priority = fmt.Sprint(x.Priority)
		if x.Effective > 0 && x.Effective != x.Priority {
			out.Priority += fmt.Sprintf(", now %d", x.Effective)
		}
	}
	var addresses []string
	for _, a := range x.VIPs {
		where := " elsewhere"
		if a.Present {
			where = " here"
		}
		addresses = append(addresses, a.Address+where)
	}
	out.Addresses = strings.Join(addresses, ", ")
	return out
}
