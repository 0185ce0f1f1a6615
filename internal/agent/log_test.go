package agent

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// TestJournalEntry: who reads `journalctl -u nodeagent` sees what a line is about, and may ask for it by field.
func TestJournalEntry(t *testing.T) {
	for _, c := range []struct {
		message string
		fields  []zapcore.Field
		text    string
		vars    map[string]string
	}{
		{"stopped", nil, "stopped", map[string]string{}},
		{
			"condition failing",
			[]zapcore.Field{zap.String("condition", "RuntimeResponsive"), zap.String("subject", ""), zap.String("message", "it does not run"), zap.Int("priority", 1)},
			`condition failing condition=RuntimeResponsive message="it does not run" priority=1`,
			map[string]string{"CONDITION": "RuntimeResponsive", "SUBJECT": "", "FIELD_MESSAGE": "it does not run", "FIELD_PRIORITY": "1"},
		},
		{
			"a task ended and is run again",
			[]zapcore.Field{zap.Error(errors.New("panic: x\nstack")), zap.Duration("in", time.Second), zap.String("text", "a\nb")},
			"a task ended and is run again in=1s text=\"a\\nb\": panic: x\nstack",
			map[string]string{"ERROR": "panic: x\nstack", "IN": "1s", "TEXT": "a\nb"},
		},
	} {
		text, vars := journalEntry(c.message, c.fields)
		if text != c.text || !maps.Equal(vars, c.vars) {
			t.Errorf("%q %q\nwant\n%q %q", text, vars, c.text, c.vars)
		}
	}
}

func TestJournalName(t *testing.T) {
	for in, want := range map[string]string{
		"pod": "POD", "containerID": "CONTAINERID", "exit-code": "EXIT_CODE", "_hidden": "HIDDEN", "2nd": "ND", "": "FIELD", "__1": "FIELD", "message": "FIELD_MESSAGE",
	} {
		if got := journalName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestPriority(t *testing.T) {
	for level, want := range map[zapcore.Level]journal.Priority{
		zapcore.DebugLevel: journal.PriDebug, zapcore.InfoLevel: journal.PriInfo, zapcore.WarnLevel: journal.PriWarning,
		zapcore.ErrorLevel: journal.PriErr, zapcore.DPanicLevel: journal.PriCrit, zapcore.FatalLevel: journal.PriCrit,
	} {
		if got := priority(level); got != want {
			t.Errorf("%v: %v, want %v", level, got, want)
		}
	}
}
