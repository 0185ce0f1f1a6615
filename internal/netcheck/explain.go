package netcheck

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// explanation is the way to a peer while it is walked.
type explanation struct {
	steps []view.Step
	first map[health.Status]view.Step // the first step of each status
}

// Explain walks the way to a peer: a node name, its subnet, its own address, or any address within its subnet. It reads everything anew
// and probes, and changes nothing. The error says that there is no such peer, or no Flannel; it names the peers that there are.
func Explain(ctx context.Context, cfg Config, deps Deps, peer string) (view.Explanation, error) {
	cfg = cfg.filled()
	n := read(ctx, cfg, deps.Nodes)
	p := paint(&n)
	if p.absent != "" {
		return view.Explanation{}, fmt.Errorf("explain %s: %s", peer, p.absent)
	}
	s, e, err := find(p, peer)
	if err != nil {
		return view.Explanation{}, err
	}
	x := explanation{first: map[health.Status]view.Step{}}
	x.walk(ctx, cfg, &n, p, s, e)
	x.probe(ctx, cfg, &n, p, e)
	out := view.Explanation{Subnet: e.Subnet, Node: e.Node, Steps: x.steps, End: "every step is fine: packets reach " + e.Subnet.String()}
	if s, failing := x.first[health.Failing]; failing {
		out.End = "it ends at " + s.Name + ": " + s.Text
	} else if s, unknown := x.first[health.Unknown]; unknown {
		out.End = "nothing is wrong as far as can be seen, but " + s.Name + " is not known: " + s.Text
	}
	return out, nil
}

// find is the peer that a person means.
func find(p picture, name string) (side, entry, error) {
	prefix, _ := netip.ParsePrefix(name)
	ip, _ := netip.ParseAddr(name)
	var known []string
	for _, s := range p.sides {
		for _, e := range s.entries {
			if e.Node == name && name != "" || e.Subnet == prefix.Masked() && prefix.IsValid() || ip.IsValid() && (e.Underlay == ip || e.Subnet.Contains(ip)) {
				return s, e, nil
			}
			known = append(known, strings.TrimSpace(e.Subnet.String()+" "+e.Node))
		}
		if ip.IsValid() && s.subnet.IsValid() && s.subnet.Contains(ip) {
			return side{}, entry{}, fmt.Errorf("explain %s: it is in this node's own subnet %s", name, s.subnet)
		}
	}
	if len(known) == 0 {
		return side{}, entry{}, fmt.Errorf("explain %s: no peer is known here", name)
	}
	const most = 10
	more := ""
	if len(known) > most {
		more = fmt.Sprintf(" and %d more", len(known)-most)
		known = known[:most]
	}
	return side{}, entry{}, fmt.Errorf("explain %s: no such peer; known are %s%s (name one by its node, subnet, or an address)", name, strings.Join(known, ", "), more)
}

func (x *explanation) add(name string, f health.Finding, fine string) {
	s := view.Step{Name: name, Status: f.Status.String(), Text: f.Message}
	if s.Text == "" {
		s.Text = fine
	}
	if f.Reason != nil && f.Status != health.OK && f.Status != health.Absent {
		s.Fix = f.Reason.Fix
	}
	x.steps = append(x.steps, s)
	if _, there := x.first[f.Status]; !there {
		x.first[f.Status] = s
	}
}

// walk goes through what the kernel has.
func (x *explanation) walk(ctx context.Context, cfg Config, n *Network, p picture, s side, e entry) {
	if s.name != "" {
		f := judgeDevice(n, p, s)
		x.add("device", f, fmt.Sprintf("%s is up, MTU %d", s.name, s.device.MTU))
	}
	var way, under Lookup
	err := inside(cfg.Netns, func() error {
		r, err := openRtnl(cfg.ReadTimeout)
		if err != nil {
			return err
		}
		defer r.close()
		way = r.lookup(e.Subnet.Addr().Next()) // the peer's bridge; its first address may be a route of its own
		if e.Underlay.IsValid() {
			under = r.lookup(e.Underlay)
		}
		return nil
	})
	x.add("route", stepRoute(n, p, &s, e, way, err), "")
	if p.backend == VXLAN4 && !e.Direct {
		x.entries(n, s, e)
	}
	x.add("underlay", stepUnderlay(n, e, under, err), "")
	x.add("mtu", stepMTU(n, p, s, under), "")
	var packets []packet
	for _, k := range append(overlayPackets(n, p, s), podPackets(n, p, s)...) {
		packets = append(packets, k.to(n, e))
	}
	if why := n.unread(PartFilter); why != "" {
		x.add("rules", health.Finding{Status: health.Unknown, Reason: unreadable, Message: why}, "")
		return
	}
	x.add("rules", judgePackets(n, "", podsDropped, packets), "no local rule drops its packets")
}

// to turns a packet to or from some peer into one of this peer.
func (p packet) to(n *Network, e entry) packet {
	far, mine := e.Underlay, n.ownerOf(p.src).Index != 0
	if p.hook == "forward" {
		far, mine = e.Subnet.Addr().Next().Next(), p.in.Name != e.Device
	}
	if !far.IsValid() {
		return p
	}
	if mine {
		p.dst = far
	} else {
		p.src = far
	}
	return p
}

