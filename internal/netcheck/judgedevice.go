package netcheck

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
)

func judgeDevices(v verdicts, n *Network, p picture) {
	if why := n.unread(PartLinks, PartAddresses); why != "" {
		v.add(FlannelDevice, health.Finding{Status: health.Unknown, Reason: unreadable, Message: why})
		return
	}
	switch p.backend {
	case VXLAN4, UDP:
	case HostGW:
		v.add(FlannelDevice, health.Finding{Status: health.Absent, Message: "backend host-gw has no device of its own"})
		return
	case "":
		v.add(FlannelDevice, health.Finding{Status: health.Unknown, Reason: notSure, Message: "it can't be told which backend Flannel uses"})
		return
	default:
		v.add(FlannelDevice, notJudged(p.backend))
		return
	}
	for _, s := range p.sides {
		v.add(FlannelDevice, judgeDevice(n, p, s))
	}
}

func notJudged(backend string) health.Finding {
	return health.Finding{Status: health.Absent, Message: "backend " + backend + " is recognised and not judged"}
}

func judgeDevice(n *Network, p picture, s side) health.Finding {
	var f faults
	d := s.device
	if d.Index == 0 {
		f.add(deviceMissing, s.name, "", "%s does not exist: no pod of this node reaches another node", s.name)
		return f.finding(s.name, "")
	}
	if !d.Up {
		f.add(deviceDown, "up", "down", "%s is down: the kernel dropped its routes and neighbours", s.name)
	}
	judgeRecreated(&f, n, s)
	if p.backend == VXLAN4 {
		judgeVXLAN(&f, n, p, s)
	}
	judgeDeviceAddress(&f, n, s)
	judgeMTU(&f, n, p, s)
	if p.backend == UDP && d.Up {
		judgeNetworkRoute(&f, n, s)
	}
	if before := n.Before.InCsum; p.backend == VXLAN4 && before > 0 && n.UDPErrors.InCsum >= before+checksumBurst {
		f.add(checksumErrors, "", fmt.Sprint(n.UDPErrors.InCsum-before), "%d packets with bad UDP checksums arrived since the last look", n.UDPErrors.InCsum-before)
	}
	return f.finding(s.name, fmt.Sprintf("%s, MTU %d, %d peers", p.backend, d.MTU, len(s.entries)))
}

// checksumBurst is how many bad checksums between two looks are no accident.
const checksumBurst = 20

// judgeRecreated compares with the last good look: a device of another index with nothing in it was made anew behind Flannel's back.
func judgeRecreated(f *faults, n *Network, s side) {
	i := slices.IndexFunc(n.Before.Devices, func(r Remembered) bool { return r.Name == s.name })
	if i < 0 {
		return
	}
	was := n.Before.Devices[i]
	had := 0
	for _, b := range n.Before.Peers {
		if b.Subnet.Addr().Is6() == s.ipv6 && !b.Direct {
			had++
		}
	}
	has := slices.ContainsFunc(s.entries, func(e entry) bool { return (e.route || e.neighbour) && !e.Direct })
	switch {
	case was.Index != s.device.Index && had > 0 && !has:
		f.add(deviceRecreated, fmt.Sprintf("%d peers", had), "0 peers", "%s was made anew (index %d, before %d) and leads to no peer", s.name, s.device.Index, was.Index)
	case was.Index == s.device.Index && was.MAC != s.device.MAC && was.MAC != "" && n.self().vtep(s.ipv6) == "" && slices.ContainsFunc(s.entries, silent):
		// The kernel flushes the neighbours with the old MAC: where they are back, flanneld has announced the new one.
		f.add(macChanged, was.MAC, s.device.MAC, "the MAC of %s changed: peers send to %s", s.name, was.MAC)
	}
}

func silent(e entry) bool { return e.route && !e.Direct && !e.neighbour }

func (x *Node) vtep(ipv6 bool) string {
	switch {
	case x == nil:
		return ""
	case ipv6:
		return x.VTEPv6
	default:
		return x.VTEP
	}
}

