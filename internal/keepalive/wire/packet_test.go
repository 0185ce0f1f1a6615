package wire

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
)

var (
	vip4 = netip.MustParseAddr("10.0.0.100")
	vip6 = netip.MustParseAddr("fd00::100")
	ll6  = netip.MustParseAddr("fe80::100")
	src4 = netip.MustParseAddr("10.0.0.12")
	src6 = netip.MustParseAddr("fe80::12")
)

// advert makes the packet of an advert.
func advert(a Advert) []byte {
	if a.Dst == (netip.Addr{}) {
		a.Dst = netip.MustParseAddr("224.0.0.18")
		if a.V6() {
			a.Dst = netip.MustParseAddr("ff02::12")
		}
	}
	v := []byte{byte(a.Version<<4 | 1), byte(a.VRID), byte(a.Priority), byte(len(a.Addrs)), 0, 0, 0, 0}
	if a.Version == 2 {
		v[5] = byte(a.Interval / time.Second)
	} else {
		binary.BigEndian.PutUint16(v[4:], uint16(a.Interval/(10*time.Millisecond)))
	}
	for _, x := range a.Addrs {
		v = append(v, x.AsSlice()...)
	}
	start := uint32(0)
	if a.Version == 2 {
		v = append(v, make([]byte, 8)...)
	} else {
		start = pseudo(a.Src, a.Dst, len(v))
	}
	binary.BigEndian.PutUint16(v[6:], ^sum(v, start))
	if a.V6() {
		h := make([]byte, 40)
		h[0], h[6], h[7] = 6<<4, protoVRRP, 255
		binary.BigEndian.PutUint16(h[4:], uint16(len(v)))
		copy(h[8:], a.Src.AsSlice())
		copy(h[24:], a.Dst.AsSlice())
		return append(h, v...)
	}
	h := make([]byte, 20)
	h[0], h[8], h[9] = 0x45, 255, protoVRRP
	binary.BigEndian.PutUint16(h[2:], uint16(20+len(v)))
	copy(h[12:], a.Src.AsSlice())
	copy(h[16:], a.Dst.AsSlice())
	return append(h, v...)
}

func v2() Advert {
	return Advert{Version: 2, VRID: 7, Priority: 100, Interval: time.Second, Src: src4, Addrs: []netip.Addr{vip4}}
}

func v3() Advert {
	return Advert{Version: 3, VRID: 7, Priority: 100, Interval: 200 * time.Millisecond, Src: src4, Addrs: []netip.Addr{vip4}}
}

func v3six() Advert {
	return Advert{Version: 3, VRID: 7, Priority: 100, Interval: time.Second, Src: src6, Addrs: []netip.Addr{vip6, ll6}}
}

func parseAny(b []byte, v6 bool) (Advert, error) {
	if v6 {
		return ParseIPv6(b)
	}
	return ParseIPv4(b)
}

