package health

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	reasonDead  = &Reason{Name: "Dead", Fix: "Start it."}
	reasonHung  = &Reason{Name: "Hung", Fix: "Restart it."}
	reasonOther = &Reason{Name: "Other", Fix: "Belongs to no condition."}
)

func condition(name string, impact Impact, most int) *Condition {
	return &Condition{Name: name, Help: "It works.", Impact: impact, Max: most, Reasons: []*Reason{reasonDead, reasonHung}}
}

func state(t *testing.T, s Snapshot, name string) State {
	t.Helper()
	st, ok := s.Of(name)
	if !ok {
		t.Fatalf("condition %s is not in the snapshot", name)
	}
	return st
}

// entry is the shortest picture of an entry that a test wants to compare.
func entry(e Entry) string {
	s := e.Subject + "=" + e.Status.String()
	if e.Reason != nil {
		s += "/" + e.Reason.Name
	}
	if e.Mute != nil {
		s += "/muted"
	}
	return s
}

func entries(st State) string {
	var out []string
	for _, e := range st.Entries {
		out = append(out, entry(e))
	}
	return strings.Join(out, " ")
}

// peek is what the board holds, without the refresh that a read brings.
func peek(b *Board) (Snapshot, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.snap, b.change
}

func TestNothingFailsOpen(t *testing.T) {
	c := condition("C", Critical, 4)
	for _, tc := range []struct {
		name  string
		looks []Look
		want  string // the entry of subject a
	}{
		{"never looked at", nil, "a=unknown/NotLooked"},
		{"the last look did not name it", []Look{{Of: c, Findings: []Finding{{Subject: "b", Status: OK}}}}, "a=unknown/NoEntry"},
		{"a whole look that names nobody", []Look{{Of: c}}, "a=unknown/NoEntry"},
		{"zero finding", []Look{{Of: c, Findings: []Finding{{Subject: "a"}}}}, "a=unknown/Undeclared"},
		{"failing without a reason", []Look{{Of: c, Findings: []Finding{{Subject: "a", Status: Failing}}}}, "a=failing/Undeclared"},
		{"failing with a reason of nobody", []Look{{Of: c, Findings: []Finding{{Subject: "a", Status: Failing, Reason: reasonOther}}}}, "a=unknown/Undeclared"},
		{"ok with a reason of nobody", []Look{{Of: c, Findings: []Finding{{Subject: "a", Status: OK, Reason: reasonOther}}}}, "a=unknown/Undeclared"},
		{"a reason that only has the right name", []Look{{Of: c, Findings: []Finding{{Subject: "a", Status: Failing, Reason: &Reason{Name: "Dead"}}}}}, "a=unknown/Undeclared"},
		{"a status that does not exist", []Look{{Of: c, Findings: []Finding{{Subject: "a", Status: 7}}}}, "a=unknown/Undeclared"},
		{"ok", []Look{{Of: c, Findings: []Finding{{Subject: "a", Status: OK}}}}, "a=ok"},
		{"absent", []Look{{Of: c, Findings: []Finding{{Subject: "a", Status: Absent}}}}, "a=absent"},
		{"failing", []Look{{Of: c, Findings: []Finding{{Subject: "a", Status: Failing, Reason: reasonHung}}}}, "a=failing/Hung"},
		{"a reason of the board", []Look{{Of: c, Findings: []Finding{{Subject: "a", Status: Unknown, Reason: ReasonNotLooked}}}}, "a=unknown/NotLooked"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := NewBoard(nil, c)
			b.Publish(tc.looks...)
			if got := entry(state(t, b.Snapshot(), "C").Entry("a")); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	if _, ok := NewBoard(nil, c).Snapshot().Of("c"); ok {
		t.Error("a condition was found by another name")
	}
	if got := (Snapshot{}).Worst(); got != Unknown {
		t.Errorf("the zero snapshot is %v", got)
	}
	if got := (State{Condition: c}).Worst().Status; got != Unknown {
		t.Errorf("a state with no entries is %v", got)
	}
}

func TestLooksExpire(t *testing.T) {
	c := condition("C", Critical, 2)
	look := func(valid time.Duration) Look {
		return Look{Of: c, Valid: valid, Findings: []Finding{
			{Subject: "a", Status: OK, Evidence: []Pair{{"pid", "7"}}},
			{Subject: "b", Status: Unknown, Reason: reasonHung, Message: "no answer"}}}
	}
	check := func(t *testing.T, s Snapshot, want string) {
		t.Helper()
		if got := entries(state(t, s, "C")); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	const good, bad = "a=ok b=unknown/Hung", "a=unknown/Expired b=unknown/Expired"

	t.Run("by its timer", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var changes []string
			b := NewBoard(func(ch Change) { changes = append(changes, entry(ch.Is)) }, c)
			b.Publish(look(time.Minute))
			_, changed := peek(b)
			start := time.Now()
			time.Sleep(time.Minute - 1)
			select {
			case <-changed:
				t.Fatal("expired early")
			default:
			}
			<-changed // nobody reads: only the timer can close it
			if d := time.Since(start); d != time.Minute {
				t.Errorf("expired after %v", d)
			}
			s, _ := peek(b)
			check(t, s, bad)
			if got := strings.Join(changes, " "); got != good+" "+bad {
				t.Errorf("changes: %s", got)
			}
			e := state(t, s, "C").Entry("a")
			if e.Message != "not looked at in time; it was ok" || len(e.Evidence) != 1 || !e.Since.Equal(start.Add(time.Minute)) {
				t.Errorf("a expired as %+v", e)
			}
			if e := state(t, s, "C").Entry("b"); e.Message != "not looked at in time; it was unknown (Hung)" || !e.Since.Equal(start) {
				t.Errorf("b was unknown since %v, expired as %+v", start, e)
			}
		})
	})
	t.Run("by a read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := NewBoard(nil, c)
			b.Publish(look(time.Minute))
			b.timer.Stop()
			time.Sleep(time.Minute - 1)
			check(t, b.Snapshot(), good)
			time.Sleep(time.Nanosecond)
			check(t, b.Snapshot(), bad)
		})
	})
	t.Run("by another look", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := condition("D", Critical, 1)
			b := NewBoard(nil, c, d)
			b.Publish(look(time.Minute))
			b.timer.Stop()
			time.Sleep(time.Minute)
			b.Publish(Look{Of: d, Findings: []Finding{{Status: OK}}})
			s, _ := peek(b)
			check(t, s, bad)
		})
	})
	t.Run("extended by a look that finds the same", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := NewBoard(nil, c)
			b.Publish(look(time.Minute))
			before := b.Snapshot()
			for range 10 {
				time.Sleep(40 * time.Second)
				b.Publish(look(time.Minute))
			}
			if b.Snapshot().At != before.At || &b.Snapshot().states[0] != &before.states[0] {
				t.Error("a look that found the same made a new snapshot")
			}
			check(t, b.Snapshot(), good)
			time.Sleep(time.Minute)
			check(t, b.Snapshot(), bad)
			b.Publish(look(time.Minute))
			check(t, b.Snapshot(), good)
		})
	})
	t.Run("each in its own time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := NewBoard(nil, c)
			b.Publish(look(time.Minute))
			time.Sleep(30 * time.Second)
			b.Publish(Look{Of: c, Partial: true, Valid: time.Minute, Findings: []Finding{{Subject: "a", Status: OK}}})
			time.Sleep(30 * time.Second)
			check(t, b.Snapshot(), "a=ok b=unknown/Expired")
			time.Sleep(30 * time.Second)
			check(t, b.Snapshot(), bad)
		})
	})
	t.Run("never without a validity", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := NewBoard(nil, c)
			b.Publish(look(0))
			time.Sleep(10 * 365 * 24 * time.Hour)
			check(t, b.Snapshot(), good)
		})
	})
}

