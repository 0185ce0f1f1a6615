package keepalive

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"nodeagent/internal/health"
)

// fixture is a board with the two conditions of the policy out of the box.
type fixture struct {
	board              *health.Board
	balancer, api      *health.Condition
	down, noLive, hung *health.Reason
}

func newFixture() fixture {
	f := fixture{down: &health.Reason{Name: "Down"}, noLive: &health.Reason{Name: "NoLiveBackend"}, hung: &health.Reason{Name: "Hung"}}
	f.balancer = &health.Condition{Name: "HAProxy", Max: 4, Reasons: []*health.Reason{f.down, f.noLive, f.hung}}
	f.api = &health.Condition{Name: "APIServer", Max: 4, Reasons: []*health.Reason{f.down, f.hung}}
	f.board = health.NewBoard(nil, append(Conditions(), f.balancer, f.api)...)
	return f
}

func (f fixture) set(c *health.Condition, s health.Status, r *health.Reason) {
	f.board.Publish(health.Look{Of: c, Findings: []health.Finding{{Status: s, Reason: r}}})
}

func undamped() Policy {
	p := TwoTiers("vip", "HAProxy", "APIServer")
	p.Rise, p.Fall = 0, 0
	return p
}

func TestWeights(t *testing.T) {
	ok := func(f fixture) { f.set(f.balancer, health.OK, nil); f.set(f.api, health.OK, nil) }
	for _, tc := range []struct {
		name   string
		set    func(f fixture)
		number int
		word   Word
		cause  string
	}{
		{"all well", ok, 0, WordOK, ""},
		{"never looked", func(fixture) {}, -180, WordUnknown, "HAProxy unknown NotLooked: not looked at yet"},
		{"balancer dead", func(f fixture) { ok(f); f.set(f.balancer, health.Failing, f.down) }, Fault, WordFault, "HAProxy failing Down"},
		{"balancer without backends", func(f fixture) { ok(f); f.set(f.balancer, health.Failing, f.noLive) }, -120, WordDegraded, "HAProxy failing NoLiveBackend"},
		{"balancer unknown, even for the reason that is FAULT", func(f fixture) { ok(f); f.set(f.balancer, health.Unknown, f.down) }, -120, WordUnknown, "HAProxy unknown Down"},
		{"apiserver dead is no FAULT", func(f fixture) { ok(f); f.set(f.api, health.Failing, f.down) }, -60, WordDegraded, "APIServer failing Down"},
		{"apiserver unknown", func(f fixture) { ok(f); f.set(f.api, health.Unknown, f.hung) }, -60, WordUnknown, "APIServer unknown Hung"},
		{"both bad: the sum, and failing is the word", func(f fixture) {
			f.set(f.balancer, health.Unknown, f.hung)
			f.set(f.api, health.Failing, f.hung)
		}, -180, WordDegraded, "HAProxy unknown Hung"},
		{"no balancer here", func(f fixture) { ok(f); f.set(f.balancer, health.Absent, nil) }, 0, WordOK, ""},
		{"nothing that counts is here", func(f fixture) { f.set(f.balancer, health.Absent, nil); f.set(f.api, health.Absent, nil) }, -60, WordUnknown,
			"no condition of this policy counts on this node: each is absent, muted or switched off"},
		{"a muted failure does not count", func(f fixture) {
			ok(f)
			f.set(f.balancer, health.Failing, f.down)
			f.board.SetMutes([]health.Mute{{Condition: "HAProxy", Until: time.Now().Add(time.Hour)}})
		}, 0, WordOK, ""},
		{"switched off does not count", func(f fixture) {
			ok(f)
			f.set(f.api, health.Failing, f.down)
			f.board.Tune(map[string]health.Tuning{"APIServer": {Disabled: true}})
		}, 0, WordOK, ""},
		{"a look that ran out", func(f fixture) {
			ok(f)
			f.board.Publish(health.Look{Of: f.api, Valid: time.Nanosecond, Findings: []health.Finding{{Status: health.OK}}})
		}, -60, WordUnknown, "APIServer unknown Expired: not looked at in time; it was ok"},
		{"others don't count", func(f fixture) { ok(f); f.set(VRRP, health.Failing, reasonFault) }, 0, WordOK, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				tc.set(f)
				time.Sleep(Settle)
				v, _, _ := Decide(f.board.Snapshot(), undamped(), Remember(0, time.Now().Add(-Settle)), time.Now())
				if v.Number != tc.number || v.Word != tc.word {
					t.Errorf("%d %v, want %d %v", v.Number, v.Word, tc.number, tc.word)
				}
				if got := causeOf(v); got != tc.cause {
					t.Errorf("cause %q, want %q", got, tc.cause)
				}
			})
		})
	}
}

