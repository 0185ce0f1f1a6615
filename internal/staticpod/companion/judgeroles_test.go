package companion

import (
	"strings"
	"testing"
	"time"

	"nodeagent/internal/view"
)

const sidecars = `apiVersion: v1
kind: Pod
metadata: {name: web, namespace: kube-system}
spec:
  initContainers:
  - {name: prepare, image: registry.test/prepare:1}
  - {name: proxy, image: registry.test/proxy:1, restartPolicy: Always}
  containers:
  - {name: web, image: registry.test/web:1}
  - {name: log, image: registry.test/log:1}
`

func TestJudgeInitAndSidecars(t *testing.T) {
	plain := func(c Container) Container {
		if c.Status.Process != nil {
			c.Status.Process = nil
		}
		return c
	}
	run := func(id, name string, attempt int) Container { return plain(running(id, "s1", name, attempt, hour)) }
	end := func(id, name string, attempt, code int) Container {
		return exited(id, "s1", name, attempt, code, at(-time.Minute), at(-time.Second))
	}
	for _, tt := range []struct {
		name    string
		cs      []Container
		phase   string
		ready   bool
		message string

		containers string // that are shown as ready
	}{
		{"nothing yet", nil, view.PhasePending, false, "container prepare is not created", ""},
		{"init runs", []Container{run("1", "prepare", 0)}, view.PhasePending, false, "init container prepare runs", ""},
		{"init failed", []Container{end("1", "prepare", 1, 1)}, view.PhaseBackOff, false, "container prepare ended with exit code 1", ""},
		{"init done", []Container{end("1", "prepare", 0, 0)}, view.PhasePending, false, "container proxy is not created", "prepare"},
		{"sidecar runs", []Container{end("1", "prepare", 0, 0), run("2", "proxy", 0)}, view.PhasePending, false, "container web is not created", "prepare proxy"},
		{"all run", []Container{end("1", "prepare", 0, 0), run("2", "proxy", 0), run("3", "web", 0), run("4", "log", 0)}, view.PhaseRunning, true, "", "prepare proxy web log"},
		{"init record collected", []Container{run("2", "proxy", 0), run("3", "web", 0), run("4", "log", 0)}, view.PhaseRunning, true, "", "proxy web log"},
		{"sidecar ended", []Container{end("2", "proxy", 1, 0), run("3", "web", 0), run("4", "log", 0)}, view.PhaseBackOff, true, "container proxy ended with exit code 0", "web log"},
		{"one main ended", []Container{run("2", "proxy", 0), end("3", "web", 5, 1), run("4", "log", 0)}, view.PhaseCrashLoop, false, "container web ended", "proxy log"},
		{"the worst is shown", []Container{end("2", "proxy", 1, 1), end("3", "web", 5, 1), run("4", "log", 0)}, view.PhaseCrashLoop, false, "container web ended", "log"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := input(folderOf(file("web.yaml", sidecars)), []Sandbox{box("s1", "web", "u1", true)}, tt.cs...)
			p := judge(in, Memory{}, t0).Pods[0]
			if p.Phase != tt.phase || p.Ready != tt.ready || !strings.Contains(p.Message, tt.message) {
				t.Errorf("%s ready %v %q; want %s %v %q", p.Phase, p.Ready, p.Message, tt.phase, tt.ready, tt.message)
			}
			if len(p.Containers) != 4 {
				t.Fatalf("%d containers are shown", len(p.Containers))
			}
			var ready []string
			for i, c := range p.Containers {
				if role := []string{"init", "sidecar", "", ""}[i]; c.Role != role {
					t.Errorf("%s is shown as %q, want %q", c.Name, c.Role, role)
				}
				if c.Ready {
					ready = append(ready, c.Name)
				}
			}
			if got := strings.Join(ready, " "); got != tt.containers {
				t.Errorf("ready are %q, want %q", got, tt.containers)
			}
		})
	}
}
