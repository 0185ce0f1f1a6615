package main

import (
	"net/netip"
	"testing"
	"time"

	"nodeagent/internal/view"
)

func TestNetText(t *testing.T) {
	at := time.Date(2026, 11, 24, 2, 10, 0, 0, time.UTC)
	peer := func(subnet, node, state string) view.Peer {
		return view.Peer{Subnet: netip.MustParsePrefix(subnet), Node: node, State: state, RTT: 412 * time.Microsecond, Probes: 30, PathMTU: 1450, Answered: at.Add(-4 * time.Second)}
	}
	lost := peer("10.244.12.0/24", "a-node-with-a-long-name.example.org", view.PeerUnreachable)
	lost.Loss, lost.Answered, lost.Message = 0.4, at.Add(-95*time.Second), "its node 192.168.77.12 answers, and 10.244.12.0 does not answer through flannel.1"
	never := view.Peer{Subnet: netip.MustParsePrefix("10.244.13.0/24"), State: view.PeerUnknown, Message: "not probed yet"}
	s := view.Status{Node: "node1",
		Conditions: []view.Condition{
			{Name: "FlannelDevice", Impact: "critical", Status: "failing", Subjects: []view.Subject{{Name: "flannel-v6.1", Status: "failing", Reason: "Missing", Message: "flannel-v6.1 is not there", Fix: "Restart flanneld.", Since: at.Add(-time.Minute)}}},
			{Name: "RuntimeReady", Impact: "critical", Status: "failing", Subjects: []view.Subject{{Status: "failing", Reason: "NotReady"}}},
		},
		Network: &view.Network{Backend: "vxlan", Subnets: []string{"10.244.1.0/24", "fd00:1::/64"}, MTU: 1450, Uplink: "eth0", Known: 3,
			Devices: []view.FlannelDevice{{Name: "flannel.1", Index: 4, MAC: "0a:00:00:00:77:01", MTU: 1450, Up: true}, {Name: "flannel-v6.1"}},
			Peers:   []view.Peer{peer("10.244.2.0/24", "node2", view.PeerUp), lost, never}},
	}
	text := netText(s, []string{"FlannelDevice"}, at, 80, painter{})
	golden(t, "net", text)
	narrowerThan(t, 80, text)
	s.Network, s.Conditions = nil, []view.Condition{{Name: "FlannelDevice", Status: "absent", Subjects: []view.Subject{{Status: "absent", Message: "no Flannel on this node: no subnet.env, no device flannel*, and no CNI configuration with the plugin flannel"}}}}
	text = netText(s, []string{"FlannelDevice"}, at, 80, painter{})
	golden(t, "net-absent", text)
	narrowerThan(t, 80, text)
}

func TestWayText(t *testing.T) {
	x := view.Explanation{Subnet: netip.MustParsePrefix("10.244.2.0/24"), Node: "node2", End: "it ends at neighbour: flannel.1 has no neighbour for 10.244.2.0", Steps: []view.Step{
		{Name: "device", Status: "ok", Text: "flannel.1 is up, MTU 1450"},
		{Name: "route", Status: "ok", Text: "10.244.2.1 via 10.244.2.0 dev flannel.1"},
		{Name: "neighbour", Status: "failing", Text: "flannel.1 has no neighbour for 10.244.2.0", Fix: "Restart flanneld on this node: it writes the entries of all peers anew."},
		{Name: "rules", Status: "unknown", Text: "nftables can't be read: operation not permitted"},
	}}
	text := wayText(x, 80, painter{})
	golden(t, "net-explain", text)
	narrowerThan(t, 80, text)
}