func TestConditionNotOnTheBoard(t *testing.T) {
	f := newFixture()
	f.set(f.balancer, health.OK, nil)
	p := TwoTiers("vip", "HAProxy", "Typo")
	p.Fall = 0
	v, _, _ := Decide(f.board.Snapshot(), p, Remember(0, time.Now().Add(-time.Hour)), time.Now())
	if v.Fit() || v.Word != WordUnknown {
		t.Errorf("%+v", v)
	}
}

func TestSubject(t *testing.T) {
	f := newFixture()
	p := undamped()
	p.Counts = []Count{{Condition: "APIServer", Subject: "b", Weight: -60}}
	publish := func(a, b health.Status) {
		f.board.Publish(health.Look{Of: f.api, Findings: []health.Finding{{Subject: "a", Status: a, Reason: f.hung}, {Subject: "b", Status: b, Reason: f.hung}}})
	}
	number := func() int {
		v, _, _ := Decide(f.board.Snapshot(), p, Remember(0, time.Now().Add(-time.Hour)), time.Now())
		return v.Number
	}
	if publish(health.Failing, health.OK); number() != 0 {
		t.Error("another subject counts")
	}
	if publish(health.OK, health.Failing); number() != -60 {
		t.Error("the subject does not count")
	}
	f.board.Publish(health.Look{Of: f.api, Findings: []health.Finding{{Subject: "a", Status: health.OK}}})
	if number() != -60 {
		t.Error("a subject that is gone is well")
	}
	if f.set(f.api, health.Absent, nil); number() != p.Nothing {
		t.Error("a condition that is Absent as a whole counts")
	}
}

// run is a policy over time: it decides as the writer does, when asked to and when something changes.
type run struct {
	t    *testing.T
	f    fixture
	p    Policy
	m    Memory
	v    Verdict
	next time.Time
}

func (r *run) decide() {
	r.v, r.m, r.next = Decide(r.f.board.Snapshot(), r.p, r.m, time.Now())
}

// sleep passes time and decides only when the decisions themselves asked for it.
func (r *run) sleep(d time.Duration) {
	for end := time.Now().Add(d); ; {
		if r.next.IsZero() || r.next.After(end) {
			time.Sleep(time.Until(end))
			return
		}
		if !r.next.After(time.Now()) {
			r.t.Fatalf("asked to decide again at once: %+v", r.v)
		}
		time.Sleep(time.Until(r.next))
		r.decide()
	}
}

func (r *run) want(number int, word Word) {
	r.t.Helper()
	if r.v.Number != number || r.v.Word != word {
		r.t.Errorf("%d %v (%s), want %d %v", r.v.Number, r.v.Word, causeOf(r.v), number, word)
	}
}

func overTime(t *testing.T, old int, fn func(r *run)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &run{t: t, f: newFixture(), p: TwoTiers("vip", "HAProxy", "APIServer"), m: Remember(old, time.Now())}
		fn(r)
	})
}

func (r *run) set(c *health.Condition, s health.Status, reason *health.Reason) {
	r.f.set(c, s, reason)
	r.decide()
}

func (r *run) well() {
	r.f.set(r.f.balancer, health.OK, nil)
	r.set(r.f.api, health.OK, nil)
}

func TestRiseAndFall(t *testing.T) {
	overTime(t, 0, func(r *run) {
		r.well()
		r.want(0, WordOK)
		r.set(r.f.api, health.Failing, r.f.hung)
		r.want(0, WordOK)
		if r.v.Next == nil || r.v.Next.Number != -60 || !r.v.Next.At.Equal(time.Now().Add(DefaultFall)) {
			t.Errorf("next: %+v", r.v.Next)
		}
		r.sleep(DefaultFall - 1)
		r.want(0, WordOK)
		r.sleep(1)
		r.want(-60, WordDegraded)
		since := time.Now()

		r.set(r.f.api, health.OK, nil)
		r.sleep(DefaultRise - 1)
		r.want(-60, WordDegraded)
		if !r.v.Since.Equal(since) {
			t.Errorf("since %v, want %v", r.v.Since, since)
		}
		r.sleep(1)
		r.want(0, WordOK)
		if r.v.Next != nil || !r.next.IsZero() {
			t.Errorf("something waits: %+v, %v", r.v.Next, r.next)
		}
	})
}

func TestBriefTroubleIsNone(t *testing.T) {
	overTime(t, 0, func(r *run) {
		r.well()
		for range 10 {
			r.set(r.f.api, health.Failing, r.f.hung)
			r.sleep(DefaultFall - time.Millisecond)
			r.set(r.f.api, health.OK, nil)
			r.sleep(time.Millisecond)
			r.want(0, WordOK)
		}
	})
}

