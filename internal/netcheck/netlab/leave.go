package netlab

import (
	"errors"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// RemovePeer removes what leads to a peer. One process does it call after call, as flanneld does when a peer leaves: separate commands would
// stand further apart, on a busy machine by tens of milliseconds.
func (h *Host) RemovePeer(p *Host) {
	h.lab.t.Helper()
	if err := h.removePeer(p); err != nil {
		h.lab.t.Fatalf("remove peer %s of %s: %v", p.Name, h.Name, err)
	}
}

func (h *Host) removePeer(p *Host) error {
	ns, err := netns.GetFromPath(h.Netns)
	if err != nil {
		return err
	}
	defer ns.Close()
	nl, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer nl.Close()
	_, subnet, err := net.ParseCIDR(p.Subnet())
	if err != nil {
		return err
	}
	if h.lab.o.Backend != "vxlan" {
		return nl.RouteDel(&netlink.Route{Dst: subnet})
	}
	link, err := nl.LinkByName("flannel.1")
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(p.MAC())
	if err != nil {
		return err
	}
	return errors.Join(
		nl.RouteDel(&netlink.Route{Dst: subnet}),
		nl.NeighDel(&netlink.Neigh{LinkIndex: link.Attrs().Index, IP: subnet.IP, HardwareAddr: mac}),
		nl.NeighDel(&netlink.Neigh{LinkIndex: link.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF, IP: net.ParseIP(p.UnderlayIP()), HardwareAddr: mac}),
	)
}
