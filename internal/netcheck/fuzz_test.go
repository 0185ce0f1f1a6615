package netcheck

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
)

// FuzzMessages: no message of the kernel's, or of whoever speaks for it, ends the agent; and what is read is whole.
func FuzzMessages(f *testing.F) {
	f.Add([]byte{2, 24, 0, 0, 254, 3, 0, 1, 0, 0, 0, 0, 8, 0, 1, 0, 10, 244, 2, 0, 8, 0, 5, 0, 10, 244, 2, 0, 8, 0, 4, 0, 4, 0, 0, 0})
	f.Add([]byte{7, 0, 0, 0, 4, 0, 0, 0, 128, 0, 2, 0, 10, 0, 2, 0, 10, 0, 0, 0, 119, 2, 0, 0, 8, 0, 1, 0, 192, 168, 77, 2})
	f.Add([]byte{0, 0, 1, 0, 4, 0, 0, 0, 67, 16, 1, 0, 0, 0, 0, 0, 14, 0, 3, 0, 'f', 'l', 'a', 'n', 'n', 'e', 'l', '.', '1', 0, 0, 0, 12, 0, 18, 0, 8, 0, 1, 0, 'v', 'x', 'l', 0})
	f.Add([]byte{0, 0, 0, 1, 8, 0, 1, 0, 0, 0, 0, 9, 8, 0, 2, 0, 0, 0, 0, 42, 8, 0, 3, 0, 'n', 'f', 't', 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		parseLink(b)
		if a, ok := parseAddress(b); ok && !a.Prefix.IsValid() {
			t.Errorf("an address without one: %+v", a)
		}
		if r, ok := parseRoute(b); ok && (!r.Dst.IsValid() || r.Dst != r.Dst.Masked()) {
			t.Errorf("a route to nowhere: %+v", r)
		}
		parseRule(b)
		if x, ok := parseNeighbour(b); ok && !x.IP.IsValid() {
			t.Errorf("a neighbour without an address: %+v", x)
		}
		parseFDB(b)
		parseGeneration(b)
		l := listener{hear: matters(map[int]bool{4: true})}
		l.each(b)
	})
}

// FuzzFiles: no file ends the agent, and one that is not understood says so.
func FuzzFiles(f *testing.F) {
	f.Add([]byte("FLANNEL_NETWORK=10.244.0.0/16\nFLANNEL_SUBNET=10.244.1.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"))
	f.Add([]byte(`{"name":"cbr0","plugins":[{"type":"flannel","delegate":{"bridge":"cni0"}}]}`))
	f.Add([]byte("Udp: InDatagrams InCsumErrors\nUdp: 7 3\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := parseSubnetEnv(b)
		if e.Problem == "" && (e.MTU == 0 || !e.Subnet.IsValid() && !e.IPv6Subnet.IsValid()) {
			t.Errorf("half a file, and no problem: %+v", e)
		}
		if c := parseCNI(b); c.Problem == "" && c.Name == "" || c.Flannel && c.Bridge == "" {
			t.Errorf("half a configuration, and no problem: %+v", c)
		}
		parseUDPErrors(string(b))
	})
}

// FuzzEcho: only the answer of the one who was asked, with the cookie, counts; no other packet does.
func FuzzEcho(f *testing.F) {
	from, cookie := netip.MustParseAddr("10.244.2.0"), [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	answer := icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &icmp.Echo{ID: 9, Seq: 1, Data: cookie[:]}}
	b, err := answer.Marshal(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:8])
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &pinger{raw: true, id: 9, waiting: map[uint16]wait{1: {to: from, answer: make(chan time.Time, 1)}}}
		copy(p.cookie[:], cookie[:])
		p.take(b, netip.MustParseAddr("10.244.3.0"), time.Now())
		if len(p.waiting) != 1 {
			t.Error("another's answer counts")
		}
		p.take(b, from, time.Now())
		if len(p.waiting) == 0 && (len(b) < 16 || [8]byte(b[8:16]) != cookie) {
			t.Error("an answer without the cookie counts")
		}
	})
}
