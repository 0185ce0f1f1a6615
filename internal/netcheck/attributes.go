package netcheck

import (
	"encoding/binary"
	"iter"
	"net"
	"net/netip"
	"strings"
)

// attributes walks netlink attributes. It ends at the first one that does not fit: the kernel sends none such.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= 4 {
			size := int(binary.NativeEndian.Uint16(b))
			if size < 4 || size > len(b) {
				return
			}
			if !yield(binary.NativeEndian.Uint16(b[2:])&0x3fff, b[4:size]) { // without NLA_F_NESTED and NLA_F_NET_BYTEORDER
				return
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}

func u16(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	return int(binary.NativeEndian.Uint16(b))
}

func u32(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	return int(binary.NativeEndian.Uint32(b))
}

func ipOf(b []byte) netip.Addr {
	a, _ := netip.AddrFromSlice(b)
	return a
}

func macOf(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return net.HardwareAddr(b).String()
}

func textOf(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}
