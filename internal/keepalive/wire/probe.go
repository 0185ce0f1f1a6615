package wire

import (
	"encoding/binary"
	"net"
	"net/netip"
)

// arpProbe asks who has an address, in the name of nobody (RFC 5227, 2.1.1): it enters no cache.
func arpProbe(mac net.HardwareAddr, vip netip.Addr) []byte {
	b := make([]byte, 28)
	binary.BigEndian.PutUint16(b[0:], 1)      // Ethernet
	binary.BigEndian.PutUint16(b[2:], 0x0800) // IPv4
	b[4], b[5] = 6, 4
	binary.BigEndian.PutUint16(b[6:], 1) // request
	copy(b[8:14], mac)
	target := vip.As4()
	copy(b[24:], target[:])
	return b
}

// parseARP reads an ARP packet: who says of itself that it has which address. A probe says nothing.
func parseARP(b []byte) (netip.Addr, net.HardwareAddr, bool) {
	if len(b) < 28 || binary.BigEndian.Uint16(b) != 1 || binary.BigEndian.Uint16(b[2:]) != 0x0800 || b[4] != 6 || b[5] != 4 {
		return netip.Addr{}, nil, false
	}
	if op := binary.BigEndian.Uint16(b[6:]); op != 1 && op != 2 {
		return netip.Addr{}, nil, false
	}
	addr := netip.AddrFrom4([4]byte(b[14:18]))
	return addr, net.HardwareAddr(b[8:14:14]), !addr.IsUnspecified()
}

// solicitation asks who has an IPv6 address, from :: as duplicate address detection does (RFC 4861, 4.3; RFC 4862, 5.4.2), and gives the
// MAC address to send it to.
func solicitation(vip netip.Addr) ([]byte, net.HardwareAddr) {
	target := vip.As16()
	dst := netip.AddrFrom16([16]byte{0xff, 0x02, 10: 0, 11: 1, 12: 0xff, 13: target[13], 14: target[14], 15: target[15]})
	b := make([]byte, 40+24)
	b[0] = 6 << 4
	binary.BigEndian.PutUint16(b[4:], 24)
	b[6], b[7] = protoICMPv6, 255
	to := dst.As16()
	copy(b[24:40], to[:])
	icmp := b[40:]
	icmp[0] = 135
	copy(icmp[8:], target[:])
	binary.BigEndian.PutUint16(icmp[2:], ^sum(icmp, pseudoOf(netip.IPv6Unspecified(), dst, len(icmp), protoICMPv6)))
	return b, net.HardwareAddr{0x33, 0x33, 0xff, target[13], target[14], target[15]}
}

// parseAdvertisement reads a neighbour advertisement: which address somebody says to have.
func parseAdvertisement(b []byte) (netip.Addr, bool) {
	if len(b) < 40+24 || b[0]>>4 != 6 || b[6] != protoICMPv6 || b[7] != 255 || b[40] != 136 || b[41] != 0 {
		return netip.Addr{}, false
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if length < 24 || length > len(b)-40 {
		return netip.Addr{}, false
	}
	src, dst := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	if sum(b[40:40+length], pseudoOf(src, dst, length, protoICMPv6)) != 0xffff {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte(b[48:64])), true
}
