package netcheck

import (
	"net/netip"
	"strings"
)

// Filter are the rules of nftables (iptables-nft's too) that a packet of Flannel may meet: the base chains of every hook but those of
// destination NAT, and what they jump to.
type Filter struct {
	Generation uint32   `json:"generation,omitempty"` // of the ruleset, counted by the kernel
	Legacy     []string `json:"legacy,omitempty"`     // tables of iptables-legacy in use, whose rules are not read
	Partial    string   `json:"partial,omitempty"`    // what was left out, and why
	Chains     []Chain  `json:"chains,omitempty"`
}

// Chain is one chain. Hook is empty where it is only jumped to.
type Chain struct {
	Family   string       `json:"family"` // ip, ip6, inet
	Table    string       `json:"table"`
	Name     string       `json:"name"`
	Hook     string       `json:"hook,omitempty"` // prerouting, input, forward, output, postrouting
	Kind     string       `json:"kind,omitempty"` // filter, nat, route
	Priority int          `json:"priority,omitempty"`
	Drop     bool         `json:"drop,omitempty"` // its policy
	Rules    []FilterRule `json:"rules,omitempty"`
}

func (c Chain) String() string { return c.Family + " " + c.Table + " " + c.Name }

// FilterRule is one rule: what it asks for, all of it, and what it then does.
type FilterRule struct {
	Handle  uint64  `json:"handle"`
	Matches []Match `json:"matches,omitempty"`
	Verdict string  `json:"verdict,omitempty"` // accept, drop, reject, return, jump, goto, masquerade, nat, queue; empty: goes on
	To      string  `json:"to,omitempty"`      // of jump and goto
	Comment string  `json:"comment,omitempty"`
}

// Match is one condition of a rule. A Key of "?" is one that this package can't decide.
type Match struct {
	Key   string `json:"key"` // iifname, oifname, iif, oif, saddr, daddr, l4proto, sport, dport, state, mark, nfproto, ?
	Not   bool   `json:"not,omitempty"`
	Value string `json:"value"`
}

func (r FilterRule) String() string {
	var b strings.Builder
	for _, m := range r.Matches {
		if m.Key != "?" {
			b.WriteString(m.Key + " ")
		}
		if m.Not {
			b.WriteString("!= ")
		}
		b.WriteString(m.Value + " ")
	}
	b.WriteString(r.Verdict)
	if r.To != "" {
		b.WriteString(" " + r.To)
	}
	if r.Comment != "" {
		b.WriteString(" /* " + r.Comment + " */")
	}
	return strings.TrimSpace(b.String())
}

// packet is what a walk asks about: the first packet of a connection.
type packet struct {
	what     string // for people
	hook     string
	in, out  Link
	src, dst netip.Addr
	proto    string // udp, tcp, icmp
	dport    int    // 0: none in particular
}

func (p packet) family() string {
	if p.dst.Is6() {
		return "ip6"
	}
	return "ip"
}
