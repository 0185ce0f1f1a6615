package agent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/state"
	"nodeagent/internal/view"
)

// muted lists what is muted as "condition subject", of the views, the board's own entries, and the state folder.
func muted(t *testing.T, a *agent) (views, onBoard, onDisk []string) {
	t.Helper()
	for _, m := range a.status().Mutes {
		views = append(views, strings.TrimSpace(m.Condition+" "+m.Subject))
	}
	for _, st := range a.board.Snapshot().States() {
		for _, e := range st.Entries {
			if e.Mute != nil {
				onBoard = append(onBoard, strings.TrimSpace(st.Condition.Name+" "+e.Mute.Subject))
			}
		}
	}
	var list []health.Mute
	if _, err := state.Peek(a.folder.Dir(), "mutes", mutesVersion, &list); err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		onDisk = append(onDisk, strings.TrimSpace(m.Condition+" "+m.Subject))
	}
	return views, onBoard, onDisk
}

func TestMutes(t *testing.T) {
	p := newPlace(t)
	a := p.build(t)
	a.board.Publish(health.Look{Of: agentTasks, Findings: []health.Finding{
		{Subject: "signals", Status: health.Failing, Reason: taskStuck}, {Subject: "changes", Status: health.OK},
	}})
	in := func(d time.Duration) time.Time { return time.Now().Add(d) }
	for _, m := range []view.Mute{
		{Condition: "agentconfig", Until: in(time.Hour), Reason: "known", By: "root"}, // as it was typed
		{Condition: "AgentTasks", Subject: "signals", Until: in(time.Hour), By: "root"},
		{Condition: "AgentConfig", Until: in(2 * time.Hour), Reason: "longer", By: "root"}, // replaces the first
	} {
		if err := a.mute(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"AgentConfig", "AgentTasks signals"}
	check := func(a *agent) {
		t.Helper()
		views, onBoard, onDisk := muted(t, a)
		for name, got := range map[string][]string{"views": views, "disk": onDisk} {
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if !slices.Contains(onBoard, "AgentConfig") || slices.Contains(onBoard, "RuntimeReady") {
			t.Errorf("board: %q", onBoard)
		}
		i := slices.IndexFunc(a.viewMutes(), func(m view.Mute) bool { return m.Condition == "AgentConfig" })
		if m := a.viewMutes()[i]; m.Reason != "longer" || m.By != "root" || time.Until(m.Until) < time.Hour {
			t.Errorf("%+v", m)
		}
	}
	check(a)
	c, ok := find(a.status(), "AgentTasks")
	if !ok || c.Status != "ok" || c.Subjects[0].Muted != nil || c.Subjects[1].Muted == nil || c.Subjects[1].Status != "failing" {
		t.Errorf("the muted subject counts, or its truth is hidden: %+v", c)
	}

	if err := a.unmute(t.Context(), "agenttasks", "signals"); err != nil {
		t.Fatal(err)
	}
	want = want[:1]
	check(a)
	if c, _ := find(a.status(), "AgentTasks"); c.Status != "failing" {
		t.Errorf("it counts again: %+v", c)
	}

	stopped, stop := context.WithCancel(t.Context())
	stop()
	a.ring.Run(stopped)
	told := p.timeline(t)
	if len(told) < 4 || !strings.HasPrefix(told[len(told)-4], "mute/Muted AgentConfig: muted until ") || !strings.HasSuffix(told[len(told)-4], " by root: known") ||
		told[len(told)-1] != "mute/Unmuted AgentTasks signals: counts again" {
		t.Errorf("timeline: %q", told)
	}

	// Another agent finds them.
	a.close()
	check(p.build(t))
}

func TestMutesThatEndedAreDropped(t *testing.T) {
	p := newPlace(t)
	f, err := state.Open(p.state)
	if err != nil {
		t.Fatal(err)
	}
	err = f.SaveDurable("mutes", mutesVersion, []health.Mute{
		{Condition: "AgentConfig", Until: time.Now().Add(-time.Second)}, {Condition: "AgentTasks", Until: time.Now().Add(time.Hour)},
	})
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	a := p.build(t)
	views, onBoard, _ := muted(t, a)
	if !slices.Equal(views, []string{"AgentTasks"}) || slices.Contains(onBoard, "AgentConfig") || !slices.Contains(onBoard, "AgentTasks") {
		t.Errorf("views %q, board %q", views, onBoard)
	}
	var refused *view.Error
	if err := a.unmute(t.Context(), "AgentConfig", ""); !errors.As(err, &refused) || refused.Problem != "AgentConfig is not muted" {
		t.Errorf("unmute of one that ended: %v", err)
	}
	if err := a.mute(t.Context(), view.Mute{Condition: "RuntimeReady", Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	if _, _, onDisk := muted(t, a); !slices.Equal(onDisk, []string{"AgentTasks", "RuntimeReady"}) {
		t.Errorf("disk %q", onDisk)
	}
}

func TestMuteErrors(t *testing.T) {
	a := newPlace(t).build(t)
	if err := a.mute(t.Context(), view.Mute{Condition: "AgentTasks", Subject: "signals", Until: time.Now().Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name         string
		err          error
		problem, fix string
	}{
		{"unmute of what is not muted", a.unmute(t.Context(), "AgentConfig", ""), "AgentConfig is not muted", "nodeagent status"},
		{"unmute of all where a subject is muted", a.unmute(t.Context(), "AgentTasks", ""), "AgentTasks is not muted", "nodeagent status"},
		{"unmute of another subject", a.unmute(t.Context(), "AgentTasks", "changes"), "AgentTasks changes is not muted", "nodeagent status"},
		{"mute of an unknown name", a.mute(t.Context(), view.Mute{Condition: "AgentTask", Until: time.Now().Add(time.Hour)}), "no condition AgentTask", "did you mean AgentTasks"},
		{"unmute of an unknown name", a.unmute(t.Context(), "RuntimReady", ""), "no condition RuntimReady", "did you mean RuntimeReady"},
	} {
		var e *view.Error
		if !errors.As(c.err, &e) || e.Problem != c.problem || !strings.Contains(e.Fix, c.fix) {
			t.Errorf("%s: %v", c.name, c.err)
		}
	}
	if _, _, onDisk := muted(t, a); !slices.Equal(onDisk, []string{"AgentTasks signals"}) {
		t.Errorf("what was refused changed something: %q", onDisk)
	}
}

// TestDamagedMutes: mutes that can't be read end nothing, and none is in force.
func TestDamagedMutes(t *testing.T) {
	p := newPlace(t)
	p.file(t, "state/mutes.json", "{")
	a := p.build(t)
	if views, onBoard, _ := muted(t, a); len(views)+len(onBoard) != 0 {
		t.Errorf("%q %q", views, onBoard)
	}
}
