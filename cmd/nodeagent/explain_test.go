package main

import (
	"testing"

	"nodeagent/internal/agent"
)

func TestEffectTable(t *testing.T) {
	got := effectTable([]agent.Effect{
		{Does: agent.Refuses, File: "bad.yaml", Why: "bad.yaml:5:3: spec.nope: unknown field; \x1b[31mdid you\x1b[0m mean something else that is longer than this line has room for?"},
		{Does: agent.Creates, Pod: "default/new", File: "new.yaml"},
		{Does: agent.Replaces, Pod: "default/web", File: "web.yaml", Why: "it is stopped within its grace period and started with the new content",
			Changes: []agent.Change{{Path: "spec.containers[web].image", From: "registry.example/web:1", To: "registry.example/web:2"}, {Path: "spec.hostNetwork", To: "true"}, {Path: "spec.containers[web].env[A].value"}}},
		{Does: agent.Changes, Object: "ConfigMap default/settings", File: "settings.yaml", Why: "no pod reads it"},
	}, 80, painter{})
	narrowerThan(t, 80, got)
	golden(t, "explain", got)
}
