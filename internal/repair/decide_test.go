package repair

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

var t0 = time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)

func testAction() *Action {
	return &Action{Name: "restart-x", Help: "x", After: time.Minute, Asked: 3, Forget: 30 * time.Second, Cooldown: 10 * time.Minute, Hour: 2, Day: 3}
}

func TestDecide(t *testing.T) {
	acts := func(ago ...time.Duration) (out []act) {
		for _, d := range ago {
			out = append(out, act{At: t0.Add(-d), Boot: "b", Target: "u"})
		}
		return out
	}
	long := trouble{first: t0.Add(-2 * time.Minute), from: t0.Add(-2 * time.Minute), asked: 9}
	for _, c := range []struct {
		name    string
		r       remembered
		t       trouble
		s       situation
		ok      bool
		would   bool
		latch   bool
		because string
		at      time.Duration // after t0; 0: none
	}{
		{name: "on", t: long, s: situation{mode: On}, ok: true, would: true},
		{name: "dry-run", t: long, s: situation{mode: DryRun}, would: true, because: "repair.mode: on would do it"},
		{name: "dry-run said already", t: long, s: situation{mode: DryRun}, r: remembered{would: map[string]time.Time{"u": t0.Add(-time.Minute)}}, because: "would have been done 1m0s ago", at: 9 * time.Minute},
		{name: "off", t: long, s: situation{mode: Off}, because: "off"},
		{name: "this one off", t: long, s: situation{mode: On, off: true}, because: "repair.disabled"},
		{name: "paused", t: long, s: situation{mode: On, paused: "under maintenance"}, because: "under maintenance"},
		{name: "too young", t: trouble{first: t0.Add(-10 * time.Second), from: t0.Add(-10 * time.Second), asked: 9}, s: situation{mode: On}, because: "acted on in 50s", at: 50 * time.Second},
		{name: "seen once", t: trouble{first: t0.Add(-2 * time.Minute), from: t0.Add(-2 * time.Minute), asked: 1}, s: situation{mode: On}, because: "seen 1 times"},
		{name: "cooling down", r: remembered{Acts: acts(4 * time.Minute)}, t: long, s: situation{mode: On, boot: "b"}, because: "done 4m0s ago", at: 6 * time.Minute},
		{name: "another boot cools nothing", r: remembered{Acts: acts(4 * time.Minute)}, t: long, s: situation{mode: On, boot: "c"}, ok: true, would: true},
		{name: "cooled down", r: remembered{Acts: acts(11 * time.Minute)}, t: long, s: situation{mode: On, boot: "b"}, ok: true, would: true},
		{name: "hour used up", r: remembered{Acts: acts(50*time.Minute, 20*time.Minute)}, t: long, s: situation{mode: On, boot: "b"}, latch: true, because: "2 acts within one hour", at: 10 * time.Minute},
		{name: "day used up", r: remembered{Acts: acts(20*time.Hour, 10*time.Hour, 5*time.Hour)}, t: long, s: situation{mode: On, boot: "b"}, latch: true, because: "3 acts within one day", at: 4 * time.Hour},
		{name: "another boot counts for the day", r: remembered{Acts: acts(20*time.Hour, 10*time.Hour, 5*time.Hour)}, t: long, s: situation{mode: On, boot: "c"}, latch: true, because: "within one day", at: 4 * time.Hour},
		{name: "a clock set back gives nothing", r: remembered{Acts: acts(-3*time.Hour, -2*time.Hour)}, t: long, s: situation{mode: On, boot: "c"}, latch: true, because: "within one hour", at: time.Hour},
		{name: "the clock went back within this boot", r: remembered{Acts: []act{{At: t0.Add(3 * time.Hour), Boot: "b", Up: 50 * time.Minute, Target: "u"}}}, t: long, s: situation{mode: On, boot: "b", up: time.Hour}, ok: true, would: true},
		{name: "the clock went ahead within this boot", r: remembered{Acts: []act{{At: t0.Add(-72 * time.Hour), Boot: "b", Up: 56 * time.Minute, Target: "u"}}}, t: long, s: situation{mode: On, boot: "b", up: time.Hour}, because: "done 4m0s ago", at: 6 * time.Minute},
		{name: "a budget used up before the clock went ahead", r: remembered{Acts: []act{{At: t0.Add(-72 * time.Hour), Boot: "b", Up: 10 * time.Minute, Target: "u"}, {At: t0.Add(-72 * time.Hour), Boot: "b", Up: 30 * time.Minute, Target: "u"}}},
			t: long, s: situation{mode: On, boot: "b", up: time.Hour}, latch: true, because: "within one hour", at: 10 * time.Minute},
		{name: "latched", r: remembered{Latched: &latch{At: t0, Why: "2 acts"}}, t: long, s: situation{mode: On}, because: "needs a person"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, latched := decide(testAction(), &c.r, c.t, "u", c.s, t0)
			if a.OK != c.ok || a.Would != c.would || (latched != "") != c.latch || !strings.Contains(a.Because, c.because) {
				t.Errorf("%+v, latched %q", a, latched)
			}
			if want := t0.Add(c.at); c.at != 0 && !a.At.Equal(want) || c.at == 0 && !a.At.IsZero() {
				t.Errorf("again at %v, want %v", a.At, want)
			}
		})
	}
}

