package netcheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
)

func judgePeers(v verdicts, n *Network, p picture) {
	one := func(f health.Finding) { v.add(FlannelPeers, f) }
	if why := n.unread(PartLinks, PartRoutes, PartNeighbours, PartFDB); why != "" {
		one(health.Finding{Status: health.Unknown, Reason: unreadable, Message: why})
		return
	}
	switch p.backend {
	case VXLAN4, HostGW:
	case UDP:
		one(health.Finding{Status: health.Absent, Message: "backend udp keeps its peers in flanneld, not in the kernel"})
		return
	case "":
		one(health.Finding{Status: health.Unknown, Reason: notSure, Message: "it can't be told which backend Flannel uses"})
		return
	default:
		one(notJudged(p.backend))
		return
	}
	lookups := make(map[netip.Addr]Lookup, len(n.Lookups))
	for _, l := range n.Lookups {
		lookups[l.Dst] = l
	}
	own := localAddresses(n)
	total := 0
	for _, s := range p.sides {
		v[FlannelPeers] = slices.Grow(v[FlannelPeers], len(s.entries)+len(s.orphans)+1)
		for i := range s.entries {
			one(judgeEntry(p, &s, &s.entries[i], lookups, own))
		}
		if !s.ipv6 || len(s.entries) > 0 {
			judgeOrphans(v, s)
		}
		total += len(s.entries) + len(s.orphans)
	}
	if f, bad := judgeLost(n, p, total); bad {
		one(f)
	} else if total == 0 {
		one(health.Finding{Status: health.OK, Message: "no other node is known here"})
	}
	if why := n.unread(PartLookups, PartRules, PartNodes); why != "" {
		one(health.Finding{Subject: "lookup", Status: health.Unknown, Reason: unreadable, Message: why})
	}
}

func localAddresses(n *Network) map[netip.Addr]bool {
	out := make(map[netip.Addr]bool, len(n.Addresses))
	for _, a := range n.Addresses {
		out[a.Prefix.Addr()] = true
	}
	return out
}

// judgeEntry judges what the kernel has for one peer. It is called for each of thousands: OK must cost nothing.
func judgeEntry(p picture, s *side, e *entry, lookups map[netip.Addr]Lookup, own map[netip.Addr]bool) health.Finding {
	var f faults
	if p.backend == HostGW || e.Direct {
		judgeDirect(&f, p, e)
	} else {
		judgeOverlay(&f, s, e, own)
	}
	if l, asked := lookups[e.Overlay]; asked && e.route && !own[e.Overlay] {
		judgeLookup(&f, e, l)
	}
	if f.reason == nil {
		return health.Finding{Subject: e.Subnet.String(), Status: health.OK}
	}
	f.note("node", e.Node)
	return f.finding(e.Subnet.String(), "")
}

// judgeDirect is for peers that are reached over the uplink. Without annotations a route that is not there is of a peer that is not there.
func judgeDirect(f *faults, p picture, e *entry) {
	want := e.Underlay
	if e.node != nil {
		want = e.node.PublicIP
		if e.Subnet.Addr().Is6() {
			want = e.node.PublicIPv6
		}
	}
	switch {
	case !e.route:
		f.add(routeMissing, fmt.Sprintf("%s via %s dev %s", e.Subnet, want, p.uplink.Name), "none", "no route leads to %s", e.Subnet)
	case !e.Direct:
		f.add(routeWrong, "via "+want.String(), "via "+e.onDevice.Gateway.String()+" dev "+e.Device, "the route to %s leads through %s", e.Subnet, e.Device)
	case want.IsValid() && e.onDevice.Gateway != want:
		f.add(routeWrong, "via "+want.String(), "via "+e.onDevice.Gateway.String(), "the route to %s leads to %s, the node is %s", e.Subnet, e.onDevice.Gateway, want)
	case e.onDevice.Dead:
		f.add(routeWrong, "", "dead", "the route to %s is dead: its device is down", e.Subnet)
	}
}

