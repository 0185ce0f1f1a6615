package netcheck

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
)

// TestMendsRefused is about what the agent leaves alone, whatever the ledger says.
func TestMendsRefused(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	subnet := netip.MustParsePrefix("10.244.2.0/24")
	fine := mendFacts{flanneld: now.Add(-time.Hour), young: youngFlanneld, passed: map[netip.Prefix]bool{subnet: true}, seen: now.Add(-time.Second), now: now}
	peer := Peer{Subnet: subnet, Overlay: subnet.Addr(), Underlay: netip.MustParseAddr("192.168.77.2"), MAC: "0a:00:00:00:77:02", Device: "flannel.1"}
	base := func() (*Network, picture, verdicts) {
		n := &Network{Before: Memory{Backend: VXLAN4, Peers: []Peer{peer}}}
		p := picture{backend: VXLAN4, uplink: Link{Index: 2, Name: "eth0"}, sides: []side{{name: "flannel.1", device: Link{Index: 4, Name: "flannel.1", Up: true}, entries: []entry{
			{Peer: peer, neighbour: true, fdb: true, dst: peer.Underlay}}}}}
		v := verdicts{}
		v.add(FlannelPeers, health.Finding{Subject: subnet.String(), Status: health.Failing, Reason: routeMissing, Message: "gone"})
		return n, p, v
	}
	for _, c := range []struct {
		name   string
		change func(n *Network, p *picture, v verdicts, f *mendFacts)
		want   string // of what is refused; empty: nothing is
	}{
		{"a route that is gone", func(*Network, *picture, verdicts, *mendFacts) {}, ""},
		{"flanneld is down", func(_ *Network, _ *picture, _ verdicts, f *mendFacts) { f.flanneld = time.Time{} }, "flanneld does not run"},
		{"flanneld is young", func(_ *Network, _ *picture, _ verdicts, f *mendFacts) { f.flanneld = now.Add(-5 * time.Second) }, "flanneld started 5s ago"},
		{"no probe passed", func(_ *Network, _ *picture, _ verdicts, f *mendFacts) { f.passed = nil }, "no probe of this peer has passed"},
		{"no picture", func(_ *Network, _ *picture, _ verdicts, f *mendFacts) { f.seen = time.Time{} }, "no good state was seen"},
		{"an old picture", func(_ *Network, _ *picture, _ verdicts, f *mendFacts) { f.seen = now.Add(-2 * time.Hour) }, "2h0m0s old"},
		{"an unknown peer", func(n *Network, _ *picture, _ verdicts, _ *mendFacts) { n.Before.Peers = nil }, "nothing is known"},
		{"another MAC", func(n *Network, _ *picture, _ verdicts, _ *mendFacts) { n.Before.Peers[0].MAC = "0a:00:00:00:77:99" }, "the peer has changed"},
		{"another node", func(n *Network, _ *picture, _ verdicts, _ *mendFacts) {
			n.Before.Peers[0].Underlay = netip.MustParseAddr("192.168.77.9")
		}, "the peer has changed"},
		{"host-gw", func(_ *Network, p *picture, _ verdicts, _ *mendFacts) { p.backend = HostGW }, "host-gw"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, p, v := base()
			f := fine
			c.change(n, &p, v, &f)
			got := mends(n, p, v, f)
			if len(got) != 1 || (got[0].refused == "") != (c.want == "") || !strings.Contains(got[0].refused, c.want) {
				t.Fatalf("%+v", got)
			}
			if c.want == "" && got[0].commands() != "ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink" {
				t.Errorf("would run %s", got[0].commands())
			}
		})
	}
	n, p, v := base()
	v[FlannelPeers][0].Reason = leftOver
	if got := mends(n, p, v, fine); len(got) != 0 {
		t.Errorf("a stale entry leads to %+v", got)
	}
	v.add(FlannelDevice, health.Finding{Subject: "flannel.1", Status: health.Failing, Reason: deviceMissing})
	p.sides[0].device = Link{}
	if got := mends(n, p, v, fine); len(got) != 1 || !strings.Contains(got[0].refused, "only flanneld makes the device") || len(got[0].steps) != 0 {
		t.Errorf("a device that is not there leads to %+v", got)
	}
	// An etcd manager makes it again with another MAC: what leads here is with the peers, and only flanneld tells them.
	p.sides[0].device = Link{Index: 9, Name: "flannel.1", Up: true, MAC: "0a:00:00:00:77:77"}
	n.Before.Devices = []Remembered{{Name: "flannel.1", Index: 4, MAC: "0a:00:00:00:77:01"}}
	v[FlannelDevice][0].Reason = deviceRecreated
	if got := mends(n, p, v, fine); len(got) != 1 || !strings.Contains(got[0].refused, "another MAC") || len(got[0].steps) != 0 {
		t.Errorf("another MAC leads to %+v", got)
	}
}

