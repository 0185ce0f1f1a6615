package netcheck

import (
	"fmt"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// lossy is the share of lost probes that is a fault, once there are enough of them.
const (
	lossy     = 0.2
	lossyFrom = 10
)

// judgeProbes decides what the probes of all known peers mean.
func judgeProbes(peers []*probed) []health.Finding {
	if len(peers) == 0 {
		return []health.Finding{{Status: health.OK, Message: "no other node is known here"}}
	}
	asked, up := 0, 0
	views := make([]view.Peer, len(peers))
	for i, p := range peers {
		views[i] = p.view()
		if views[i].State != view.PeerUnknown {
			asked++
		}
		if views[i].State == view.PeerUp {
			up++
		}
	}
	out := make([]health.Finding, len(peers))
	for i, p := range peers {
		out[i] = judgeProbe(p, views[i], asked > 1 && up == 0, asked)
	}
	return out
}

func judgeProbe(p *probed, v view.Peer, all bool, asked int) health.Finding {
	var f faults
	switch v.State {
	case view.PeerUnknown:
		f.unknown(notProbed, v.Message)
	case view.PeerDown, view.PeerUnreachable:
		switch {
		case all:
			f.add(allUnreachable, "", "", "none of %d peers answers: %s", asked, v.Message)
		case v.State == view.PeerDown:
			f.add(underlayDown, "", "", "%s", v.Message)
		default:
			f.add(peerUnreachable, "", "", "%s", v.Message)
		}
		f.note("node", p.Node)
		f.note("device", p.Device)
	default:
		if p.mtu > 0 && p.mtu < p.want {
			f.add(pathMTU, fmt.Sprint(p.want), fmt.Sprint(p.mtu), "packets of %d bytes pass, those of %d (FLANNEL_MTU) do not", p.mtu, p.want)
		}
		if loss := p.loss(); len(p.window) >= lossyFrom && loss >= lossy {
			f.add(peerLossy, "", fmt.Sprintf("%.0f %%", loss*100), "more than %.0f %% of the last %d probes got lost", lossy*100, len(p.window))
		}
	}
	message := ""
	if v.State == view.PeerUp {
		message = v.Message // without the round-trip time: it is a metric, and would change the snapshot at each probe
	}
	return f.finding(p.Subnet.String(), message)
}
