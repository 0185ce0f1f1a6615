package netcheck

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/xt"
	"golang.org/x/sys/unix"
)

// decoder reads the expressions of one rule: loads into registers, comparisons with them, and what is done at the end.
type decoder struct {
	ipv6   bool
	loaded map[uint32]load
	rule   FilterRule
}

// load is what a register holds.
type load struct {
	key  string
	size int    // in bits
	mask []byte // laid over it; nil: none
}

func decodeRule(family string, r *nftables.Rule) FilterRule {
	d := decoder{ipv6: family == "ip6", loaded: map[uint32]load{}, rule: FilterRule{Handle: r.Handle}}
	for _, e := range r.Exprs {
		d.take(e)
	}
	return d.rule
}

func (d *decoder) match(key, value string, not bool) {
	d.rule.Matches = append(d.rule.Matches, Match{Key: key, Value: value, Not: not})
}

func (d *decoder) unknown(what string) { d.match("?", what, false) }

func (d *decoder) take(e expr.Any) {
	switch e := e.(type) {
	case *expr.Meta:
		d.meta(e)
	case *expr.Payload:
		d.payload(e)
	case *expr.Ct:
		switch {
		case e.SourceRegister:
		case e.Key == expr.CtKeySTATE:
			d.loaded[e.Register] = load{key: "state", size: 32}
		default:
			d.loaded[e.Register] = load{key: "?ct"}
		}
	case *expr.Bitwise:
		l := d.loaded[e.SourceRegister]
		l.mask = e.Mask
		if len(bytes.Trim(e.Xor, "\x00")) > 0 {
			l.key = "?bits"
		}
		d.loaded[e.DestRegister] = l
	case *expr.Cmp:
		d.compare(d.loaded[e.Register], e)
	case *expr.Range:
		d.between(d.loaded[e.Register], e)
	case *expr.Verdict:
		d.verdict(e)
	case *expr.Reject:
		d.rule.Verdict = "reject"
	case *expr.Masq:
		d.rule.Verdict = "masquerade"
	case *expr.NAT, *expr.Redir, *expr.TProxy:
		d.rule.Verdict = "nat"
	case *expr.Queue:
		d.rule.Verdict = "queue"
	case *expr.Match:
		d.xtMatch(e)
	case *expr.Target:
		d.xtTarget(e)
	case *expr.Counter, *expr.Log, *expr.Immediate, *expr.Notrack, *expr.Objref, *expr.Dup:
	case *expr.Lookup:
		d.match("?", d.loaded[e.SourceRegister].key+" @"+e.SetName, e.Invert)
	case *expr.Fib:
		d.loaded[e.Register] = load{key: "?fib"}
	default:
		d.unknown(strings.ToLower(strings.TrimPrefix(fmt.Sprintf("%T", e), "*expr.")))
	}
}

func (d *decoder) meta(e *expr.Meta) {
	if e.SourceRegister {
		return // it sets a mark
	}
	key := map[expr.MetaKey]string{
		expr.MetaKeyIIFNAME: "iifname", expr.MetaKeyOIFNAME: "oifname", expr.MetaKeyIIF: "iif", expr.MetaKeyOIF: "oif",
		expr.MetaKeyL4PROTO: "l4proto", expr.MetaKeyMARK: "mark", expr.MetaKeyNFPROTO: "nfproto",
	}[e.Key]
	if key == "" {
		key = "?meta"
	}
	d.loaded[e.Register] = load{key: key}
}

func (d *decoder) payload(e *expr.Payload) {
	if e.OperationType != expr.PayloadLoad {
		return
	}
	l := load{key: "?payload", size: int(e.Len) * 8}
	src, dst, proto, most := uint32(12), uint32(16), uint32(9), uint32(4)
	if d.ipv6 || e.Base == expr.PayloadBaseNetworkHeader && e.Len == 16 {
		src, dst, proto, most = 8, 24, 6, 16
	}
	switch {
	case e.Base == expr.PayloadBaseNetworkHeader && e.Offset == src && e.Len <= most:
		l.key = "saddr"
	case e.Base == expr.PayloadBaseNetworkHeader && e.Offset == dst && e.Len <= most:
		l.key = "daddr"
	case e.Base == expr.PayloadBaseNetworkHeader && e.Offset == proto && e.Len == 1:
		l.key = "l4proto"
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 0 && e.Len == 2:
		l.key = "sport"
	case e.Base == expr.PayloadBaseTransportHeader && e.Offset == 2 && e.Len == 2:
		l.key = "dport"
	}
	d.loaded[e.DestRegister] = l
}

