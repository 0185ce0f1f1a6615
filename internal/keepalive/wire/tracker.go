package wire

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Own is one of our instances as the configuration and the kernel have it.
type Own struct {
	Name      string
	Interface string
	VRID      int
	V6        bool
	VIPs      []netip.Addr
	Version   int           // 2 or 3; 0: not known
	Interval  time.Duration // between adverts; 0: 1 s
	Holds     bool          // the VIP is on this node, by netlink
	Known     bool          // Holds was found out
}

func (o Own) interval() time.Duration {
	if o.Interval <= 0 {
		return time.Second
	}
	return o.Interval
}

// The bounds of what is remembered.
const (
	maxPeers   = 64
	maxAnswers = 64
	maxIfaces  = 64
	forget     = 10 * time.Minute // a peer that is silent for so long
	noiseFor   = time.Minute      // malformed packets count for so long
	noiseMin   = 3                // that many of them are a finding
)

// Tracker remembers what was heard. It does no I/O and reads no clock; it is not safe for use by several goroutines.
type Tracker struct {
	peers     map[peerKey]*Peer
	answers   map[answerKey]*Answer
	noise     map[string]*noise
	since     map[string]held // by instance: how long it holds the VIP or doesn't
	last      string
	forgotten uint64
}

type peerKey struct {
	iface string
	vrid  int
	src   netip.Addr
}

type answerKey struct {
	iface string
	vip   netip.Addr
	mac   string
}

type held struct {
	holds, known bool
	since        time.Time
}

// noise are the malformed packets of one interface.
type noise struct {
	count  uint64
	recent [noiseMin]time.Time // the newest ones, in a ring
	text   string
}

// NewTracker makes an empty one.
func NewTracker() *Tracker {
	return &Tracker{peers: map[peerKey]*Peer{}, answers: map[answerKey]*Answer{}, noise: map[string]*noise{}, since: map[string]held{}}
}

// live is how long a master may be silent and still be one: the master-down time of RFC 5798 without its skew.
func live(interval time.Duration) time.Duration { return 3*interval + interval/2 }

// Hear takes an advert of somebody else; instance is ours of that VRID, empty for none. It reports whether it was news: a new master, another priority or other addresses.
func (t *Tracker) Hear(iface, mac, instance string, a Advert, now time.Time) bool {
	k := peerKey{iface, a.VRID, a.Src}
	p := t.peers[k]
	if p == nil {
		if len(t.peers) >= maxPeers && !t.evict(instance != "") {
			t.forgotten++
			return false
		}
		p = &Peer{Interface: iface, VRID: a.VRID, Address: a.Src, First: now}
		t.peers[k] = p
	}
	again := !p.Last.IsZero() && now.Sub(p.Last) <= live(p.Interval) && p.Priority != 0
	news := !again || p.Priority != a.Priority || p.Version != a.Version || !slices.Equal(p.VIPs, a.Addrs)
	if !again {
		p.First, p.Adverts = now, 0
	}
	p.MAC, p.Version, p.Priority, p.Interval, p.VIPs, p.Last = mac, a.Version, a.Priority, a.Interval, a.Addrs, now
	p.Instance = instance
	p.Adverts++
	return news
}

// evict makes room: the longest silent of the VRIDs that are not ours, then, for one of ours, of any.
func (t *Tracker) evict(ours bool) bool {
	var oldest peerKey
	found := false
	for _, mine := range []bool{false, true} {
		if mine && !ours {
			break
		}
		for k, p := range t.peers {
			if (p.Instance != "") == mine && (!found || p.Last.Before(t.peers[oldest].Last)) {
				oldest, found = k, true
			}
		}
		if found {
			break
		}
	}
	if found {
		delete(t.peers, oldest)
		t.forgotten++
	}
	return found
}

// Malformed counts a packet that could not be believed.
func (t *Tracker) Malformed(iface, from string, err error, now time.Time) {
	n := t.noise[iface]
	if n == nil {
		if len(t.noise) >= maxIfaces {
			return
		}
		n = &noise{}
		t.noise[iface] = n
	}
	n.recent[n.count%noiseMin] = now
	n.count++
	n.text = "from " + from + ": " + err.Error()
	t.last = iface + " " + n.text
}

// Answered takes somebody's word that it has an address.
func (t *Tracker) Answered(iface string, vip netip.Addr, mac string, now time.Time) {
	k := answerKey{iface, vip, mac}
	a := t.answers[k]
	if a == nil {
		if len(t.answers) >= maxAnswers {
			return
		}
		a = &Answer{Interface: iface, VIP: vip, MAC: mac, First: now}
		t.answers[k] = a
	}
	a.Last = now
}

// Settle takes our own state: how long an instance holds its VIP is counted from here. It drops what is too old to matter.
func (t *Tracker) Settle(own []Own, probe time.Duration, now time.Time) {
	names := map[string]bool{}
	for _, o := range own {
		names[o.Name] = true
		if was, ok := t.since[o.Name]; !ok || was.holds != o.Holds || was.known != o.Known {
			t.since[o.Name] = held{o.Holds, o.Known, now}
			if !o.Holds {
				maps.DeleteFunc(t.answers, func(_ answerKey, a *Answer) bool { return slices.Contains(o.VIPs, a.VIP) })
			}
		}
	}
	maps.DeleteFunc(t.since, func(name string, _ held) bool { return !names[name] })
	maps.DeleteFunc(t.peers, func(_ peerKey, p *Peer) bool { return now.Sub(p.Last) > forget })
	maps.DeleteFunc(t.answers, func(_ answerKey, a *Answer) bool { return now.Sub(a.Last) > 3*probe })
	for _, p := range t.peers {
		p.Instance = ""
		for _, o := range own {
			if o.owns(p.Interface, p.VRID, p.Address.Is6()) {
				p.Instance = o.Name
			}
		}
	}
}

func (o Own) owns(iface string, vrid int, v6 bool) bool {
	return o.Interface == iface && o.VRID == vrid && o.V6 == v6
}

// masters are the peers that advertise an instance's VRID now. One advert may be the last word of a master that steps down, so that two
// in a row are asked for; a peer that resigned is none.
func (t *Tracker) masters(o Own, now time.Time) []Peer {
	var out []Peer
	for _, p := range t.peers {
		if p.Instance == o.Name && p.Adverts >= 2 && p.Priority > 0 && now.Sub(p.Last) <= live(p.Interval) {
			out = append(out, *p)
		}
	}
	slices.SortFunc(out, comparePeers)
	return out
}

func comparePeers(a, b Peer) int {
	return cmp.Or(cmp.Compare(a.Interface, b.Interface), cmp.Compare(a.VRID, b.VRID), a.Address.Compare(b.Address))
}

// View is what is remembered.
func (t *Tracker) View(now time.Time) View {
	v := View{At: now, Forgotten: t.forgotten, Last: t.last, Malformed: map[string]uint64{}}
	for _, p := range t.peers {
		c := *p
		c.Live = p.Priority > 0 && now.Sub(p.Last) <= live(p.Interval)
		v.Peers = append(v.Peers, c)
	}
	slices.SortFunc(v.Peers, comparePeers)
	for _, a := range t.answers {
		v.Answers = append(v.Answers, *a)
	}
	slices.SortFunc(v.Answers, func(a, b Answer) int { return cmp.Or(a.VIP.Compare(b.VIP), cmp.Compare(a.MAC, b.MAC)) })
	for iface, n := range t.noise {
		v.Malformed[iface] = n.count
	}
	return v
}
