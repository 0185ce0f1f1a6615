package staticpod

import (
	"net"
	"strings"
	"testing"
)

func TestDefaultRoutes(t *testing.T) {
	for line, want := range map[string]string{
		"Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n": "",
		"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n":                        "eth0",
		"eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n":                        "",
		"\n": "",
	} {
		if got, ok := defaultRoute(line); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", line, got, ok)
		}
	}
	zero := strings.Repeat("0", 32)
	for line, want := range map[string]string{
		zero + " 00 " + zero + " 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000003     eth1\n":      "eth1",
		zero + " 00 " + zero + " 00 " + zero + " ffffffff 00000001 00000000 00200200       lo\n":                          "",
		"fd000000000000000000000000000000 40 " + zero + " 00 " + zero + " 00000100 00000001 00000000 00000001     eth0\n": "",
		"": "",
	} {
		if got, ok := defaultRoute6(line); ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v", line, got, ok)
		}
	}
}

func TestChooseAddress(t *testing.T) {
	for _, test := range []struct {
		name, addrs, before string
		v6                  bool
		want                string
	}{
		{"the first", "192.0.2.7/24 192.0.2.8/24", "", false, "192.0.2.7"},
		{"no VIP", "192.0.2.100/32 192.0.2.7/24", "", false, "192.0.2.7"},
		{"nothing else", "192.0.2.7/32 fe80::1/64", "", false, "192.0.2.7"},
		{"it stays", "192.0.2.100/24 192.0.2.7/24", "192.0.2.7", false, "192.0.2.7"},
		{"it is another now", "192.0.2.9/24", "192.0.2.7", false, "192.0.2.9"},
		{"IPv6", "192.0.2.7/24 fe80::1/64 2001:db8::7/64", "", true, "2001:db8::7"},
		{"none", "fe80::1/64", "192.0.2.7", true, ""},
	} {
		var addrs []net.Addr
		for _, a := range strings.Fields(test.addrs) {
			ip, n, err := net.ParseCIDR(a)
			check(t, err)
			addrs = append(addrs, &net.IPNet{IP: ip, Mask: n.Mask})
		}
		if got := chooseAddress(addrs, test.v6, test.before); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// A node that comes up before its network has no address for ever if it is looked up once.
func TestHostAddressIsLookedUpAgain(t *testing.T) {
	none := ""
	p := &Pods{}
	p.host.Store(&none)
	if got, want := p.hostAddress(), hostIP(""); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	old := "203.0.113.1"
	p.host.Store(&old)
	if got := p.hostAddress(); got != old {
		t.Errorf("%q: it is looked up on every question", got)
	}
	if got, want := p.lookUpHost(), hostIP(""); got != want || p.hostAddress() != want {
		t.Errorf("%q, want %q", got, want)
	}
}
