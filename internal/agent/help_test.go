package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// patience is how long a test waits for what must come. It is a deadline and never a pause.
const patience = 10 * time.Second

// place is where an agent of a test lives: its folders, its configuration, and no runtime.
type place struct {
	dir   string
	state string
	o     Options
}

func newPlace(t *testing.T, more ...string) *place {
	t.Helper()
	t.Setenv("NOTIFY_SOCKET", "") // of whoever runs the tests
	return madePlace(t, more...)
}

// madePlace is newPlace for tests that run in parallel and only start processes.
func madePlace(t *testing.T, more ...string) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{dir: dir, state: filepath.Join(dir, "state")}
	p.o = Options{ConfigFile: filepath.Join(dir, "config.yaml"), Explicit: true, ConfigDir: filepath.Join(dir, "config.d"), Version: "test"}
	p.write(t, more...)
	return p
}

// write makes the configuration file: the places, what every test wants, and more, whose keys win.
func (p *place) write(t *testing.T, more ...string) {
	t.Helper()
	lines := []string{
		"nodeName: node-1",
		"containerRuntimeEndpoint: unix://" + filepath.Join(p.dir, "no-runtime.sock"),
		"stateDir: " + p.state,
		"runDir: " + filepath.Join(p.dir, "run"),
		"podLogsDir: " + filepath.Join(p.dir, "logs"),
		"podLogLinksDir: " + filepath.Join(p.dir, "links"),
		"staticPods: {mode: off}",
		`metrics: {listen: "127.0.0.1:0"}`,
		"log: {level: warn, format: json}",
	}
	for _, m := range more {
		key, _, _ := strings.Cut(m, ":")
		lines = slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, key+":") })
	}
	p.file(t, "config.yaml", strings.Join(append(lines, more...), "\n")+"\n")
}

func (p *place) file(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// build makes the agent as Run does; none of its tasks runs.
func (p *place) build(t *testing.T) *agent {
	t.Helper()
	s, err := first(p.o)
	if err != nil {
		t.Fatal(err)
	}
	a, err := build(p.o, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	return a
}

// timeline is what is on disk, as "Kind/Reason Subject: Message".
func (p *place) timeline(t *testing.T) []string {
	t.Helper()
	events, err := event.Since(p.state, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		out = append(out, fmt.Sprintf("%s/%s %s: %s", e.Kind, e.Reason, e.Subject, e.Message))
	}
	return out
}

// find is a condition of a status.
func find(s view.Status, name string) (view.Condition, bool) {
	for _, c := range s.Conditions {
		if c.Name == name {
			return c, true
		}
	}
	return view.Condition{}, false
}

// condition of a status, and its first subject.
func condition(t *testing.T, s view.Status, name string) (view.Condition, view.Subject) {
	t.Helper()
	c, ok := find(s, name)
	if !ok || len(c.Subjects) == 0 {
		t.Fatalf("%s is not there, or has no subject: %+v", name, s.Conditions)
	}
	return c, c.Subjects[0]
}
