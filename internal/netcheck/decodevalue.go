package netcheck

import (
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

func first(b []byte) byte {
	if len(b) == 0 {
		return 0
	}
	return b[0]
}

func protocol(b []byte) string {
	switch p := first(b); p {
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		return "icmp"
	default:
		return strconv.Itoa(int(p))
	}
}

// prefix reads an address or the part of one that was loaded and masked; empty where the mask is no prefix's.
func prefix(data []byte, l load, ipv6 bool) string {
	size := 4
	if ipv6 || len(data) == 16 {
		size = 16
	}
	if len(data) > size {
		return ""
	}
	length := l.size
	if l.mask != nil {
		length = 0
		for i, m := range l.mask {
			ones := bits.LeadingZeros8(^m)
			if bits.OnesCount8(m) != ones || ones > 0 && length != i*8 {
				return ""
			}
			length += ones
		}
	}
	whole := make([]byte, size)
	copy(whole, data)
	a, _ := netip.AddrFromSlice(whole)
	if p := netip.PrefixFrom(a, length); p.IsValid() {
		return p.Masked().String()
	}
	return ""
}

func states(mask uint32) string {
	var out []string
	for _, s := range []struct {
		bit  uint32
		name string
	}{{expr.CtStateBitNEW, "new"}, {expr.CtStateBitESTABLISHED, "established"}, {expr.CtStateBitRELATED, "related"}, {expr.CtStateBitINVALID, "invalid"}, {expr.CtStateBitUNTRACKED, "untracked"}} {
		if mask&s.bit != 0 {
			out = append(out, s.name)
		}
	}
	return strings.Join(out, ",")
}
