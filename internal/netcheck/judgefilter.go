package netcheck

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nodeagent/internal/health"
)

// outside is an address that is no node's, pod's or service's (RFC 5737, TEST-NET-1; RFC 3849).
var outside = map[bool]netip.Addr{false: netip.MustParseAddr("192.0.2.1"), true: netip.MustParseAddr("2001:db8:ffff::1")}

func judgeFilter(v verdicts, n *Network, p picture) {
	if why := n.unread(PartFilter); why != "" {
		v.add(NetworkFilter, health.Finding{Status: health.Unknown, Reason: unreadable, Message: why})
		return
	}
	if len(n.Filter.Legacy) > 0 {
		v.add(NetworkFilter, health.Finding{Subject: "legacy", Status: health.Unknown, Reason: legacyTables,
			Message: "tables of iptables-legacy are in use and were not read: " + strings.Join(n.Filter.Legacy, ", ")})
	}
	if n.Filter.Partial != "" {
		v.add(NetworkFilter, health.Finding{Subject: "rules", Status: health.Unknown, Reason: filterUnsure, Message: n.Filter.Partial})
	}
	for _, s := range p.sides {
		suffix := ""
		if s.ipv6 {
			suffix = " (IPv6)"
		}
		v.add(NetworkFilter, judgePackets(n, "overlay"+suffix, overlayDropped, overlayPackets(n, p, s)))
		v.add(NetworkFilter, judgePackets(n, "pods"+suffix, podsDropped, podPackets(n, p, s)))
		v.add(NetworkFilter, judgeMasquerade(n, p, s, suffix))
	}
	v.add(NetworkFilter, judgeChains(n))
}

// overlayPackets are the encapsulated ones, in and out.
func overlayPackets(n *Network, p picture, s side) []packet {
	port := s.device.VXLAN.Port
	switch {
	case p.backend == UDP:
		port = 8285 // flannel's default
	case p.backend != VXLAN4:
		return nil
	case port == 0:
		port = 8472
	}
	local, peer := s.device.VXLAN.Local, netip.Addr{}
	for _, e := range s.entries {
		if e.Underlay.IsValid() && !peer.IsValid() && e.Underlay.Is6() == s.ipv6 {
			peer = e.Underlay
		}
	}
	if !local.IsValid() {
		for _, a := range n.addressesOf(p.uplink.Index) {
			if a.Addr().Is6() == s.ipv6 && !a.Addr().IsLinkLocalUnicast() {
				local = a.Addr()
			}
		}
	}
	if !local.IsValid() || p.uplink.Index == 0 {
		return nil
	}
	if !peer.IsValid() {
		peer = outside[s.ipv6] // no peer is known: a rule for single nodes is not looked for
	}
	return []packet{
		{what: "what peers send to udp port", hook: "prerouting", in: p.uplink, src: peer, dst: local, proto: "udp", dport: port},
		{what: "what peers send to udp port", hook: "input", in: p.uplink, src: peer, dst: local, proto: "udp", dport: port},
		{what: "what this node sends to udp port", hook: "output", out: p.uplink, src: local, dst: peer, proto: "udp", dport: port},
		{what: "what this node sends to udp port", hook: "postrouting", out: p.uplink, src: local, dst: peer, proto: "udp", dport: port},
	}
}

// podPackets are those between a pod here and one at a peer, and to the outside.
func podPackets(n *Network, p picture, s side) []packet {
	if !s.subnet.IsValid() || !s.network.IsValid() {
		return nil
	}
	bridge, found := n.linkNamed(p.bridge)
	if !found {
		bridge = Link{Name: p.bridge}
	}
	way, far := s.device, s.network.Addr()
	for _, e := range s.entries {
		if e.route {
			far = e.Subnet.Addr().Next().Next()
			way = n.link(e.onDevice.Link)
			break
		}
	}
	if far == s.network.Addr() || way.Name == "" {
		way, far = Link{Name: firstOf(s.name, p.uplink.Name)}, lastOf(s.network)
	}
	here := s.subnet.Addr().Next().Next()
	return []packet{
		{what: "what pods send to pods of other nodes", hook: "forward", in: bridge, out: way, src: here, dst: far, proto: "tcp"},
		{what: "what pods of other nodes send to pods here", hook: "forward", in: way, out: bridge, src: far, dst: here, proto: "tcp"},
	}
}

