package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
)

// play runs a story over a tracker, step by step; a step is a second.
type play struct {
	t   *testing.T
	tr  *Tracker
	own Own
	now time.Time
}

func newPlay(t *testing.T) *play {
	return &play{t: t, tr: NewTracker(), now: time.Unix(1000, 0), own: Own{Name: "VI", Interface: "eth0", VRID: 7, VIPs: []netip.Addr{vip4}, Version: 2, Interval: time.Second, Known: true}}
}

// run lets seconds pass in which these adverts are heard.
func (p *play) run(seconds int, adverts ...Advert) {
	for range seconds {
		p.now = p.now.Add(time.Second)
		for _, a := range adverts {
			p.tr.Hear("eth0", "02:00:00:00:00:01", "", a, p.now)
		}
		p.tr.Settle([]Own{p.own}, 5*time.Second, p.now)
	}
}

func (p *play) want(want string) {
	p.t.Helper()
	f := p.tr.Judge([]Own{p.own}, p.now)[0]
	got := f.Status.String()
	if f.Reason != nil {
		got += "/" + f.Reason.Name
	}
	if got != want {
		p.t.Errorf("at %v: %s, want %s: %s", p.now.Sub(time.Unix(1000, 0)), got, want, f.Message)
	}
}

func with(a Advert, change func(*Advert)) Advert {
	a.Addrs = append([]netip.Addr(nil), a.Addrs...)
	change(&a)
	return a
}

func TestOneMaster(t *testing.T) {
	p := newPlay(t)
	p.run(10, v2())
	p.want("ok")
	p.run(3)
	p.want("ok") // it may have been unlucky
	p.run(20)
	p.want("failing/NoMaster")
	p.own.Holds = true
	p.run(1)
	p.want("ok")
}

func TestNothingKnownIsNoMissingMaster(t *testing.T) {
	p := newPlay(t)
	p.own.Known = false
	p.run(60)
	p.want("ok")
}

func TestTakeoverIsNoSplitBrain(t *testing.T) {
	p := newPlay(t)
	p.run(10, v2())
	p.own.Holds = true // it takes over; the old master's last advert crosses ours
	p.run(1, v2())
	p.want("ok")
	p.run(5)
	p.want("ok")
	p.own.Holds = false // and gives it back
	p.run(2, v2())
	p.want("ok")
}

func TestSplitBrain(t *testing.T) {
	p := newPlay(t)
	p.own.Holds = true
	p.run(10, v2())
	p.want("failing/SplitBrain")
	p.run(2, with(v2(), func(a *Advert) { a.Priority = 0 })) // it resigns
	p.want("ok")
	p.run(5, with(v2(), func(a *Advert) { a.Version = 3 }))
	f := p.tr.Judge([]Own{p.own}, p.now)[0]
	if !strings.Contains(f.Message, "VRRPv3") {
		t.Errorf("the version is not named: %s", f.Message)
	}
	p.run(5)
	p.want("ok")
}

// TestOneStrayAdvert: a single packet is no second master.
func TestOneStrayAdvert(t *testing.T) {
	p := newPlay(t)
	p.own.Holds = true
	p.run(10)
	p.run(1, v2())
	p.want("ok")
}

func TestNoMasterNeedsTime(t *testing.T) {
	p := newPlay(t)
	p.run(5)
	p.want("ok") // the agent has just begun to listen
	p.run(5)
	p.want("failing/NoMaster")
}

// TestOursAreKept: senders of other VRIDs never push out those of ours.
func TestOursAreKept(t *testing.T) {
	p := newPlay(t)
	for n := range maxPeers {
		a := v2()
		a.Src = netip.AddrFrom4([4]byte{10, 0, 1, byte(n)})
		p.tr.Hear("eth0", "x", "VI", a, p.now)
	}
	p.tr.Hear("eth0", "x", "", with(v2(), func(a *Advert) { a.VRID = 9 }), p.now)
	for _, peer := range p.tr.View(p.now).Peers {
		if peer.VRID == 9 {
			t.Error("a sender of another VRID took the place of one of ours")
		}
	}
	p.tr.Hear("eth0", "x", "VI", v2(), p.now) // but ours make room for one another
	if v := p.tr.View(p.now); len(v.Peers) != maxPeers || v.Forgotten != 2 {
		t.Errorf("%d peers, %d forgotten", len(v.Peers), v.Forgotten)
	}
}

func TestTwoOthersAreMasters(t *testing.T) {
	p := newPlay(t)
	second := with(v2(), func(a *Advert) { a.Src = netip.MustParseAddr("10.0.0.13") })
	p.run(10, v2())
	p.run(2, second) // the first one gave way
	p.want("ok")
	p.run(10, v2(), second)
	p.want("failing/SplitBrain")
	p.run(6, second)
	p.want("ok")
}

func TestForeignUsers(t *testing.T) {
	p := newPlay(t)
	p.run(5, with(v2(), func(a *Advert) { a.Addrs[0] = netip.MustParseAddr("192.168.1.1") }))
	p.want("failing/ForeignVRID")
	p = newPlay(t)
	p.run(5, with(v2(), func(a *Advert) { a.Addrs = append(a.Addrs, netip.MustParseAddr("10.0.0.101")) }))
	p.want("failing/DifferentVIPs")
	p = newPlay(t)
	p.own.Holds = true
	p.run(5, with(v2(), func(a *Advert) { a.VRID = 8 })) // another VRID is nobody's business
	p.want("ok")
	if v := p.tr.View(p.now); len(v.Peers) != 1 || v.Peers[0].Instance != "" || !v.Peers[0].Live {
		t.Errorf("view %+v", v)
	}
}

