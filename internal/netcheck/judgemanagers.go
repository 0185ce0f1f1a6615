package netcheck

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"nodeagent/internal/health"
)

// judgeManagers warns of programs before they do it: what they took away already is a finding of its own.
func judgeManagers(v verdicts, n *Network, p picture) {
	if why := n.unread(PartManagers); why != "" {
		v.add(FlannelConflicts, health.Finding{Subject: "managers", Status: health.Unknown, Reason: unreadable, Message: why})
	}
	for _, m := range n.Managers {
		var f faults
		switch m.Name {
		case firewalld:
			judgeFirewalld(&f, m.Firewall, p)
		default:
			judgeHeld(&f, m, p)
		}
		fine := "leaves Flannel alone"
		if m.Firewall.Others {
			fine = "has policies or direct rules, which are not judged"
		}
		v.add(FlannelConflicts, f.finding(m.Name, fine))
	}
	if len(v[FlannelConflicts]) == 0 {
		v.add(FlannelConflicts, health.Finding{Status: health.OK, Message: "neither NetworkManager nor systemd-networkd nor firewalld runs"})
	}
}

// judgeHeld is about devices: a manager configures those that it holds as its own files have it, and takes away what they do not name.
func judgeHeld(f *faults, m NetManager, p picture) {
	var held []string
	veths := 0
	files := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(m.Managed)) {
		switch {
		case podVeth.MatchString(name):
			veths++
		case flannelDevice(name) || name == p.bridge:
			held = append(held, name)
		default:
			continue
		}
		if file := m.Managed[name]; file != "" {
			files[file] = true
		}
	}
	if veths > 0 {
		held = append(held, "pods' veths")
	}
	if len(held) > 0 {
		f.add(managed, "", strings.Join(held, ", "), "%s manages %s: it may take addresses, MAC and routes from there", m.Name, strings.Join(held, ", "))
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		f.note("file", file)
	}
	if _, ours := m.Managed[p.uplink.Name]; ours && m.Name == networkd && !m.KeepsForeignRoutes && p.direct() {
		f.add(foreignRoutes, "ManageForeignRoutes=no", "yes", "%s manages %s and takes the routes to peers over it away whenever it configures it anew", m.Name, p.uplink.Name)
	}
}

// direct says whether a peer is routed over the uplink.
func (p picture) direct() bool {
	return slices.ContainsFunc(p.sides, func(s side) bool { return slices.ContainsFunc(s.entries, func(e entry) bool { return e.Direct }) })
}

// judgeFirewalld is about the next reload: what is in force now is read from the kernel's rules.
func judgeFirewalld(f *faults, w Firewall, p picture) {
	for _, s := range p.sides {
		if w.Others {
			break
		}
		out := s.name // the way to other nodes
		if out == "" {
			out = p.uplink.Name
		}
		if !w.lets(s.network, p.bridge, out) {
			f.add(zoneDrops, "an accepting zone", w.zoneOf(p.bridge).Name, "no zone of firewalld lets packets pass between %s and %s: after its next reload the pods' are dropped", p.bridge, out)
			f.note("file", w.File)
			return
		}
	}
	if w.IPTables && !w.KeepsOthers {
		f.add(flushes, "FlushAllOnReload=no", "yes", "firewalld flushes the rules of Flannel and kube-proxy with its own at each reload")
		f.note("file", w.File)
	}
}

func (w Firewall) zoneOf(device string) Zone {
	for _, z := range w.Zones {
		if slices.Contains(z.Interfaces, device) {
			return z
		}
	}
	if i := slices.IndexFunc(w.Zones, func(z Zone) bool { return z.Name == w.DefaultZone }); i >= 0 {
		return w.Zones[i]
	}
	return Zone{Name: w.DefaultZone}
}

// lets says whether packets of the network may pass between two devices: a zone takes them by their source, or by the device that they come from.
func (w Firewall) lets(network netip.Prefix, a, b string) bool {
	for _, z := range w.Zones {
		for _, s := range z.Sources {
			if source, err := netip.ParsePrefix(s); err == nil && z.Accepts && network.IsValid() && source.Bits() <= network.Bits() && source.Contains(network.Addr()) {
				return true
			}
		}
	}
	from, to := w.zoneOf(a), w.zoneOf(b)
	return from.Accepts && to.Accepts || from.Name == to.Name && from.Forwards
}