// routeGone is a node that has lost the route to one peer, whose other entries are there.
func routeGone() (netip.Prefix, *Network, picture, verdicts) {
	subnet := netip.MustParsePrefix("10.244.2.0/24")
	peer := Peer{Subnet: subnet, Overlay: subnet.Addr(), Underlay: netip.MustParseAddr("192.168.77.2"), MAC: "0a:00:00:00:77:02", Device: "flannel.1"}
	n := &Network{Before: Memory{Backend: VXLAN4, Peers: []Peer{peer}}}
	p := picture{backend: VXLAN4, sides: []side{{name: "flannel.1", device: Link{Index: 4, Name: "flannel.1", Up: true}, entries: []entry{{Peer: peer, neighbour: true, fdb: true, dst: peer.Underlay}}}}}
	v := verdicts{}
	v.add(FlannelPeers, health.Finding{Subject: subnet.String(), Status: health.Failing, Reason: routeMissing, Message: "gone"})
	return subnet, n, p, v
}

// TestYoungFlanneldIsAwaited: what waits for its age is looked at again when it has it, without an event.
func TestYoungFlanneldIsAwaited(t *testing.T) {
	subnet, n, p, v := routeGone()
	var refused []string
	m := &mender{deps: Deps{Permit: func(kind, target, _ string) (bool, string, time.Time) {
		t.Errorf("permission was asked for %s of %s", kind, target)
		return false, "", time.Time{}
	}, Refuse: func(kind, target, _, because string) { refused = append(refused, kind+" "+target+": "+because) }}, passed: map[netip.Prefix]bool{subnet: true}, seen: time.Now()}
	proc := procOf(t, map[int]process{10: {"flanneld", "net:[1]", 99_500}}) // 5 s old
	began := time.Now()
	changed, again := m.mend(Config{Proc: proc, young: youngFlanneld}, n, p, v)
	if wait := again.Sub(began); !changed || wait < 20*time.Second || wait > 26*time.Second {
		t.Errorf("changed %v, and it looks again after %v, want 25 s", changed, wait)
	}
	if len(refused) != 1 || !strings.Contains(refused[0], "flannel-peer 10.244.2.0/24: flanneld started") {
		t.Errorf("refused is %q", refused)
	}
}

// TestCooldownIsAwaited: what may not be done yet is looked at again when it may.
func TestCooldownIsAwaited(t *testing.T) {
	subnet, n, p, v := routeGone()
	from := time.Now().Add(7 * time.Second)
	m := &mender{deps: Deps{Permit: func(string, string, string) (bool, string, time.Time) { return false, "done 3s ago", from }},
		passed: map[netip.Prefix]bool{subnet: true}, seen: time.Now(), since: map[string]time.Time{MendPeer + " " + subnet.String(): time.Now().Add(-time.Minute)}}
	proc := procOf(t, map[int]process{10: {"flanneld", "net:[1]", 1}})
	if _, again := m.mend(Config{Proc: proc, young: youngFlanneld}, n, p, v); !again.Equal(from) {
		t.Errorf("it looks again at %v, want %v", again, from)
	}
}

// TestMendsOfUDP: the annotation of a node may still have the MAC of a VTEP, which a tunnel can't take.
func TestMendsOfUDP(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	subnet := netip.MustParsePrefix("10.244.1.0/24")
	n := &Network{
		SubnetEnv: SubnetEnv{Found: true, Subnet: netip.MustParsePrefix("10.244.1.1/24"), MTU: 1472},
		Addresses: []Address{{Link: 4, Prefix: netip.MustParsePrefix("10.244.1.0/32")}},
		Nodes:     []Node{{Name: "node1", Backend: UDP, VTEP: "0a:00:00:00:77:01", Subnets: []netip.Prefix{subnet}}},
		Before:    Memory{Backend: UDP},
	}
	p := picture{backend: UDP, sides: []side{{name: "flannel0", network: netip.MustParsePrefix("10.244.0.0/16"), subnet: subnet, device: Link{Index: 4, Name: "flannel0", Up: true, MTU: 1472}}}}
	v := verdicts{}
	v.add(FlannelDevice, health.Finding{Subject: "flannel0", Status: health.Failing, Reason: networkRoute, Message: "gone"})
	got := mends(n, p, v, mendFacts{flanneld: now.Add(-time.Hour), young: youngFlanneld, seen: now.Add(-time.Second), now: now})
	if len(got) != 1 || got[0].refused != "" || got[0].commands() != "ip route add 10.244.0.0/16 dev flannel0" {
		t.Errorf("%+v", got)
	}
}
