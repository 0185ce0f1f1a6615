package wire

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/health"
)

// Judge decides what was heard about each of our instances. Settle comes before it.
func (t *Tracker) Judge(own []Own, now time.Time) []health.Finding {
	var out []health.Finding
	for _, o := range own {
		f := t.judge(o, now)
		f.Subject = o.Name
		out = append(out, f)
	}
	return out
}

func (t *Tracker) judge(o Own, now time.Time) health.Finding {
	masters := t.masters(o, now)
	held := t.since[o.Name]
	holds := o.Known && o.Holds
	settled := now.Sub(held.since) > live(o.interval()) // a takeover is over
	var same, other, foreign []Peer
	for _, p := range masters {
		switch shared := overlap(p.VIPs, o.VIPs); {
		case shared == len(o.VIPs) && shared == len(p.VIPs):
			same = append(same, p)
		case shared > 0:
			other = append(other, p)
		default:
			foreign = append(foreign, p)
		}
	}
	two := len(same) > 1 && together(same)
	switch {
	case len(foreign) > 0:
		return failing(reasonForeign, foreign, "VRID %d on %s is used by %s for %s", o.VRID, o.Interface, names(foreign), vips(foreign[0].VIPs))
	case len(other) > 0:
		return failing(reasonVIPs, other, "%s advertises VRID %d with %s, and ours has %s", names(other), o.VRID, vips(other[0].VIPs), vips(o.VIPs))
	case holds && settled && len(same) > 0:
		return failing(reasonSplitBrain, same, "this node holds the VIP, and %s is master of VRID %d too%s", names(same), o.VRID, odd(o, same[0]))
	case two:
		return failing(reasonSplitBrain, same, "%s are masters of VRID %d at once%s", names(same), o.VRID, odd(o, same[1]))
	}
	for _, a := range t.answers {
		if holds && a.Interface == o.Interface && slices.Contains(o.VIPs, a.VIP) && a.First.After(held.since) && a.Last.Sub(a.First) >= time.Second {
			return health.Finding{Status: health.Failing, Reason: reasonTwice, Message: fmt.Sprintf("%s answers for %s, which this node holds", a.MAC, a.VIP)}
		}
	}
	switch {
	case holds:
		return health.Finding{Status: health.OK, Message: "this node is the only master"}
	case len(same) > 0:
		return health.Finding{Status: health.OK, Message: fmt.Sprintf("%s is master with priority %d", same[0].Address, same[0].Priority)}
	case now.Sub(held.since) > live(o.interval())+3*time.Second && o.Known && !t.recent(o, now):
		return failing(reasonNoMaster, nil, "nobody advertises VRID %d on %s, and this node does not hold the VIP", o.VRID, o.Interface)
	}
	return health.Finding{Status: health.OK, Message: "no second master was heard"}
}

// recent reports whether any advert of the instance was heard in the time that a takeover may need.
func (t *Tracker) recent(o Own, now time.Time) bool {
	for _, p := range t.peers {
		if p.Instance == o.Name && now.Sub(p.Last) <= live(p.Interval)+3*time.Second {
			return true
		}
	}
	return false
}

// together reports whether two masters were heard at one time: the older one was heard again after the newer one had begun for good, which a
// master that gave way would not be.
func together(masters []Peer) bool {
	newest := masters[0]
	for _, p := range masters {
		if p.First.After(newest.First) {
			newest = p
		}
	}
	for _, p := range masters {
		if p.Address != newest.Address && p.Last.Sub(newest.First) > newest.Interval+newest.Interval/2 {
			return true
		}
	}
	return false
}

// odd says what of a second master's adverts makes keepalived pass over them.
func odd(o Own, p Peer) string {
	switch {
	case o.Version != 0 && p.Version != o.Version:
		return fmt.Sprintf(": it speaks VRRPv%d, and here VRRPv%d is configured", p.Version, o.Version)
	case p.Version == 2 && o.Interval > 0 && p.Interval != o.Interval:
		return fmt.Sprintf(": its advert_int is %v, and here it is %v", p.Interval, o.Interval)
	}
	return ""
}

// Noise decides about malformed packets, one finding an interface that is listened to.
func (t *Tracker) Noise(ifaces []string, now time.Time) []health.Finding {
	var out []health.Finding
	for _, iface := range ifaces {
		f := health.Finding{Subject: iface, Status: health.OK, Message: "no malformed packets"}
		if n := t.noise[iface]; n != nil && n.count >= noiseMin && now.Sub(n.recent[n.count%noiseMin]) <= noiseFor { // the oldest of the ring
			f = health.Finding{Subject: iface, Status: health.Failing, Reason: reasonMalformed, Message: "malformed VRRP packets, the last " + n.text}
		}
		out = append(out, f)
	}
	return out
}

func failing(r *health.Reason, who []Peer, format string, args ...any) health.Finding {
	f := health.Finding{Status: health.Failing, Reason: r, Message: fmt.Sprintf(format, args...)}
	for _, p := range who[:min(len(who), 8)] {
		f.Evidence = append(f.Evidence, health.Pair{Key: p.Address.String(), Value: fmt.Sprintf("%s, VRRPv%d, priority %d, every %v", p.MAC, p.Version, p.Priority, p.Interval)})
	}
	return f
}

func names(peers []Peer) string {
	var out []string
	for _, p := range peers[:min(len(peers), 4)] {
		out = append(out, p.Address.String())
	}
	return strings.Join(out, " and ")
}

func vips(all []netip.Addr) string {
	var out []string
	for _, a := range all[:min(len(all), 4)] {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func overlap(a, b []netip.Addr) int {
	n := 0
	for _, x := range a {
		if slices.Contains(b, x) {
			n++
		}
	}
	return n
}
