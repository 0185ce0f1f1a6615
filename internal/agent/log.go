package agent

import (
	"fmt"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger logs to stderr: as fields of the journal where stderr is the journal's, as JSON where it is a file or pipe, for people on a
// terminal. level changes while the agent runs.
func newLogger(format string, level zap.AtomicLevel) *zap.Logger {
	if format == "auto" {
		format = "json"
		if onJournal, err := journal.StderrIsJournalStream(); err == nil && onJournal {
			format = "journal"
		} else if st, err := os.Stderr.Stat(); err == nil && st.Mode()&os.ModeCharDevice != 0 {
			format = "console"
		}
	}
	enc := zap.NewProductionEncoderConfig()
	enc.TimeKey, enc.EncodeTime, enc.EncodeDuration = "time", zapcore.ISO8601TimeEncoder, zapcore.StringDurationEncoder
	out := zapcore.Lock(os.Stderr)
	switch format {
	case "journal":
		return zap.New(journalCore{LevelEnabler: level})
	case "console":
		enc.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		enc.EncodeLevel = zapcore.CapitalLevelEncoder
		return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(enc), out, level))
	}
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(enc), out, level))
}

// journalCore keeps zap's fields as fields of the journal: `journalctl -u nodeagent POD=default/web`.
type journalCore struct {
	zapcore.LevelEnabler
	fields []zapcore.Field
}

func (c journalCore) With(f []zapcore.Field) zapcore.Core {
	return journalCore{LevelEnabler: c.LevelEnabler, fields: append(c.fields[:len(c.fields):len(c.fields)], f...)}
}

func (c journalCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c journalCore) Sync() error { return nil }

func (c journalCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	m := zapcore.NewMapObjectEncoder()
	for _, f := range append(c.fields[:len(c.fields):len(c.fields)], fields...) {
		f.AddTo(m)
	}
	vars := map[string]string{}
	text := e.Message
	for k, v := range m.Fields {
		vars[journalName(k)] = fmt.Sprint(v)
		if k == "error" {
			text += ": " + fmt.Sprint(v)
		}
	}
	return journal.Send(text, priority(e.Level), vars)
}

// journalName is a field's name as the journal takes it: upper case, digits and underscores, no underscore first.
func journalName(s string) string {
	s = strings.Map(func(r rune) rune {
		if (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9') || r == '_' {
			return r
		}
		return '_'
	}, strings.ToUpper(s))
	if s = strings.TrimLeft(s, "_0123456789"); s == "" {
		return "FIELD"
	}
	return s
}

func priority(l zapcore.Level) journal.Priority {
	switch {
	case l >= zapcore.DPanicLevel:
		return journal.PriCrit
	case l >= zapcore.ErrorLevel:
		return journal.PriErr
	case l >= zapcore.WarnLevel:
		return journal.PriWarning
	case l >= zapcore.InfoLevel:
		return journal.PriInfo
	}
	return journal.PriDebug
}
