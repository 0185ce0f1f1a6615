package netcheck

import (
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Backends of Flannel.
const (
	VXLAN4    = "vxlan"
	HostGW    = "host-gw"
	UDP       = "udp"
	WireGuard = "wireguard"
	IPIP      = "ipip"
)

// picture is what a Network means: which Flannel is here, with which devices, and who its peers are.
type picture struct {
	absent  string // how Flannel was looked for, where there is none
	backend string // empty: not known
	uplink  Link
	sides   []side // one a family
	bridge  string
}

// side is Flannel in one family.
type side struct {
	ipv6    bool
	network netip.Prefix // invalid: not known
	subnet  netip.Prefix // this node's, masked; invalid: not known
	gateway netip.Prefix // the bridge's address in it
	name    string       // of the device; empty for host-gw
	device  Link         // zero: not there
	entries []entry      // by subnet
	orphans []FDBEntry   // of no neighbour
}

// entry is what the kernel has for one peer.
type entry struct {
	Peer
	route, neighbour, fdb bool
	onDevice              Route        // valid where route
	dst                   netip.Addr   // where the FDB sends; valid where fdb
	macs                  []string     // where there are several neighbours
	dsts                  []netip.Addr // where there are several FDB entries
	node                  *Node        // its annotations, if there are any
}

// Peer is another node as Flannel here knows it.
type Peer struct {
	Subnet   netip.Prefix `json:"subnet"`
	Overlay  netip.Addr   `json:"overlay"`           // the address that answers probes through the overlay: the subnet's first
	Underlay netip.Addr   `json:"underlay,omitzero"` // the node's own address
	MAC      string       `json:"mac,omitempty"`     // of its VTEP
	Direct   bool         `json:"direct,omitempty"`  // routed over the uplink: host-gw, DirectRouting
	Node     string       `json:"node,omitempty"`    // its name, where annotations tell
	Device   string       `json:"device,omitempty"`  // Flannel's device, or the uplink
}

func paint(n *Network) picture {
	var p picture
	if p.absent = absent(n); p.absent != "" {
		return p
	}
	p.bridge = "cni0"
	for _, c := range n.CNI {
		if c.Flannel {
			p.bridge = c.Bridge
			break
		}
	}
	p.uplink = uplink(n)
	p.backend = backend(n, p.uplink)
	e := n.SubnetEnv
	if e.Subnet.IsValid() || !e.IPv6Subnet.IsValid() {
		p.sides = append(p.sides, newSide(n, p, false, e.Network, e.Subnet))
	}
	if e.IPv6Subnet.IsValid() {
		p.sides = append(p.sides, newSide(n, p, true, e.IPv6Network, e.IPv6Subnet))
	}
	return p
}

// absent tells how Flannel was looked for; empty where there is a sign of it, or where it can't be told.
func absent(n *Network) string {
	sign := n.SubnetEnv.Found || n.Before.Backend != "" || n.unread(PartLinks, PartSubnetEnv, PartCNI) != "" ||
		slices.ContainsFunc(n.Links, func(l Link) bool { return flannelDevice(l.Name) }) ||
		slices.ContainsFunc(n.CNI, func(c CNIConfig) bool { return c.Flannel })
	if sign {
		return ""
	}
	return "no Flannel on this node: no subnet.env, no device flannel*, and no CNI configuration with the plugin flannel"
}

// uplink is the device below the overlay.
func uplink(n *Network) Link {
	for _, l := range n.Links {
		if flannelDevice(l.Name) && l.Kind == "vxlan" && n.link(l.VXLAN.Link).Index != 0 {
			return n.link(l.VXLAN.Link)
		}
	}
	var best Route
	for _, r := range n.Routes {
		if r.Table == unix.RT_TABLE_MAIN && r.Dst.Bits() == 0 && r.Link != 0 && r.Type == unix.RTN_UNICAST && (best.Link == 0 || r.Priority < best.Priority && !r.Dst.Addr().Is6()) {
			best = r
		}
	}
	if best.Link == 0 { // no default route: the way to a peer tells as well
		for _, r := range n.Routes {
			if l := n.link(r.Link); r.Gateway.IsValid() && !flannelDevice(l.Name) && n.SubnetEnv.Network.IsValid() && n.SubnetEnv.Network.Contains(r.Dst.Addr()) {
				best = r
			}
		}
	}
	if best.Link == 0 && n.Before.Uplink != 0 {
		return n.link(n.Before.Uplink)
	}
	return n.link(best.Link)
}

// overheads of the backends, in bytes of the uplink's MTU (flannel's own constants).
var overheads = []struct {
	backend string
	bytes   int
}{{HostGW, 0}, {VXLAN4, 50}, {VXLAN4, 70}, {UDP, 28}, {IPIP, 20}, {WireGuard, 80}}

// backend finds the backend: what this node's annotation says, else its device, else what FLANNEL_MTU leaves of the uplink's, else what it was.
func backend(n *Network, uplink Link) string {
	if self := n.self(); self != nil && self.Backend != "" {
		return self.Backend
	}
	byMTU := ""
	for _, o := range overheads {
		if byMTU == "" && uplink.MTU != 0 && n.SubnetEnv.MTU == uplink.MTU-o.bytes {
			byMTU = o.backend
		}
	}
	var found []string
	for _, l := range n.Links {
		switch {
		case !flannelDevice(l.Name):
		case l.Kind == "vxlan":
			found = append(found, VXLAN4)
		case l.Kind == "tun":
			found = append(found, UDP)
		case l.Kind == "ipip" || strings.HasSuffix(l.Name, "ipip"):
			found = append(found, IPIP)
		case l.Kind == "wireguard" || strings.HasPrefix(l.Name, "flannel-wg"):
			found = append(found, WireGuard)
		}
	}
	switch {
	case byMTU != "" && slices.Contains(found, byMTU):
		return byMTU
	case byMTU == HostGW && direct(n): // a device of an earlier backend may be left over
		return byMTU
	case len(found) > 0:
		return found[0]
	case n.Before.Backend != "" && byMTU != HostGW:
		return n.Before.Backend
	default:
		return byMTU
	}
}

// direct tells whether there are host-gw's routes and none on a device of Flannel.
func direct(n *Network) bool {
	any := false
	for _, r := range n.Routes {
		if !n.SubnetEnv.Network.IsValid() || !n.SubnetEnv.Network.Contains(r.Dst.Addr()) || !r.Gateway.IsValid() {
			continue
		}
		if flannelDevice(n.link(r.Link).Name) {
			return false
		}
		any = true
	}
	return any
}

// self is this node among the annotations.
func (n *Network) self() *Node {
	for i, x := range n.Nodes {
		for _, s := range x.Subnets {
			if s.Masked() == n.SubnetEnv.Subnet.Masked() || s.Masked() == n.SubnetEnv.IPv6Subnet.Masked() {
				return &n.Nodes[i]
			}
		}
	}
	return nil
}

func newSide(n *Network, p picture, ipv6 bool, network, gateway netip.Prefix) side {
	s := side{ipv6: ipv6, network: network.Masked(), gateway: gateway, subnet: gateway.Masked()}
	if !network.IsValid() {
		s.network = netip.Prefix{}
	}
	if !gateway.IsValid() {
		s.subnet = netip.Prefix{}
	}
	switch p.backend {
	case VXLAN4:
		start, other := "flannel.", "flannel-v6."
		s.name = "flannel.1"
		if ipv6 {
			start, other, s.name = other, start, "flannel-v6.1"
		}
		for _, d := range n.Before.Devices {
			if strings.HasPrefix(d.Name, start) {
				s.name = d.Name
			}
		}
		for _, l := range n.Links {
			if l.Kind == "vxlan" && strings.HasPrefix(l.Name, start) {
				s.name, s.device = l.Name, l
			}
			if l.Kind == "vxlan" && strings.HasPrefix(l.Name, other) && s.device.Index == 0 {
				s.name = start + strings.TrimPrefix(l.Name, other)
			}
		}
	case UDP:
		s.name = "flannel0"
		s.device, _ = n.linkNamed("flannel0")
	case HostGW:
	default:
		return s
	}
	s.collect(n, p)
	return s
}

// peers of both families.
func (p picture) peers() []Peer {
	var out []Peer
	for _, s := range p.sides {
		for _, e := range s.entries {
			out = append(out, e.Peer)
		}
	}
	return out
}
