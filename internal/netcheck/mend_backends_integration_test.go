//go:build integration

package netcheck

import (
	"context"
	"testing"

	"nodeagent/internal/netcheck/netlab"
)

func TestMendsOfOtherBackends(t *testing.T) {
	for _, c := range []struct {
		name        string
		options     netlab.Options
		annotations string
		breaks      []mendableBreak
	}{
		{"DirectRouting", netlab.Options{Backend: "direct"}, "", []mendableBreak{{"uplink flaps", MendPeer, flap.do}}},
		{"host-gw with annotations", netlab.Options{Backend: "host-gw"}, HostGW, []mendableBreak{
			{"route deleted", MendPeer, func(h *netlab.Host) { h.IP("route del 10.244.2.0/24") }},
		}},
		{"udp", netlab.Options{Backend: "udp"}, UDP, []mendableBreak{
			{"flannel0 down and up", MendDevice, func(h *netlab.Host) { h.IP("link set flannel0 down", "link set flannel0 up") }},
			{"flannel0 down", MendDevice, func(h *netlab.Host) { h.IP("link set flannel0 down") }},
			{"MTU of flannel0", MendDevice, func(h *netlab.Host) { h.IP("link set flannel0 mtu 1400") }},
		}},
		{"dual stack", netlab.Options{Backend: "vxlan", IPv6: true}, "", []mendableBreak{
			{"IPv6 route deleted", MendPeer, func(h *netlab.Host) { h.IP("route del fd44:0:0:2::/64") }},
			{"IPv6 neighbour deleted", MendPeer, func(h *netlab.Host) { h.IP("neigh del fd44:0:0:2:: dev flannel-v6.1") }},
			{"IPv6 FDB entry deleted", MendPeer, func(h *netlab.Host) { h.Bridge("fdb del 0a:00:00:00:78:02 dev flannel-v6.1 dst fd77::2 self") }},
			{"flannel-v6.1 down", MendDevice, func(h *netlab.Host) { h.IP("link set flannel-v6.1 down") }},
			{"IPv6 gateway deleted", MendBridge, func(h *netlab.Host) { h.IP("addr del fd44:0:0:1::1/64 dev cni0") }},
			{"forwarding of flannel-v6.1 off", MendSysctl, func(h *netlab.Host) { h.Sysctl("net/ipv6/conf/flannel-v6.1/forwarding=0") }},
		}},
		{"nft rules and annotations", netlab.Options{Backend: "vxlan", Filter: "nft"}, VXLAN4, []mendableBreak{
			{"MAC not as annotated", MendDevice, func(h *netlab.Host) { h.IP("link set flannel.1 address 0a:00:00:00:77:77") }},
			{"all entries of an annotated peer gone", MendPeer, func(h *netlab.Host) { h.RemovePeer(h.Peers()[0]) }},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			lab := netlab.New(t, c.options)
			flanneld(t, lab.Hosts[0])
			var annotations func(context.Context) ([]Node, error)
			if c.annotations != "" {
				annotations = nodes(lab, c.annotations)
			}
			n, p := mendingWith(t, lab.Hosts[0], annotations)
			for _, b := range c.breaks {
				b.mends(n, p)
			}
		})
	}
}
