package agent

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"nodeagent/internal/config"
	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// accepts runs a build with the files as they are, so that they are the last accepted configuration.
func (p *place) accepts(t *testing.T) {
	t.Helper()
	s, err := first(p.o)
	if err != nil {
		t.Fatal(err)
	}
	a, err := build(p.o, s)
	if err != nil {
		t.Fatal(err)
	}
	a.close()
}

func TestFirst(t *testing.T) {
	t.Run("no file", func(t *testing.T) {
		s, err := first(Options{ConfigFile: filepath.Join(t.TempDir(), "config.yaml")})
		if err != nil || s.old || s.refused != nil || s.loaded.Config.StaticPods.Mode != config.ModeCompanion {
			t.Errorf("%+v, %v", s, err)
		}
	})
	t.Run("named file missing", func(t *testing.T) {
		p := newPlace(t)
		os.Remove(p.o.ConfigFile)
		p.file(t, "config.d/10-state.yaml", "stateDir: "+p.state+"\n")
		if _, err := first(p.o); err == nil || !strings.Contains(err.Error(), p.o.ConfigFile) {
			t.Errorf("error %v", err)
		}
	})
	t.Run("bad file at the very first start", func(t *testing.T) {
		p := newPlace(t, "syncFrequency: soon")
		err := Run(t.Context(), p.o)
		var bad *ConfigError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), "syncFrequency") || !strings.Contains(err.Error(), p.o.ConfigFile) {
			t.Errorf("Run: %v", err)
		}
		if _, err := os.Stat(p.state); !errors.Is(err, os.ErrNotExist) {
			t.Error("it left a state folder")
		}
		_, err = Look(t.Context(), p.o)
		if !errors.As(err, &bad) {
			t.Errorf("Look: %v", err)
		}
	})
}

// TestLastAccepted: with bad files the configuration that was accepted last is found, wherever the files say the state is.
func TestLastAccepted(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, p *place)
	}{
		{"bad value", func(t *testing.T, p *place) { p.write(t, "syncFrequency: soon") }},
		{"unknown key", func(t *testing.T, p *place) { p.write(t, "syncFrequenzy: 30s") }},
		{"no YAML at all", func(t *testing.T, p *place) { p.file(t, "config.yaml", "stateDir: "+p.state+" # here\nmode: [\n\t}") }},
		{"quoted folder", func(t *testing.T, p *place) { p.file(t, "config.yaml", "a: [\nstateDir: \""+p.state+"\"\n") }},
		{"bad drop-in", func(t *testing.T, p *place) { p.file(t, "config.d/50-x.yaml", "nodeName: [\n") }},
		{"folder named in a drop-in", func(t *testing.T, p *place) {
			p.file(t, "config.d/10-state.yaml", "stateDir: "+p.state+"\n")
			p.write(t, "syncFrequency: soon", "stateDir: "+filepath.Join(p.dir, "other"))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlace(t, "fileCheckFrequency: 7s")
			p.accepts(t)
			c.make(t, p)
			s, err := first(p.o)
			if err != nil {
				t.Fatal(err)
			}
			if !s.old || s.refused == nil || s.loaded.Config.FileCheckFrequency != 7*time.Second || s.loaded.Config.StateDir != p.state {
				t.Errorf("old %v, refused %v, %+v", s.old, s.refused, s.loaded.Config)
			}
		})
	}
	t.Run("the last file that names a folder wins", func(t *testing.T) {
		p := newPlace(t, "fileCheckFrequency: 7s")
		p.accepts(t)
		earlier := *p
		earlier.state = filepath.Join(p.dir, "earlier")
		earlier.write(t, "fileCheckFrequency: 9s")
		earlier.accepts(t)
		p.file(t, "config.d/10-state.yaml", "stateDir: "+p.state+"\n")
		earlier.write(t, "syncFrequency: soon")
		if s, err := first(p.o); err != nil || s.loaded.Config.FileCheckFrequency != 7*time.Second {
			t.Errorf("%+v, %v", s, err)
		}
	})
	t.Run("its FIFO does not hold the start", func(t *testing.T) {
		p := newPlace(t)
		os.Remove(p.o.ConfigFile)
		if err := syscall.Mkfifo(p.o.ConfigFile, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan []string, 1)
		go func() { done <- stateDirs(p.o) }()
		select {
		case dirs := <-done:
			if !slices.Equal(dirs, []string{config.Default().StateDir}) {
				t.Errorf("folders %q", dirs)
			}
		case <-time.After(patience):
			t.Error("it waits for a writer")
		}
	})
	t.Run("damaged", func(t *testing.T) {
		p := newPlace(t)
		p.accepts(t)
		p.file(t, "state/config.json", "{")
		p.write(t, "syncFrequency: soon")
		if s, err := first(p.o); err == nil {
			t.Errorf("accepted %+v", s.loaded.Config)
		}
	})
}

