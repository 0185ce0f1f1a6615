package main

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// troubled is a pod of which there is something to say everywhere.
func troubled() description {
	limits := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("500m"), corev1.ResourceMemory: resource.MustParse("64Mi")}
	return description{
		Pod: view.Pod{
			Namespace: "default", Name: "web", UID: "41b0f2c3-533c-8ea7-b5d8-0af17705b0ba", File: "web.yaml", Hash: "v1:00", Sandbox: "c5ca119aea353e0b62bff7a71d9a2b2d",
			Phase: view.PhaseCrashLoop, Since: ago(4 * time.Minute), IP: "10.244.0.11", Restarts: 5, NextStart: noon.Add(38 * time.Second), StoppedUntil: noon.Add(time.Hour),
			Message: "container serve exited with code 137 (OOMKilled), next start 12:00:38",
			Usage:   &view.Usage{At: ago(5 * time.Second), CPU: 0.25, WorkingSet: 60 << 20, MemoryLimit: 64 << 20, ThrottledSeconds: 12.34, OOMKills: 5},
			Containers: []view.Container{
				{Name: "setup", Role: "init", State: "exited", Ready: true, Image: "registry.example/setup:1", ID: "aaaaaaaaaaaaaaaaaaaa", LastExit: &view.Exit{Reason: "Completed", At: ago(26 * time.Hour)}},
				{Name: "serve", State: "waiting", Image: "registry.example/a/path/that/is/rather/long/so/that/the/line/has/to/be/broken:1.2.3-alpine", Attempt: 5, Restarts: 5,
					LastExit: &view.Exit{Code: 137, Reason: "OOMKilled", At: ago(2 * time.Minute)}, NextStart: noon.Add(38 * time.Second)},
				{Name: "proxy", Role: "sidecar", State: "running", Image: "proxy:2", ID: "bbbbbbbbbbbbbbbbbbbb", PID: 4711, StartedAt: ago(26 * time.Hour),
					Probes: []view.Probe{{Kind: "readiness", Status: "failing", At: ago(3 * time.Second), Message: "HTTP 503: \x1b[31mnot yet\x1b[0m"}, {Kind: "liveness", Status: "ok", At: ago(time.Second)}}},
			},
		},
		Daemon: true, Reason: "CrashLooping", Fix: "Read the container's last log: `nodeagent pods logs web --previous`.",
		Manifest: &manifestView{Path: "/etc/nodeagent/manifests/web.yaml", QOS: "Burstable", Changed: true, Volumes: []string{"data (hostPath /srv)", "config (ConfigMap web)"},
			Limits: map[string]corev1.ResourceRequirements{"serve": {Limits: limits, Requests: limits}}},
		Notes: []string{"something could not be found out"},
		Events: []event.Event{
			{Time: ago(26 * time.Hour), Kind: event.KindPod, Subject: "default/web", Reason: "Sandbox", Message: "sandbox c5ca119aea35 runs (attempt 0)"},
			{Time: ago(2 * time.Minute), Kind: event.KindExit, Subject: "default/web/serve", Reason: "OOMKilled", Message: "exited with code 137 (OOMKilled) after 7s; it starts again at 12:00:38",
				Log: "loading\tthe cache\n\x1b[2J" + strings.Repeat("much ", 20) + "\nlast line"},
			{Time: ago(time.Minute), Kind: event.KindCondition, Subject: "StaticPods/default/web", Reason: "CrashLooping", Message: "failing: container serve exited with code 137"},
		},
	}
}

func TestDescribeText(t *testing.T) {
	got := describeText(troubled(), noon, 80, painter{})
	narrowerThan(t, 80, got)
	if strings.Contains(got, "\x1b") {
		t.Errorf("an escape sequence reaches the terminal: %q", got)
	}
	golden(t, "describe", got)

	bare := describeText(description{Pod: view.Pod{Namespace: "kube-system", Name: "etcd", File: "/etc/kubernetes/manifests/etcd.yaml", Phase: view.PhaseMissing}}, noon, 80, painter{})
	golden(t, "describe-bare", bare)

	many := troubled()
	many.Events = make([]event.Event, eventsShown+12)
	if got := describeText(many, noon, 80, painter{}); !strings.Contains(got, "  12 older events left out; -o json has all\n") {
		t.Error(got)
	}
}

func TestEventsOfAPod(t *testing.T) {
	var got []string
	for _, e := range eventsOf([]event.Event{
		{Kind: event.KindPod, Subject: "default/web", Message: "its own"},
		{Kind: event.KindExit, Subject: "default/web/serve", Message: "a container's"},
		{Kind: event.KindExit, Subject: "default/web-2/serve", Message: "another pod's"},
		{Kind: event.KindPod, Subject: "kube-system/web", Message: "another namespace's"},
		{Kind: event.KindCondition, Subject: "StaticPods/default/web", Message: "a condition of it"},
		{Kind: event.KindCondition, Subject: "StaticPods/default/web-2", Message: "a condition of another"},
		{Kind: event.KindCondition, Subject: "RuntimeReady", Message: "a condition of the node"},
	}, "default/web") {
		got = append(got, e.Message)
	}
	if want := "its own; a container's; a condition of it"; strings.Join(got, "; ") != want {
		t.Errorf("%q, want %q", strings.Join(got, "; "), want)
	}
}

func TestLogText(t *testing.T) {
	got := strings.Join(logText("a\tb\r\n\n"+strings.Repeat("x", 25)+"\n  indented\x07", "  ", 20), "\n")
	want := "  | a        b\n  |\n  | " + strings.Repeat("x", 16) + "\n  | " + strings.Repeat("x", 9) + "\n  |   indented\\x07"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := logText("", "  ", 80); len(got) != 0 {
		t.Errorf("%q for no log", got)
	}
}

func TestUsageAndSizes(t *testing.T) {
	for n, want := range map[uint64]string{0: "0", 10239: "10239", 10 << 10: "10Ki", 10<<20 - 1: "10239Ki", 64 << 20: "64Mi", 9 << 30: "9216Mi", 12 << 30: "12Gi"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	if got := usageText(&view.Usage{At: ago(3 * time.Minute)}, noon); got != "0m CPU, 0 memory, 3m ago" {
		t.Error(got)
	}
}
