//go:build integration

package netcheck

import (
	"context"
	"net/netip"
	"testing"

	"nodeagent/internal/netcheck/netlab"
)

// nodes are the annotations of a lab.
func nodes(lab *netlab.Lab, backend string) func(context.Context) ([]Node, error) {
	var out []Node
	for _, h := range lab.Hosts {
		out = append(out, Node{Name: "node" + h.Name[len(h.Name)-1:], Backend: backend, PublicIP: netip.MustParseAddr(h.UnderlayIP()), VTEP: h.MAC(), VTEPv6: h.MAC6(),
			Subnets: []netip.Prefix{netip.MustParsePrefix(h.Subnet())}})
	}
	return func(context.Context) ([]Node, error) { return out, nil }
}

func begin(t *testing.T, o netlab.Options, annotations string) *node {
	t.Helper()
	lab := netlab.New(t, o)
	n := start(t, lab.Hosts[0], func(_ *Config, d *Deps) {
		if annotations != "" {
			d.Nodes = nodes(lab, annotations)
		}
	})
	n.healthy()
	for _, p := range n.h.Peers() {
		if !n.h.Reaches(p) {
			t.Fatalf("pods of %s and %s don't reach each other: the lab is not healthy", n.h.Name, p.Name)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.seen) > 0 {
		t.Errorf("found in a healthy lab: %v", n.seen)
	}
	return n
}

func TestHostGW(t *testing.T) {
	n := begin(t, netlab.Options{Backend: "host-gw"}, HostGW)
	for _, b := range []broken{
		{name: "route deleted", cut: true, condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "RouteMissing",
			do: func(h *netlab.Host) { h.IP("route del 10.244.2.0/24") }, heal: remake},
		{name: "route to another node", condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "RouteWrong",
			do: func(h *netlab.Host) { h.IP("route replace 10.244.2.0/24 via 192.168.77.3") }, heal: remake},
		{name: "peer's node down", cut: true, condition: "FlannelReachable", subject: "10.244.2.0/24", reason: "UnderlayDown",
			do: func(h *netlab.Host) { h.Peers()[0].IP("link set eth0 down") }, heal: func(h *netlab.Host) { h.Peers()[0].IP("link set eth0 up"); remake(h.Peers()[0]) }},
		{name: "DROP above FLANNEL-FWD", cut: true, condition: "NetworkFilter", subject: "pods", reason: "PodTrafficDropped",
			do: func(h *netlab.Host) { h.Run("iptables-nft -I FORWARD -s 10.244.0.0/16 -j DROP") }, heal: func(h *netlab.Host) { h.Run("iptables-nft -D FORWARD -s 10.244.0.0/16 -j DROP") }},
	} {
		b.run(t, n)
	}
}

func TestHostGWWithoutAnnotations(t *testing.T) {
	n := begin(t, netlab.Options{Backend: "host-gw"}, "")
	flap.run(t, n)
}

// flap is the uplink's: the kernel drops the routes to every peer behind it, and flanneld puts none back.
var flap = broken{name: "uplink flaps", cut: true, condition: "FlannelPeers", subject: "routes", reason: "RoutesLost",
	do: func(h *netlab.Host) {
		h.IP("link set eth0 down", "link set eth0 up", "route replace default via 192.168.77.254")
	},
	heal: remake}

func TestDirectRouting(t *testing.T) {
	n := begin(t, netlab.Options{Backend: "direct"}, "")
	flap.run(t, n)
	broken{name: "flannel.1 deleted", condition: "FlannelDevice", subject: "flannel.1", reason: "Missing",
		do: func(h *netlab.Host) { h.IP("link del flannel.1") }, heal: (*netlab.Host).AddDevice}.run(t, n)
}

func TestUDP(t *testing.T) {
	n := begin(t, netlab.Options{Backend: "udp"}, UDP)
	for _, b := range []broken{
		{name: "flannel0 down and up", cut: true, condition: "FlannelDevice", subject: "flannel0", reason: "NetworkRouteMissing",
			do: func(h *netlab.Host) { h.IP("link set flannel0 down", "link set flannel0 up") }, heal: func(h *netlab.Host) { h.IP("route add 10.244.0.0/16 dev flannel0") }},
		{name: "flannel0 down", cut: true, condition: "FlannelDevice", subject: "flannel0", reason: "Down",
			do:   func(h *netlab.Host) { h.IP("link set flannel0 down") },
			heal: func(h *netlab.Host) { h.IP("link set flannel0 up", "route add 10.244.0.0/16 dev flannel0") }},
		{name: "8285 dropped", cut: true, condition: "NetworkFilter", subject: "overlay", reason: "OverlayDropped",
			do: func(h *netlab.Host) {
				h.NFT("table inet breaker { chain in { type filter hook input priority 0; udp dport 8285 drop; }\n }")
			},
			heal: func(h *netlab.Host) { h.NFT("delete table inet breaker") }},
	} {
		b.run(t, n)
	}
}

func TestDualStack(t *testing.T) {
	n := begin(t, netlab.Options{Backend: "vxlan", IPv6: true}, "")
	for _, b := range []broken{
		{name: "IPv6 route deleted", condition: "FlannelPeers", subject: "fd44:0:0:2::/64", reason: "RouteMissing",
			do: func(h *netlab.Host) { h.IP("route del fd44:0:0:2::/64") }, heal: remake},
		{name: "IPv6 neighbour deleted", condition: "FlannelPeers", subject: "fd44:0:0:2::/64", reason: "NeighbourMissing",
			do: func(h *netlab.Host) { h.IP("neigh del fd44:0:0:2:: dev flannel-v6.1") }, heal: remake},
		{name: "IPv6 FDB entry deleted", condition: "FlannelPeers", subject: "fd44:0:0:2::/64", reason: "FDBMissing",
			do: func(h *netlab.Host) { h.Bridge("fdb del 0a:00:00:00:78:02 dev flannel-v6.1 dst fd77::2 self") }, heal: remake},
		{name: "flannel-v6.1 deleted", condition: "FlannelDevice", subject: "flannel-v6.1", reason: "Missing",
			do:   func(h *netlab.Host) { h.IP("link del flannel-v6.1") },
			heal: func(h *netlab.Host) { h.IP("link del flannel.1"); h.AddDevice(); remake(h) }},
		{name: "IPv6 forwarding off", condition: "NetworkSysctls", subject: "net.ipv6.conf.all.forwarding", reason: "ForwardingOff",
			do: func(h *netlab.Host) { h.Sysctl("net.ipv6.conf.all.forwarding=0") }, heal: func(h *netlab.Host) { h.Sysctl("net.ipv6.conf.all.forwarding=1"); remake(h) }},
		{name: "IPv6 gateway deleted", condition: "PodBridge", subject: "cni0", reason: "AddressMissing",
			do: func(h *netlab.Host) { h.IP("addr del fd44:0:0:1::1/64 dev cni0") }, heal: func(h *netlab.Host) { h.IP("addr add fd44:0:0:1::1/64 dev cni0 nodad") }},
	} {
		b.run(t, n)
	}
}

func TestNFTMode(t *testing.T) {
	n := begin(t, netlab.Options{Backend: "vxlan", Filter: "nft"}, VXLAN4)
	for _, b := range []broken{
		{name: "table flushed", condition: "NetworkFilter", subject: "flannel", reason: "RulesMissing",
			do: func(h *netlab.Host) { h.Run("nft flush table ip flannel-ipv4") }, heal: (*netlab.Host).NFTRules},
		{name: "ruleset flushed", condition: "NetworkFilter", subject: "masquerade", reason: "MasqueradeMissing",
			do: func(h *netlab.Host) { h.Run("nft flush ruleset") }, heal: (*netlab.Host).NFTRules},
		{name: "all entries of an annotated peer gone", cut: true, condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "EntriesMissing",
			do: func(h *netlab.Host) { h.RemovePeer(h.Peers()[0]) }, heal: remake},
		{name: "neighbour not as annotated", condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "NeighbourWrong",
			do: func(h *netlab.Host) {
				h.IP("neigh replace 10.244.2.0 lladdr 0a:00:00:00:77:03 dev flannel.1 nud permanent")
			}, heal: remake},
		{name: "FDB not as annotated", cut: true, condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "FDBWrong",
			do: func(h *netlab.Host) {
				h.Bridge("fdb replace 0a:00:00:00:77:02 dev flannel.1 dst 192.168.77.99 self permanent")
			}, heal: remake},
		{name: "MAC not as annotated", cut: true, condition: "FlannelDevice", subject: "flannel.1", reason: "MACChanged",
			do:   func(h *netlab.Host) { h.IP("link set flannel.1 address 0a:00:00:00:77:77"); remake(h) },
			heal: func(h *netlab.Host) { h.IP("link set flannel.1 address " + h.MAC()); remake(h) }},
	} {
		b.run(t, n)
	}
}