func TestDuplicateVIP(t *testing.T) {
	p := newPlay(t)
	p.own.Holds = true
	p.run(10)
	p.tr.Answered("eth0", vip4, "02:00:00:00:00:09", p.now)
	p.run(1)
	p.want("ok") // once may be the last word of a master that gives way
	p.tr.Answered("eth0", vip4, "02:00:00:00:00:09", p.now.Add(4*time.Second))
	p.run(5)
	p.want("failing/DuplicateVIP")
	p.run(20)
	p.want("ok")
}

func TestNoise(t *testing.T) {
	p := newPlay(t)
	p.run(1, v2())
	state := func() string {
		f := p.tr.Noise([]string{"eth0"}, p.now)[0]
		return f.Status.String()
	}
	for range 2 {
		p.tr.Malformed("eth0", "02:00:00:00:00:01", errors.New("checksum"), p.now)
	}
	if state() != "ok" {
		t.Error("two of them are a finding")
	}
	p.tr.Malformed("eth0", "02:00:00:00:00:01", errors.New("checksum"), p.now)
	if state() != "failing" {
		t.Error("three of them are none")
	}
	p.run(70)
	if state() != "ok" {
		t.Error("they count for ever")
	}
	if v := p.tr.View(p.now); v.Malformed["eth0"] != 3 || !strings.Contains(v.Last, "checksum") {
		t.Errorf("view %+v", v)
	}
}

// TestBounded: a flood of sources does not push our own master out, and costs no more than 64 peers.
func TestBounded(t *testing.T) {
	p := newPlay(t)
	p.run(10, v2())
	for n := range 100_000 {
		a := v2()
		a.VRID = 1 + n%255
		if a.VRID == 7 {
			a.VRID = 9
		}
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(n)|1<<31)
		a.Src = netip.AddrFrom4(b)
		p.tr.Hear("eth0", "x", "", a, p.now)
		p.tr.Answered("eth0", a.Src, "x", p.now)
		p.tr.Malformed(fmt.Sprint(n), "x", errors.New("y"), p.now)
	}
	v := p.tr.View(p.now)
	if len(v.Peers) != maxPeers || v.Forgotten == 0 || len(v.Answers) > maxAnswers || len(v.Malformed) > maxIfaces {
		t.Errorf("%d peers, %d forgotten, %d answers, %d interfaces", len(v.Peers), v.Forgotten, len(v.Answers), len(v.Malformed))
	}
	p.run(1, v2())
	p.want("ok")
	if f := p.tr.Judge([]Own{p.own}, p.now)[0]; !strings.Contains(f.Message, "10.0.0.12 is master") {
		t.Errorf("our own master was forgotten: %s", f.Message)
	}
	p.run(int(forget/time.Second) + 10)
	if v := p.tr.View(p.now); len(v.Peers) != 0 {
		t.Errorf("%d peers are never forgotten", len(v.Peers))
	}
}

func TestPublishable(t *testing.T) {
	own := []Own{{Name: "A", Interface: "eth0"}, {Name: "B", Interface: "eth1"}}
	findings := func() []health.Finding {
		return []health.Finding{{Subject: "A", Status: health.OK}, {Subject: "B", Status: health.OK}}
	}
	words := func(looks []health.Look) string {
		var out []string
		for _, l := range looks {
			for _, f := range l.Findings {
				out = append(out, f.Subject+"="+f.Status.String())
			}
		}
		return strings.Join(out, " ")
	}
	denied := fmt.Errorf("listen: %w", os.ErrPermission)
	for _, tt := range []struct {
		own  []Own
		errs map[string]error
		want string
	}{
		{nil, nil, "=absent =absent"},
		{own, map[string]error{"eth0": denied, "eth1": denied}, "=absent =absent"},
		{own, map[string]error{"eth1": errors.New("there is no interface")}, "A=ok B=unknown eth1=unknown"},
		{own, nil, "A=ok B=ok"},
	} {
		if got := words(publishable(tt.own, findings(), nil, tt.errs, 0)); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.errs, got, tt.want)
		}
	}
}

// FuzzTracker plays any story: every finding has a reason of the closed set, and memory stays bounded.
func FuzzTracker(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Fuzz(func(t *testing.T, story []byte) {
		p := newPlay(t)
		board := health.NewBoard(nil, Conditions()...)
		for _, b := range story {
			a := v2()
			a.Priority, a.VRID = int(b), 1+int(b)%8
			a.Src = netip.AddrFrom4([4]byte{10, 0, b, b >> 3})
			if b&16 != 0 {
				a.Addrs = []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, 100 + b>>6})}
			}
			switch b % 5 {
			case 0:
				p.own.Holds = !p.own.Holds
			case 1:
				p.own.Known = b > 100
			case 2:
				p.tr.Answered("eth0", vip4, fmt.Sprint(b), p.now)
			case 3:
				p.tr.Malformed("eth0", "x", errors.New("y"), p.now)
			}
			p.run(1+int(b)%4, a)
			board.Publish(health.Look{Of: VRRPWire, Findings: p.tr.Judge([]Own{p.own}, p.now)}, health.Look{Of: VRRPNoise, Findings: p.tr.Noise([]string{"eth0"}, p.now)})
			for _, st := range board.Snapshot().States() {
				for _, e := range st.Entries {
					if e.Reason == health.ReasonUndeclared || e.Message == "" {
						t.Fatalf("%+v", e)
					}
				}
			}
		}
		if v := p.tr.View(p.now); len(v.Peers) > maxPeers {
			t.Fatalf("%d peers", len(v.Peers))
		}
	})
}
