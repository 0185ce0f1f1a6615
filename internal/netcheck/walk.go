package netcheck

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// verdict is where a packet ends.
type verdict uint8

const (
	passes verdict = iota
	drops
	mayDrop // a rule that can't be decided here drops it, or not
)

// fate is what the rules do with a packet, and the rule that decided.
type fate struct {
	verdict verdict
	masq    bool // its source is translated on the way, or may be
	chain   Chain
	rule    FilterRule // zero: the chain's policy
}

// by names what decided, for people.
func (f fate) by() string {
	if f.rule.Verdict == "" {
		return "the policy drop of chain " + f.chain.String()
	}
	return "rule " + strconv.FormatUint(f.rule.Handle, 10) + " of chain " + f.chain.String() + ": " + f.rule.String()
}

// maxDepth bounds jumps; the kernel's own bound is 16 (NFT_JUMP_STACK_SIZE).
const maxDepth = 16

// follow takes a packet through every base chain of its hook, in the order of their priorities. A drop is final; an accept only
// ends its own chain.
func (f *Filter) follow(p packet) fate {
	var base []Chain
	for _, c := range f.Chains {
		if c.Hook == p.hook && (c.Family == "inet" || c.Family == p.family()) {
			base = append(base, c)
		}
	}
	slices.SortStableFunc(base, func(a, b Chain) int { return cmp.Compare(a.Priority, b.Priority) })
	var worst fate
	for _, c := range base {
		w := walker{filter: f, p: p, base: c}
		end := w.chain(c, 0)
		if end == "" && c.Drop && w.found.verdict == passes {
			w.found.verdict, w.found.chain = drops, c
			if w.doubt {
				w.found.verdict = mayDrop
			}
		}
		worst.masq = worst.masq || w.found.masq
		switch {
		case w.found.verdict == drops:
			w.found.masq = worst.masq
			return w.found
		case w.found.verdict == mayDrop && worst.verdict == passes:
			masq := worst.masq
			worst = w.found
			worst.masq = masq
		}
	}
	return worst
}

type walker struct {
	filter *Filter
	p      packet
	base   Chain
	doubt  bool // a rule that may accept was passed
	found  fate
}

// chain gives how the walk ended: accept, drop, or empty where the end of the chain was reached.
func (w *walker) chain(c Chain, depth int) string {
	for _, r := range c.Rules {
		match := w.matches(r)
		if match == no {
			continue
		}
		switch r.Verdict {
		case "accept":
			if match == yes {
				return "accept"
			}
			w.doubt = true
		case "drop", "reject":
			if match == yes && !w.doubt {
				w.found = fate{verdict: drops, masq: w.found.masq, chain: c, rule: r}
				return "drop"
			}
			if w.found.verdict == passes && match == yes {
				w.found = fate{verdict: mayDrop, masq: w.found.masq, chain: c, rule: r}
				return "drop"
			}
		case "masquerade", "nat":
			if w.p.hook == "postrouting" {
				w.found.masq = true
			}
			if match == yes {
				return "accept"
			}
		case "return":
			if match == yes {
				return ""
			}
		case "jump", "goto":
			to, ok := w.filter.chain(c.Family, c.Table, r.To)
			if !ok || depth >= maxDepth {
				w.doubt = true // what it does is not known
				continue
			}
			sub := *w
			end := sub.chain(to, depth+1)
			w.doubt = w.doubt || sub.doubt || match == maybe && end == "accept"
			w.found.masq = w.found.masq || sub.found.masq
			if sub.found.verdict != passes && w.found.verdict == passes {
				w.found.verdict, w.found.chain, w.found.rule = sub.found.verdict, sub.found.chain, sub.found.rule
				if match == maybe {
					w.found.verdict = mayDrop
				}
			}
			if match == yes && (end != "" || r.Verdict == "goto") {
				return cmp.Or(end, "")
			}
		}
	}
	return ""
}

func (f *Filter) chain(family, table, name string) (Chain, bool) {
	i := slices.IndexFunc(f.Chains, func(c Chain) bool { return c.Family == family && c.Table == table && c.Name == name })
	if i < 0 {
		return Chain{}, false
	}
	return f.Chains[i], true
}

type answer uint8

const (
	no answer = iota
	maybe
	yes
)

// matches is yes or no where every condition can be decided, and maybe otherwise.
func (w *walker) matches(r FilterRule) answer {
	out := yes
	for _, m := range r.Matches {
		a := w.p.match(m)
		if m.Not && a != maybe {
			a = yes - a
		}
		if out = min(out, a); out == no {
			return no
		}
	}
	return out
}

func is(b bool) answer {
	if b {
		return yes
	}
	return no
}

func (p packet) match(m Match) answer {
	switch m.Key {
	case "iifname":
		return is(sameName(m.Value, p.in.Name))
	case "oifname":
		return is(sameName(m.Value, p.out.Name))
	case "iif":
		return is(m.Value == strconv.Itoa(p.in.Index))
	case "oif":
		return is(m.Value == strconv.Itoa(p.out.Index))
	case "saddr":
		return within(m.Value, p.src)
	case "daddr":
		return within(m.Value, p.dst)
	case "l4proto":
		return is(m.Value == p.proto)
	case "nfproto":
		return is(m.Value == p.family())
	case "dport":
		return p.port(m.Value)
	case "state":
		return is(slices.Contains(strings.Split(m.Value, ","), "new"))
	case "mark":
		return markZero(m.Value)
	}
	return maybe
}

func sameName(pattern, name string) bool {
	if start, any := strings.CutSuffix(pattern, "*"); any {
		return strings.HasPrefix(name, start)
	}
	return pattern == name
}

func within(value string, ip netip.Addr) answer {
	p, err := netip.ParsePrefix(value)
	if err != nil || !ip.IsValid() {
		return maybe
	}
	return is(p.Contains(ip))
}

func (p packet) port(value string) answer {
	from, to, _ := strings.Cut(value, "-")
	a, errA := strconv.Atoi(from)
	b, errB := strconv.Atoi(cmp.Or(to, from))
	switch {
	case errA != nil || errB != nil:
		return maybe
	case p.dport == 0 && a <= 1 && b >= 65535:
		return yes
	case p.dport == 0:
		return no // of a packet in general: a rule for single ports is somebody's wish
	}
	return is(p.dport >= a && p.dport <= b)
}

// markZero decides value/mask for a packet without a mark.
func markZero(value string) answer {
	v, _, _ := strings.Cut(value, "/")
	n, err := strconv.ParseUint(v, 0, 32)
	if err != nil {
		return maybe
	}
	return is(n == 0)
}
