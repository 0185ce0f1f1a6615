package netcheck

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// The functions below read one rtnetlink message each, without its header (rtnetlink(7)). A message too short is not ok.

// parseLink reads RTM_NEWLINK.
func parseLink(b []byte) (l Link, ok bool) {
	if len(b) < unix.SizeofIfInfomsg {
		return l, false
	}
	l.Index = u32(b[4:])
	flags := u32(b[8:])
	l.Up, l.Running, l.Loopback = flags&unix.IFF_UP != 0, flags&unix.IFF_LOWER_UP != 0, flags&unix.IFF_LOOPBACK != 0
	for t, v := range attributes(b[unix.SizeofIfInfomsg:]) {
		switch t {
		case unix.IFLA_IFNAME:
			l.Name = textOf(v)
		case unix.IFLA_MTU:
			l.MTU = u32(v)
		case unix.IFLA_ADDRESS:
			l.MAC = macOf(v)
		case unix.IFLA_MASTER:
			l.Master = u32(v)
		case unix.IFLA_LINK:
			l.Parent = u32(v)
		case unix.IFLA_CARRIER_CHANGES:
			l.Carrier = u32(v)
		case unix.IFLA_LINKINFO:
			parseLinkInfo(&l, v)
		}
	}
	return l, true
}

func parseLinkInfo(l *Link, b []byte) {
	var data []byte
	for t, v := range attributes(b) {
		switch t {
		case unix.IFLA_INFO_KIND:
			l.Kind = textOf(v)
		case unix.IFLA_INFO_DATA:
			data = v
		}
	}
	if l.Kind != "vxlan" {
		return
	}
	for t, v := range attributes(data) {
		switch t {
		case unix.IFLA_VXLAN_ID:
			l.VXLAN.VNI = u32(v)
		case unix.IFLA_VXLAN_LOCAL, unix.IFLA_VXLAN_LOCAL6:
			l.VXLAN.Local = ipOf(v)
		case unix.IFLA_VXLAN_LINK:
			l.VXLAN.Link = u32(v)
		case unix.IFLA_VXLAN_PORT:
			if len(v) >= 2 {
				l.VXLAN.Port = int(v[0])<<8 | int(v[1])
			}
		case unix.IFLA_VXLAN_LEARNING:
			l.VXLAN.Learning = len(v) > 0 && v[0] != 0
		}
	}
}

// parseAddress reads RTM_NEWADDR.
func parseAddress(b []byte) (a Address, ok bool) {
	if len(b) < unix.SizeofIfAddrmsg {
		return a, false
	}
	a.Link, a.Scope = u32(b[4:]), int(b[3])
	var local, address netip.Addr
	for t, v := range attributes(b[unix.SizeofIfAddrmsg:]) {
		switch t {
		case unix.IFA_LOCAL: // the other end of a point-to-point link is in IFA_ADDRESS
			local = ipOf(v)
		case unix.IFA_ADDRESS:
			address = ipOf(v)
		}
	}
	if !local.IsValid() {
		local = address
	}
	a.Prefix = netip.PrefixFrom(local, int(b[1]))
	return a, a.Prefix.IsValid()
}

