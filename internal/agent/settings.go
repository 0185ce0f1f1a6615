package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"nodeagent/internal/config"
	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/state"
	"nodeagent/internal/view"
)

// configVersion is of the envelope; what is inside has a version of its own.
const configVersion = 1

// loadOptions says where the configuration is read from.
func (o Options) loadOptions() config.Options {
	return config.Options{File: o.ConfigFile, Explicit: o.Explicit, Dir: o.ConfigDir, KnownConditions: conditionNames(), KnownReasons: ConditionReasons()}
}

// settings is the configuration in force and how it came to be.
type settings struct {
	loaded  *config.Loaded
	refused error // why the files are not in force
	old     bool  // the last accepted configuration stands in for files that were bad at the start
	at      time.Time
}

// first is the configuration to start with: the files', else the last accepted one. An error means that there is neither.
func first(o Options) (*settings, error) {
	l, err := config.Load(o.loadOptions())
	if err == nil {
		return &settings{loaded: l, at: time.Now()}, nil
	}
	if l, ok := Accepted(o); ok {
		return &settings{loaded: l, refused: err, old: true, at: time.Now()}, nil
	}
	return nil, err
}

// Accepted is the configuration that an agent on this node accepted last, if there was one and this process may read it. It is the one in
// force while the files are bad or ask for a restart.
func Accepted(o Options) (*config.Loaded, bool) {
	for _, dir := range stateDirs(o) {
		var raw json.RawMessage
		if found, err := state.Peek(dir, "config", configVersion, &raw); err != nil || !found {
			continue
		}
		if l, err := config.FromAccepted(raw, config.Options{KnownConditions: conditionNames(), KnownReasons: ConditionReasons()}); err == nil {
			return l, true
		}
	}
	return nil, false
}

var stateDirLine = regexp.MustCompile(`(?m)^stateDir:\s*["']?([^\s"'#]+)`)

// stateDirs is where an earlier agent may have kept its state, told without a configuration that can be read. The likeliest is first: the
// last file that names one wins in a configuration too.
func stateDirs(o Options) []string {
	files := []string{o.ConfigFile}
	if o.ConfigDir != "" {
		dropIns, _ := filepath.Glob(filepath.Join(o.ConfigDir, "[^.]*.yaml")) // sorted; a folder that can't be read has none
		files = append(files, dropIns...)
	}
	var dirs []string
	for _, path := range files {
		if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
			continue // a FIFO would hold the start for ever
		}
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, m := range stateDirLine.FindAllStringSubmatch(string(b), -1) {
			dirs = append(dirs, m[1])
		}
	}
	if len(dirs) == 0 {
		return []string{config.Default().StateDir}
	}
	slices.Reverse(dirs)
	return dirs
}

// accept keeps a configuration as the last accepted one.
func (a *agent) accept(l *config.Loaded) {
	if err := a.folder.SaveDurable("config", configVersion, json.RawMessage(l.Accepted())); err != nil {
		a.log.Error("keep the accepted configuration", zap.Error(err))
	}
}

// reload reads the files again: validated whole, then swapped. One at a time.
func (a *agent) reload(context.Context) (view.ReloadResult, error) {
	a.reloading.Lock()
	defer a.reloading.Unlock()
	if a.isReady.Load() { // before that, READY=1 would say that the first looks are over
		reloading()
		defer notify(daemon.SdNotifyReady)
	}
	result := a.tryReload()
	e := event.Event{Kind: event.KindAgent, Reason: "Reload", Message: "reload: " + result.Outcome}
	if len(result.Changed) > 0 {
		e.Message += ": " + strings.Join(result.Changed, ", ")
	}
	if result.Error != "" {
		e.Message += ": " + firstLine(result.Error)
	}
	a.ring.Append(e)
	a.log.Info(e.Message)
	a.publishConfig()
	return result, nil
}

func (a *agent) tryReload() view.ReloadResult {
	now := a.settings.Load()
	l, err := config.Load(a.o.loadOptions())
	if err == nil {
		if keys := config.RestartRequired(now.loaded.Config, l.Config); len(keys) > 0 {
			err = &restartError{keys}
		}
	}
	if err != nil {
		a.settings.Store(&settings{loaded: now.loaded, refused: err, old: now.old, at: time.Now()})
		return view.ReloadResult{Outcome: view.ReloadRefused, Error: err.Error()}
	}
	changed := config.Changed(now.loaded.Config, l.Config)
	a.settings.Store(&settings{loaded: l, at: time.Now()})
	a.accept(l)
	if len(changed) == 0 {
		return view.ReloadResult{Outcome: view.ReloadUnchanged}
	}
	a.apply(l.Config)
	return view.ReloadResult{Outcome: view.ReloadApplied, Changed: changed}
}

// restartError names keys that take effect only at a start.
type restartError struct{ keys []string }

func (e *restartError) Error() string {
	return "these keys take effect only at a start: " + strings.Join(e.keys, ", ") + "; restart the agent (`systemctl restart nodeagent`), or put them back"
}

// apply makes what does not read the configuration by itself follow it, and wakes what does.
func (a *agent) apply(c config.Config) {
	if l, err := zapcore.ParseLevel(c.Log.Level); err == nil {
		a.level.SetLevel(l)
	}
	a.board.Tune(tunings(c))
	for _, wake := range a.wakes {
		wake()
	}
}

func tunings(c config.Config) map[string]health.Tuning {
	out := map[string]health.Tuning{}
	for name, t := range c.Conditions {
		out[name] = health.Tuning{Disabled: t.Enabled != nil && !*t.Enabled, Valid: t.Valid, Max: t.Subjects}
	}
	return out
}

// publishConfig says whether the files are in force.
func (a *agent) publishConfig() {
	s := a.settings.Load()
	f := health.Finding{Status: health.OK}
	var restart *restartError
	switch {
	case errors.As(s.refused, &restart):
		f.Status, f.Reason, f.Message = health.Failing, configRestart, s.refused.Error()
	case s.refused != nil && s.old:
		f.Status, f.Reason, f.Message = health.Failing, configOld, firstLine(s.refused.Error())
	case s.refused != nil:
		f.Status, f.Reason, f.Message = health.Failing, configRefused, firstLine(s.refused.Error())
	}
	a.board.Publish(health.Look{Of: agentConfig, Findings: []health.Finding{f}})
}

// ConfigText is the configuration in force, with where each value comes from.
func configText(l *config.Loaded) string {
	var b strings.Builder
	if err := config.Print(&b, l); err != nil {
		return fmt.Sprintf("# print configuration: %v\n", err)
	}
	return b.String()
}
