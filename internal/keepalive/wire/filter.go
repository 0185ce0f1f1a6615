package wire

import "golang.org/x/net/bpf"

// snap is the longest part of a packet that is read: 40 bytes of IPv6, 8 of VRRP, 255 addresses.
const snap = 4200

// The filters run on packets without their Ethernet header (SOCK_DGRAM).

// vrrp4 passes IPv4 with protocol 112.
var vrrp4 = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 9, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoVRRP, SkipFalse: 1},
	bpf.RetConstant{Val: snap},
	bpf.RetConstant{Val: 0},
}

// vrrp6 passes IPv6 whose next header is 112, and neighbour advertisements.
var vrrp6 = []bpf.Instruction{
	bpf.LoadAbsolute{Off: 6, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoVRRP, SkipTrue: 3},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: protoICMPv6, SkipFalse: 3},
	bpf.LoadAbsolute{Off: 40, Size: 1},
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: 136, SkipFalse: 1},
	bpf.RetConstant{Val: snap},
	bpf.RetConstant{Val: 0},
}

// arpOf passes ARP packets whose sender says that it has one of the addresses. A network has hundreds of others a second.
func arpOf(vips []uint32) []bpf.Instruction {
	vips = vips[:min(len(vips), 100)] // jumps are one byte long
	out := []bpf.Instruction{bpf.LoadAbsolute{Off: 14, Size: 4}}
	for i, v := range vips {
		out = append(out, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipTrue: uint8(len(vips) - i)})
	}
	return append(out, bpf.RetConstant{Val: 0}, bpf.RetConstant{Val: 64})
}