// TestStartWithTheLastAccepted: the agent runs with it, says so, does not take it for the files', and lets go of it at a good reload.
func TestStartWithTheLastAccepted(t *testing.T) {
	p := newPlace(t, "fileCheckFrequency: 7s")
	p.accepts(t)
	p.write(t, "syncFrequency: soon")
	a := p.build(t)
	a.publishConfig()
	c, s := condition(t, a.status(), "AgentConfig")
	if c.Status != "failing" || s.Reason != "LastAccepted" || !strings.Contains(s.Message, "syncFrequency") || strings.Contains(s.Message, "\n") {
		t.Errorf("%+v", s)
	}
	if r, _ := a.reload(t.Context()); r.Outcome != view.ReloadRefused {
		t.Errorf("%+v", r)
	}
	if _, s := condition(t, a.status(), "AgentConfig"); s.Reason != "LastAccepted" {
		t.Errorf("after a reload that changed nothing: %+v", s)
	}
	p.write(t, "fileCheckFrequency: 8s")
	if r, _ := a.reload(t.Context()); r.Outcome != view.ReloadApplied || !slices.Equal(r.Changed, []string{"fileCheckFrequency"}) {
		t.Errorf("%+v", r)
	}
	if c, s := condition(t, a.status(), "AgentConfig"); c.Status != "ok" {
		t.Errorf("%+v", s)
	}
	if l, ok := Accepted(p.o); !ok || l.Config.FileCheckFrequency != 8*time.Second {
		t.Errorf("accepted %v %+v", ok, l)
	}
}