func judgeVXLAN(f *faults, n *Network, p picture, s side) {
	d := s.device
	if want := n.self().vtep(s.ipv6); want != "" && !strings.EqualFold(want, d.MAC) {
		f.add(macChanged, want, d.MAC, "%s has another MAC than this node's annotation: peers send to %s", s.name, want)
	}
	vni, err := strconv.Atoi(s.name[strings.LastIndexByte(s.name, '.')+1:])
	switch {
	case err == nil && vni != d.VXLAN.VNI:
		f.add(vxlanWrong, fmt.Sprintf("VNI %d", vni), fmt.Sprintf("VNI %d", d.VXLAN.VNI), "%s has VNI %d", s.name, d.VXLAN.VNI)
	case d.VXLAN.Learning:
		f.add(vxlanWrong, "nolearning", "learning", "%s learns addresses, which Flannel's never does", s.name)
	}
	if local := d.VXLAN.Local; local.IsValid() {
		switch owner := n.ownerOf(local); {
		case owner.Index == 0:
			f.add(localGone, "", local.String(), "%s sends from %s, which no device of this node has", s.name, local)
		case p.uplink.Index != 0 && !p.uplink.Up:
			f.add(localGone, "up", "down", "the uplink %s of %s is down", p.uplink.Name, s.name)
		}
	}
}

// judgeDeviceAddress wants <subnet>.0/32 (IPv6: <subnet>::/128) and, link-local ones aside, nothing else.
func judgeDeviceAddress(f *faults, n *Network, s side) {
	var want netip.Prefix
	if s.subnet.IsValid() {
		want = netip.PrefixFrom(s.subnet.Addr(), s.subnet.Addr().BitLen())
	}
	var have []string
	found := false
	for _, a := range n.addressesOf(s.device.Index) {
		switch {
		case a.Addr().Is6() != s.ipv6 || a.Addr().IsLinkLocalUnicast() && a.Addr().Is6():
		case want.IsValid() && a.Addr() == want.Addr():
			found = true
		default:
			have = append(have, a.String())
		}
	}
	switch {
	case !want.IsValid():
	case found && len(have) > 0:
		f.add(addressExtra, want.String(), strings.Join(have, ", "), "%s has an address that is not Flannel's: %s", s.name, strings.Join(have, ", "))
	case found:
	case len(have) > 0:
		f.add(addressWrong, want.String(), strings.Join(have, ", "), "%s has %s; subnet.env asks for %s", s.name, strings.Join(have, ", "), want)
	case s.device.Up || !s.ipv6: // IPv6 addresses go with the link
		f.add(addressMissing, want.String(), "none", "%s has lost its address %s, and the routes with it", s.name, want)
	}
}

func judgeMTU(f *faults, n *Network, p picture, s side) {
	mtu := n.SubnetEnv.MTU
	if mtu == 0 {
		return
	}
	over := 50
	switch {
	case p.backend == UDP:
		over = 28
	case s.ipv6:
		over = 70
	}
	ok := s.device.MTU == mtu || s.ipv6 && s.device.MTU == mtu-20 // the header of IPv6 is 20 bytes longer
	if !ok {
		f.add(deviceMTU, strconv.Itoa(mtu), strconv.Itoa(s.device.MTU), "the MTU of %s is %d, FLANNEL_MTU is %d", s.name, s.device.MTU, mtu)
	}
	if p.uplink.MTU != 0 && p.backend == VXLAN4 && !s.ipv6 && mtu+over > p.uplink.MTU {
		f.add(mtuTooLarge, strconv.Itoa(p.uplink.MTU-over), strconv.Itoa(mtu), "FLANNEL_MTU %d and %d bytes of encapsulation do not fit through %s, whose MTU is %d", mtu, over, p.uplink.Name, p.uplink.MTU)
	}
}

// judgeNetworkRoute is for the backend udp, which has one route for all.
func judgeNetworkRoute(f *faults, n *Network, s side) {
	if why := n.unread(PartRoutes); why != "" {
		f.unknown(unreadable, why)
		return
	}
	if !s.network.IsValid() {
		return
	}
	for _, r := range n.Routes {
		if r.Table == unix.RT_TABLE_MAIN && r.Dst == s.network && r.Link == s.device.Index {
			return
		}
	}
	f.add(networkRoute, fmt.Sprintf("%s dev %s", s.network, s.name), "none", "the route to %s through %s is missing", s.network, s.name)
}