func anyOf(family byte) netip.Addr {
	if family == unix.AF_INET6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// parseRoute reads RTM_NEWROUTE. What the kernel remembers of a path, a /32 of its own for minutes, is no route and not ok.
func parseRoute(b []byte) (r Route, ok bool) {
	if len(b) >= unix.SizeofRtMsg && u32(b[8:])&unix.RTM_F_CLONED != 0 {
		return r, false
	}
	r, _, _, ok = parseRouteWhole(b)
	return r, ok
}

func parseRouteWhole(b []byte) (r Route, src netip.Addr, mtu int, ok bool) {
	if len(b) < unix.SizeofRtMsg || b[0] != unix.AF_INET && b[0] != unix.AF_INET6 {
		return r, src, 0, false
	}
	dst := anyOf(b[0])
	r.Table, r.Protocol, r.Type = int(b[4]), int(b[5]), int(b[7])
	flags := u32(b[8:])
	for t, v := range attributes(b[unix.SizeofRtMsg:]) {
		switch t {
		case unix.RTA_DST:
			dst = ipOf(v)
		case unix.RTA_GATEWAY:
			r.Gateway = ipOf(v)
		case unix.RTA_VIA:
			if len(v) > 2 {
				r.Gateway = ipOf(v[2:])
			}
		case unix.RTA_OIF:
			r.Link = u32(v)
		case unix.RTA_TABLE:
			r.Table = u32(v)
		case unix.RTA_PRIORITY:
			r.Priority = u32(v)
		case unix.RTA_PREFSRC:
			src = ipOf(v)
		case unix.RTA_METRICS:
			for m, x := range attributes(v) {
				if m == unix.RTAX_MTU {
					mtu = u32(x)
				}
			}
		case unix.RTA_MULTIPATH:
			flags |= parseHops(&r, v)
		}
	}
	r.OnLink = flags&unix.RTNH_F_ONLINK != 0
	r.Dead = flags&unix.RTNH_F_DEAD != 0
	r.Dst = netip.PrefixFrom(dst, int(b[1])).Masked() // the kernel's own are; they are compared
	return r, src, mtu, r.Dst.IsValid()
}

// parseHops reads the next hops of a multipath route: their number, and the first one.
func parseHops(r *Route, b []byte) (flags int) {
	for len(b) >= unix.SizeofRtNexthop {
		size := u16(b)
		if size < unix.SizeofRtNexthop || size > len(b) {
			break
		}
		if r.Hops++; r.Hops == 1 {
			flags, r.Link = int(b[2]), u32(b[4:])
			for t, v := range attributes(b[unix.SizeofRtNexthop:size]) {
				if t == unix.RTA_GATEWAY {
					r.Gateway = ipOf(v)
				}
			}
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return flags
}

// parseRule reads RTM_NEWRULE.
func parseRule(b []byte) (r Rule, ok bool) {
	if len(b) < unix.SizeofRtMsg || b[0] != unix.AF_INET && b[0] != unix.AF_INET6 {
		return r, false
	}
	r.IPv6, r.Table, r.Action = b[0] == unix.AF_INET6, int(b[4]), int(b[7])
	for t, v := range attributes(b[unix.SizeofRtMsg:]) {
		switch t {
		case unix.FRA_DST:
			r.Dst = netip.PrefixFrom(ipOf(v), int(b[1]))
		case unix.FRA_SRC:
			r.Src = netip.PrefixFrom(ipOf(v), int(b[2]))
		case unix.FRA_IIFNAME:
			r.InLink = textOf(v)
		case unix.FRA_PRIORITY:
			r.Priority = u32(v)
		case unix.FRA_FWMARK:
			r.Mark = uint32(u32(v))
		case unix.FRA_TABLE:
			r.Table = u32(v)
		}
	}
	return r, true
}

// parseNeighbour reads RTM_NEWNEIGH of the families INET and INET6.
func parseNeighbour(b []byte) (n Neighbour, ok bool) {
	if len(b) < unix.SizeofNdMsg || b[0] != unix.AF_INET && b[0] != unix.AF_INET6 {
		return n, false
	}
	n.Link = u32(b[4:])
	state := u16(b[8:])
	if state&unix.NUD_NOARP != 0 { // loopback, multicast
		return n, false
	}
	n.Permanent, n.Failed = state&unix.NUD_PERMANENT != 0, state&unix.NUD_FAILED != 0
	for t, v := range attributes(b[unix.SizeofNdMsg:]) {
		switch t {
		case unix.NDA_DST:
			n.IP = ipOf(v)
		case unix.NDA_LLADDR:
			n.MAC = macOf(v)
		}
	}
	return n, n.IP.IsValid()
}

// parseFDB reads RTM_NEWNEIGH of the family BRIDGE. Only entries of a device itself (NTF_SELF) with a destination say where VXLAN sends.
func parseFDB(b []byte) (f FDBEntry, ok bool) {
	if len(b) < unix.SizeofNdMsg || b[0] != unix.AF_BRIDGE {
		return f, false
	}
	f.Link = u32(b[4:])
	f.Permanent = u16(b[8:])&unix.NUD_PERMANENT != 0
	for t, v := range attributes(b[unix.SizeofNdMsg:]) {
		switch t {
		case unix.NDA_DST:
			f.Dst = ipOf(v)
		case unix.NDA_LLADDR:
			f.MAC = macOf(v)
		}
	}
	return f, f.Dst.IsValid() && f.MAC != ""
}
