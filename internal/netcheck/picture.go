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

// bits is the length of every node's subnet: this node's own.
func (s *side) bits() int {
	switch {
	case s.subnet.IsValid():
		return s.subnet.Bits()
	case s.ipv6:
		return 64
	default:
		return 24
	}
}

// collect joins routes, neighbours, FDB entries and annotations by the peer's subnet.
func (s *side) collect(n *Network, p picture) {
	at := make(map[netip.Prefix]int, len(n.Routes))
	s.entries = make([]entry, 0, len(n.Routes)) // thousands: growing is what would cost
	get := func(subnet netip.Prefix) *entry {
		i, ok := at[subnet]
		if !ok {
			i = len(s.entries)
			at[subnet] = i
			s.entries = append(s.entries, entry{Peer: Peer{Subnet: subnet, Overlay: subnet.Addr(), Device: s.name}})
		}
		return &s.entries[i]
	}
	for _, r := range n.Routes {
		if r.Table != unix.RT_TABLE_MAIN || r.Type != unix.RTN_UNICAST || r.Dst.Addr().Is6() != s.ipv6 || !r.Gateway.IsValid() || r.Dst == s.subnet {
			continue
		}
		on := s.device.Index != 0 && r.Link == s.device.Index
		across := !on && r.Dst.Bits() == s.bits() && s.network.IsValid() && s.network.Contains(r.Dst.Addr()) && !flannelDevice(n.link(r.Link).Name)
		if !on && !across {
			continue
		}
		e := get(r.Dst)
		if e.route && !e.Direct {
			continue // the first one of two: RouteHidden tells which one is used
		}
		e.route, e.onDevice = true, r
		if across {
			e.Direct, e.Underlay, e.Device = true, r.Gateway, n.link(r.Link).Name
		}
	}
	if p.backend == VXLAN4 && s.device.Index != 0 {
		s.collectVXLAN(n, get)
	}
	for i, x := range n.Nodes {
		for _, subnet := range x.Subnets {
			if subnet.Addr().Is6() == s.ipv6 && subnet.Masked() != s.subnet {
				get(subnet.Masked()).annotate(&n.Nodes[i], s.ipv6)
			}
		}
	}
	slices.SortFunc(s.entries, func(a, b entry) int { return a.Subnet.Compare(b.Subnet) })
}

func (s *side) collectVXLAN(n *Network, get func(netip.Prefix) *entry) {
	byMAC := make(map[string]netip.Addr, len(n.FDB))
	several := map[string][]netip.Addr{}
	for _, f := range n.FDB {
		if f.Link != s.device.Index || f.MAC == "00:00:00:00:00:00" {
			continue
		}
		if other, twice := byMAC[f.MAC]; twice {
			if several[f.MAC] == nil {
				several[f.MAC] = []netip.Addr{other}
			}
			several[f.MAC] = append(several[f.MAC], f.Dst)
			continue
		}
		byMAC[f.MAC] = f.Dst
	}
	used := make(map[string]bool, len(n.Neighbours))
	for _, x := range n.Neighbours {
		if x.Link != s.device.Index || !x.Permanent || x.MAC == "" || x.IP.Is6() != s.ipv6 {
			continue
		}
		subnet := netip.PrefixFrom(x.IP, s.bits()).Masked()
		e := get(subnet)
		if e.neighbour {
			if e.macs == nil {
				e.macs = []string{e.MAC}
			}
			e.macs = append(e.macs, x.MAC)
		}
		e.neighbour, e.MAC = true, x.MAC
		if dst, ok := byMAC[x.MAC]; ok {
			e.fdb, e.dst, e.dsts = true, dst, several[x.MAC]
			if !e.Underlay.IsValid() {
				e.Underlay = dst
			}
		}
		used[x.MAC] = true
	}
	remembered := map[string]netip.Prefix{}
	for _, b := range n.Before.Peers {
		if b.MAC != "" && b.Subnet.Addr().Is6() == s.ipv6 {
			remembered[b.MAC] = b.Subnet
		}
	}
	for _, f := range n.FDB {
		if f.Link != s.device.Index || used[f.MAC] || f.MAC == "00:00:00:00:00:00" {
			continue
		}
		if subnet, ok := remembered[f.MAC]; ok {
			if e := get(subnet); !e.neighbour {
				e.fdb, e.MAC, e.dst, e.Underlay = true, f.MAC, f.Dst, f.Dst
				continue
			}
		}
		s.orphans = append(s.orphans, f)
	}
}

func (e *entry) annotate(x *Node, ipv6 bool) {
	e.node, e.Node = x, x.Name
	ip := x.PublicIP
	if ipv6 {
		ip = x.PublicIPv6
	}
	if !e.Underlay.IsValid() {
		e.Underlay = ip
	}
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
