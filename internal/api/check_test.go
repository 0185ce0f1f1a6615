package api

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

var (
	hung  = &health.Reason{Name: "Hung", Fix: "Restart the runtime."}
	crash = &health.Reason{Name: "CrashLoop", Fix: "Read the container's log."}
)

func conditionOf(name string, impact health.Impact, most int) *health.Condition {
	return &health.Condition{Name: name, Help: "It does what it is there for.", Impact: impact, Max: most, Reasons: []*health.Reason{hung, crash}}
}

func failing(subject string, r *health.Reason, message string) health.Finding {
	return health.Finding{Subject: subject, Status: health.Failing, Reason: r, Message: message}
}

func TestCheck(t *testing.T) {
	now := time.Now().UTC()
	tonight := now.Add(2 * time.Hour)
	later := now.Add(72 * time.Hour)
	ok := func(s, m string) health.Finding { return health.Finding{Subject: s, Status: health.OK, Message: m} }
	const word = "an answer that goes on and on and tells everything there is to be told about it"

	for _, tc := range []struct {
		name     string
		findings []health.Finding // nil: never looked at
		mutes    []health.Mute
		tuning   health.Tuning
		ask      string
		subject  string
		want     view.Check
	}{
		{"ok", []health.Finding{ok("", "containerd 1.6.20")}, nil, health.Tuning{}, "Runtime", "", view.Check{Status: "ok", Code: 0, Message: "ok: containerd 1.6.20"}},
		{"ok with nothing to say", []health.Finding{ok("", "")}, nil, health.Tuning{}, "Runtime", "", view.Check{Status: "ok", Message: "ok: It does what it is there for."}},
		{"ok of one subject", []health.Finding{ok("a", "up")}, nil, health.Tuning{}, "Runtime", "", view.Check{Status: "ok", Message: "ok a: up"}},
		{"ok of several", []health.Finding{ok("a", "up"), ok("b", "up")}, nil, health.Tuning{}, "Runtime", "", view.Check{Status: "ok", Message: "ok: 2 subjects"}},
		{"any case", []health.Finding{ok("", "x")}, nil, health.Tuning{}, "rUNTIME", "", view.Check{Status: "ok", Message: "ok: x"}},
		{"absent", []health.Finding{{Status: health.Absent, Message: "no unit keepalived.service"}}, nil, health.Tuning{}, "Runtime", "",
			view.Check{Status: "absent", Code: 0, Message: "absent: no unit keepalived.service"}},
		{"failing", []health.Finding{failing("", hung, "no answer in 3 s")}, nil, health.Tuning{}, "Runtime", "",
			view.Check{Status: "failing", Code: 1, Message: "failing Hung: no answer in 3 s"}},
		{"failing, the worst of some", []health.Finding{ok("a", ""), failing("b", crash, "exit 1"), failing("c", hung, "x"), {Subject: "d", Reason: hung}}, nil, health.Tuning{}, "Runtime", "",
			view.Check{Status: "failing", Code: 1, Message: "failing CrashLoop b: exit 1 (and 1 more)"}},
		{"failing above the bound", []health.Finding{failing("a", hung, "x"), failing("b", hung, ""), failing("c", hung, "")}, nil, health.Tuning{Max: 2}, "Runtime", "",
			view.Check{Status: "failing", Code: 1, Message: "failing Hung a: x (and 1 or more)"}},
		{"unknown", nil, nil, health.Tuning{}, "Runtime", "", view.Check{Status: "unknown", Code: 2, Message: "unknown NotLooked: not looked at yet"}},
		{"subject", []health.Finding{ok("a", "up"), failing("b", hung, "x")}, nil, health.Tuning{}, "Runtime", "b", view.Check{Status: "failing", Code: 1, Message: "failing Hung b: x"}},
		{"subject above the bound", []health.Finding{ok("a", "up"), failing("b", hung, "x"), ok("c", "")}, nil, health.Tuning{Max: 1}, "Runtime", "c", view.Check{Status: "ok", Code: 0, Message: "ok c: It does what it is there for."}},
		{"subject of nobody", []health.Finding{ok("a", "up")}, nil, health.Tuning{}, "Runtime", "A", view.Check{Status: "unknown", Code: 2, Message: "unknown NoEntry A: not seen by the last look"}},
		{"subject before the first look", nil, nil, health.Tuning{}, "Runtime", "a", view.Check{Status: "unknown", Code: 2, Message: "unknown NotLooked a: not looked at yet"}},
		{"muted", []health.Finding{failing("", hung, "no answer")}, []health.Mute{{Condition: "Runtime", Until: tonight}}, health.Tuning{}, "Runtime", "",
			view.Check{Status: "failing", Code: 0, Message: "muted until " + tonight.UTC().Format("15:04") + ": failing Hung: no answer"}},
		{"muted for days", []health.Finding{failing("", hung, "no answer")}, []health.Mute{{Condition: "Runtime", Until: later}}, health.Tuning{}, "Runtime", "",
			view.Check{Status: "failing", Code: 0, Message: "muted until " + later.UTC().Format("2006-01-02 15:04") + ": failing Hung: no answer"}},
		{"one muted, the others well", []health.Finding{failing("a", hung, "x"), ok("b", "")}, []health.Mute{{Condition: "Runtime", Subject: "a", Until: tonight}}, health.Tuning{}, "Runtime", "",
			view.Check{Status: "failing", Code: 0, Message: "muted until " + tonight.UTC().Format("15:04") + ": failing Hung a: x"}},
		{"one muted, another not", []health.Finding{failing("a", hung, "x"), failing("b", crash, "y")}, []health.Mute{{Condition: "Runtime", Subject: "a", Until: tonight}}, health.Tuning{}, "Runtime", "",
			view.Check{Status: "failing", Code: 1, Message: "failing CrashLoop b: y"}},
		{"muted and well", []health.Finding{ok("", "up")}, []health.Mute{{Condition: "Runtime", Until: tonight}}, health.Tuning{}, "Runtime", "", view.Check{Status: "ok", Message: "ok: up"}},
		{"switched off", []health.Finding{failing("", hung, "x")}, nil, health.Tuning{Disabled: true}, "Runtime", "", view.Check{Status: "unknown", Code: 2, Message: "switched off in the configuration"}},
		{"cut at a word", []health.Finding{failing("", hung, word)}, nil, health.Tuning{}, "Runtime", "",
			view.Check{Status: "failing", Code: 1, Message: "failing Hung: an answer that goes on and on and tells everything there is to be…"}},
		{"cut with others", []health.Finding{failing("a", hung, word), failing("b", hung, word)}, nil, health.Tuning{}, "Runtime", "",
			view.Check{Status: "failing", Code: 1, Message: "failing Hung a: an answer that goes on and on and tells everything… (and 1 more)"}},
		{"lines and colours", []health.Finding{failing("", hung, "one\n\x1b[31mtwo\ttwo\x00 \xff")}, nil, health.Tuning{}, "Runtime", "",
			view.Check{Status: "failing", Code: 1, Message: "failing Hung: one [31mtwo two"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := conditionOf("Runtime", health.Critical, 8)
			b := health.NewBoard(nil, c)
			if tc.findings != nil {
				b.Publish(health.Look{Of: c, Findings: tc.findings})
			}
			b.SetMutes(tc.mutes)
			b.Tune(map[string]health.Tuning{"Runtime": tc.tuning})
			tc.want.Name = "Runtime"
			got := check(b.Snapshot(), tc.ask, tc.subject, now)
			if got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			if n := utf8.RuneCountInString(got.Message); n > checkLength {
				t.Errorf("%d characters", n)
			}
		})
	}
}

