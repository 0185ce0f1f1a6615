package netcheck

import (
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

func judgeBridge(v verdicts, n *Network, p picture) {
	if why := n.unread(PartLinks, PartAddresses); why != "" {
		v.add(PodBridge, health.Finding{Status: health.Unknown, Reason: unreadable, Message: why})
		return
	}
	for _, l := range n.Leases {
		v.add(PodBridge, judgeLeases(n, l))
	}
	if why := n.unread(PartLeases); why != "" {
		v.add(PodBridge, health.Finding{Subject: "addresses", Status: health.Unknown, Reason: unreadable, Message: why})
	}
	bridge, found := n.linkNamed(p.bridge)
	if !found {
		v.add(PodBridge, health.Finding{Subject: p.bridge, Status: health.OK, Message: "no pod on the pods' network yet: the first one makes the bridge"})
		return
	}
	ports := slices.ContainsFunc(n.Links, func(l Link) bool { return l.Master == bridge.Index })
	var f faults
	if !bridge.Up && ports {
		f.add(bridgeDown, "up", "down", "%s is down with pods on it", bridge.Name)
	}
	for _, s := range p.sides {
		judgeBridgeAddress(&f, n, s, bridge, ports)
	}
	if mtu := n.SubnetEnv.MTU; mtu != 0 && bridge.MTU != mtu && ports {
		f.add(bridgeMTU, strconv.Itoa(mtu), strconv.Itoa(bridge.MTU), "the MTU of %s is %d, FLANNEL_MTU is %d", bridge.Name, bridge.MTU, mtu)
	}
	v.add(PodBridge, f.finding(bridge.Name, ""))
	judgePorts(v, n, p)
}

// judgeBridgeAddress wants FLANNEL_SUBNET's own address. A bridge with no pod on it is no fault, but one of another lease will be.
func judgeBridgeAddress(f *faults, n *Network, s side, bridge Link, ports bool) {
	if !s.gateway.IsValid() {
		return
	}
	var others []string
	for _, a := range n.addressesOf(bridge.Index) {
		switch {
		case a == s.gateway:
			return
		case a.Addr().Is6() == s.ipv6 && !(s.ipv6 && a.Addr().IsLinkLocalUnicast()):
			others = append(others, a.String())
		}
	}
	switch {
	case len(others) > 0:
		f.add(bridgeDiffers, s.gateway.String(), strings.Join(others, ", "), "%s has %s, subnet.env asks for %s: new pods fail", bridge.Name, strings.Join(others, ", "), s.gateway)
	case ports && bridge.Up:
		f.add(bridgeAddress, s.gateway.String(), "none", "%s has lost its address %s, the pods' gateway", bridge.Name, s.gateway)
	}
}

// podVeth is the name that the CNI plugin bridge gives the host's end of a pod's pair.
var podVeth = regexp.MustCompile(`^veth[0-9a-f]{8}$`)

// judgePorts finds pods' ends that hang on no bridge, where Flannel's is the only network that makes such.
func judgePorts(v verdicts, n *Network, p picture) {
	for _, c := range n.CNI {
		if !c.Flannel {
			return
		}
	}
	for _, l := range n.Links {
		if l.Kind != "veth" || l.Master != 0 || !podVeth.MatchString(l.Name) {
			continue
		}
		var f faults
		f.add(portDetached, "master "+p.bridge, "none", "%s, a pod's end, hangs on no bridge", l.Name)
		v.add(PodBridge, f.finding(l.Name, ""))
	}
}

// judgeLeases compares host-local's files with what the subnet holds: all but its own, the gateway's and the broadcast address.
func judgeLeases(n *Network, l view.Leases) health.Finding {
	var f faults
	fine := ""
	for _, s := range []struct {
		subnet netip.Prefix
		used   int
	}{{n.SubnetEnv.Subnet, l.IPv4}, {n.SubnetEnv.IPv6Subnet, l.IPv6}} {
		if !s.subnet.IsValid() {
			continue
		}
		room := math.MaxInt32
		if host := s.subnet.Addr().BitLen() - s.subnet.Bits(); host < 31 {
			room = 1<<host - 3
		}
		if s.used >= room {
			f.add(noAddresses, "", fmt.Sprint(s.used), "all %d addresses of %s are given out", room, s.subnet.Masked())
		}
		if fine == "" {
			fine = fmt.Sprintf("%d of %d addresses given out", s.used, room)
		}
	}
	return f.finding("addresses", fine)
}

func judgeSysctls(v verdicts, n *Network, p picture) {
	if why := n.unread(PartSysctls); why != "" {
		v.add(NetworkSysctls, health.Finding{Subject: "sysctls", Status: health.Unknown, Reason: unreadable, Message: why})
	}
	for _, s := range p.sides {
		version := "ipv4"
		if s.ipv6 {
			version = "ipv6"
			v.sysctl(n, "net/ipv6/conf/all/forwarding", forwardingOff)
		} else {
			v.sysctl(n, "net/ipv4/ip_forward", forwardingOff)
		}
		if s.device.Index != 0 {
			v.sysctl(n, "net/"+version+"/conf/"+s.device.Name+"/forwarding", forwardingOff)
		}
		if _, ok := n.linkNamed(p.bridge); ok {
			v.sysctl(n, "net/"+version+"/conf/"+p.bridge+"/forwarding", forwardingOff)
		}
		if s.ipv6 {
			v.sysctl(n, "net/bridge/bridge-nf-call-ip6tables", bridgeNFOff)
		} else {
			v.sysctl(n, "net/bridge/bridge-nf-call-iptables", bridgeNFOff)
		}
	}
}

func (v verdicts) sysctl(n *Network, name string, r *health.Reason) {
	s, read := n.sysctl(name)
	subject := sysctlName(name)
	var f faults
	switch {
	case !read: // PartSysctls says why
		f.unknown(unreadable, subject+" was not read")
	case s.Missing && r == bridgeNFOff:
		f.add(bridgeNFGone, "1", "missing", "%s is missing: the module br_netfilter is not loaded", subject)
	case s.Missing:
		f.unknown(unreadable, subject+" does not exist")
	case s.Value == "0":
		f.add(r, "1", "0", "%s is 0", subject)
	}
	v.add(NetworkSysctls, f.finding(subject, ""))
}

// sysctlName writes a path as sysctl(8) takes it: a dot in a device's name becomes a slash.
func sysctlName(path string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '/':
			return '.'
		case '.':
			return '/'
		}
		return r
	}, path)
}
