package agent

import (
	"net/netip"
	"testing"

	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/keepalive/lint"
)

func TestKubeletWay(t *testing.T) {
	own := func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("10.0.0.1")} }
	vips := []lint.Described{{VIPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.100/24")}}, {Excluded: []netip.Prefix{netip.MustParsePrefix("fd00::100/64")}}}
	for server, want := range map[string]haproxy.Kubelet{
		"https://10.0.0.1:6443":    {Port: 6443, Here: true},
		"https://127.0.0.1:8443":   {Port: 8443, Here: true},
		"https://localhost:8443":   {Port: 8443, Here: true},
		"https://10.0.0.100:8443":  {Port: 8443, Here: true},
		"https://[fd00::100]:8443": {Port: 8443, Here: true},
		"https://10.0.0.2:6443":    {Port: 6443},
		"https://api.example:8443": {Port: 8443},
		"https://10.0.0.100":       {Port: 443, Here: true},
		"http://10.0.0.100:8080":   {},
		"https://10.0.0.1:99999":   {},
		"":                         {},
		"://":                      {},
	} {
		if got := kubeletWay(server, own, vips); got != want {
			t.Errorf("%q: %+v, want %+v", server, got, want)
		}
	}
}
