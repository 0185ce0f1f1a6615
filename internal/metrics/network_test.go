package metrics

import (
	"net/netip"
	"strings"
	"testing"

	"nodeagent/internal/view"
)

// TestPeersBound: of more peers than have room, those that do not answer are shown, and how many are not is told.
func TestPeersBound(t *testing.T) {
	n := view.Network{Backend: "vxlan"}
	for i := range maxPeers + 5 {
		n.Peers = append(n.Peers, view.Peer{Subnet: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(i), 0}), 24), State: view.PeerUp})
	}
	n.Peers[maxPeers+4].State = view.PeerDown
	text := scrape(t, New(Sources{Network: func() view.Network { return n }}), "")
	if got := strings.Count(text, "\nnodeagent_flannel_peer_up{"); got != maxPeers {
		t.Errorf("%d peers have series, want %d", got, maxPeers)
	}
	for _, want := range []string{"nodeagent_flannel_peers_dropped 5\n", "nodeagent_flannel_peer_up{peer=\"10.244.204.0/24\"} 0\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