func judgeOverlay(f *faults, s *side, e *entry, own map[netip.Addr]bool) {
	if !e.route && !e.neighbour && !e.fdb {
		f.add(peerMissing, "route, neighbour and FDB entry", "none", "the cluster has node %s with %s, and nothing here leads to it", e.Node, e.Subnet)
		return
	}
	var mac string
	var public netip.Addr
	if e.node != nil {
		mac, public = strings.ToLower(e.node.vtep(s.ipv6)), e.node.PublicIP
		if s.ipv6 {
			public = e.node.PublicIPv6
		}
	}
	rest := func() string { // what stands, for the message
		var out []string
		if e.route {
			out = append(out, "route")
		}
		if e.neighbour {
			out = append(out, "neighbour "+e.MAC)
		}
		if e.fdb {
			out = append(out, "FDB entry to "+e.Underlay.String())
		}
		return strings.Join(out, " and ")
	}
	switch {
	case !e.route:
		f.add(routeMissing, fmt.Sprintf("%s via %s dev %s onlink", e.Subnet, e.Overlay, s.name), "none", "the route to %s is missing; its %s is there", e.Subnet, rest())
	case e.onDevice.Gateway != e.Overlay:
		f.add(routeWrong, "via "+e.Overlay.String(), "via "+e.onDevice.Gateway.String(), "the route to %s leads to %s", e.Subnet, e.onDevice.Gateway)
	case e.onDevice.Dead:
		f.add(routeWrong, "", "dead", "the route to %s is dead: %s is down", e.Subnet, s.name)
	}
	switch {
	case !e.neighbour:
		expected := e.Overlay.String() + " lladdr"
		if known := firstOf(mac, e.MAC); known != "" {
			expected += " " + known
		}
		f.add(neighbourMissing, expected+" PERMANENT", "none", "the neighbour %s is missing; its %s is there", e.Overlay, rest())
	case mac != "" && mac != e.MAC:
		f.add(neighbourWrong, mac, e.MAC, "the neighbour %s has the MAC %s, the node's VTEP has %s", e.Overlay, e.MAC, mac)
	case len(e.macs) > 1:
		f.add(neighbourWrong, "one", strings.Join(e.macs, ", "), "%s has several neighbours: %s", e.Subnet, strings.Join(e.macs, ", "))
	}
	if !e.neighbour {
		return // which FDB entry is the peer's is told by the neighbour
	}
	switch {
	case !e.fdb:
		f.add(fdbMissing, e.MAC+" dst "+orNode(public), "none", "the FDB of %s does not know where %s is; its %s is there", s.name, e.MAC, rest())
	case len(e.dsts) > 1:
		f.add(fdbWrong, "one destination", fmt.Sprint(e.dsts), "the FDB sends %s to several nodes: %v", e.MAC, e.dsts)
	case public.IsValid() && e.dst != public:
		f.add(fdbWrong, public.String(), e.dst.String(), "the FDB sends %s to %s, the node is %s", e.MAC, e.dst, public)
	case own[e.dst]:
		f.add(fdbWrong, "the peer's address", e.dst.String(), "the FDB sends %s to this node itself", e.MAC)
	}
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func orNode(ip netip.Addr) string {
	if ip.IsValid() {
		return ip.String()
	}
	return "the peer's address"
}

// judgeLookup compares the way that the kernel really takes with the peer's route.
func judgeLookup(f *faults, e *entry, l Lookup) {
	expected := fmt.Sprintf("via %s", e.onDevice.Gateway)
	switch {
	case l.Error != "":
		f.add(routeHidden, expected, l.Error, "a rule or route hides the way to %s: the kernel answers %q", e.Overlay, l.Error)
	case l.Type != unix.RTN_UNICAST:
		f.add(routeHidden, expected, routeType(l.Type), "a route of type %s hides the way to %s", routeType(l.Type), e.Overlay)
	case l.Link != e.onDevice.Link || l.Gateway != e.onDevice.Gateway:
		f.add(routeHidden, expected, fmt.Sprintf("via %s, table %d", orNode(l.Gateway), l.Table), "a rule or another route takes %s to another place (table %d)", e.Overlay, l.Table)
	}
}

func routeType(t int) string {
	names := map[int]string{unix.RTN_UNICAST: "unicast", unix.RTN_LOCAL: "local", unix.RTN_BLACKHOLE: "blackhole", unix.RTN_UNREACHABLE: "unreachable", unix.RTN_PROHIBIT: "prohibit", unix.RTN_THROW: "throw"}
	if name := names[t]; name != "" {
		return name
	}
	return fmt.Sprint(t)
}

// judgeOrphans reports FDB entries that no neighbour leads to.
func judgeOrphans(v verdicts, s side) {
	for _, o := range s.orphans {
		var f faults
		f.add(leftOver, "a neighbour with this MAC", "none", "the FDB of %s has %s dst %s, which no neighbour leads to", s.name, o.MAC, o.Dst)
		v.add(FlannelPeers, f.finding(o.MAC, ""))
	}
}

// judgeLost notices that several peers that were reached over the uplink went at once: one that left goes alone.
func judgeLost(n *Network, p picture, total int) (health.Finding, bool) {
	var lost []string
	for _, b := range n.Before.Peers {
		still := slices.ContainsFunc(p.sides, func(s side) bool {
			return slices.ContainsFunc(s.entries, func(e entry) bool { return e.Subnet == b.Subnet && e.route })
		})
		if b.Direct && !still {
			lost = append(lost, b.Subnet.String())
		}
	}
	flapped := n.Before.Uplink != 0 && (p.uplink.Index != n.Before.Uplink || p.uplink.Carrier != n.Before.Carrier || !p.uplink.Up)
	direct := 0
	for _, b := range n.Before.Peers {
		if b.Direct {
			direct++
		}
	}
	if len(lost) == 0 || len(lost) < direct || len(lost) == 1 && !flapped {
		return health.Finding{}, false
	}
	var f faults
	how := "at once"
	if flapped {
		how = "with a flap of the uplink"
	}
	f.add(routesLost, strings.Join(lost, ", "), "none", "the routes to all %d peers over %s went %s", len(lost), firstOf(p.uplink.Name, "the uplink"), how)
	return f.finding("routes", ""), true
}
