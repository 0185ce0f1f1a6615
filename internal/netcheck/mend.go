package netcheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/health"
)

// Kinds of mends: names of repair's actions.
const (
	MendPeer   = "flannel-peer"
	MendDevice = "flannel-device"
	MendBridge = "pod-bridge"
	MendSysctl = "network-sysctl"
)

const (
	// youngFlanneld is how long a flanneld that has started is at work on the same entries.
	youngFlanneld = 30 * time.Second
	// oldPicture is how old the last good picture may be: what it says of peers is no news then.
	oldPicture = time.Hour
)

// mend puts something back.
type mend struct {
	kind, target string
	condition    *health.Condition // whose finding it would end
	subject      string
	why          string
	steps        []step
	refused      string // why it is not even asked for; empty: nothing stands against it here
}

func (m mend) commands() string {
	var out []string
	for _, s := range m.steps {
		out = append(out, s.String())
	}
	return strings.Join(out, "; ")
}

// mendFacts is what decides beside the network.
type mendFacts struct {
	flanneld time.Time // since when it runs; zero: it does not
	young    time.Duration
	passed   map[netip.Prefix]bool
	seen     time.Time // when the last good picture was taken; zero: none was
	now      time.Time
}

// mends decides what to put back for the findings that are shown. Only what is missing is, and only as it was seen in this boot or as an
// annotation has it; what is there is never changed but for an MTU, and nothing is deleted. It is pure.
func mends(n *Network, p picture, shown verdicts, f mendFacts) []mend {
	if p.absent != "" {
		return nil
	}
	var out []mend
	for i := range p.sides {
		s := &p.sides[i]
		if m, ok := mendOfDevice(n, p, s, shown, f); ok {
			out = append(out, m)
			continue // its peers' entries are part of it
		}
		out = append(out, mendsOfPeers(n, p, s, shown, f)...)
	}
	out = append(out, mendsOfBridge(n, p, shown)...)
	for _, x := range failing(shown, NetworkSysctls, forwardingOff, bridgeNFOff) {
		out = append(out, mend{kind: MendSysctl, target: x.Subject, condition: NetworkSysctls, subject: x.Subject, why: x.Message, steps: []step{setSysctl{x.Subject}}})
	}
	return out
}

// failing are the findings of a condition that fail for one of these reasons.
func failing(v verdicts, c *health.Condition, reasons ...*health.Reason) []health.Finding {
	var out []health.Finding
	for _, f := range v[c] {
		if f.Status == health.Failing && slices.Contains(reasons, f.Reason) {
			out = append(out, f)
		}
	}
	return out
}

// guard says what stands against changing Flannel's own entries now.
func (f mendFacts) guard() string {
	switch {
	case f.flanneld.IsZero():
		return "flanneld does not run: it writes the entries of all peers when it starts"
	case f.now.Sub(f.flanneld) < f.young:
		return fmt.Sprintf("flanneld started %s ago, and is at work itself", f.now.Sub(f.flanneld).Round(time.Second))
	case f.seen.IsZero():
		return "no good state was seen in this boot"
	case f.now.Sub(f.seen) > oldPicture:
		return fmt.Sprintf("the last good state is %s old", f.now.Sub(f.seen).Round(time.Minute))
	}
	return ""
}

// known is what the last good picture, or an annotation, says of a peer.
func known(n *Network, e *entry, subnet netip.Prefix) (Peer, bool) {
	i := slices.IndexFunc(n.Before.Peers, func(b Peer) bool { return b.Subnet == subnet })
	var b Peer
	if i >= 0 {
		b = n.Before.Peers[i]
	}
	if e != nil && e.node != nil {
		b.Subnet, b.Overlay, b.Node = subnet, subnet.Addr(), e.node.Name
		if mac := strings.ToLower(e.node.vtep(subnet.Addr().Is6())); mac != "" {
			b.MAC = mac
		}
		ip := e.node.PublicIP
		if subnet.Addr().Is6() {
			ip = e.node.PublicIPv6
		}
		if ip.IsValid() {
			b.Underlay = ip
		}
	}
	return b, b.Subnet.IsValid()
}