func TestUnknownName(t *testing.T) {
	var conds []*health.Condition
	for _, n := range []string{"RuntimeReady", "RuntimeResponsive", "NetworkReady", "StaticPods", "StaticPodsMode"} {
		conds = append(conds, conditionOf(n, health.Critical, 1))
	}
	s := health.NewBoard(nil, conds...).Snapshot()
	for typed, want := range map[string]string{
		"RuntimeRedy":            "no condition RuntimeRedy, near: RuntimeReady; see `nodeagent status`",
		"runtime":                "no condition runtime, near: RuntimeReady; see `nodeagent status`", // both do not fit
		"pods":                   "no condition pods, near: StaticPods, StaticPodsMode; see `nodeagent status`",
		"xyzzy":                  "no condition xyzzy; see `nodeagent status`",
		"":                       "no condition ; see `nodeagent status`",
		strings.Repeat("z", 500): "no condition zzzzzzzzzzzzzzzzzzzzzzz…; see `nodeagent status`",
	} {
		got := Check(s, typed, "")
		if got.Message != want || got.Code != 2 || got.Status != "unknown" {
			t.Errorf("%q: got %+v, want %s", typed, got, want)
		}
	}
	if name, err := Resolve(s, "staticpods"); err != nil || name != "StaticPods" {
		t.Errorf("got %s, %v", name, err)
	}
	_, err := Resolve(s, "runtime")
	if want := "no condition runtime: did you mean RuntimeReady, RuntimeResponsive? see `nodeagent status` for all names"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err = Resolve(s, "xyzzy"); err == nil || err.Error() != "no condition xyzzy: see `nodeagent status` for all names" {
		t.Errorf("got %v", err)
	}
}

func TestDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}, {"same", "same", 0}} {
		if got := distance(tc.a, tc.b); got != tc.want {
			t.Errorf("%s to %s: %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

// Whatever a check is asked and whatever was found, the answer is one line of at most 80 characters, and only what was seen to be well is 0.
func FuzzCheck(f *testing.F) {
	f.Add("Runtime", "", "a", "message", uint8(2), 3)
	f.Add("runtim", "b", "b\n", "\x1b[0m", uint8(0), 0)
	f.Add("\xff", "\xff", "\xff", strings.Repeat("é ", 200), uint8(9), 100)
	f.Fuzz(func(t *testing.T, name, subject, found, text string, status uint8, more int) {
		c := conditionOf("Runtime", health.Critical, 2)
		b := health.NewBoard(nil, c)
		look := health.Look{Of: c, Findings: []health.Finding{{Subject: found, Status: health.Status(status), Reason: hung, Message: text}}}
		for i := range min(max(more, 0), 100) {
			look.Findings = append(look.Findings, failing(fmt.Sprint(i), crash, text))
		}
		b.Publish(look)
		got := Check(b.Snapshot(), name, subject)
		if n := utf8.RuneCountInString(got.Message); n > checkLength || !utf8.ValidString(got.Message) || strings.ContainsFunc(got.Message, unicode.IsControl) {
			t.Errorf("%d characters: %q", n, got.Message)
		}
		if good := got.Status == "ok" || got.Status == "absent"; good != (got.Code == 0) {
			t.Errorf("got %+v", got)
		}
	})
}

func TestConditions(t *testing.T) {
	a, b, c := conditionOf("A", health.Critical, 2), conditionOf("B", health.Notice, 1), conditionOf("C", health.Degraded, 1)
	board := health.NewBoard(nil, a, b, c)
	board.Publish(health.Look{Of: a, Findings: []health.Finding{
		{Subject: "x", Status: health.Failing, Reason: hung, Message: "m", Evidence: []health.Pair{{Key: "pid", Value: "7"}}},
		{Subject: "y", Status: health.OK}, {Subject: "z", Status: health.Unknown, Reason: crash}}})
	board.Tune(map[string]health.Tuning{"C": {Disabled: true}})
	until := time.Now().Add(time.Hour)
	board.SetMutes([]health.Mute{{Condition: "A", Subject: "x", Until: until, Reason: "disk", By: "root"}})
	got := Conditions(board.Snapshot())
	if len(got) != 3 || got[0].Name != "A" || got[1].Name != "B" || got[2].Name != "C" {
		t.Fatalf("got %+v", got)
	}
	if x := got[0]; x.Impact != "critical" || x.Status != "unknown" || x.More != 1 || len(x.Subjects) != 2 || x.Help == "" {
		t.Errorf("got %+v", x)
	}
	if x := got[0].Subjects[1]; x.Name != "z" || x.Status != "unknown" || x.Reason != "CrashLoop" || x.Fix != crash.Fix || x.Muted != nil {
		t.Errorf("got %+v", x)
	}
	if x := got[1].Subjects; len(x) != 1 || x[0].Reason != "NotLooked" || x[0].Since.IsZero() {
		t.Errorf("got %+v", x)
	}
	if x := got[2]; !x.Disabled || x.Subjects == nil || len(x.Subjects) != 0 {
		t.Errorf("got %+v", x)
	}
	board.Tune(map[string]health.Tuning{"A": {Max: 3}})
	x := Conditions(board.Snapshot())[0].Subjects[0]
	if x.Muted == nil || *x.Muted != (view.Mute{Condition: "A", Subject: "x", Until: until, Reason: "disk", By: "root"}) || x.Evidence["pid"] != "7" || x.Message != "m" {
		t.Errorf("got %+v", x)
	}
}
