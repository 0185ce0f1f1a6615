package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with testdata/NAME.golden.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; go test ./cmd/nodeagent -update writes it anew. It is now:\n%s", path, got)
	}
}

// narrowerThan fails on a longer line.
func narrowerThan(t *testing.T, width int, text string) {
	t.Helper()
	for l := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimRight(l, "\n")); n > width {
			t.Errorf("%d characters: %s", n, l)
		}
		if strings.HasSuffix(l, " \n") {
			t.Errorf("trailing space: %q", l)
		}
	}
}

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

// night is a node on which much is wrong at once.
func night() view.Status {
	byHand := view.Mute{Condition: "NetworkReady", Until: noon.Add(3 * time.Hour), Reason: "moving to another CNI", By: "root"}
	return view.Status{
		Node: "node1", Version: "dev", Time: noon, Since: ago(26 * time.Hour), Daemon: true, Status: "failing", Mode: "companion", Roles: []string{view.RoleWorker},
		Runtime: view.Runtime{Name: "containerd", Version: "1.6.20~ds1"},
		Conditions: []view.Condition{
			{Name: "RuntimeResponsive", Impact: "critical", Status: "ok", Subjects: []view.Subject{
				{Status: "ok", Message: "containerd 1.6.20~ds1 at unix:///run/containerd/containerd.sock", Since: ago(26 * time.Hour)},
			}},
			{Name: "RuntimeReady", Impact: "critical", Status: "ok", Subjects: []view.Subject{{Status: "ok", Since: ago(26 * time.Hour)}}},
			{Name: "NetworkReady", Impact: "critical", Status: "failing", Subjects: []view.Subject{
				{Status: "failing", Reason: "CNINotInitialized", Message: "NetworkPluginNotReady: cni plugin not initialized", Fix: "Look at the network's pod.", Since: ago(7 * time.Minute), Muted: &byHand},
			}},
			{Name: "Manifests", Impact: "degraded", Status: "failing", Subjects: []view.Subject{
				{Name: "etcd.yaml", Status: "ok", Since: ago(26 * time.Hour)},
				{Name: "kube-apiserver.yaml.bak", Status: "failing", Reason: "IgnoredName", Since: ago(2 * time.Hour), Fix: "Move the file out of the folder; a kubelet runs it like any manifest, and it may replace the pod it is a copy of.",
					Message: "its name matches *.bak (a backup copy), which a kubelet would run"},
				{Name: "web.yaml", Status: "ok", Since: ago(time.Hour)},
			}},
			{Name: "StaticPods", Impact: "critical", Status: "failing", More: 3, Subjects: []view.Subject{
				{Name: "default/crashy", Status: "failing", Reason: "CrashLooping", Message: "container crashy ended with 1 five times, the last 40 s ago: \x1b[31mpanic\x1b[0m\nat main.go:7", Since: ago(4 * time.Minute),
					Fix: "Read the container's last log: `crictl logs --previous ID`, or its files under the pod logs folder."},
				{Name: "kube-system/a-pod-whose-name-is-much-longer-than-others-are-and-then-some", Status: "failing", Reason: "CrashLooping", Message: "container x ended", Since: ago(3 * time.Minute),
					Fix: "Read the container's last log: `crictl logs --previous ID`, or its files under the pod logs folder."},
				{Name: "kube-system/etcd", Status: "unknown", Reason: "ManifestsUnknown", Since: ago(time.Second)},
			}},
			{Name: "RunMode", Impact: "critical", Status: "absent", Subjects: []view.Subject{{Status: "absent", Message: "staticPods.mode is companion", Since: ago(26 * time.Hour)}}},
			{Name: "Tidy", Impact: "notice", Status: "failing", Subjects: []view.Subject{{Status: "failing", Reason: "Untidy", Since: ago(time.Hour)}}},
			{Name: "Quiet", Impact: "degraded", Status: "absent", Disabled: true},
		},
		Pods:  nightPods(),
		Mutes: []view.Mute{byHand, {Condition: "StaticPods", Subject: "default/crashy", Until: noon.Add(30 * time.Hour), By: "root"}},
	}
}

func nightPods() []view.Pod {
	return []view.Pod{
		{Namespace: "default", Name: "crashy", Phase: view.PhaseCrashLoop, Restarts: 5, Since: ago(4 * time.Minute), NextStart: noon.Add(38 * time.Second), IP: "10.244.0.11",
			File: "/etc/kubernetes/manifests/crashy.yaml", Message: "container crashy ended with 1 five times, and waits 40 s for its next start",
			Containers: []view.Container{{Name: "crashy", State: "exited"}}},
		{Namespace: "default", Name: "web", Phase: view.PhaseStopped, Since: ago(time.Minute), StoppedUntil: noon.Add(9 * time.Minute), File: "/etc/kubernetes/manifests/web.yaml",
			Message: "stopped by a person until 2026-01-31 12:09:00", Containers: []view.Container{{Name: "init", Role: "init", Ready: true}, {Name: "web"}, {Name: "proxy"}}},
		{Namespace: "kube-system", Name: "etcd", Phase: view.PhaseRunning, Ready: true, Since: ago(26 * time.Hour), IP: "192.168.178.201", File: "/etc/kubernetes/manifests/etcd.yaml",
			Usage: &view.Usage{CPU: 0.0316, WorkingSet: 93 << 20}, Containers: []view.Container{{Name: "etcd", State: "running", Ready: true}}},
		{Namespace: "kube-system", Name: "kube-controller-manager", Phase: view.PhaseMissing, Since: ago(90 * time.Second), File: "/etc/kubernetes/manifests/kube-controller-manager.yaml"},
	}
}

