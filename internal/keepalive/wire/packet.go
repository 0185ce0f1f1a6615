package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Advert is one VRRP advertisement.
type Advert struct {
	Version  int // 2 or 3
	VRID     int // 1 to 255
	Priority int // 0: the master resigns
	Interval time.Duration
	Src, Dst netip.Addr
	Addrs    []netip.Addr // the VIPs
}

// V6 tells the family; a VRID is one of each.
func (a Advert) V6() bool { return a.Src.Is6() }

const (
	protoVRRP   = 112 // RFC 5798, 5.1.1.4
	ttlVRRP     = 255 // RFC 5798, 5.1.1.3: what comes through a router has less
	protoICMPv6 = 58
	maxVIPs     = 255 // the count is one byte
)

var errNotVRRP = errors.New("not VRRP")

// ParseIPv4 reads an IPv4 packet with a VRRP advert of version 2 (RFC 3768) or 3 (RFC 5798): every length, the TTL and the checksum.
// errNotVRRP is for another protocol, any other error for a malformed packet.
func ParseIPv4(b []byte) (Advert, error) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return Advert{}, errNotVRRP
	}
	head, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case b[9] != protoVRRP:
		return Advert{}, errNotVRRP
	case head < 20 || total < head || total > len(b):
		return Advert{}, fmt.Errorf("IPv4 lengths: header %d, packet %d, read %d", head, total, len(b))
	case binary.BigEndian.Uint16(b[6:])&0x3fff != 0: // more fragments, or an offset
		return Advert{}, errors.New("a fragment")
	case b[8] != ttlVRRP:
		return Advert{}, fmt.Errorf("TTL %d: it came through a router", b[8])
	}
	src, dst := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	return parseVRRP(b[head:total], src, dst)
}

// ParseIPv6 is ParseIPv4 for IPv6, which has version 3 alone.
func ParseIPv6(b []byte) (Advert, error) {
	if len(b) < 40 || b[0]>>4 != 6 || b[6] != protoVRRP {
		return Advert{}, errNotVRRP
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	switch {
	case length > len(b)-40:
		return Advert{}, fmt.Errorf("IPv6 lengths: payload %d, read %d", length, len(b)-40)
	case b[7] != ttlVRRP:
		return Advert{}, fmt.Errorf("hop limit %d: it came through a router", b[7])
	}
	src, dst := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	if src.Is4In6() {
		return Advert{}, errors.New("an IPv4 address in an IPv6 header")
	}
	return parseVRRP(b[40:40+length], src, dst)
}

func parseVRRP(b []byte, src, dst netip.Addr) (Advert, error) {
	if len(b) < 8 {
		return Advert{}, fmt.Errorf("%d bytes of VRRP", len(b))
	}
	a := Advert{Version: int(b[0] >> 4), VRID: int(b[1]), Priority: int(b[2]), Src: src, Dst: dst}
	count, size := int(b[3]), 4
	if src.Is6() {
		size = 16
	}
	want := 8 + count*size
	switch {
	case b[0]&0xf != 1:
		return Advert{}, fmt.Errorf("VRRP type %d", b[0]&0xf)
	case a.VRID == 0:
		return Advert{}, errors.New("VRID 0")
	case count == 0:
		return Advert{}, errors.New("no address")
	case a.Version == 3 && len(b) != want:
		return Advert{}, fmt.Errorf("%d addresses in %d bytes", count, len(b))
	case a.Version == 3:
		a.Interval = time.Duration(binary.BigEndian.Uint16(b[4:])&0xfff) * 10 * time.Millisecond
		if sum(b, pseudo(src, dst, len(b))) != 0xffff {
			return Advert{}, errors.New("checksum (keepalived before 1.3.7 left the addresses out of it)")
		}
	case a.Version == 2 && src.Is6():
		return Advert{}, errors.New("VRRPv2 over IPv6")
	case a.Version == 2 && len(b) != want+8: // 8 bytes of authentication, which RFC 3768 keeps and nobody may trust
		return Advert{}, fmt.Errorf("%d addresses in %d bytes", count, len(b))
	case a.Version == 2:
		a.Interval = time.Duration(b[5]) * time.Second
		if sum(b, 0) != 0xffff {
			return Advert{}, errors.New("checksum")
		}
	default:
		return Advert{}, fmt.Errorf("VRRP version %d", a.Version)
	}
	if a.Interval == 0 {
		return Advert{}, errors.New("an interval of 0")
	}
	for i := range count {
		addr, _ := netip.AddrFromSlice(b[8+i*size : 8+(i+1)*size])
		a.Addrs = append(a.Addrs, addr)
	}
	slices.SortFunc(a.Addrs, netip.Addr.Compare)
	return a, nil
}

// sum is the ones' complement sum of RFC 1071; over a message with its checksum it is 0xffff.
func sum(b []byte, start uint32) uint16 {
	s := start
	for ; len(b) >= 2; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// pseudo is the sum of the pseudo header (RFC 8200, 8.1; the same for IPv4).
func pseudo(src, dst netip.Addr, length int) uint32 { return pseudoOf(src, dst, length, protoVRRP) }

func pseudoOf(src, dst netip.Addr, length, proto int) uint32 {
	return uint32(sum(slices.Concat(src.AsSlice(), dst.AsSlice()), uint32(length)+uint32(proto)))
}
