package netcheck

import (
	"net/netip"
	"slices"
	"strings"
)

// mendOfDevice puts back what Flannel's device has lost, with the peers' entries that went with it.
func mendOfDevice(n *Network, p picture, s *side, shown verdicts, f mendFacts) (mend, bool) {
	found := failing(shown, FlannelDevice, deviceMissing, deviceDown, deviceRecreated, addressMissing, deviceMTU, macChanged, networkRoute)
	for _, x := range found {
		if x.Subject != s.name {
			continue
		}
		m := mend{kind: MendDevice, target: s.name, condition: FlannelDevice, subject: s.name, why: x.Message, refused: f.guard()}
		switch {
		case s.device.Index == 0:
			m.refused = "only flanneld makes the device: " + restartFlanneld
		case p.backend == VXLAN4 && n.self().vtep(s.ipv6) == "" && !sameMAC(n, s):
			m.refused = "the device has another MAC than its peers were told: " + restartFlanneld
		default:
			why := ""
			if m.steps, why = deviceSteps(n, p, s, f); m.refused == "" {
				m.refused = why
			}
			if len(m.steps) == 0 && m.refused == "" {
				m.refused = "nothing is missing that the agent may put back: " + restartFlanneld
			}
		}
		return m, true
	}
	return mend{}, false
}

// sameMAC says whether the device has the MAC of the last good picture, which its peers know.
func sameMAC(n *Network, s *side) bool {
	i := slices.IndexFunc(n.Before.Devices, func(r Remembered) bool { return r.Name == s.name })
	return i >= 0 && n.Before.Devices[i].MAC == s.device.MAC
}

// deviceSteps are in the order in which the kernel needs them: the link, its address, then what leads to the peers.
func deviceSteps(n *Network, p picture, s *side, f mendFacts) (steps []step, why string) {
	fresh := n.SubnetEnv.Found && !n.SubnetEnv.OldBoot && n.SubnetEnv.Problem == ""
	d := s.device
	if want := strings.ToLower(n.self().vtep(s.ipv6)); p.backend == VXLAN4 && want != "" && want != d.MAC {
		steps = append(steps, setMAC{d.Index, d.Name, want})
	}
	if !d.Up {
		steps = append(steps, linkUp{d.Index, d.Name})
	}
	address := netip.Prefix{}
	if s.subnet.IsValid() {
		address = netip.PrefixFrom(s.subnet.Addr(), s.subnet.Addr().BitLen())
	}
	own := n.addressesOf(d.Index)
	has := slices.ContainsFunc(own, func(a netip.Prefix) bool { return a.Addr().Is6() == s.ipv6 && !a.Addr().IsLinkLocalUnicast() })
	if address.IsValid() && !has {
		if !fresh {
			return steps, "subnet.env is not of this boot: it can't tell the address"
		}
		steps = append(steps, addAddress{d.Index, d.Name, address})
	}
	if mtu := n.SubnetEnv.MTU; mtu != 0 && d.MTU != mtu && !(s.ipv6 && d.MTU == mtu-20) {
		if !fresh {
			return steps, "subnet.env is not of this boot: it can't tell the MTU"
		}
		steps = append(steps, setMTU{d.Index, d.Name, mtu})
	}
	if p.backend == UDP {
		if s.network.IsValid() && !slices.ContainsFunc(n.Routes, func(r Route) bool { return r.Dst == s.network && r.Link == d.Index }) {
			steps = append(steps, addRoute{link: d.Index, device: d.Name, dst: s.network})
		}
		return steps, ""
	}
	for _, b := range n.Before.Peers {
		if b.Direct || b.Subnet.Addr().Is6() != s.ipv6 || !f.passed[b.Subnet] {
			continue
		}
		more, why := entrySteps(p, s, s.entryOf(b.Subnet), b)
		if why == "" { // a peer that changed is left to flanneld
			steps = append(steps, more...)
		}
	}
	return steps, ""
}

// mendsOfBridge is for the pods' bridge, which flanneld never looks at.
func mendsOfBridge(n *Network, p picture, shown verdicts) []mend {
	bridge, found := n.linkNamed(p.bridge)
	if !found {
		return nil
	}
	fresh := n.SubnetEnv.Found && !n.SubnetEnv.OldBoot && n.SubnetEnv.Problem == ""
	var out []mend
	for _, x := range failing(shown, PodBridge, bridgeDown, bridgeAddress, bridgeMTU, portDetached) {
		m := mend{kind: MendBridge, target: x.Subject, condition: PodBridge, subject: x.Subject, why: x.Message}
		if x.Reason == portDetached {
			port, there := n.linkNamed(x.Subject)
			if !there {
				continue
			}
			m.steps = []step{setMaster{port.Index, port.Name, bridge.Index, bridge.Name}}
			out = append(out, m)
			continue
		}
		if !bridge.Up {
			m.steps = append(m.steps, linkUp{bridge.Index, bridge.Name})
		}
		for _, s := range p.sides {
			if s.gateway.IsValid() && !slices.ContainsFunc(n.addressesOf(bridge.Index), func(a netip.Prefix) bool { return a.Addr().Is6() == s.ipv6 && !a.Addr().IsLinkLocalUnicast() }) {
				m.steps = append(m.steps, addAddress{bridge.Index, bridge.Name, s.gateway})
			}
		}
		if mtu := n.SubnetEnv.MTU; mtu != 0 && bridge.MTU != mtu {
			m.steps = append(m.steps, setMTU{bridge.Index, bridge.Name, mtu})
		}
		if !fresh && (len(m.steps) > 1 || bridge.Up) {
			m.refused = "subnet.env is not of this boot: it can't tell address and MTU"
		}
		out = append(out, m)
	}
	return out
}