func TestStatusText(t *testing.T) {
	for _, c := range []struct {
		name   string
		status view.Status
		width  int
		paint  bool
	}{
		{"status-night", night(), 80, false},
		{"status-night-120", night(), 120, false},
		{"status-night-colour", night(), 80, true},
		{"status-night-brief", brief(night()), 80, false},
		{"status-quiet", view.Status{Node: "node1", Status: "ok", Mode: "off", Conditions: []view.Condition{
			{Name: "RuntimeReady", Impact: "critical", Status: "ok", Subjects: []view.Subject{{Status: "ok", Since: ago(time.Hour)}}},
			{Name: "Empty", Impact: "critical", Status: "unknown"},
		}}, 80, false},
	} {
		got := statusText(c.status, noon, c.width, painter{c.paint})
		if !c.paint {
			narrowerThan(t, c.width, got)
		}
		golden(t, c.name, got)
	}
}

// TestBriefLeavesTheStatusAlone: what is drawn next is the whole again.
func TestBriefLeavesTheStatusAlone(t *testing.T) {
	s := night()
	brief(s)
	if got, want := statusText(s, noon, 80, painter{}), statusText(night(), noon, 80, painter{}); got != want {
		t.Errorf("brief changed what it was given:\n%s", got)
	}
}

func TestHeadlineSaysLessWhereThereIsNoRoom(t *testing.T) {
	s := night()
	s.Version = "v0.1.0-123-g0123456789ab-dirty"
	for width, want := range map[int]string{
		0:   "node1: FAILING  worker  mode companion  containerd 1.6.20~ds1  nodeagent v0.1.0-123-g0123456789ab-dirty up 26h",
		120: "node1: FAILING  worker  mode companion  containerd 1.6.20~ds1  nodeagent v0.1.0-123-g0123456789ab-dirty up 26h",
		80:  "node1: FAILING  worker  mode companion  containerd 1.6.20~ds1  up 26h",
		50:  "node1: FAILING  worker  mode companion  containerd  up 26h",
	} {
		if got := headline(s, noon, width, painter{}); got != want {
			t.Errorf("width %d: %s", width, got)
		}
	}
}

func TestPodTable(t *testing.T) {
	for name, width := range map[string]int{"pods": 80, "pods-120": 120, "pods-72": 72} {
		got := podTable(nightPods(), noon, width, painter{}, true)
		narrowerThan(t, width, got)
		golden(t, name, got)
	}
	if got := podTable(nil, noon, 80, painter{}, true); got != "no static pods\n" {
		t.Errorf("%q", got)
	}
}

func TestEventTable(t *testing.T) {
	got := eventTable([]event.Event{
		{Time: ago(3 * time.Hour), Kind: event.KindAgent, Message: "nodeagent dev started, static pods: companion"},
		{Time: ago(time.Hour), Kind: event.KindCondition, Subject: "StaticPods/kube-system/kube-controller-manager", Message: "failing: nothing runs from its manifest since 90 s"},
		{Time: ago(time.Minute), Kind: event.KindExit, Subject: "default/web", Message: "web ended with 137: \x1b[2J\x1b[Hgone\n"},
	}, 80, painter{})
	narrowerThan(t, 80, got)
	if strings.Contains(got, "\x1b") {
		t.Errorf("an escape sequence reaches the terminal: %q", got)
	}
	golden(t, "events", got)
}

func TestTableKeepsWhatMustNotBeCut(t *testing.T) {
	columns := []column{{title: "A"}, {title: "B", min: 4}, {title: "C", drop: true}, {title: "EMPTY"}}
	rows := []row{{cells: []string{"first", "second one", "third", ""}, below: []string{"  under"}}}
	for width, want := range map[int]string{
		80: "A      B           C\nfirst  second one  third\n  under\n",
		24: "A      B           C\nfirst  second one  third\n  under\n",
		23: "A      B\nfirst  second one\n  under\n",
		13: "A      B\nfirst  secon…\n  under\n",
		5:  "A      B\nfirst  sec…\n  under\n", // no less than what may not be cut
	} {
		if got := table(columns, rows, width, painter{}); got != want {
			t.Errorf("width %d:\n%swant\n%s", width, got, want)
		}
	}
}

func TestChanges(t *testing.T) {
	first := night()
	golden(t, "watch-first", strings.Join(changes(nil, first), "\n")+"\n")
	if again := changes(&first, night()); len(again) > 0 {
		t.Errorf("nothing changed, and these are said: %q", again)
	}
	next := night()
	next.Conditions[0].Subjects[0] = view.Subject{Status: "failing", Reason: "Hung", Message: "containerd (pid 7) did not answer\nVersion"}
	next.Conditions[2].Subjects[0].Muted = nil
	next.Conditions[4].Subjects = next.Conditions[4].Subjects[1:]
	next.Pods[0].Phase, next.Pods[0].Restarts = view.PhaseRunning, 6
	next.Pods = next.Pods[:2]
	golden(t, "watch-changes", strings.Join(changes(&first, next), "\n")+"\n")
}

func TestFrame(t *testing.T) {
	if got, want := frame("a\nb\n", 10), "\x1b[Ha\x1b[K\r\nb\x1b[K\x1b[J"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	got := frame("1\n2\n3\n4\n5\n", 3)
	if lines := strings.Split(got, "\r\n"); len(lines) != 3 || !strings.Contains(lines[2], "3 lines more") {
		t.Errorf("%q", got)
	}
}
