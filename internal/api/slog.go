package api

import (
	"context"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logHandler hands exporter-toolkit's slog records to zap, so that there is one log.
type logHandler struct {
	core   zapcore.Core
	prefix string // of the groups: "a.b."
}

func level(l slog.Level) zapcore.Level {
	switch {
	case l >= slog.LevelError:
		return zapcore.ErrorLevel
	case l >= slog.LevelWarn:
		return zapcore.WarnLevel
	case l >= slog.LevelInfo:
		return zapcore.InfoLevel
	default:
		return zapcore.DebugLevel
	}
}

func (h logHandler) Enabled(_ context.Context, l slog.Level) bool { return h.core.Enabled(level(l)) }

func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	var fields []zapcore.Field
	r.Attrs(func(a slog.Attr) bool {
		fields = h.field(fields, h.prefix, a)
		return true
	})
	if e := h.core.Check(zapcore.Entry{Level: level(r.Level), Time: r.Time, Message: r.Message}, nil); e != nil {
		e.Write(fields...)
	}
	return nil
}

func (h logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var fields []zapcore.Field
	for _, a := range attrs {
		fields = h.field(fields, h.prefix, a)
	}
	return logHandler{core: h.core.With(fields), prefix: h.prefix}
}

func (h logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return logHandler{core: h.core, prefix: h.prefix + name + "."}
}

func (h logHandler) field(to []zapcore.Field, prefix string, a slog.Attr) []zapcore.Field {
	v := a.Value.Resolve()
	if v.Kind() != slog.KindGroup {
		if a.Key == "" {
			return to
		}
		return append(to, zap.Any(prefix+a.Key, v.Any()))
	}
	if a.Key != "" {
		prefix += a.Key + "."
	}
	for _, g := range v.Group() {
		to = h.field(to, prefix, g)
	}
	return to
}
