package agent

import (
	"fmt"
	"maps"
	"os"
	"slices"
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

// logged is the field of every line that says which part of the agent writes it.
func logged(part string) zap.Field { return zap.String("component", part) }

// logOf is the log of a part.
func (a *agent) logOf(part string) *zap.Logger { return a.logs.With(logged(part)) }

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
	text, vars := journalEntry(e.Message, append(c.fields[:len(c.fields):len(c.fields)], fields...))
	return journal.Send(text, priority(e.Level), vars)
}

// journalEntry is a line as the journal takes it. journalctl shows the text alone, so that it has the fields too: name=value, and an error,
// which may have many lines, at its end.
func journalEntry(message string, fields []zapcore.Field) (text string, vars map[string]string) {
	text, vars = message, map[string]string{}
	tail := ""
	for _, f := range fields {
		m := zapcore.NewMapObjectEncoder()
		f.AddTo(m)
		for _, k := range slices.Sorted(maps.Keys(m.Fields)) {
			v := fmt.Sprint(m.Fields[k])
			vars[journalName(k)] = v
			switch {
			case v == "":
			case k == "error":
				tail += ": " + v
			case strings.ContainsAny(v, " =\"\n"):
				text += fmt.Sprintf(" %s=%q", k, v)
			default:
				text += " " + k + "=" + v
			}
		}
	}
	return text + tail, vars
}

// journalName is a field's name as the journal takes it: upper case, digits and underscores, no underscore first, and none of the two that
// every line has.
func journalName(s string) string {
	s = strings.Map(func(r rune) rune {
		if (r >= 'A' && r <= 'Z') || (r >= '0' && r <= '9') || r == '_' {
			return r
		}
		return '_'
	}, strings.ToUpper(s))
	switch s = strings.TrimLeft(s, "_0123456789"); s {
	case "":
		return "FIELD"
	case "MESSAGE", "PRIORITY":
		return "FIELD_" + s
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
