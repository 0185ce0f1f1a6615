//go:build integration

package netcheck

import (
	"fmt"
	"testing"

	"nodeagent/internal/netcheck/netlab"
)

// broken is one row of the ways in which Flannel breaks.
type broken struct {
	name      string
	do        func(h *netlab.Host)
	condition string
	subject   string
	reason    string
	heal      func(h *netlab.Host)
	cut       bool // pods' traffic to host 2 stops
	quiet     bool // no event tells: the test wakes
}

func (b broken) run(t *testing.T, n *node) {
	t.Helper()
	b.do(n.h)
	if b.quiet {
		n.c.Wake()
	}
	t.Logf("%s: seen after %v", b.name, n.finds(b.condition, b.subject, b.reason))
	if b.cut && n.h.Reaches(n.h.Peers()[0]) {
		t.Errorf("%s: the pods still reach each other: the break breaks nothing", b.name)
	}
	b.heal(n.h)
	if b.quiet {
		n.c.Wake()
	}
	t.Logf("%s: gone after %v", b.name, n.healthy())
	if !n.h.Reaches(n.h.Peers()[0]) {
		t.Errorf("%s: healed, and the pods still don't reach each other", b.name)
	}
}

func remake(h *netlab.Host) {
	for _, p := range h.Peers() {
		h.AddPeer(p)
	}
}