// lastOf is an address at the end of a network, most likely of no node here.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		for bit := range 8 {
			if i*8+bit >= p.Bits() {
				b[i] |= 0x80 >> bit
			}
		}
	}
	a, _ := netip.AddrFromSlice(b)
	return a.Prev()
}

func judgePackets(n *Network, subject string, r *health.Reason, packets []packet) health.Finding {
	var f faults
	if len(packets) == 0 {
		return health.Finding{Subject: subject, Status: health.Absent, Message: "there is no such traffic with this backend, or its addresses are not known"}
	}
	for _, p := range packets {
		end := n.Filter.follow(p)
		what := p.what
		if p.dport != 0 {
			what += " " + strconv.Itoa(p.dport)
		}
		switch end.verdict {
		case drops:
			f.add(r, "", "", "%s is dropped in %s by %s", what, p.hook, end.by())
		case mayDrop:
			f.unknown(filterUnsure, what+" may be dropped in "+p.hook+" by "+end.by())
		}
	}
	return f.finding(subject, "")
}

// judgeMasquerade wants pods' packets to the outside to take the node's address, where flanneld was told so.
func judgeMasquerade(n *Network, p picture, s side, suffix string) health.Finding {
	subject := "masquerade" + suffix
	switch {
	case n.SubnetEnv.Found && !n.SubnetEnv.IPMasq:
		return health.Finding{Subject: subject, Status: health.Absent, Message: "flanneld was told not to masquerade (FLANNEL_IPMASQ=false)"}
	case !s.subnet.IsValid() || p.uplink.Index == 0:
		return health.Finding{Subject: subject, Status: health.Absent, Message: "there is no subnet or no uplink to judge"}
	}
	var f faults
	end := n.Filter.follow(packet{hook: "postrouting", out: p.uplink, src: s.subnet.Addr().Next().Next(), dst: outside[s.ipv6], proto: "tcp"})
	if !end.masq {
		if len(n.Filter.Legacy) > 0 || n.Filter.Partial != "" {
			f.unknown(filterUnsure, "no rule that masquerades pods was among those that could be read")
		} else {
			f.add(masqMissing, "masquerade "+s.subnet.String(), "none", "no rule masquerades what the pods of %s send to the outside", s.subnet)
		}
	}
	return f.finding(subject, "")
}

// judgeChains wants flanneld's own chains to hold rules and to be reached.
func judgeChains(n *Network) health.Finding {
	var f faults
	iptables, nft := n.Filter.flannelChains()
	for _, c := range n.Filter.Chains {
		switch {
		case strings.HasPrefix(c.Table, "flannel-ipv") && len(c.Rules) == 0:
			f.add(chainEmpty, "rules", "none", "chain %s has no rules", c)
		case !strings.HasPrefix(c.Name, "FLANNEL-"):
		case len(c.Rules) == 0:
			f.add(chainEmpty, "rules", "none", "chain %s has no rules", c)
		case !slices.ContainsFunc(n.Filter.Chains, func(from Chain) bool {
			return from.Hook != "" && from.Family == c.Family && from.Table == c.Table &&
				slices.ContainsFunc(from.Rules, func(r FilterRule) bool { return r.To == c.Name })
		}):
			f.add(chainEmpty, "a jump to it", "none", "no rule jumps to chain %s", c)
		}
	}
	fine := ""
	switch {
	case iptables:
		fine = "iptables mode"
	case nft:
		fine = "nft mode"
	default:
		return health.Finding{Subject: "flannel", Status: health.Absent, Message: "flanneld has no chains here"}
	}
	return f.finding("flannel", fine)
}