func TestReload(t *testing.T) {
	p := newPlace(t)
	a := p.build(t)
	woken := 0
	a.wakes = append(a.wakes, func() { woken++ })
	began := a.settings.Load().at
	for _, step := range []struct {
		name      string
		write     []string
		outcome   string
		changed   []string
		says      []string // of the error
		reason    string   // of AgentConfig; empty: ok
		frequency time.Duration
		woken     int
	}{
		{name: "nothing new", outcome: view.ReloadUnchanged, frequency: time.Minute},
		{name: "applied", write: []string{"syncFrequency: 30s", "log: {level: debug, format: json}", "conditions: {RuntimeReady: {enabled: false}}"},
			outcome: view.ReloadApplied, changed: []string{"conditions.RuntimeReady.enabled", "log.level", "syncFrequency"}, frequency: 30 * time.Second, woken: 1},
		{name: "bad YAML", write: []string{"syncFrequency: ["}, outcome: view.ReloadRefused, says: []string{p.o.ConfigFile}, reason: "Refused", frequency: 30 * time.Second, woken: 1},
		{name: "two faults", write: []string{"syncFrequency: soon", "fileCheckFrequency: 1"}, outcome: view.ReloadRefused,
			says: []string{"syncFrequency", "fileCheckFrequency"}, reason: "Refused", frequency: 30 * time.Second, woken: 1},
		{name: "needs a restart", write: []string{"syncFrequency: 40s", "nodeName: node-2", `metrics: {listen: "127.0.0.1:1"}`}, outcome: view.ReloadRefused,
			says: []string{"nodeName", "metrics.listen", "systemctl restart nodeagent"}, reason: "NeedsRestart", frequency: 30 * time.Second, woken: 1},
		{name: "good again", outcome: view.ReloadApplied, changed: []string{"conditions.RuntimeReady.enabled", "log.level", "syncFrequency"}, frequency: time.Minute, woken: 2},
		{name: "the same again", outcome: view.ReloadUnchanged, frequency: time.Minute, woken: 2},
	} {
		p.write(t, step.write...)
		r, err := a.reload(t.Context())
		if err != nil || r.Outcome != step.outcome || !slices.Equal(r.Changed, step.changed) || (r.Error == "") != (len(step.says) == 0) {
			t.Errorf("%s: %+v, %v", step.name, r, err)
		}
		for _, s := range step.says {
			if !strings.Contains(r.Error, s) {
				t.Errorf("%s: the error does not say %s: %s", step.name, s, r.Error)
			}
		}
		if step.name == "needs a restart" && strings.Contains(r.Error, "syncFrequency") {
			t.Errorf("%s: it names a key that needs none: %s", step.name, r.Error)
		}
		_, s := condition(t, a.status(), "AgentConfig")
		if s.Reason != step.reason || (s.Status == "ok") != (step.reason == "") || (step.reason != "" && s.Fix == "") {
			t.Errorf("%s: AgentConfig is %+v", step.name, s)
		}
		if c := a.config(); c.SyncFrequency != step.frequency || c.NodeName != "node-1" {
			t.Errorf("%s: in force: %+v", step.name, c)
		}
		if l, ok := Accepted(p.o); step.outcome != view.ReloadRefused && (!ok || l.Config.SyncFrequency != step.frequency) {
			t.Errorf("%s: it is not the last accepted one", step.name)
		}
		want := zapcore.WarnLevel
		if step.frequency == 30*time.Second {
			want = zapcore.DebugLevel
		}
		if c, _ := find(a.status(), "RuntimeReady"); c.Disabled != (want == zapcore.DebugLevel) || a.level.Level() != want || woken != step.woken {
			t.Errorf("%s: disabled %v, level %v, %d wakes", step.name, c.Disabled, a.level.Level(), woken)
		}
	}
	if !a.settings.Load().at.After(began) {
		t.Error("the time of the last reload stands still")
	}
	if text := configText(a.settings.Load().loaded); !strings.Contains(text, "node-1") || !strings.Contains(text, p.o.ConfigFile) {
		t.Errorf("config print:\n%s", text)
	}
}

func TestTunings(t *testing.T) {
	no, yes := false, true
	got := tunings(config.Config{Conditions: map[string]config.Condition{
		"A": {Enabled: &no}, "B": {Enabled: &yes, Valid: time.Minute}, "C": {Subjects: 7}, "D": {},
	}})
	want := map[string]health.Tuning{"A": {Disabled: true}, "B": {Valid: time.Minute}, "C": {Max: 7}, "D": {}}
	if len(got) != len(want) {
		t.Errorf("%+v", got)
	}
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s: %+v, want %+v", name, got[name], w)
		}
	}
}

// TestConditionsOfEachMode: every mode makes a board, and the configuration may name the conditions of all of them.
func TestConditionsOfEachMode(t *testing.T) {
	known := conditionNames()
	for _, mode := range []string{config.ModeCompanion, config.ModeRun, config.ModeOff} {
		health.NewBoard(nil, Conditions(mode)...) // panics at a name that is there twice
		for _, c := range Conditions(mode) {
			if !slices.Contains(known, c.Name) {
				t.Errorf("%s of mode %s can't be tuned in a file", c.Name, mode)
			}
		}
	}
	p := newPlace(t, "conditions: {StaticPods: {enabled: false}}") // of another mode
	a := p.build(t)
	if _, ok := find(a.status(), "StaticPods"); ok {
		t.Error("StaticPods is shown with static pods off")
	}
}
