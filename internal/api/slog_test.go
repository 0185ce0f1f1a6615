package api

import (
	"errors"
	"log/slog"
	"maps"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestSlogGoesToZap(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	l := slog.New(logHandler{core: core})
	l.Debug("too little")
	l.With("a", 1).WithGroup("g").With("b", "x").WithGroup("").Warn("text", "c", time.Second, slog.Group("h", "d", true), slog.Group("", "e", 2.5), slog.Attr{})
	l.Error("bad", "err", errors.New("broken"))
	all := logs.All()
	if len(all) != 2 || all[0].Level != zap.WarnLevel || all[0].Message != "text" || all[0].Time.IsZero() || all[1].Level != zap.ErrorLevel {
		t.Fatalf("got %+v", all)
	}
	want := map[string]any{"a": int64(1), "g.b": "x", "g.c": time.Second, "g.h.d": true, "g.e": 2.5}
	if got := all[0].ContextMap(); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := all[1].ContextMap()["err"]; got != "broken" {
		t.Errorf("got %v", got)
	}
}
