//go:build integration

package netcheck

import (
	"fmt"
	"testing"

	"nodeagent/internal/health"
	"nodeagent/internal/netcheck/netlab"
)

// BenchmarkLook reads and judges a node with 5,000 peers: a route, a neighbour and an FDB entry each.
func BenchmarkLook(b *testing.B) {
	const peers = 5000
	lab := netlab.New(b, netlab.Options{Backend: "vxlan"})
	h := lab.Hosts[0]
	h.Write("flannel/subnet.env", "FLANNEL_NETWORK=10.0.0.0/8\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n")
	var ip, fdb []string
	for i := range peers {
		net, mac := fmt.Sprintf("10.%d.%d", i/256+1, i%256), fmt.Sprintf("0a:00:00:01:%02x:%02x", i/256, i%256)
		ip = append(ip, fmt.Sprintf("neigh replace %s.0 lladdr %s dev flannel.1 nud permanent", net, mac), fmt.Sprintf("route replace %s.0/24 via %s.0 dev flannel.1 onlink", net, net))
		fdb = append(fdb, fmt.Sprintf("fdb replace %s dev flannel.1 dst 172.16.%d.%d self permanent", mac, i/256, i%256))
	}
	h.IP(ip...)
	h.BridgeBatch(fdb...)
	cfg := configOf(h).filled()
	n := read(b.Context(), cfg, nil)
	if v := judge(cfg, n); len(v[FlannelPeers]) != peers+2 || len(n.Unread) > 0 {
		b.Fatalf("%d peers judged, unread %v", len(v[FlannelPeers]), n.Unread)
	} else if v.failing() {
		for c, list := range v {
			for _, f := range list {
				if f.Status == health.Failing {
					b.Fatalf("%s %s: %s", c.Name, f.Subject, f.Message)
				}
			}
		}
	}
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			judge(cfg, read(b.Context(), cfg, nil))
		}
	})
	b.Run("judge", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			judge(cfg, n)
		}
	})
}

// BenchmarkSmallLook is a node of a cluster of three.
func BenchmarkSmallLook(b *testing.B) {
	lab := netlab.New(b, netlab.Options{Backend: "vxlan"})
	cfg := configOf(lab.Hosts[0]).filled()
	b.ReportAllocs()
	for b.Loop() {
		judge(cfg, read(b.Context(), cfg, nil))
	}
}