// entrySteps puts back what is missing of a peer; why says what stands against it.
func entrySteps(p picture, s *side, e *entry, b Peer) (steps []step, why string) {
	if b.Direct {
		if p.uplink.Index == 0 || !b.Underlay.IsValid() {
			return nil, "the uplink or the peer's address is not known"
		}
		return []step{addRoute{link: p.uplink.Index, device: p.uplink.Name, dst: b.Subnet, via: b.Underlay}}, ""
	}
	switch {
	case b.MAC == "" || !b.Underlay.IsValid():
		return nil, "the MAC of the peer's VTEP or its address is not known"
	case e != nil && e.MAC != "" && e.MAC != b.MAC:
		return nil, fmt.Sprintf("what is there has the MAC %s, and was %s: the peer has changed", e.MAC, b.MAC)
	case e != nil && e.fdb && e.dst != b.Underlay:
		return nil, fmt.Sprintf("what is there leads to %s, and led to %s: the peer has changed", e.dst, b.Underlay)
	}
	if e == nil || !e.fdb {
		steps = append(steps, addFDB{s.device.Index, s.device.Name, b.MAC, b.Underlay})
	}
	if e == nil || !e.neighbour {
		steps = append(steps, addNeighbour{s.device.Index, s.device.Name, b.Overlay, b.MAC})
	}
	if e == nil || !e.route {
		steps = append(steps, addRoute{s.device.Index, s.device.Name, b.Subnet, b.Overlay, true})
	}
	return steps, ""
}

// entryOf is what the kernel has of a peer; nil: nothing.
func (s *side) entryOf(subnet netip.Prefix) *entry {
	for i := range s.entries {
		if s.entries[i].Subnet == subnet {
			return &s.entries[i]
		}
	}
	return nil
}

func mendsOfPeers(n *Network, p picture, s *side, shown verdicts, f mendFacts) []mend {
	var out []mend
	for _, x := range failing(shown, FlannelPeers, routeMissing, neighbourMissing, fdbMissing, peerMissing) {
		subnet, err := netip.ParsePrefix(x.Subject)
		if err != nil || subnet.Addr().Is6() != s.ipv6 {
			continue
		}
		e := s.entryOf(subnet)
		m := mend{kind: MendPeer, target: x.Subject, condition: FlannelPeers, subject: x.Subject, why: x.Message}
		b, ok := known(n, e, subnet)
		switch {
		case p.backend == HostGW && (e == nil || e.node == nil):
			m.refused = "backend host-gw: without the nodes' annotations a route that is gone is of a peer that left"
		case !ok:
			m.refused = "nothing is known of this peer from this boot"
		case !f.passed[subnet]:
			m.refused = "no probe of this peer has passed in this boot"
		default:
			if p.backend == HostGW {
				b.Direct = true
			}
			m.refused = f.guard()
		}
		if ok {
			var why string
			if m.steps, why = entrySteps(p, s, e, b); m.refused == "" {
				m.refused = why
			}
		}
		out = append(out, m)
	}
	return append(out, mendsOfLost(n, p, s, shown, f)...)
}

// mendsOfLost is for routes over the uplink that went with a flap of it: all at once, so that no peer left.
func mendsOfLost(n *Network, p picture, s *side, shown verdicts, f mendFacts) []mend {
	var out []mend
	for _, x := range failing(shown, FlannelPeers, routesLost) {
		for _, b := range n.Before.Peers {
			if !b.Direct || b.Subnet.Addr().Is6() != s.ipv6 {
				continue
			}
			if e := s.entryOf(b.Subnet); e != nil && e.route {
				continue
			}
			m := mend{kind: MendPeer, target: b.Subnet.String(), condition: FlannelPeers, subject: x.Subject, why: x.Message, refused: f.guard()}
			switch {
			case p.backend != VXLAN4:
				m.refused = "backend host-gw: flanneld puts its routes back within 10 s"
			case !f.passed[b.Subnet]:
				m.refused = "no probe of this peer has passed in this boot"
			}
			var why string
			if m.steps, why = entrySteps(p, s, nil, b); m.refused == "" {
				m.refused = why
			}
			out = append(out, m)
		}
	}
	return out
}