func TestParse(t *testing.T) {
	for name, want := range map[string]Advert{"v2": v2(), "v3": v3(), "v3 over IPv6": v3six()} {
		for _, pad := range []int{0, 6} { // Ethernet fills short frames
			got, err := parseAny(append(advert(want), make([]byte, pad)...), want.V6())
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got.Version != want.Version || got.VRID != want.VRID || got.Priority != want.Priority || got.Interval != want.Interval || got.Src != want.Src || !slices.Equal(got.Addrs, want.Addrs) {
				t.Errorf("%s: got %+v, want %+v", name, got, want)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		of     Advert
		change func([]byte) []byte
		want   string
	}{
		{"cut short", v2(), func(b []byte) []byte { return b[:30] }, "IPv4 lengths"},
		{"no VRRP header", v2(), func(b []byte) []byte { b[3] = 24; return b }, "bytes of VRRP"},
		{"a header that is too short", v2(), func(b []byte) []byte { b[0] = 0x41; return b }, "IPv4 lengths"},
		{"through a router", v2(), func(b []byte) []byte { b[8] = 254; return b }, "TTL 254"},
		{"a fragment", v2(), func(b []byte) []byte { b[6] = 0x20; return b }, "a fragment"},
		{"an offset", v2(), func(b []byte) []byte { b[7] = 1; return b }, "a fragment"},
		{"a flipped bit", v2(), func(b []byte) []byte { b[22] ^= 1; return b }, "checksum"},
		{"a flipped bit in v3", v3(), func(b []byte) []byte { b[22] ^= 1; return b }, "checksum"},
		{"another source", v3(), func(b []byte) []byte { b[15] ^= 1; return b }, "checksum"},
		{"more addresses than bytes", v2(), func(b []byte) []byte { b[23] = 200; return b }, "200 addresses"},
		{"no address", v3(), func(b []byte) []byte { b[23] = 0; return b }, "no address"},
		{"another type", v2(), func(b []byte) []byte { b[20] = 0x22; return b }, "VRRP type 2"},
		{"version 4", v2(), func(b []byte) []byte { b[20] = 0x41; return b }, "VRRP version 4"},
		{"VRID 0", v2(), func(b []byte) []byte { b[21] = 0; return b }, "VRID 0"},
		{"another protocol", v2(), func(b []byte) []byte { b[9] = 6; return b }, errNotVRRP.Error()},
		{"IPv6 through a router", v3six(), func(b []byte) []byte { b[7] = 64; return b }, "hop limit 64"},
		{"IPv6 longer than it is", v3six(), func(b []byte) []byte { b[5] = 200; return b }, "IPv6 lengths"},
		{"IPv6, a flipped bit", v3six(), func(b []byte) []byte { b[60] ^= 1; return b }, "checksum"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a, err := parseAny(tt.change(advert(tt.of)), tt.of.V6()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, %v, want %s", a, err, tt.want)
			}
		})
	}
	zero := v2()
	zero.Interval = 0
	if _, err := ParseIPv4(advert(zero)); err == nil {
		t.Error("an interval of 0 was read")
	}
}

func TestProbes(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	if _, _, ok := parseARP(arpProbe(mac, vip4)); ok {
		t.Error("a probe says that somebody has an address")
	}
	answer := arpProbe(mac, vip4)
	answer[7] = 2
	copy(answer[14:], vip4.AsSlice())
	if addr, from, ok := parseARP(answer); !ok || addr != vip4 || from.String() != mac.String() {
		t.Errorf("the answer: %v %v %v", addr, from, ok)
	}
	ns, to := solicitation(vip6)
	if to.String() != "33:33:ff:00:01:00" || sum(ns[40:], pseudoOf(netip.IPv6Unspecified(), netip.MustParseAddr("ff02::1:ff00:100"), 24, protoICMPv6)) != 0xffff {
		t.Errorf("the solicitation to %s: % x", to, ns)
	}
	if _, ok := parseAdvertisement(ns); ok {
		t.Error("a solicitation says that somebody has an address")
	}
}

// TestFilters runs the filters in Go's own machine.
func TestFilters(t *testing.T) {
	run := func(filter []bpf.Instruction, in []byte) bool {
		vm, err := bpf.NewVM(filter)
		if err != nil {
			t.Fatal(err)
		}
		n, err := vm.Run(in)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
	tcp := advert(v2())
	tcp[9] = 6
	na := make([]byte, 64)
	na[6], na[40] = protoICMPv6, 136
	ns, _ := solicitation(vip6)
	answer := arpProbe(net.HardwareAddr{2, 0, 0, 0, 0, 1}, vip4)
	copy(answer[14:], vip4.AsSlice())
	arp := arpOf([]uint32{1, 0x0a000064, 3})
	for name, got := range map[string]bool{
		"v2": run(vrrp4, advert(v2())), "not TCP": !run(vrrp4, tcp), "v3 over IPv6": run(vrrp6, advert(v3six())), "an advertisement": run(vrrp6, na), "not a solicitation": !run(vrrp6, ns),
		"an answer": run(arp, answer), "not a probe": !run(arp, arpProbe(net.HardwareAddr{2, 0, 0, 0, 0, 1}, vip4)), "none": !run(arpOf(nil), answer),
	} {
		if !got {
			t.Errorf("%s: the filter decides otherwise", name)
		}
	}
	many := make([]uint32, 300)
	many[99] = 0x0a000064
	if _, err := bpf.Assemble(arpOf(many)); err != nil || !run(arpOf(many), answer) {
		t.Errorf("a hundred addresses: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, a := range []Advert{v2(), v3(), v3six()} {
		f.Add(advert(a))
	}
	f.Add([]byte{0x45})
	ns, _ := solicitation(vip6)
	f.Add(ns)
	f.Fuzz(func(t *testing.T, b []byte) {
		parseARP(b)
		parseAdvertisement(b)
		for _, v6 := range []bool{false, true} {
			a, err := parseAny(b, v6)
			if err != nil {
				continue
			}
			if a.VRID < 1 || a.VRID > 255 || a.Interval <= 0 || len(a.Addrs) == 0 || a.V6() != v6 || a.Version != 2 && a.Version != 3 {
				t.Fatalf("%+v", a)
			}
			a.Dst = netip.Addr{}
			if _, err := parseAny(advert(a), v6); err != nil && !errors.Is(err, errNotVRRP) {
				t.Fatalf("what was read can't be written: %v", err)
			}
		}
	})
}
