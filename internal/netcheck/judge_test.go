package netcheck

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"encoding/json"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// sample is a healthy node of a cluster of three with the backend vxlan.
func sample() Network {
	p, ip := netip.MustParsePrefix, netip.MustParseAddr
	n := Network{
		Links: []Link{
			{Index: 1, Name: "lo", Up: true, Running: true, MTU: 65536, Loopback: true},
			{Index: 2, Name: "eth0", Up: true, Running: true, MTU: 1500, MAC: "02:00:00:00:00:01"},
			{Index: 3, Name: "flannel.1", Kind: "vxlan", Up: true, Running: true, MTU: 1450, MAC: "0a:00:00:00:00:01", VXLAN: VXLAN{VNI: 1, Local: ip("192.168.1.1"), Link: 2, Port: 8472}},
			{Index: 4, Name: "cni0", Kind: "bridge", Up: true, Running: true, MTU: 1450},
			{Index: 5, Name: "veth00000001", Kind: "veth", Up: true, Running: true, MTU: 1450, Master: 4},
		},
		Addresses: []Address{{Link: 2, Prefix: p("192.168.1.1/24")}, {Link: 3, Prefix: p("10.244.1.0/32")}, {Link: 4, Prefix: p("10.244.1.1/24")}},
		Routes:    []Route{{Dst: p("0.0.0.0/0"), Gateway: ip("192.168.1.254"), Link: 2, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST}},
		Rules:     []Rule{{Priority: 0, Table: 255, Action: 1}, {Priority: 32766, Table: 254, Action: 1}, {Priority: 32767, Table: 253, Action: 1}},
		Sysctls: []Sysctl{{Name: "net/ipv4/ip_forward", Value: "1"}, {Name: "net/ipv4/conf/flannel.1/forwarding", Value: "1"}, {Name: "net/ipv4/conf/cni0/forwarding", Value: "1"},
			{Name: "net/bridge/bridge-nf-call-iptables", Value: "1"}},
		SubnetEnv: SubnetEnv{Found: true, Network: p("10.244.0.0/16"), Subnet: p("10.244.1.1/24"), MTU: 1450, IPMasq: true},
		CNI:       []CNIConfig{{File: "/etc/cni/net.d/10-flannel.conflist", Name: "cbr0", Flannel: true, Bridge: "cni0"}},
		Leases:    []view.Leases{{Network: "cbr0", IPv4: 1}},
		Filter: Filter{Chains: []Chain{
			{Family: "ip", Table: "nat", Name: "POSTROUTING", Hook: "postrouting", Kind: "nat", Priority: 100, Rules: []FilterRule{{Handle: 1, Verdict: "jump", To: "FLANNEL-POSTRTG"}}},
			{Family: "ip", Table: "nat", Name: "FLANNEL-POSTRTG", Rules: []FilterRule{{Handle: 2, Matches: []Match{{Key: "saddr", Value: "10.244.0.0/16"}, {Key: "daddr", Not: true, Value: "224.0.0.0/4"}}, Verdict: "masquerade"}}},
			{Family: "ip", Table: "filter", Name: "FORWARD", Hook: "forward", Kind: "filter", Rules: []FilterRule{{Handle: 3, Verdict: "jump", To: "FLANNEL-FWD"}}},
			{Family: "ip", Table: "filter", Name: "FLANNEL-FWD", Rules: []FilterRule{{Handle: 4, Matches: []Match{{Key: "saddr", Value: "10.244.0.0/16"}}, Verdict: "accept"}, {Handle: 5, Matches: []Match{{Key: "daddr", Value: "10.244.0.0/16"}}, Verdict: "accept"}}},
		}},
	}
	for i := 2; i <= 3; i++ {
		mac, first := fmt.Sprintf("0a:00:00:00:00:%02x", i), ip(fmt.Sprintf("10.244.%d.0", i))
		n.Routes = append(n.Routes, Route{Dst: netip.PrefixFrom(first, 24), Gateway: first, Link: 3, Table: unix.RT_TABLE_MAIN, Type: unix.RTN_UNICAST, OnLink: true})
		n.Neighbours = append(n.Neighbours, Neighbour{Link: 3, IP: first, MAC: mac, Permanent: true})
		n.FDB = append(n.FDB, FDBEntry{Link: 3, MAC: mac, Dst: ip(fmt.Sprintf("192.168.1.%d", i)), Permanent: true})
	}
	return n
}

