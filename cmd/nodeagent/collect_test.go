package main

import (
	"strings"
	"testing"

	"nodeagent/internal/component/collect"
	"nodeagent/internal/view"
)

// TestCollectedStatus: what is said of a node and pods that are called after secrets stays, and secrets in what is said go.
func TestCollectedStatus(t *testing.T) {
	s := deadlocked()
	s.Node = "secrets"
	s.Conditions[4].Subjects[0].Message = "it ended: password=hunter2 said db-token"
	s.Conditions[8].Subjects = append(s.Conditions[8].Subjects, view.Subject{Name: "default/web-token", Status: "failing", Reason: "CrashLooping"})
	s = redactStatus(s, collect.NewRedactor(nil).Redact)
	var all strings.Builder
	for _, i := range statusItems(s, "looked once by myself") {
		b, err := i.Read(t.Context())
		if err != nil || !i.Clean {
			t.Errorf("%s: %v, clean %v", i.Name, err, i.Clean)
		}
		all.Write(b)
	}
	for _, want := range []string{"secrets: FAILING: the first thing missing is kubelet, which runs and waits", "StaticPods default/web-token: CrashLooping", `"node": "secrets"`, "looked once by myself"} {
		if !strings.Contains(all.String(), want) {
			t.Errorf("no %q in %s", want, all.String())
		}
	}
	if strings.Contains(all.String(), "hunter2") {
		t.Error("a secret is left")
	}
}
