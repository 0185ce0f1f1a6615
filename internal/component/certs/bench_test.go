package certs

import (
	"testing"

	"go.uber.org/zap"

	"nodeagent/internal/health"
)

// BenchmarkPass reads a control plane's certificates once, as the agent does hourly.
func BenchmarkPass(b *testing.B) {
	n := newNode(b)
	c := New(n.config, Deps{}, health.NewBoard(nil, Conditions()...), zap.NewNop())
	for b.Loop() {
		if _, err := c.pass(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