var vxlanBreaks = []broken{
	{name: "flannel.1 down", cut: true, condition: "FlannelDevice", subject: "flannel.1", reason: "Down",
		do: func(h *netlab.Host) { h.IP("link set flannel.1 down") }, heal: func(h *netlab.Host) { h.IP("link set flannel.1 up"); remake(h) }},
	{name: "flannel.1 down and up", cut: true, condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "RouteMissing",
		do: func(h *netlab.Host) { h.IP("link set flannel.1 down", "link set flannel.1 up") }, heal: remake},
	{name: "flannel.1 deleted", cut: true, condition: "FlannelDevice", subject: "flannel.1", reason: "Missing",
		do: func(h *netlab.Host) { h.IP("link del flannel.1") }, heal: func(h *netlab.Host) { h.AddDevice(); remake(h) }},
	{name: "flannel.1 made again", cut: true, condition: "FlannelDevice", subject: "flannel.1", reason: "Recreated",
		do: func(h *netlab.Host) { h.IP("link del flannel.1"); h.AddDevice() }, heal: remake},
	{name: "route deleted", cut: true, condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "RouteMissing",
		do: func(h *netlab.Host) { h.IP("route del 10.244.2.0/24") }, heal: remake},
	{name: "route wrong", condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "RouteWrong",
		do: func(h *netlab.Host) { h.IP("route replace 10.244.2.0/24 via 10.244.3.0 dev flannel.1 onlink") }, heal: remake},
	{name: "neighbour deleted", cut: true, condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "NeighbourMissing",
		do: func(h *netlab.Host) { h.IP("neigh del 10.244.2.0 dev flannel.1") }, heal: remake},
	{name: "neighbour wrong", cut: true, condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "FDBMissing",
		do: func(h *netlab.Host) {
			h.IP("neigh replace 10.244.2.0 lladdr 0a:00:00:00:77:99 dev flannel.1 nud permanent")
		}, heal: remake},
	{name: "FDB entry deleted", cut: true, condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "FDBMissing",
		do: func(h *netlab.Host) { h.Bridge("fdb del 0a:00:00:00:77:02 dev flannel.1 dst 192.168.77.2 self") }, heal: remake},
	{name: "FDB entry to itself", cut: true, condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "FDBWrong",
		do: func(h *netlab.Host) {
			h.Bridge("fdb replace 0a:00:00:00:77:02 dev flannel.1 dst 192.168.77.1 self permanent")
		}, heal: remake},
	{name: "FDB entry to nobody", cut: true, condition: "FlannelReachable", subject: "10.244.2.0/24", reason: "UnderlayDown",
		do: func(h *netlab.Host) {
			h.Bridge("fdb replace 0a:00:00:00:77:02 dev flannel.1 dst 192.168.77.99 self permanent")
		}, heal: remake},
	{name: "address deleted", condition: "FlannelDevice", subject: "flannel.1", reason: "AddressMissing",
		do: func(h *netlab.Host) { h.IP("addr del 10.244.1.0/32 dev flannel.1") }, heal: func(h *netlab.Host) { h.IP("addr add 10.244.1.0/32 dev flannel.1"); remake(h) }},
	{name: "MAC changed", cut: true, condition: "FlannelDevice", subject: "flannel.1", reason: "MACChanged",
		do: func(h *netlab.Host) { h.IP("link set flannel.1 address 0a:00:00:00:77:77") }, heal: func(h *netlab.Host) { h.IP("link set flannel.1 address " + h.MAC()); remake(h) }},
	{name: "extra address", condition: "FlannelDevice", subject: "flannel.1", reason: "AddressExtra",
		do: func(h *netlab.Host) { h.IP("addr add 169.254.9.9/16 dev flannel.1") }, heal: func(h *netlab.Host) { h.IP("addr del 169.254.9.9/16 dev flannel.1") }},
	{name: "MTU of flannel.1", condition: "FlannelDevice", subject: "flannel.1", reason: "WrongMTU",
		do: func(h *netlab.Host) { h.IP("link set flannel.1 mtu 1400") }, heal: func(h *netlab.Host) { h.IP("link set flannel.1 mtu 1450") }},
	{name: "MTU of cni0", condition: "PodBridge", subject: "cni0", reason: "WrongMTU",
		do: func(h *netlab.Host) { h.IP("link set cni0 mtu 1400") }, heal: func(h *netlab.Host) { h.IP("link set cni0 mtu 1450") }},
	{name: "MTU of the uplink", condition: "FlannelDevice", subject: "flannel.1", reason: "MTUTooLarge",
		do: func(h *netlab.Host) { h.IP("link set eth0 mtu 1480") }, heal: func(h *netlab.Host) { h.IP("link set eth0 mtu 1500", "route flush cache") }},
	{name: "node address gone", cut: true, condition: "FlannelDevice", subject: "flannel.1", reason: "LocalAddressGone",
		do: func(h *netlab.Host) { h.IP("addr del 192.168.77.1/24 dev eth0") },
		heal: func(h *netlab.Host) {
			h.IP("addr add 192.168.77.1/24 dev eth0", "route add default via 192.168.77.254")
		}},
	{name: "8472 dropped by a local rule", cut: true, condition: "NetworkFilter", subject: "overlay", reason: "OverlayDropped",
		do: func(h *netlab.Host) {
			h.NFT("table inet breaker { chain in { type filter hook input priority 0; udp dport 8472 drop; }\n }")
		},
		heal: func(h *netlab.Host) { h.NFT("delete table inet breaker") }},
	{name: "8472 dropped on the way out", cut: true, condition: "NetworkFilter", subject: "overlay", reason: "OverlayDropped",
		do:   func(h *netlab.Host) { h.Run("iptables-nft -A OUTPUT -p udp --dport 8472 -j DROP") },
		heal: func(h *netlab.Host) { h.Run("iptables-nft -D OUTPUT -p udp --dport 8472 -j DROP") }},
	{name: "8472 dropped on the peer", cut: true, condition: "FlannelReachable", subject: "10.244.2.0/24", reason: "Unreachable",
		do: func(h *netlab.Host) {
			h.Peers()[0].NFT("table inet breaker { chain in { type filter hook input priority 0; udp dport 8472 drop; }\n }")
		},
		heal: func(h *netlab.Host) { h.Peers()[0].NFT("delete table inet breaker") }},
	{name: "8472 dropped everywhere", cut: true, condition: "FlannelReachable", subject: "10.244.3.0/24", reason: "AllUnreachable",
		do: func(h *netlab.Host) {
			for _, p := range h.Peers() {
				p.NFT("table inet breaker { chain in { type filter hook input priority 0; udp dport 8472 drop; }\n }")
			}
		},
		heal: func(h *netlab.Host) {
			for _, p := range h.Peers() {
				p.NFT("delete table inet breaker")
			}
		}},
	{name: "peer's node down", cut: true, condition: "FlannelReachable", subject: "10.244.2.0/24", reason: "UnderlayDown",
		do: func(h *netlab.Host) { h.Peers()[0].IP("link set eth0 down") }, heal: func(h *netlab.Host) { h.Peers()[0].IP("link set eth0 up") }},
	{name: "large packets lost", condition: "FlannelReachable", subject: "10.244.2.0/24", reason: "PathMTU",
		do: func(h *netlab.Host) {
			h.Peers()[0].NFT("table inet breaker { chain in { type filter hook prerouting priority -300; udp dport 8472 meta length > 1430 drop; }\n }")
		},
		heal: func(h *netlab.Host) { h.Peers()[0].NFT("delete table inet breaker") }},
	{name: "ip_forward off", cut: true, condition: "NetworkSysctls", subject: "net.ipv4.ip_forward", reason: "ForwardingOff",
		do: func(h *netlab.Host) { h.Sysctl("net.ipv4.ip_forward=0") }, heal: func(h *netlab.Host) { h.Sysctl("net.ipv4.ip_forward=1") }},
	{name: "forwarding of cni0 off", cut: true, condition: "NetworkSysctls", subject: "net.ipv4.conf.cni0.forwarding", reason: "ForwardingOff",
		do: func(h *netlab.Host) { h.Sysctl("net.ipv4.conf.cni0.forwarding=0") }, heal: func(h *netlab.Host) { h.Sysctl("net.ipv4.conf.cni0.forwarding=1") }},
	{name: "bridge-nf off", quiet: true, condition: "NetworkSysctls", subject: "net.bridge.bridge-nf-call-iptables", reason: "BridgeNetfilterOff",
		do: func(h *netlab.Host) { h.Sysctl("net.bridge.bridge-nf-call-iptables=0") }, heal: func(h *netlab.Host) { h.Sysctl("net.bridge.bridge-nf-call-iptables=1") }},
	{name: "FORWARD flushed", condition: "NetworkFilter", subject: "flannel", reason: "RulesMissing",
		do: func(h *netlab.Host) { h.Run("iptables-nft -F FORWARD") }, heal: (*netlab.Host).IPTablesRules},
	{name: "nat flushed", condition: "NetworkFilter", subject: "masquerade", reason: "MasqueradeMissing",
		do: func(h *netlab.Host) { h.Run("iptables-nft -t nat -F") }, heal: (*netlab.Host).IPTablesRules},
	{name: "DROP above FLANNEL-FWD", cut: true, condition: "NetworkFilter", subject: "pods", reason: "PodTrafficDropped",
		do: func(h *netlab.Host) { h.Run("iptables-nft -I FORWARD -s 10.244.0.0/16 -j DROP") }, heal: func(h *netlab.Host) { h.Run("iptables-nft -D FORWARD -s 10.244.0.0/16 -j DROP") }},
	{name: "FORWARD policy DROP without Flannel's rules", cut: true, condition: "NetworkFilter", subject: "pods", reason: "PodTrafficDropped",
		do:   func(h *netlab.Host) { h.Run("iptables-nft -F FORWARD"); h.Run("iptables-nft -P FORWARD DROP") },
		heal: func(h *netlab.Host) { h.Run("iptables-nft -P FORWARD ACCEPT"); h.IPTablesRules() }},
	{name: "cni0 down", cut: true, condition: "PodBridge", subject: "cni0", reason: "Down",
		do: func(h *netlab.Host) { h.IP("link set cni0 down") }, heal: func(h *netlab.Host) { h.IP("link set cni0 up") }},
	{name: "cni0 address deleted", cut: true, condition: "PodBridge", subject: "cni0", reason: "AddressMissing",
		do: func(h *netlab.Host) { h.IP("addr del 10.244.1.1/24 dev cni0") }, heal: func(h *netlab.Host) { h.IP("addr add 10.244.1.1/24 dev cni0") }},
	{name: "cni0 address of another lease", condition: "PodBridge", subject: "cni0", reason: "AddressDiffers",
		do:   func(h *netlab.Host) { h.IP("addr del 10.244.1.1/24 dev cni0", "addr add 10.244.9.1/24 dev cni0") },
		heal: func(h *netlab.Host) { h.IP("addr del 10.244.9.1/24 dev cni0", "addr add 10.244.1.1/24 dev cni0") }},
	{name: "veth without master", cut: true, condition: "PodBridge", subject: "veth00000001", reason: "PortDetached",
		do: func(h *netlab.Host) { h.IP("link set " + h.Veth() + " nomaster") }, heal: func(h *netlab.Host) { h.IP("link set " + h.Veth() + " master cni0") }},
	{name: "blackhole hides the route", cut: true, condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "RouteHidden",
		do: func(h *netlab.Host) { h.IP("route add blackhole 10.244.2.0/25") }, heal: func(h *netlab.Host) { h.IP("route del blackhole 10.244.2.0/25") }},
	{name: "policy rule hides the route", cut: true, condition: "FlannelPeers", subject: "10.244.2.0/24", reason: "RouteHidden",
		do: func(h *netlab.Host) {
			h.IP("route add default via 192.168.77.254 table 99", "rule add to 10.244.2.0/24 table 99 priority 100")
		},
		heal: func(h *netlab.Host) { h.IP("rule del priority 100", "route flush table 99") }},
	{name: "stale FDB entry", condition: "FlannelPeers", subject: "0a:00:00:00:77:88", reason: "OnlyFDB",
		do: func(h *netlab.Host) {
			h.Bridge("fdb add 0a:00:00:00:77:88 dev flannel.1 dst 192.168.77.88 self permanent")
		},
		heal: func(h *netlab.Host) { h.Bridge("fdb del 0a:00:00:00:77:88 dev flannel.1 dst 192.168.77.88 self") }},
	{name: "own subnet leased twice", condition: "FlannelConfig", subject: "subnet", reason: "SubnetTwice",
		do:   func(h *netlab.Host) { h.IP("route add 10.244.1.0/24 via 10.244.2.0 dev flannel.1 onlink metric 50") },
		heal: func(h *netlab.Host) { h.IP("route del 10.244.1.0/24 via 10.244.2.0 dev flannel.1 metric 50") }},
	{name: "subnet.env missing", condition: "FlannelConfig", subject: "subnet.env", reason: "SubnetEnvMissing",
		do:   func(h *netlab.Host) { h.Write("kept", h.Read("flannel/subnet.env")); h.Remove("flannel/subnet.env") },
		heal: func(h *netlab.Host) { h.Write("flannel/subnet.env", h.Read("kept")) }},
	{name: "CNI configuration missing", condition: "FlannelConfig", subject: "cni", reason: "CNIConfigMissing",
		do: func(h *netlab.Host) {
			h.Write("kept.conflist", h.Read("cni/10-flannel.conflist"))
			h.Remove("cni/10-flannel.conflist")
		},
		heal: func(h *netlab.Host) { h.Write("cni/10-flannel.conflist", h.Read("kept.conflist")) }},
	{name: "CNI configuration shadowed", condition: "FlannelConfig", subject: "cni", reason: "CNIConfigShadowed",
		do:   func(h *netlab.Host) { h.Write("cni/05-other.conflist", `{"name":"other","plugins":[{"type":"ptp"}]}`) },
		heal: func(h *netlab.Host) { h.Remove("cni/05-other.conflist") }},
	{name: "addresses exhausted", quiet: true, condition: "PodBridge", subject: "addresses", reason: "AddressesExhausted",
		do: func(h *netlab.Host) {
			for i := 2; i < 255; i++ {
				h.Write(fmt.Sprintf("networks/cbr0/10.244.1.%d", i), "pod")
			}
		},
		heal: func(h *netlab.Host) {
			for i := 3; i < 255; i++ {
				h.Remove(fmt.Sprintf("networks/cbr0/10.244.1.%d", i))
			}
		}},
}

func TestBreaksOfVXLAN(t *testing.T) {
	lab := netlab.New(t, netlab.Options{Backend: "vxlan"})
	n := start(t, lab.Hosts[0], nil)
	n.healthy()
	for _, p := range n.h.Peers() {
		if !n.h.Reaches(p) {
			t.Fatalf("pods of %s and %s don't reach each other: the lab is not healthy", n.h.Name, p.Name)
		}
	}
	for _, b := range vxlanBreaks {
		b.run(t, n)
	}
}