func TestFlappingNeverRises(t *testing.T) {
	overTime(t, -60, func(r *run) {
		r.well()
		for range 10 {
			r.sleep(DefaultRise - time.Millisecond)
			r.set(r.f.api, health.Failing, r.f.hung)
			r.sleep(time.Millisecond)
			r.set(r.f.api, health.OK, nil)
			if r.v.Fit() {
				t.Fatal("fit while it flaps")
			}
		}
	})
}

// What became better once more has not lasted yet.
func TestRiseIsOfTheNumberThatLasted(t *testing.T) {
	overTime(t, -180, func(r *run) {
		r.f.set(r.f.api, health.Failing, r.f.hung)
		r.set(r.f.balancer, health.OK, nil)
		r.sleep(DefaultRise - time.Millisecond)
		r.want(-180, WordUnknown)
		r.set(r.f.api, health.OK, nil)
		r.sleep(time.Millisecond)
		r.want(-180, WordUnknown)
		r.sleep(DefaultRise)
		r.want(0, WordOK)
	})
}

func TestTroubleThatChangesStillFalls(t *testing.T) {
	overTime(t, 0, func(r *run) {
		r.well()
		r.set(r.f.api, health.Failing, r.f.hung)
		r.sleep(DefaultFall / 2)
		r.set(r.f.balancer, health.Failing, r.f.noLive)
		r.sleep(DefaultFall / 2)
		r.want(-180, WordDegraded)
	})
}

func TestFaultIsAtOnceAndEnds(t *testing.T) {
	overTime(t, 0, func(r *run) {
		r.well()
		r.set(r.f.balancer, health.Failing, r.f.down)
		r.want(Fault, WordFault)
		r.sleep(DefaultFaultFor - 1)
		r.want(Fault, WordFault)
		r.sleep(1)
		r.want(Least, WordDegraded)
		r.sleep(time.Hour)
		r.want(Least, WordDegraded)
		r.set(r.f.balancer, health.Unknown, r.f.hung) // no longer seen dead: it rises, after a while, to what Unknown is
		r.want(Least, WordDegraded)
		r.set(r.f.balancer, health.Failing, r.f.down) // and a balancer that flaps does not begin FAULT anew
		r.want(Least, WordDegraded)
		r.set(r.f.balancer, health.OK, nil)
		r.sleep(DefaultRise)
		r.want(0, WordOK)
		r.set(r.f.balancer, health.Failing, r.f.down)
		r.want(Fault, WordFault)
	})
}

func TestFaultStaysWhereAskedFor(t *testing.T) {
	overTime(t, 0, func(r *run) {
		r.p.FaultFor = 0
		r.well()
		r.set(r.f.balancer, health.Failing, r.f.down)
		r.sleep(24 * time.Hour)
		r.want(Fault, WordFault)
		r.set(r.f.balancer, health.OK, nil)
		r.want(Fault, WordFault)
		r.sleep(DefaultRise)
		r.want(0, WordOK)
	})
}

func TestStart(t *testing.T) {
	t.Run("a fit verdict stays until all was looked at", func(t *testing.T) {
		overTime(t, 0, func(r *run) {
			r.decide()
			r.want(0, WordOK)
			r.set(r.f.balancer, health.OK, nil)
			r.sleep(time.Second)
			r.set(r.f.api, health.OK, nil)
			r.want(0, WordOK)
		})
	})
	t.Run("it stays 5 s at most, and then as long as a fall", func(t *testing.T) {
		overTime(t, 0, func(r *run) {
			r.decide()
			r.sleep(Settle + DefaultFall - 1)
			r.want(0, WordOK)
			r.sleep(1)
			r.want(-180, WordUnknown)
		})
	})
	t.Run("an unfit one stays for its rise", func(t *testing.T) {
		overTime(t, -60, func(r *run) {
			r.decide()
			r.want(-60, WordUnknown)
			r.sleep(time.Second)
			r.well()
			r.want(-60, WordUnknown)
			r.sleep(DefaultRise)
			r.want(0, WordOK)
		})
	})
	t.Run("FAULT is found again", func(t *testing.T) {
		overTime(t, Fault, func(r *run) {
			r.f.set(r.f.balancer, health.Failing, r.f.down)
			r.set(r.f.api, health.OK, nil)
			r.want(Fault, WordFault)
			r.sleep(DefaultFaultFor)
			r.want(Least, WordDegraded)
		})
	})
	t.Run("FAULT that ended does not begin anew", func(t *testing.T) {
		overTime(t, Least, func(r *run) {
			r.f.set(r.f.balancer, health.Failing, r.f.down)
			r.set(r.f.api, health.OK, nil)
			if r.v.Number != Least {
				t.Errorf("%+v", r.v)
			}
		})
	})
}

