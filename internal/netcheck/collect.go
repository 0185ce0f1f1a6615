package netcheck

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

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