func (d *decoder) compare(l load, e *expr.Cmp) {
	not := e.Op == expr.CmpOpNeq
	if e.Op != expr.CmpOpEq && !not || l.key == "" || l.key[0] == '?' {
		d.unknown(strings.TrimPrefix(l.key, "?"))
		return
	}
	value := ""
	switch l.key {
	case "iifname", "oifname":
		value, _, _ = strings.Cut(string(e.Data), "\x00")
		if len(e.Data) < unix.IFNAMSIZ && !bytes.Contains(e.Data, []byte{0}) {
			value += "*"
		}
	case "iif", "oif":
		value = strconv.Itoa(u32(e.Data))
	case "l4proto":
		value = protocol(e.Data)
	case "nfproto":
		value = map[byte]string{unix.NFPROTO_IPV4: "ip", unix.NFPROTO_IPV6: "ip6"}[first(e.Data)]
	case "sport", "dport":
		if len(e.Data) == 2 {
			value = strconv.Itoa(int(binary.BigEndian.Uint16(e.Data)))
		}
	case "saddr", "daddr":
		value = prefix(e.Data, l, d.ipv6)
	case "mark":
		value = fmt.Sprintf("%#x", u32(e.Data))
		if l.mask != nil {
			value += fmt.Sprintf("/%#x", u32(l.mask))
		}
	case "state": // ct state & MASK != 0
		if u32(e.Data) == 0 && l.mask != nil && not {
			value, not = states(uint32(u32(l.mask))), false
		} else if l.mask == nil {
			value = states(uint32(u32(e.Data)))
		}
	}
	if value == "" || l.mask != nil && l.key != "mark" && l.key != "state" && l.key != "saddr" && l.key != "daddr" {
		d.unknown(l.key)
		return
	}
	d.match(l.key, value, not)
}

func (d *decoder) between(l load, e *expr.Range) {
	if (l.key == "dport" || l.key == "sport") && len(e.FromData) == 2 && len(e.ToData) == 2 {
		d.match(l.key, fmt.Sprintf("%d-%d", binary.BigEndian.Uint16(e.FromData), binary.BigEndian.Uint16(e.ToData)), e.Op == expr.CmpOpNeq)
		return
	}
	d.unknown(strings.TrimPrefix(l.key, "?") + " in a range")
}

func (d *decoder) verdict(e *expr.Verdict) {
	name := map[expr.VerdictKind]string{
		expr.VerdictAccept: "accept", expr.VerdictDrop: "drop", expr.VerdictReturn: "return", expr.VerdictJump: "jump", expr.VerdictGoto: "goto", expr.VerdictQueue: "queue",
	}[e.Kind]
	d.rule.Verdict, d.rule.To = name, e.Chain
}

// xtMatch reads a match of iptables that nftables only wraps.
func (d *decoder) xtMatch(e *expr.Match) {
	switch info := e.Info.(type) {
	case *xt.Comment:
		d.rule.Comment = string(*info)
	case *xt.Udp:
		d.match("l4proto", "udp", false)
		d.ports(info.SrcPorts, info.DstPorts, info.InvFlags&xt.UdpInvSrcPorts != 0, info.InvFlags&xt.UdpInvDestPorts != 0)
	case *xt.Tcp:
		d.match("l4proto", "tcp", false)
		d.ports(info.SrcPorts, info.DstPorts, false, false)
	case *xt.ConntrackMtinfo3:
		d.conntrack(info.ConntrackMtinfoBase, info.StateMask)
	case *xt.ConntrackMtinfo2:
		d.conntrack(info.ConntrackMtinfoBase, info.StateMask)
	case *xt.ConntrackMtinfo1:
		d.conntrack(info.ConntrackMtinfoBase, uint16(info.StateMask))
	default:
		d.unknown("-m " + e.Name)
	}
}

func (d *decoder) ports(src, dst [2]uint16, notSrc, notDst bool) {
	if src != [2]uint16{0, 65535} || notSrc {
		d.match("sport", fmt.Sprintf("%d-%d", src[0], src[1]), notSrc)
	}
	if dst != [2]uint16{0, 65535} || notDst {
		d.match("dport", fmt.Sprintf("%d-%d", dst[0], dst[1]), notDst)
	}
}

// conntrack reads -m conntrack --ctstate: bit 0 is INVALID, then ESTABLISHED, RELATED, NEW (XT_CONNTRACK_STATE_BIT).
func (d *decoder) conntrack(i xt.ConntrackMtinfoBase, mask uint16) {
	if xt.ConntrackFlags(i.MatchFlags)&^(xt.ConntrackState|xt.ConntrackStateAlias) != 0 {
		d.unknown("-m conntrack")
		return
	}
	d.match("state", states(uint32(mask)), xt.ConntrackFlags(i.InvertFlags)&xt.ConntrackState != 0)
}

func (d *decoder) xtTarget(e *expr.Target) {
	switch e.Name {
	case "MASQUERADE":
		d.rule.Verdict = "masquerade"
	case "REJECT":
		d.rule.Verdict = "reject"
	case "SNAT", "DNAT", "NETMAP", "REDIRECT":
		d.rule.Verdict = "nat"
	case "NFQUEUE":
		d.rule.Verdict = "queue"
	}
}