func TestWholeAndPartialLooks(t *testing.T) {
	c := condition("C", Critical, 4)
	var changes []string
	b := NewBoard(func(ch Change) {
		kind := "="
		switch {
		case ch.New:
			kind = "+"
		case ch.Gone:
			kind = "-"
		}
		changes = append(changes, kind+entry(ch.Was)+">"+entry(ch.Is))
	}, c)
	step := func(l Look, want, wantChanges string) {
		t.Helper()
		changes = nil
		l.Of = c
		b.Publish(l)
		if got := entries(state(t, b.Snapshot(), "C")); got != want {
			t.Errorf("entries: got %s, want %s", got, want)
		}
		if got := strings.Join(changes, " "); got != wantChanges {
			t.Errorf("changes: got %s, want %s", got, wantChanges)
		}
	}
	ok := func(s string) Finding { return Finding{Subject: s, Status: OK} }
	dead := func(s string) Finding { return Finding{Subject: s, Status: Failing, Reason: reasonDead} }
	step(Look{Partial: true, Findings: []Finding{ok("b")}}, "b=ok", "+=unknown>b=ok")
	step(Look{Partial: true, Findings: []Finding{ok("a")}}, "a=ok b=ok", "+=unknown>a=ok")
	step(Look{Findings: []Finding{ok("c"), dead("a")}}, "a=failing/Dead c=ok", "+=unknown>c=ok =a=ok>a=failing/Dead -b=ok>=unknown")
	step(Look{Partial: true}, "a=failing/Dead c=ok", "")
	// Two findings of one subject: the worse one, in either order, and no change that never was.
	step(Look{Findings: []Finding{ok("a"), dead("a"), ok("c"), ok("a")}}, "a=failing/Dead c=ok", "")
	step(Look{Findings: []Finding{dead("c"), ok("c")}}, "c=failing/Dead", "=c=ok>c=failing/Dead -a=failing/Dead>=unknown")
	step(Look{}, "", "-c=failing/Dead>=unknown")
}

func TestSinceIsOfTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := condition("C", Critical, 1)
		b := NewBoard(nil, c)
		born := time.Now()
		time.Sleep(time.Second)
		b.SetMutes([]Mute{{Condition: "C", Until: born.Add(time.Hour)}})
		if e := state(t, b.Snapshot(), "C").Worst(); !e.Since.Equal(born) {
			t.Errorf("not looked at since %v, shown since %v", born, e.Since)
		}
		b.Publish(Look{Of: c, Findings: []Finding{{Status: Failing, Reason: reasonDead, Message: "one"}}})
		since := time.Now()
		for _, f := range []Finding{
			{Status: Failing, Reason: reasonDead, Message: "two"},
			{Status: Failing, Reason: reasonHung, Evidence: []Pair{{"pid", "1"}}},
		} {
			time.Sleep(time.Second)
			at := b.Snapshot().At
			b.Publish(Look{Of: c, Findings: []Finding{f}})
			e := state(t, b.Snapshot(), "C").Worst()
			if !e.Since.Equal(since) || e.Message != f.Message || e.Reason != f.Reason {
				t.Errorf("got %+v", e)
			}
			if b.Snapshot().At.Equal(at) {
				t.Error("a new message is a new snapshot")
			}
		}
	})
}

func TestPublishIsAtomic(t *testing.T) {
	var conds []*Condition
	for i := range 3 {
		conds = append(conds, condition(fmt.Sprint("C", i), Critical, 1))
	}
	b := NewBoard(nil, conds...)
	looks := func(st Status, r *Reason) []Look {
		var out []Look
		for _, c := range conds {
			out = append(out, Look{Of: c, Findings: []Finding{{Status: st, Reason: r}}})
		}
		return out
	}
	b.Publish(looks(OK, nil)...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 2000 {
			if i%2 == 0 {
				b.Publish(looks(Failing, reasonDead)...)
			} else {
				b.Publish(looks(OK, nil)...)
			}
		}
	}()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		var seen []Status
		for _, st := range b.Snapshot().States() {
			seen = append(seen, st.Worst().Status)
		}
		if len(slices.Compact(seen)) != 1 {
			t.Fatalf("a snapshot shows half of a publish: %v", seen)
		}
	}
}

func TestSnapshotsAreImmutable(t *testing.T) {
	c := condition("C", Critical, 2)
	b := NewBoard(nil, c)
	evidence := []Pair{{"pid", "1"}}
	b.Publish(Look{Of: c, Findings: []Finding{{Subject: "a", Status: OK, Evidence: evidence}}})
	s := b.Snapshot()
	evidence[0].Value = "changed by the reporter"
	b.Publish(Look{Of: c, Findings: []Finding{{Subject: "b", Status: OK}}})
	b.SetMutes([]Mute{{Condition: "C", Until: time.Now().Add(time.Hour)}})
	if got := entries(state(t, s, "C")); got != "a=ok" {
		t.Errorf("an old snapshot became %s", got)
	}
	if got := state(t, s, "C").Entries[0].Evidence[0].Value; got != "1" {
		t.Errorf("evidence became %q", got)
	}
}