func TestMaintenanceLowersAndEnds(t *testing.T) {
	overTime(t, 0, func(r *run) {
		r.well()
		r.m.Maintenance = Maintenance{Since: time.Now(), Until: time.Now().Add(time.Hour), Reason: "disk"}
		r.decide()
		r.want(-100, WordMaintenance)
		r.set(r.f.api, health.Failing, r.f.hung)
		r.sleep(DefaultFall)
		r.want(-160, WordMaintenance)
		r.set(r.f.balancer, health.Failing, r.f.down)
		r.want(Fault, WordFault)
		r.set(r.f.balancer, health.OK, nil)
		r.set(r.f.api, health.OK, nil)
		r.sleep(DefaultRise)
		r.want(-100, WordMaintenance)
		r.sleep(time.Until(r.m.Maintenance.Until) - 1)
		r.want(-100, WordMaintenance)
		r.sleep(1)
		r.want(0, WordOK)
	})
}

func TestValidate(t *testing.T) {
	if err := TwoTiers("vip", "HAProxy", "APIServer").Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(p *Policy){
		"no name":        func(p *Policy) { p.Name = "" },
		"a path":         func(p *Policy) { p.Name = "../x" },
		"the beat's":     func(p *Policy) { p.Name = beatName },
		"a dot":          func(p *Policy) { p.Name = "a.sock" },
		"nothing":        func(p *Policy) { p.Counts = nil },
		"weight 0":       func(p *Policy) { p.Counts[1].Weight = 0 },
		"FAULT weight":   func(p *Policy) { p.Counts[1].Weight = Fault },
		"raises":         func(p *Policy) { p.Maintenance = 1 },
		"twice":          func(p *Policy) { p.Counts = append(p.Counts, p.Counts[0]) },
		"nameless":       func(p *Policy) { p.Counts[0].Condition = "" },
		"backwards":      func(p *Policy) { p.Rise = -1 },
		"nothing raises": func(p *Policy) { p.Nothing = 0 },
	} {
		p := TwoTiers("vip", "HAProxy", "APIServer")
		change(&p)
		if p.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Whatever happens in whatever order: FAULT only while, or shortly after, a balancer was seen dead; never fit for longer than a fall while
// something that counts is Failing or Unknown; numbers in range; no decision asks to be made again in the past.
func FuzzDecide(f *testing.F) {
	f.Add(uint64(1), uint8(40))
	f.Add(uint64(77), uint8(200))
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		x := newFixture()
		p := TwoTiers("vip", "HAProxy", "APIServer")
		now := time.Now()
		m := Remember(-int(rnd.IntN(256)), now)
		start := now
		var badSince, deadAt time.Time
		if m.number == Fault {
			deadAt = now
		}
		for range int(steps) {
			if rnd.IntN(3) > 0 {
				c := []*health.Condition{x.balancer, x.api}[rnd.IntN(2)]
				r := c.Reasons[rnd.IntN(len(c.Reasons))]
				x.set(c, health.Status(rnd.IntN(4)), r)
			}
			if rnd.IntN(8) == 0 {
				m.Maintenance = Maintenance{Until: now.Add(time.Duration(rnd.IntN(10)) * time.Second)}
			}
			snap := x.board.Snapshot()
			v, next, at := Decide(snap, p, m, now)
			m = next
			if !at.IsZero() && !at.After(now) {
				t.Fatalf("decide again at %v, it is %v", at, now)
			}
			if v.Number < Fault || v.Number > 0 || v.Since.After(now) {
				t.Fatalf("%+v", v)
			}
			raw := weigh(snap, p)
			if raw.fault {
				deadAt = now
			}
			if v.Number == Fault && (deadAt.IsZero() || v.Word != WordFault) {
				t.Fatalf("FAULT, and no balancer was seen dead: %+v", v)
			}
			if raw.number == 0 && !raw.fault {
				badSince = time.Time{}
			} else if badSince.IsZero() {
				badSince = now
			}
			late := !badSince.IsZero() && now.Sub(badSince) >= p.Fall && now.Sub(start) >= Settle+p.Fall
			if v.Fit() && late {
				t.Fatalf("fit, and bad since %v: %+v", now.Sub(badSince), raw)
			}
			if v.Word == WordOK && m.Maintenance.In(now) {
				t.Fatal("ok under maintenance")
			}
			step := time.Duration(rnd.IntN(3000)) * time.Millisecond
			if !at.IsZero() && at.Before(now.Add(step)) {
				step = at.Sub(now)
			}
			now = now.Add(step)
		}
	})
}

func TestWordsAsText(t *testing.T) {
	for _, w := range []Word{WordUnknown, WordOK, WordDegraded, WordFault, WordMaintenance} {
		b, err := json.Marshal(w)
		var back Word
		if err != nil || json.Unmarshal(b, &back) != nil || back != w {
			t.Errorf("%v became %s became %v", w, b, back)
		}
	}
	var w Word
	if json.Unmarshal([]byte(`"fit"`), &w) == nil {
		t.Error("a word of nobody is read")
	}
}
