//go:build integration

package netcheck

import (
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/netcheck/netlab"
	"nodeagent/internal/view"
)

func TestExplain(t *testing.T) {
	lab := netlab.New(t, netlab.Options{Backend: "vxlan"})
	h := lab.Hosts[0]
	cfg := configOf(h)
	cfg.ProbeTimeout = 100 * time.Millisecond
	for _, name := range []string{"10.244.2.0/24", "192.168.77.2", "10.244.2.77"} {
		x, err := Explain(t.Context(), cfg, Deps{}, name)
		if err != nil {
			t.Fatal(err)
		}
		if len(x.Steps) != 10 || !strings.HasPrefix(x.End, "every step is fine") {
			t.Errorf("explain %s with nothing broken: %s\n%+v", name, x.End, x.Steps)
		}
	}
	for _, c := range []struct {
		name, do, heal, end string
		peer                bool // nft on the peer
	}{
		{name: "route", do: "route del 10.244.2.0/24", end: "route"},
		{name: "hidden", do: "route add blackhole 10.244.2.0/25", heal: "route del blackhole 10.244.2.0/25", end: "route"},
		{name: "neighbour", do: "neigh del 10.244.2.0 dev flannel.1", end: "neighbour"},
		{name: "underlay", do: "route add unreachable 192.168.77.2/32", heal: "route del unreachable 192.168.77.2/32", end: "underlay"},
		{name: "mtu", do: "link set eth0 mtu 1480", heal: "link set eth0 mtu 1500", end: "device"},
		{name: "peer", peer: true, end: "overlay answers"},
	} {
		if c.peer {
			lab.Hosts[1].NFT("table inet breaker { chain in { type filter hook input priority 0; udp dport 8472 drop; }\n }")
		} else {
			h.IP(c.do)
		}
		x, err := Explain(t.Context(), cfg, Deps{}, "10.244.2.0/24")
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if !strings.HasPrefix(x.End, "it ends at "+c.end+":") {
			t.Errorf("%s: %s, want it to end at %s\n%+v", c.name, x.End, c.end, x.Steps)
		}
		if c.heal != "" {
			h.IP(c.heal)
		}
		remake(h)
	}
	for _, name := range []string{"10.244.9.9", "nobody", "10.244.1.5", ""} {
		if _, err := Explain(t.Context(), cfg, Deps{}, name); err == nil {
			t.Errorf("explain %q answers, and there is no such peer", name)
		}
	}
}

func TestLookOnce(t *testing.T) {
	lab := netlab.New(t, netlab.Options{Backend: "vxlan"})
	h := lab.Hosts[0]
	board := health.NewBoard(nil, Conditions()...)
	v, looks := Look(t.Context(), configOf(h), Deps{})
	board.Publish(looks...)
	if bad := show(board.Snapshot(), false); bad != "" || v.Backend != VXLAN4 || v.Known != 2 || len(v.Peers) != 2 || v.Peers[0].State != view.PeerUp || v.Peers[0].PathMTU != 1450 {
		t.Errorf("a look at a healthy node: %+v\n%s", v, bad)
	}
	h.IP("route del 10.244.2.0/24")
	_, looks = Look(t.Context(), configOf(h), Deps{})
	board.Publish(looks...)
	if bad := show(board.Snapshot(), false); !strings.Contains(bad, "FlannelPeers/10.244.2.0/24 failing RouteMissing") {
		t.Errorf("a look at a node without a route shows\n%s", bad)
	}
}