func TestMoreSubjectsThanTheBound(t *testing.T) {
	c := condition("C", Critical, 3)
	var fs []Finding
	for i := range 10 {
		fs = append(fs, Finding{Subject: fmt.Sprint("s", i), Status: OK})
	}
	fs[7] = Finding{Subject: "s7", Status: Failing, Reason: reasonDead}
	fs[5] = Finding{Subject: "s5", Status: Failing, Reason: reasonDead}
	fs[9] = Finding{Subject: "s9", Status: Unknown, Reason: reasonHung}
	b := NewBoard(nil, c)
	b.Publish(Look{Of: c, Findings: fs})
	check := func(want string, more int) {
		t.Helper()
		st := state(t, b.Snapshot(), "C")
		if got := entries(st); got != want || st.More != more || st.Total != 10 {
			t.Errorf("got %s, %d more of %d; want %s, %d more of 10", got, st.More, st.Total, want, more)
		}
		for i, f := range fs { // the look-up stays exact
			if got := st.Entry(fmt.Sprint("s", i)); got.Status != f.Status || got.Reason != f.Reason {
				t.Errorf("look-up of s%d: %s", i, entry(got))
			}
		}
		if got := entry(st.Entry("s")); got != "s=unknown/NoEntry" {
			t.Errorf("look-up of nobody: %s", got)
		}
	}
	check("s5=failing/Dead s7=failing/Dead s9=unknown/Hung", 7)
	b.SetMutes([]Mute{{Condition: "C", Subject: "s5", Until: time.Now().Add(time.Hour)}})
	check("s0=ok s7=failing/Dead s9=unknown/Hung", 7)
	b.SetMutes(nil)
	b.Tune(map[string]Tuning{"C": {Max: 1}})
	check("s5=failing/Dead", 9)
	b.Tune(map[string]Tuning{"C": {Max: 9}})
	check("s0=ok s1=ok s2=ok s3=ok s4=ok s5=failing/Dead s6=ok s7=failing/Dead s9=unknown/Hung", 1)
	b.Tune(nil)
	check("s5=failing/Dead s7=failing/Dead s9=unknown/Hung", 7)
}

func TestTuning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d := condition("C", Critical, 1), condition("D", Critical, 1)
		changes := 0
		b := NewBoard(func(Change) { changes++ }, c, d)
		ok := func(c *Condition) Look {
			return Look{Of: c, Valid: time.Minute, Findings: []Finding{{Status: OK}}}
		}
		bad := Look{Of: c, Valid: time.Minute, Findings: []Finding{{Status: Failing, Reason: reasonDead}}}
		b.Publish(ok(c), ok(d))
		b.Tune(map[string]Tuning{"C": {Disabled: true}, "D": {Valid: time.Hour}})
		at, n := b.Snapshot().At, changes
		b.Publish(bad)
		b.Publish(ok(d))
		time.Sleep(time.Second)
		b.Publish(ok(c), bad)
		if s := b.Snapshot(); !s.At.Equal(at) || changes != n {
			t.Errorf("a condition that is switched off made %d changes and a snapshot of %v", changes-n, s.At.Sub(at))
		}
		st := state(t, b.Snapshot(), "C")
		if w := st.Worst(); !st.Disabled || len(st.Entries) != 0 || w.Status != Absent {
			t.Errorf("switched off: %+v", st)
		}
		if e := st.Entry(""); e.Status == OK {
			t.Errorf("switched off, an entry is %s", entry(e))
		}
		if got := b.Snapshot().Worst(); got != OK {
			t.Errorf("worst is %v with the failing condition switched off", got)
		}
		b.Tune(map[string]Tuning{"D": {Valid: time.Hour}})
		if got := b.Snapshot().Worst(); got != Failing {
			t.Errorf("worst is %v with the failing condition switched on", got)
		}
		time.Sleep(59 * time.Minute)
		if got := entry(state(t, b.Snapshot(), "D").Worst()); got != "=ok" {
			t.Errorf("a validity of an hour: %s after 59 minutes", got)
		}
		time.Sleep(time.Minute)
		if got := entry(state(t, b.Snapshot(), "D").Worst()); got != "=unknown/Expired" {
			t.Errorf("a validity of an hour: %s after it", got)
		}
	})
}

func TestMutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d := condition("C", Critical, 4), condition("D", Critical, 1)
		b := NewBoard(nil, c, d)
		b.Publish(Look{Of: c, Findings: []Finding{{Subject: "a", Status: Failing, Reason: reasonDead}, {Subject: "b", Status: Unknown, Reason: reasonHung}}},
			Look{Of: d, Findings: []Finding{{Status: OK}}})
		check := func(want string, worst string, node Status) {
			t.Helper()
			s := b.Snapshot()
			st := state(t, s, "C")
			if got := entries(st); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
			if got := entry(st.Worst()); got != worst {
				t.Errorf("the condition is %s, want %s", got, worst)
			}
			if got := s.Worst(); got != node {
				t.Errorf("the node is %v, want %v", got, node)
			}
		}
		check("a=failing/Dead b=unknown/Hung", "a=failing/Dead", Failing)
		now := time.Now()
		mutes := []Mute{{Condition: "C", Subject: "a", Until: now.Add(time.Hour)}, {Condition: "C", Subject: "b", Until: now.Add(2 * time.Hour), Reason: "disk swap"}}
		b.SetMutes(mutes[:1])
		check("a=failing/Dead/muted b=unknown/Hung", "b=unknown/Hung", Unknown)
		b.SetMutes(mutes)
		check("a=failing/Dead/muted b=unknown/Hung/muted", "a=failing/Dead/muted", OK)
		if m := state(t, b.Snapshot(), "C").Entry("b").Mute; m.Reason != "disk swap" {
			t.Errorf("shown mute: %+v", m)
		}
		at := b.Snapshot().At
		time.Sleep(time.Second)
		b.SetMutes(mutes)
		if !b.Snapshot().At.Equal(at) {
			t.Error("the same mutes made a new snapshot")
		}
		_, changed := peek(b)
		<-changed // it ends by itself
		if got := time.Since(now); got != time.Hour {
			t.Errorf("the first mute ended after %v", got)
		}
		check("a=failing/Dead b=unknown/Hung/muted", "a=failing/Dead", Failing)
		_, changed = peek(b)
		<-changed
		if got := time.Since(now); got != 2*time.Hour {
			t.Errorf("the second mute ended after %v", got)
		}
		check("a=failing/Dead b=unknown/Hung", "a=failing/Dead", Failing)

		// Of the whole condition, and over before anybody had the time to notice.
		b.SetMutes([]Mute{{Condition: "C", Until: time.Now().Add(time.Minute)}})
		check("a=failing/Dead/muted b=unknown/Hung/muted", "a=failing/Dead/muted", OK)
		b.timer.Stop()
		time.Sleep(time.Minute)
		b.Publish(Look{Of: d, Findings: []Finding{{Status: OK}}})
		check("a=failing/Dead b=unknown/Hung", "a=failing/Dead", Failing)
		b.SetMutes([]Mute{{Condition: "C", Until: time.Now()}})
		check("a=failing/Dead b=unknown/Hung", "a=failing/Dead", Failing)
	})
}

func TestWorst(t *testing.T) {
	for _, tc := range []struct {
		name   string
		impact Impact
		status Status
		want   Status
	}{
		{"failing", Critical, Failing, Failing},
		{"degraded counts", Degraded, Failing, Failing},
		{"unknown is never shown as ok", Degraded, Unknown, Unknown},
		{"a notice does not count", Notice, Failing, OK},
		{"what the node does not have does not count", Critical, Absent, OK},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, d := condition("C", tc.impact, 1), condition("D", Critical, 1)
			b := NewBoard(nil, c, d)
			b.Publish(Look{Of: c, Findings: []Finding{{Status: tc.status, Reason: reasonDead}}}, Look{Of: d, Findings: []Finding{{Status: OK}}})
			if got := b.Snapshot().Worst(); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
	c := condition("C", Critical, 1)
	b := NewBoard(nil, c)
	b.Publish(Look{Of: c, Findings: []Finding{{Status: Absent}}})
	if got := b.Snapshot().Worst(); got != Unknown {
		t.Errorf("with nothing that counts the node is %v", got)
	}
}

func TestProgrammingErrorsPanic(t *testing.T) {
	c := condition("C", Critical, 1)
	for name, fn := range map[string]func(){
		"two conditions of one name":   func() { NewBoard(nil, c, condition("C", Notice, 1)) },
		"look at an unknown condition": func() { NewBoard(nil, c).Publish(Look{Of: condition("D", Notice, 1)}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			fn()
		}()
	}
}

func TestStatusIsAWord(t *testing.T) {
	for _, s := range []Status{Unknown, OK, Failing, Absent} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Status
		if err := json.Unmarshal(b, &back); err != nil || back != s {
			t.Errorf("%s read back as %v, %v", b, back, err)
		}
	}
	var s Status
	if err := json.Unmarshal([]byte(`"fine"`), &s); err == nil {
		t.Error("an unknown word was read")
	}
	if got := Status(9).String(); got != "unknown" {
		t.Errorf("a status that does not exist is %q", got)
	}
}

func TestValidity(t *testing.T) {
	if got := Validity(10*time.Second, 3*time.Second); got != 27*time.Second {
		t.Errorf("got %v", got)
	}
}