func stepRoute(n *Network, p picture, s *side, e entry, way Lookup, err error) health.Finding {
	var f faults
	if err != nil {
		f.unknown(unreadable, err.Error())
		return f.finding("", "")
	}
	judged := judgeEntry(p, s, &e, nil, nil)
	switch {
	case !e.route && p.backend != UDP:
		f.add(routeMissing, "", "", "%s", judged.Message)
	case way.Error != "":
		f.add(routeHidden, "", "", "the kernel has no way to %s: %s", way.Dst, way.Error)
	case e.route && (way.Link != e.onDevice.Link || way.Gateway != e.onDevice.Gateway):
		f.add(routeHidden, "", "", "the kernel sends to %s over %s (table %d) and not over %s", way.Dst, n.link(way.Link).Name, way.Table, n.link(e.onDevice.Link).Name)
	case judged.Reason == routeWrong:
		f.add(routeWrong, "", "", "%s", judged.Message)
	}
	via := ""
	if way.Gateway.IsValid() {
		via = " via " + way.Gateway.String()
	}
	return f.finding("", fmt.Sprintf("%s%s dev %s", way.Dst, via, n.link(way.Link).Name))
}

// entries are the steps of the neighbour and the FDB entry.
func (x *explanation) entries(n *Network, s side, e entry) {
	var all faults
	judgeOverlay(&all, &s, &e, localAddresses(n))
	var neighbour, fdb faults
	text := strings.Join(all.messages, "; ")
	switch {
	case !e.neighbour:
		neighbour.add(neighbourMissing, "", "", "%s", text)
	case all.reason == neighbourWrong:
		neighbour.add(neighbourWrong, "", "", "%s", text)
	}
	x.add("neighbour", neighbour.finding("", fmt.Sprintf("%s has MAC %s", e.Overlay, e.MAC)), "")
	switch {
	case !e.fdb:
		fdb.add(fdbMissing, "", "", "the FDB of %s has no entry for the peer", s.name)
	case all.reason == fdbWrong:
		fdb.add(fdbWrong, "", "", "%s", text)
	}
	x.add("fdb", fdb.finding("", fmt.Sprintf("%s goes to %s", e.MAC, e.Underlay)), "")
}

func stepUnderlay(n *Network, e entry, under Lookup, err error) health.Finding {
	var f faults
	link := n.link(under.Link)
	switch {
	case err != nil:
		f.unknown(unreadable, err.Error())
	case !e.Underlay.IsValid():
		f.unknown(unreadable, "the peer's own address is not known")
	case under.Error != "":
		f.add(underlayDown, "", "", "no way to the peer's node %s: %s", e.Underlay, under.Error)
	case n.ownerOf(e.Underlay).Index != 0:
		f.add(fdbWrong, "", "", "%s is this node itself", e.Underlay)
	case !link.Up || !link.Running:
		f.add(underlayDown, "", "", "%s, over which %s is reached, is down or has no carrier", link.Name, e.Underlay)
	case flannelDevice(link.Name):
		f.add(underlayDown, "", "", "the peer's node %s is routed into %s: the overlay would carry itself", e.Underlay, link.Name)
	case slices.ContainsFunc(n.Neighbours, func(x Neighbour) bool { return x.Link == under.Link && x.IP == nextHop(under) && x.Failed }):
		f.add(underlayDown, "", "", "%s does not answer ARP on %s", nextHop(under), link.Name)
	}
	return f.finding("", fmt.Sprintf("%s over %s from %s", e.Underlay, link.Name, under.Src))
}

func nextHop(l Lookup) netip.Addr {
	if l.Gateway.IsValid() {
		return l.Gateway
	}
	return l.Dst
}

func stepMTU(n *Network, p picture, s side, under Lookup) health.Finding {
	var f faults
	room, over := n.link(under.Link).MTU, map[string]int{VXLAN4: 50, UDP: 28}[p.backend]
	if s.ipv6 && over == 50 {
		over = 70
	}
	if under.MTU != 0 {
		room = min(room, under.MTU)
	}
	mtu := n.SubnetEnv.MTU
	switch {
	case room == 0 || mtu == 0:
		f.unknown(unreadable, "the MTU of the way is not known")
	case mtu+over > room:
		f.add(mtuTooLarge, "", "", "FLANNEL_MTU %d and %d bytes of encapsulation do not fit into %d", mtu, over, room)
	}
	return f.finding("", fmt.Sprintf("%d and %d bytes of encapsulation fit into %d", mtu, over, room))
}

// probe asks the peer itself.
func (x *explanation) probe(ctx context.Context, cfg Config, n *Network, p picture, e entry) {
	target, optional := targetOf(e.Peer, p.backend)
	ping, err := openPinger(cfg.Netns, target.Is6())
	if err != nil {
		x.add("answers", health.Finding{Status: health.Unknown, Reason: notAllowed, Message: err.Error()}, "")
		return
	}
	defer ping.close()
	ask := func(to netip.Addr, size int, df bool) (rtt time.Duration, err error) {
		for range tries {
			one, cancel := context.WithTimeout(ctx, cfg.ProbeTimeout)
			rtt, err = ping.ping(one, to, size, df)
			cancel()
			if err == nil || ctx.Err() != nil {
				break
			}
		}
		return rtt, err
	}
	step := func(name string, to netip.Addr, size int, df bool, r *health.Reason) bool {
		rtt, err := ask(to, size, df)
		var f faults
		if err != nil {
			f.add(r, "", "", "%s: %v", to, err)
		}
		x.add(name, f.finding("", fmt.Sprintf("%s in %v", to, rtt.Round(time.Microsecond))), "")
		return err == nil
	}
	if e.Underlay.IsValid() {
		step("node answers", e.Underlay, 56, false, underlayDown)
	}
	if optional {
		return // whether its bridge answers depends on whether it has had a pod
	}
	if step("overlay answers", target, 56, false, peerUnreachable) && n.SubnetEnv.MTU > 0 {
		step("full size", target, n.SubnetEnv.MTU-headers(target), true, pathMTU)
	}
}
