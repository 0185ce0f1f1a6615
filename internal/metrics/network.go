package metrics

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"nodeagent/internal/view"
)

// maxPeers have series of their own: flannel's own clusters are rarely larger, and each has four series.
const maxPeers = 200

var (
	flannelDesc      = desc("flannel_info", "Flannel as last seen on this node: always 1; none where there is no Flannel.", "backend", "subnet")
	peersDesc        = desc("flannel_peers", "Peers of Flannel that the kernel has entries for.")
	peersDroppedDesc = desc("flannel_peers_dropped", "Peers with no series of their own because there are more than 200; those that are up are left out first.")
	peerUpDesc       = desc("flannel_peer_up", "Whether a peer answers through the overlay: 1, 0, or -1 where that is not known.", "peer")
	peerRTTDesc      = desc("flannel_peer_rtt_seconds", "Round trip of the last probe of a peer that was answered.", "peer")
	peerLossDesc     = desc("flannel_peer_loss_ratio", "Share of a peer's last 30 probes that were not answered.", "peer")
	peerMTUDesc      = desc("flannel_peer_path_mtu_bytes", "Largest packet that was seen to reach a peer whole.", "peer")
	leasesDesc       = desc("cni_addresses", "Pod addresses that host-local has given out.", "network", "family")
	networkLooksDesc = desc("network_looks_total", "Times the node's network was read and judged.")
	overrunsDesc     = desc("network_event_overruns_total", "Times events of the kernel were lost and everything was read again.")
)

func newPeerRTT() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "nodeagent_flannel_probe_rtt_seconds",
		Help:    "Round trips of the answered probes of all peers of Flannel.",
		Buckets: []float64{0.0005, 0.002, 0.01, 0.05, 0.25},
	})
}

func networkSamples(to *samples, n view.Network) {
	to.counter(networkLooksDesc, float64(n.Looks))
	to.counter(overrunsDesc, float64(n.Overruns))
	if n.Backend == "" {
		return
	}
	subnet := ""
	if len(n.Subnets) > 0 {
		subnet = n.Subnets[0]
	}
	to.gauge(flannelDesc, 1, n.Backend, subnet)
	to.gauge(peersDesc, float64(n.Known))
	for _, l := range n.Addresses {
		to.gauge(leasesDesc, float64(l.IPv4), l.Network, "ipv4")
		if l.IPv6 > 0 {
			to.gauge(leasesDesc, float64(l.IPv6), l.Network, "ipv6")
		}
	}
	peers := slices.Clone(n.Peers)
	slices.SortStableFunc(peers, func(a, b view.Peer) int {
		return cmp.Or(cmp.Compare(peerUp(a), peerUp(b)), a.Subnet.Addr().Compare(b.Subnet.Addr()))
	})
	if more := len(peers) - maxPeers; more > 0 {
		to.gauge(peersDroppedDesc, float64(more))
		peers = peers[:maxPeers]
	}
	for _, p := range peers {
		peerSamples(to, p)
	}
}

func peerSamples(to *samples, p view.Peer) {
	peer := p.Subnet.String()
	to.gauge(peerUpDesc, peerUp(p), peer)
	if p.Probes > 0 {
		to.gauge(peerLossDesc, p.Loss, peer)
	}
	if p.RTT > 0 {
		to.gauge(peerRTTDesc, p.RTT.Seconds(), peer)
	}
	if p.PathMTU > 0 {
		to.gauge(peerMTUDesc, float64(p.PathMTU), peer)
	}
}

func peerUp(p view.Peer) float64 {
	switch p.State {
	case view.PeerUp:
		return 1
	case view.PeerUnreachable, view.PeerDown:
		return 0
	}
	return -1
}