// told lists what v says that is neither OK nor Absent, as Condition/subject Reason.
func told(v verdicts) []string {
	var out []string
	for _, c := range judged {
		if len(v[c]) == 0 {
			out = append(out, c.Name+" says nothing")
		}
		for _, f := range v[c] {
			if f.Status == health.Failing || f.Status == health.Unknown {
				out = append(out, strings.TrimSpace(fmt.Sprintf("%s/%s %s", c.Name, f.Subject, f.Reason.Name)))
			}
			if f.Reason != nil && !slices.Contains(c.Reasons, f.Reason) {
				out = append(out, c.Name+" does not declare "+f.Reason.Name)
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestJudge(t *testing.T) {
	p, ip := netip.MustParsePrefix, netip.MustParseAddr
	for _, c := range []struct {
		name   string
		change func(n *Network)
		want   []string
	}{
		{name: "healthy", change: func(*Network) {}},
		{name: "no bridge before the first pod", change: func(n *Network) { n.Links = n.Links[:3]; n.Addresses = n.Addresses[:2] }},
		{name: "bridge with no pod", change: func(n *Network) { n.Links = n.Links[:4]; n.Links[3].Up = false; n.Addresses = n.Addresses[:2] }},
		{name: "alone in its cluster", change: func(n *Network) { n.Routes, n.Neighbours, n.FDB = n.Routes[:1], nil, nil }},
		{name: "no sign of Flannel", change: func(n *Network) { *n = Network{Links: n.Links[:2]} }},
		{name: "links unread", change: func(n *Network) { n.Links = nil; n.Unread = map[Part]string{PartLinks: "no answer"} },
			want: []string{"FlannelDevice/ Unread", "FlannelPeers/ Unread", "PodBridge/ Unread"}},
		{name: "rules unread", change: func(n *Network) { n.Filter = Filter{}; n.Unread = map[Part]string{PartFilter: "denied"} }, want: []string{"NetworkFilter/ Unread"}},
		{name: "neighbours unread", change: func(n *Network) { n.Neighbours = nil; n.Unread = map[Part]string{PartNeighbours: "no answer"} }, want: []string{"FlannelPeers/ Unread"}},
		{name: "legacy tables", change: func(n *Network) { n.Filter.Legacy = []string{"ip filter"} }, want: []string{"NetworkFilter/legacy LegacyTables"}},
		{name: "subnet.env invalid", change: func(n *Network) { n.SubnetEnv.Problem = "FLANNEL_MTU is missing" }, want: []string{"FlannelConfig/subnet.env SubnetEnvInvalid"}},
		{name: "subnet.env of an old boot", change: func(n *Network) { n.SubnetEnv.OldBoot = true }, want: []string{"FlannelConfig/subnet.env SubnetEnvStale"}},
		{name: "CNI file broken", change: func(n *Network) { n.CNI[0] = CNIConfig{File: "x", Problem: "unexpected end"} }, want: []string{"FlannelConfig/cni CNIConfigInvalid"}},
		{name: "address of another lease", change: func(n *Network) { n.Addresses[1].Prefix = p("10.244.7.0/32") }, want: []string{"FlannelDevice/flannel.1 AddressWrong"}},
		{name: "learning", change: func(n *Network) { n.Links[2].VXLAN.Learning = true }, want: []string{"FlannelDevice/flannel.1 WrongVXLAN"}},
		{name: "another VNI", change: func(n *Network) { n.Links[2].VXLAN.VNI = 7 }, want: []string{"FlannelDevice/flannel.1 WrongVXLAN"}},
		{name: "bad checksums", change: func(n *Network) { n.Before.InCsum = 10; n.UDPErrors.InCsum = 100 }, want: []string{"FlannelDevice/flannel.1 ChecksumErrors"}},
		{name: "a few bad checksums", change: func(n *Network) { n.Before.InCsum = 10; n.UDPErrors.InCsum = 12 }},
		{name: "made again, empty", change: func(n *Network) {
			n.Before = Memory{Backend: VXLAN4, Devices: []Remembered{{"flannel.1", 9, "0a:00:00:00:00:01"}}, Peers: []Peer{{Subnet: p("10.244.2.0/24")}}}
			n.Routes, n.Neighbours, n.FDB = n.Routes[:1], nil, nil
		}, want: []string{"FlannelDevice/flannel.1 Recreated"}},
		{name: "all peers left", change: func(n *Network) {
			n.Before = Memory{Backend: VXLAN4, Devices: []Remembered{{"flannel.1", 3, "0a:00:00:00:00:01"}}, Peers: []Peer{{Subnet: p("10.244.2.0/24")}}}
			n.Routes, n.Neighbours, n.FDB = n.Routes[:1], nil, nil
		}},
		{name: "MAC and lease made anew by a restart", change: func(n *Network) { n.Before = Memory{Devices: []Remembered{{"flannel.1", 3, "0a:00:00:00:00:99"}}} }},
		{name: "two FDB destinations", change: func(n *Network) { n.FDB = append(n.FDB, FDBEntry{Link: 3, MAC: n.FDB[0].MAC, Dst: ip("192.168.1.9")}) },
			want: []string{"FlannelPeers/10.244.2.0/24 FDBWrong"}},
		{name: "look-up answers an error", change: func(n *Network) { n.Lookups = []Lookup{{Dst: ip("10.244.2.0"), Error: "invalid argument"}} },
			want: []string{"FlannelPeers/10.244.2.0/24 RouteHidden"}},
		{name: "look-up as the route says", change: func(n *Network) {
			n.Lookups = []Lookup{{Dst: ip("10.244.2.0"), Link: 3, Gateway: ip("10.244.2.0"), Type: unix.RTN_UNICAST}}
		}},
		{name: "one direct peer left", change: func(n *Network) {
			n.Before = Memory{Uplink: 2, Peers: []Peer{{Subnet: p("10.244.8.0/24"), Direct: true}, {Subnet: p("10.244.2.0/24")}}}
		}},
		{name: "two direct peers lost at once", change: func(n *Network) {
			n.Before = Memory{Uplink: 2, Peers: []Peer{{Subnet: p("10.244.8.0/24"), Direct: true}, {Subnet: p("10.244.9.0/24"), Direct: true}}}
		}, want: []string{"FlannelPeers/routes RoutesLost"}},
		{name: "one direct peer lost with a flap", change: func(n *Network) {
			n.Before = Memory{Uplink: 2, Carrier: 4, Peers: []Peer{{Subnet: p("10.244.8.0/24"), Direct: true}}}
		}, want: []string{"FlannelPeers/routes RoutesLost"}},
		{name: "br_netfilter not loaded", change: func(n *Network) { n.Sysctls[3] = Sysctl{Name: n.Sysctls[3].Name, Missing: true} },
			want: []string{"NetworkSysctls/net.bridge.bridge-nf-call-iptables BridgeNetfilterMissing"}},
		{name: "not masquerading on purpose", change: func(n *Network) { n.SubnetEnv.IPMasq = false; n.Filter.Chains = nil }},
		{name: "jump to FLANNEL-FWD gone", change: func(n *Network) { n.Filter.Chains[2].Rules = nil }, want: []string{"NetworkFilter/flannel RulesMissing"}},
		{name: "forward drop with undecidable accept before it", change: func(n *Network) {
			n.Filter.Chains[2].Rules = []FilterRule{{Handle: 8, Matches: []Match{{Key: "?", Value: "-m set"}}, Verdict: "accept"}, {Handle: 9, Verdict: "drop"}}
			n.Filter.Chains = n.Filter.Chains[:3]
		}, want: []string{"NetworkFilter/pods Undecided"}},
		{name: "wireguard", change: func(n *Network) {
			n.Links[2] = Link{Index: 3, Name: "flannel-wg", Kind: "wireguard", Up: true, MTU: 1420}
			n.SubnetEnv.MTU, n.Links[3].MTU = 1420, 1420
			n.Routes, n.Neighbours, n.FDB, n.Addresses[1] = n.Routes[:1], nil, nil, Address{Link: 3, Prefix: p("10.244.1.0/32")}
		}},
		{name: "backend not known", change: func(n *Network) {
			n.Links = slices.Delete(n.Links, 2, 3)
			n.SubnetEnv.MTU, n.Links[2].MTU = 1234, 1234
			n.Routes, n.Neighbours, n.FDB = n.Routes[:1], nil, nil
		}, want: []string{"FlannelDevice/ BackendUnknown", "FlannelPeers/ BackendUnknown"}},
		{name: "left-over device of an earlier backend", change: func(n *Network) {
			n.SubnetEnv.MTU, n.Links[3].MTU = 1500, 1500
			n.Neighbours, n.FDB = nil, nil
			n.Routes = []Route{n.Routes[0], {Dst: p("10.244.2.0/24"), Gateway: ip("192.168.1.2"), Link: 2, Table: 254, Type: 1}}
		}},
	} {
		n := sample()
		c.change(&n)
		was, _ := json.Marshal(n)
		got := told(judge(Config{}.filled(), n))
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
		if now, _ := json.Marshal(n); string(now) != string(was) {
			t.Errorf("%s: judge changed the network", c.name)
		}
	}
}

func TestNetworkIsPlainData(t *testing.T) {
	n := sample()
	n.Unread = map[Part]string{PartNodes: "x"}
	b, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	var back Network
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(n, back) {
		t.Errorf("it does not come back from JSON:\n%+v\n%+v", n, back)
	}
}

func TestConditionsAreWhole(t *testing.T) {
	for _, c := range Conditions() {
		if c.Help == "" || len(c.Reasons) == 0 {
			t.Errorf("%s says too little", c.Name)
		}
		names := map[string]bool{}
		for _, r := range c.Reasons {
			if names[r.Name] || r.Fix == "" {
				t.Errorf("%s: reason %s stands twice or has no fix", c.Name, r.Name)
			}
			names[r.Name] = true
		}
	}
}
