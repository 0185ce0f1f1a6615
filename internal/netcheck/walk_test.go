package netcheck

import (
	"net/netip"
	"testing"
)

func TestFollow(t *testing.T) {
	eth := Link{Index: 2, Name: "eth0"}
	p := packet{hook: "input", in: eth, src: netip.MustParseAddr("192.168.1.2"), dst: netip.MustParseAddr("192.168.1.1"), proto: "udp", dport: 8472}
	m := func(kv ...string) (out []Match) {
		for i := 0; i < len(kv); i += 2 {
			out = append(out, Match{Key: kv[i], Value: kv[i+1]})
		}
		return out
	}
	chain := func(priority int, drop bool, rules ...FilterRule) Chain {
		return Chain{Family: "inet", Table: "t", Name: "in", Hook: "input", Priority: priority, Drop: drop, Rules: rules}
	}
	for _, c := range []struct {
		name   string
		chains []Chain
		want   verdict
	}{
		{"nothing", nil, passes},
		{"policy drop", []Chain{chain(0, true)}, drops},
		{"accepted before the policy", []Chain{chain(0, true, FilterRule{Matches: m("l4proto", "udp", "dport", "8472"), Verdict: "accept"})}, passes},
		{"another port", []Chain{chain(0, true, FilterRule{Matches: m("l4proto", "udp", "dport", "4789"), Verdict: "accept"})}, drops},
		{"range of ports", []Chain{chain(0, false, FilterRule{Matches: m("dport", "8000-9000"), Verdict: "drop"})}, drops},
		{"from one source", []Chain{chain(0, false, FilterRule{Matches: m("saddr", "192.168.1.0/24"), Verdict: "drop"})}, drops},
		{"from another source", []Chain{chain(0, false, FilterRule{Matches: m("saddr", "10.0.0.0/8"), Verdict: "drop"})}, passes},
		{"not this source", []Chain{chain(0, false, FilterRule{Matches: []Match{{Key: "saddr", Not: true, Value: "10.0.0.0/8"}}, Verdict: "drop"})}, drops},
		{"established only", []Chain{chain(0, true, FilterRule{Matches: m("state", "established,related"), Verdict: "accept"})}, drops},
		{"invalid only", []Chain{chain(0, false, FilterRule{Matches: m("state", "invalid"), Verdict: "drop"})}, passes},
		{"device by name", []Chain{chain(0, false, FilterRule{Matches: m("iifname", "eth*"), Verdict: "drop"})}, drops},
		{"device by index", []Chain{chain(0, false, FilterRule{Matches: m("iif", "7"), Verdict: "drop"})}, passes},
		{"mark", []Chain{chain(0, false, FilterRule{Matches: m("mark", "0x4000/0x4000"), Verdict: "drop"})}, passes},
		{"a drop that can't be decided is somebody's own rule", []Chain{chain(0, false, FilterRule{Matches: m("?", "saddr @block"), Verdict: "drop"})}, passes},
		{"an accept that can't be decided before a drop", []Chain{chain(0, true, FilterRule{Matches: m("?", "saddr @friends"), Verdict: "accept"})}, mayDrop},
		{"an accept ends its own chain only", []Chain{chain(0, false, FilterRule{Verdict: "accept"}), chain(10, false, FilterRule{Verdict: "drop"})}, drops},
		{"a drop is final", []Chain{chain(10, false, FilterRule{Verdict: "accept"}), chain(0, false, FilterRule{Verdict: "drop"})}, drops},
		{"jump, return, go on", []Chain{chain(0, false, FilterRule{Verdict: "jump", To: "sub"}, FilterRule{Verdict: "drop"}), {Family: "inet", Table: "t", Name: "sub", Rules: []FilterRule{{Verdict: "return"}, {Verdict: "accept"}}}}, drops},
		{"jump, accept", []Chain{chain(0, false, FilterRule{Verdict: "jump", To: "sub"}, FilterRule{Verdict: "drop"}), {Family: "inet", Table: "t", Name: "sub", Rules: []FilterRule{{Verdict: "accept"}}}}, passes},
		{"goto does not come back", []Chain{chain(0, false, FilterRule{Verdict: "goto", To: "sub"}, FilterRule{Verdict: "drop"}), {Family: "inet", Table: "t", Name: "sub"}}, passes},
		{"goto, then the policy", []Chain{chain(0, true, FilterRule{Verdict: "goto", To: "sub"}, FilterRule{Verdict: "accept"}), {Family: "inet", Table: "t", Name: "sub"}}, drops},
		{"a loop ends", []Chain{chain(0, false, FilterRule{Verdict: "jump", To: "in"})}, passes},
		{"IPv6 rules", []Chain{{Family: "ip6", Table: "t", Name: "in", Hook: "input", Drop: true}}, passes},
		{"another hook", []Chain{{Family: "ip", Table: "t", Name: "fwd", Hook: "forward", Drop: true}}, passes},
	} {
		if got := (&Filter{Chains: c.chains}).follow(p); got.verdict != c.want {
			t.Errorf("%s: %d by %s, want %d", c.name, got.verdict, got.by(), c.want)
		}
	}
}