// TestDue: what ends for all nodes at once does not make them act at once.
func TestDue(t *testing.T) {
	a := testAction()
	a.Jitter = time.Minute
	ago := func(d time.Duration) time.Time { return t0.Add(-d) }
	for _, node := range []string{"node1", "node2", "node3"} {
		share := jitter(a, node)
		for _, c := range []struct {
			name string
			t    trouble
			mode string
			want time.Time
		}{
			{"its own time", trouble{from: ago(time.Second)}, On, ago(time.Second).Add(time.Minute + share)},
			{"after maintenance", trouble{from: ago(time.Hour), barred: ago(time.Second)}, On, ago(time.Second).Add(share)},
			{"after dry-run", trouble{from: ago(time.Hour), dry: ago(time.Second)}, On, ago(time.Second).Add(share)},
			{"in dry-run", trouble{from: ago(time.Hour), dry: ago(time.Second)}, DryRun, ago(time.Hour).Add(time.Minute + share)},
		} {
			if got := due(a, c.t, situation{mode: c.mode, node: node}); !got.Equal(c.want) {
				t.Errorf("%s, %s: %v, want %v", node, c.name, got, c.want)
			}
		}
	}
}

// TestJitter: nodes with a common cause act at different times, and each at the same one every time.
func TestJitter(t *testing.T) {
	a := testAction()
	a.Jitter = time.Minute
	seen := map[time.Duration]bool{}
	for _, node := range []string{"node1", "node2", "node3", "node4"} {
		j := jitter(a, node)
		if j < 0 || j >= time.Minute || j != jitter(a, node) {
			t.Errorf("%s: %v", node, j)
		}
		seen[j] = true
	}
	if len(seen) < 3 {
		t.Errorf("four nodes act at %d different times", len(seen))
	}
}

func TestRefuse(t *testing.T) {
	good := Unit{Name: "x.service", LoadState: "loaded", ActiveState: "active", FileState: "enabled", KillMode: "process", Age: time.Hour}
	with := func(f func(*Unit)) Unit { u := good; f(&u); return u }
	rules := Rules{KeepChildren: true, Young: 2 * time.Minute}
	for _, c := range []struct {
		u    Unit
		r    Rules
		want string
	}{
		{good, rules, ""},
		{with(func(u *Unit) { u.FileState = "static" }), rules, ""},
		{with(func(u *Unit) { u.Age = 0 }), rules, ""},
		{with(func(u *Unit) { u.Name = "" }), rules, "no such unit"},
		{with(func(u *Unit) { u.LoadState = "not-found" }), rules, "no such unit"},
		{with(func(u *Unit) { u.LoadState = "masked" }), rules, "masked"},
		{with(func(u *Unit) { u.FileState = "masked-runtime" }), rules, "masked"},
		{with(func(u *Unit) { u.LoadState = "bad-setting" }), rules, "is bad-setting"},
		{with(func(u *Unit) { u.FileState = "disabled" }), rules, "disabled"},
		{with(func(u *Unit) { u.ActiveState = "inactive" }), rules, "somebody stopped it"},
		{with(func(u *Unit) { u.ActiveState = "activating" }), rules, "at work"},
		{with(func(u *Unit) { u.ActiveState = "deactivating" }), rules, "at work"},
		{with(func(u *Unit) { u.QueuedAction = true }), rules, "at work"},
		{with(func(u *Unit) { u.ActiveState = "failed" }), rules, "has failed"},
		{with(func(u *Unit) { u.ActiveState = "failed" }), Rules{MayStart: true}, ""},
		{with(func(u *Unit) { u.ActiveState = "" }), rules, "x.service is "},
		{with(func(u *Unit) { u.KillMode = "control-group" }), rules, "kill every pod"},
		{with(func(u *Unit) { u.KillMode = "mixed" }), rules, "kill every pod"},
		{with(func(u *Unit) { u.KillMode = "" }), rules, "kill every pod"},
		{with(func(u *Unit) { u.KillMode = "none" }), rules, "would not help"},
		{with(func(u *Unit) { u.Drags = []string{"kubelet.service", "docker.service"} }), rules, "restart kubelet.service, docker.service too"},
		{with(func(u *Unit) { u.ActiveState, u.Policy, u.Result = "failed", "always", "timeout" }), Rules{MayStart: true}, "stopped by hand"},
		{with(func(u *Unit) { u.ActiveState, u.Policy, u.Result = "failed", "always", "start-limit-hit" }), Rules{MayStart: true}, ""},
		{with(func(u *Unit) { u.ActiveState, u.Policy, u.Result = "failed", "no", "signal" }), Rules{MayStart: true}, ""},
		{with(func(u *Unit) { u.KillMode = "control-group" }), Rules{}, ""},
		{with(func(u *Unit) { u.Age = time.Minute }), rules, "started 1m0s ago"},
	} {
		got := refuse(c.u, c.r)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q, want %q", c.u, got, c.want)
		}
	}
}

func TestUnitOf(t *testing.T) {
	u := unitOf("x.service", map[string]any{"LoadState": "loaded", "ActiveState": "active", "UnitFileState": "enabled", "KillMode": "process", "MainPID": uint32(7), "NRestarts": uint32(2),
		"InactiveExitTimestampMonotonic": uint64(3_000_000), "Restart": "always", "Result": "success", "ExecMainCode": int32(2), "ExecMainStatus": int32(9), "Job": []any{uint32(9), "/org"}}, time.Minute)
	want := Unit{Name: "x.service", LoadState: "loaded", ActiveState: "active", FileState: "enabled", KillMode: "process", MainPID: 7, Policy: "always", Result: "success", Ended: "signal 9", Restarts: 2, Age: 57 * time.Second, QueuedAction: true}
	if !reflect.DeepEqual(u, want) {
		t.Errorf("%+v", u)
	}
	if u := unitOf("x", map[string]any{"MainPID": "odd", "Job": []any{uint32(0), "/"}}, time.Minute); !reflect.DeepEqual(u, Unit{Name: "x"}) {
		t.Errorf("%+v", u)
	}
}
