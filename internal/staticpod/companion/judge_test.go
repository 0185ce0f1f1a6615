package companion

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/view"
)

const node = "node-1"

// t0 is when everything in these tests has been in place for an hour.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const overdue = 20*time.Second + grace // after which a kubelet is late with a new manifest

func at(d time.Duration) time.Time { return t0.Add(d) }

// pod is a manifest of one container; lines are added below spec.
func pod(name, image string, lines ...string) string {
	s := "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name + "\n  namespace: kube-system\nspec:\n  hostNetwork: true\n"
	for _, l := range lines {
		s += "  " + l + "\n"
	}
	return s + "  containers:\n  - name: " + name + "\n    image: " + image + "\n    command: [" + name + ", --flag]\n    env:\n    - {name: A, value: one}\n"
}

func file(name, text string) File {
	return File{Name: name, Changed: at(-time.Hour), Verdict: manifest.KubeletVerdict(name, []byte(text), node)}
}

func folderOf(files ...File) *Folder {
	return &Folder{Path: "/etc/kubernetes/manifests", Files: files, Changed: at(-time.Hour)}
}

func box(id, name, uid string, ready bool) Sandbox {
	return Sandbox{ID: id, Namespace: "kube-system", Name: name + "-" + node, UID: uid, Source: "file", Ready: ready, Created: at(-30 * time.Minute), IP: "10.0.0.9"}
}

func running(id, sandbox, name string, attempt int, started time.Time) Container {
	return Container{
		ID: id, Sandbox: sandbox, Name: name, State: cri.ContainerState_CONTAINER_RUNNING, Attempt: attempt, Restarts: attempt, Created: started,
		Wanted: "registry.test/" + name + ":1",
		Status: &Status{Started: started, PID: 100, Process: &Process{Command: []string{name, "--flag"}, Env: map[string]string{"A": "one", "KUBERNETES_PORT": "x"}}},
	}
}

func exited(id, sandbox, name string, attempt, code int, started, finished time.Time) Container {
	c := running(id, sandbox, name, attempt, started)
	c.State = cri.ContainerState_CONTAINER_EXITED
	c.Status = &Status{Started: started, Finished: finished, Code: code, Reason: "Error"}
	return c
}

func input(f *Folder, boxes []Sandbox, cs ...Container) Input {
	return Input{
		Node: node, NodeSource: "test", Folder: f, Runtime: Runtime{Sandboxes: boxes, Containers: cs}, Kubelet: true, Running: true,
		Since: at(-2 * time.Hour), FileCheck: 20 * time.Second, Initial: 10 * time.Second, Max: 300 * time.Second,
	}
}

var web = pod("web", "registry.test/web:1")

func webFolder() *Folder { return folderOf(file("web.yaml", web)) }

// long ago
var hour = at(-time.Hour)

func TestJudgePhases(t *testing.T) {
	ready := []Sandbox{box("s1", "web", "u1", true)}
	once := func(d Container, change func(*Container)) Container { change(&d); return d }
	for _, tt := range []struct {
		name    string
		in      Input
		mem     Memory
		phase   string
		status  health.Status
		reason  string
		ready   bool
		message string // part of it
		next    time.Time
	}{
		{
			name: "runs", in: input(webFolder(), ready, running("c1", "s1", "web", 0, hour)),
			phase: view.PhaseRunning, status: health.OK, ready: true,
		},
		{
			name: "first exit restarts at once", in: input(webFolder(), ready, exited("c1", "s1", "web", 0, 1, hour, at(-time.Second))),
			phase: view.PhaseRestarting, status: health.Failing, reason: "Restarting", message: "exit code 1; a kubelet starts it again at once",
		},
		{
			name: "second exit waits 10 s",
			in:   input(webFolder(), ready, exited("c1", "s1", "web", 1, 137, at(-time.Minute), at(-4*time.Second))), phase: view.PhaseBackOff,
			status: health.Failing, reason: "Restarting", message: "starts again at 2026-03-01T12:00:06Z", next: at(6 * time.Second),
		},
		{
			name:  "fourth exit is a crash loop and waits 40 s",
			in:    input(webFolder(), ready, exited("c1", "s1", "web", 3, 1, at(-10*time.Second), t0)),
			phase: view.PhaseCrashLoop, status: health.Failing, reason: "CrashLooping", next: at(40 * time.Second),
		},
		{
			name:  "the wait ends at 300 s",
			in:    input(webFolder(), ready, exited("c1", "s1", "web", 60, 1, at(-10*time.Second), t0)),
			phase: view.PhaseCrashLoop, status: health.Failing, reason: "CrashLooping", next: at(300 * time.Second),
		},
		{
			name:  "a run of over ten minutes begins the back-off anew",
			in:    input(webFolder(), ready, exited("c1", "s1", "web", 9, 1, at(-11*time.Minute), t0)),
			phase: view.PhaseRestarting, status: health.Failing, reason: "Restarting",
		},
		{
			name:  "runs between two crashes",
			in:    input(webFolder(), ready, running("c2", "s1", "web", 4, at(-5*time.Second)), exited("c1", "s1", "web", 3, 1, at(-time.Minute), at(-45*time.Second))),
			phase: view.PhaseCrashLoop, status: health.Failing, reason: "CrashLooping", ready: true, next: at(75 * time.Second),
		},
		{
			name:  "came out of a crash loop",
			in:    input(webFolder(), ready, running("c2", "s1", "web", 4, at(-2*time.Minute)), exited("c1", "s1", "web", 3, 1, at(-4*time.Minute), at(-3*time.Minute))),
			phase: view.PhaseRunning, status: health.OK, ready: true,
		},
		{
			name: "after a reboot, many restarts ago",
			in: func() Input {
				in := input(webFolder(), ready, running("c9", "s1", "web", 9, at(-5*time.Second)), exited("c8", "s0", "web", 8, 255, at(-2*time.Minute), at(-30*time.Second)))
				in.Runtime.Sandboxes = append(in.Runtime.Sandboxes, box("s0", "web", "u1", false))
				in.Since = at(-20 * time.Second)
				return in
			}(),
			phase: view.PhaseRunning, status: health.OK, ready: true,
		},
		{
			name: "a high count and no record of an end",
			in:   input(webFolder(), ready, running("c9", "s1", "web", 9, at(-5*time.Second))), phase: view.PhaseRunning, status: health.OK, ready: true,
		},
		{
			name: "no sandbox for long", in: input(webFolder(), nil),
			phase: view.PhaseMissing, status: health.Failing, reason: "Missing", message: "since 2026-03-01T11:00:00Z",
		},
		{
			name: "no sandbox, kubelet just started", in: func() Input {
				in := input(webFolder(), nil)
				in.Since = at(-10 * time.Second)
				return in
			}(),
			phase: view.PhasePending, status: health.Failing, reason: "NotStarted", next: at(overdue - 10*time.Second),
		},
		{
			name: "no sandbox and no kubelet", in: func() Input {
				in := input(webFolder(), nil)
				in.Running = false
				return in
			}(),
			phase: view.PhaseMissing, status: health.Failing, reason: "Missing", message: "no kubelet is seen to run",
		},
		{
			name:  "gone a minute ago, by memory",
			in:    input(webFolder(), nil),
			mem:   Memory{Pods: map[string]PodMemory{"kube-system/web": {Seen: true, Down: at(-time.Minute), File: "web.yaml"}}},
			phase: view.PhaseMissing, status: health.Failing, reason: "Missing", message: "since 2026-03-01T11:59:00Z",
		},
		{
			name:  "gone just now, by memory",
			in:    input(webFolder(), nil),
			mem:   Memory{Pods: map[string]PodMemory{"kube-system/web": {Seen: true, File: "web.yaml"}}},
			phase: view.PhasePending, status: health.Failing, reason: "NotStarted", next: at(overdue),
		},
		{
			name:  "its sandbox died a minute ago, seen for the first time",
			in:    input(webFolder(), []Sandbox{box("s1", "web", "u1", false)}, exited("c1", "s1", "web", 0, 137, hour, at(-time.Minute))),
			phase: view.PhaseMissing, status: health.Failing, reason: "Missing", message: "since 2026-03-01T11:59:00Z",
		},
		{
			name: "sandbox with no container", in: input(webFolder(), ready),
			phase: view.PhasePending, status: health.Failing, reason: "NotStarted", message: "container web is not created yet",
		},
		{
			name: "created", in: input(webFolder(), ready, once(running("c1", "s1", "web", 0, hour), func(c *Container) {
				c.State, c.Status = cri.ContainerState_CONTAINER_CREATED, &Status{}
			})),
			phase: view.PhasePending, status: health.Failing, reason: "NotStarted", message: "created and not started",
		},
		{
			name: "exited, status unknown", in: input(webFolder(), ready, once(exited("c1", "s1", "web", 0, 0, hour, t0), func(c *Container) { c.Status = nil })),
			phase: view.PhaseUnknown, status: health.Unknown, reason: "RuntimeUnknown",
		},
		{
			name: "unknown state", in: input(webFolder(), ready, once(running("c1", "s1", "web", 0, hour), func(c *Container) { c.State = cri.ContainerState_CONTAINER_UNKNOWN })),
			phase: view.PhaseUnknown, status: health.Unknown, reason: "RuntimeUnknown",
		},
		{
			name:  "two ready sandboxes",
			in:    input(webFolder(), append(ready, box("s2", "web", "u1", true)), running("c1", "s1", "web", 0, hour), running("c2", "s2", "web", 0, hour)),
			phase: view.PhaseDuplicate, status: health.Failing, reason: "Duplicate", ready: true, message: "2 sandboxes of it are ready",
		},
		{
			name:  "a dead sandbox beside a ready one is none",
			in:    input(webFolder(), append(ready, box("s0", "web", "u1", false)), running("c1", "s1", "web", 1, hour)),
			phase: view.PhaseRunning, status: health.OK, ready: true,
		},
		{
			name:  "two manifests of one name",
			in:    input(folderOf(file("a.yaml", web), file("web.yaml", web)), ready, running("c1", "s1", "web", 0, hour)),
			phase: view.PhaseDuplicate, status: health.Failing, reason: "Duplicate", ready: true, message: "also in a.yaml; a kubelet runs the last by name, web.yaml",
		},
		{
			name: "another image runs", in: input(webFolder(), ready, once(running("c1", "s1", "web", 0, hour), func(c *Container) { c.Wanted = "registry.test/web:0" })),
			phase: view.PhaseStale, status: health.Failing, reason: "Stale", ready: true, message: "runs image registry.test/web:0, the manifest says registry.test/web:1",
		},
		{
			name: "other arguments run", in: input(webFolder(), ready, once(running("c1", "s1", "web", 0, hour), func(c *Container) { c.Status.Process.Command = []string{"web"} })),
			phase: view.PhaseStale, status: health.Failing, reason: "Stale", ready: true, message: "the command of container web differs",
		},
		{
			name: "another environment runs", in: input(webFolder(), ready, once(running("c1", "s1", "web", 0, hour), func(c *Container) { c.Status.Process.Env["A"] = "hunter2" })),
			phase: view.PhaseStale, status: health.Failing, reason: "Stale", ready: true, message: "the environment variable A of container web differs",
		},
		{
			name: "an environment in base64 is the same", in: input(webFolder(), ready, once(running("c1", "s1", "web", 0, hour), func(c *Container) { c.Status.Process.Env["A"] = "b25l" })),
			phase: view.PhaseRunning, status: health.OK, ready: true,
		},
		{
			name: "a runtime that tells nothing proves nothing", in: input(webFolder(), ready, once(running("c1", "s1", "web", 0, hour), func(c *Container) { c.Wanted, c.Status.Process = "", nil })),
			phase: view.PhaseRunning, status: health.OK, ready: true,
		},
		{
			name: "changed just now", in: func() Input {
				f := webFolder()
				f.Files[0].Changed = at(-5 * time.Second)
				return input(f, ready, once(running("c1", "s1", "web", 0, hour), func(c *Container) { c.Wanted = "registry.test/web:0" }))
			}(),
			phase: view.PhaseRunning, status: health.OK, ready: true, message: "its manifest changed at 2026-03-01T11:59:55Z", next: at(overdue + 25*time.Second),
		},
		{
			name: "runs with no manifest for long", in: input(folderOf(), ready, running("c1", "s1", "web", 0, hour)),
			phase: view.PhaseNoManifest, status: health.Failing, reason: "NoManifest", ready: true, message: "since 2026-03-01T11:00:00Z",
		},
		{
			name: "runs with no manifest since just now", in: input(folderOf(), ready, running("c1", "s1", "web", 0, hour)),
			mem:   Memory{Pods: map[string]PodMemory{"kube-system/web": {Seen: true, File: "web.yaml", Grace: 5 * time.Second, UID: "u1"}}},
			phase: view.PhaseTerminating, status: health.Absent, ready: true, next: at(overdue + 5*time.Second),
		},
		{
			name: "from a URL", in: input(folderOf(), []Sandbox{{ID: "s1", Namespace: "kube-system", Name: "web-node-1", UID: "u1", Source: "http", Ready: true}}, running("c1", "s1", "web", 0, hour)),
			phase: view.PhaseRunning, status: health.OK, ready: true,
		},
		{
			name: "its manifest broke", in: input(folderOf(file("web.yaml", "kind: Pod\n  oops")), ready, running("c1", "s1", "web", 0, hour)),
			mem:   Memory{Pods: map[string]PodMemory{"kube-system/web": {Seen: true, File: "web.yaml", UID: "u1"}}},
			phase: view.PhaseRefused, status: health.Failing, reason: "Refused", ready: true,
		},
		{
			name: "its manifest broke and it is gone", in: input(folderOf(file("web.yaml", "kind: Pod\n  oops")), nil),
			mem:   Memory{Pods: map[string]PodMemory{"kube-system/web": {Seen: true, File: "web.yaml", UID: "u1"}}},
			phase: view.PhaseRefused, status: health.Failing, reason: "Refused",
		},
		{
			name: "runtime hung", in: func() Input {
				in := input(webFolder(), nil)
				in.Runtime.Err = "list pod sandboxes: no answer within 3s"
				return in
			}(),
			phase: view.PhaseUnknown, status: health.Unknown, reason: "RuntimeUnknown", message: "no answer within 3s",
		},
		{
			name: "folder unreadable", in: input(&Folder{Path: "/m", Err: "permission denied"}, ready, running("c1", "s1", "web", 0, hour)),
			phase: view.PhaseUnknown, status: health.Unknown, reason: "ManifestsUnknown", ready: true, message: "/m: permission denied",
		},
		{
			name: "folder unreadable, known by memory", in: input(&Folder{Path: "/m", Err: "permission denied"}, nil),
			mem:   Memory{Pods: map[string]PodMemory{"kube-system/web": {Seen: true, File: "web.yaml"}}},
			phase: view.PhaseUnknown, status: health.Unknown, reason: "ManifestsUnknown",
		},
		{
			name: "node name unknown", in: func() Input {
				in := input(webFolder(), nil)
				in.Node = ""
				return in
			}(),
			phase: view.PhaseUnknown, status: health.Unknown, reason: "ManifestsUnknown", message: "set nodeName",
		},
		{
			name: "never started again: failed", in: input(folderOf(file("web.yaml", pod("web", "registry.test/web:1", "restartPolicy: Never"))), ready, exited("c1", "s1", "web", 0, 3, hour, t0)),
			phase: view.PhaseFailed, status: health.Failing, reason: "Failed", message: "exit code 3",
		},
		{
			name: "never started again: succeeded", in: input(folderOf(file("web.yaml", pod("web", "registry.test/web:1", "restartPolicy: OnFailure"))), ready, exited("c1", "s1", "web", 0, 0, hour, t0)),
			phase: view.PhaseSucceeded, status: health.OK,
		},
		{
			name:  "succeeded, its sandbox stopped",
			in:    input(folderOf(file("web.yaml", pod("web", "registry.test/web:1", "restartPolicy: Never"))), []Sandbox{box("s1", "web", "u1", false)}, exited("c1", "s1", "web", 0, 0, hour, at(-time.Minute))),
			phase: view.PhaseSucceeded, status: health.OK,
		},
		{
			name: "failure is retried", in: input(folderOf(file("web.yaml", pod("web", "registry.test/web:1", "restartPolicy: OnFailure"))), ready, exited("c1", "s1", "web", 1, 1, hour, t0)),
			phase: view.PhaseRestarting, status: health.Failing, reason: "Restarting",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := judge(tt.in, tt.mem, t0)
			if len(j.Pods) != 1 || len(j.StaticPod) != 1 {
				t.Fatalf("%d pods, %d findings: %+v %+v", len(j.Pods), len(j.StaticPod), j.Pods, j.StaticPod)
			}
			p, f := j.Pods[0], j.StaticPod[0]
			if p.Namespace != "kube-system" || p.Name != "web" || f.Subject != "kube-system/web" {
				t.Errorf("named %s/%s, subject %s", p.Namespace, p.Name, f.Subject)
			}
			if p.Phase != tt.phase || f.Status != tt.status || reasonName(f) != tt.reason || p.Ready != tt.ready {
				t.Errorf("phase %s ready %v, finding %v %s; want %s %v, %v %s\n%s", p.Phase, p.Ready, f.Status, reasonName(f), tt.phase, tt.ready, tt.status, tt.reason, p.Message)
			}
			if !strings.Contains(p.Message, tt.message) {
				t.Errorf("message %q, want %q in it", p.Message, tt.message)
			}
			if strings.Contains(p.Message+f.Message, "hunter2") {
				t.Error("a value of the environment is shown")
			}
			if !j.Next.Equal(tt.next) {
				t.Errorf("next %v, want %v", j.Next, tt.next)
			}
		})
	}
}

func reasonName(f health.Finding) string {
	if f.Reason == nil {
		return ""
	}
	return f.Reason.Name
}

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

// follow judges a series of inputs, each with the memory of the one before.
func follow(t *testing.T, steps ...func() (Input, time.Time)) []Judgement {
	t.Helper()
	var out []Judgement
	var mem Memory
	for _, s := range steps {
		in, now := s()
		j := judge(in, mem, now)
		mem = j.Memory
		out = append(out, j)
	}
	return out
}

func reasons(es []event.Event) string {
	var out []string
	for _, e := range es {
		out = append(out, e.Kind+":"+e.Reason)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func TestStaleByUID(t *testing.T) {
	ready := []Sandbox{box("s1", "web", "u1", true)}
	opaque := running("c1", "s1", "web", 0, hour)
	opaque.Status.Process, opaque.Wanted = nil, ""
	step := func(text string, boxes []Sandbox, now time.Time, changed time.Time) func() (Input, time.Time) {
		return func() (Input, time.Time) {
			f := folderOf(file("web.yaml", text))
			f.Files[0].Changed = changed
			c := opaque
			c.Sandbox = boxes[0].ID
			return input(f, boxes, c), now
		}
	}
	changed := strings.Replace(web, "hostNetwork: true", "hostNetwork: true\n  priorityClassName: system-node-critical", 1)
	for _, tt := range []struct {
		name string
		text string
		want string
	}{
		{"content changed", changed, view.PhaseStale},
		{"a comment", "# hello\n" + web, view.PhaseRunning},
		{"a default spelt out", strings.Replace(web, "hostNetwork: true", "hostNetwork: true\n  restartPolicy: Always", 1), view.PhaseRunning},
		{"a key no kubelet knows", strings.Replace(web, "hostNetwork: true", "hostNetwork: true\n  imagee: x", 1), view.PhaseRunning},
	} {
		t.Run(tt.name, func(t *testing.T) {
			js := follow(t, step(web, ready, t0, hour), step(tt.text, ready, at(time.Minute), at(time.Minute)), step(tt.text, ready, at(time.Hour), at(time.Minute)))
			if p := js[1].Pods[0]; p.Phase != view.PhaseRunning {
				t.Errorf("just changed: %s", p.Phase)
			}
			if p := js[2].Pods[0]; p.Phase != tt.want {
				t.Errorf("an hour later: %s %q, want %s", p.Phase, p.Message, tt.want)
			}
		})
	}
	t.Run("replaced in time", func(t *testing.T) {
		after := []Sandbox{box("s2", "web", "u2", true)}
		js := follow(t, step(web, ready, t0, hour), step(changed, ready, at(time.Minute), at(time.Minute)), step(changed, after, at(2*time.Minute), at(time.Minute)), step(changed, after, at(time.Hour), at(time.Minute)))
		if p := js[3].Pods[0]; p.Phase != view.PhaseRunning || p.UID != "u2" {
			t.Errorf("%s %s", p.Phase, p.UID)
		}
		if got := reasons(js[2].Events); got != "pod:Replaced" {
			t.Errorf("events %q", got)
		}
	})
	t.Run("taken back", func(t *testing.T) {
		js := follow(t, step(web, ready, t0, hour), step(changed, ready, at(time.Hour), at(time.Minute)), step(web, ready, at(2*time.Hour), at(2*time.Hour)))
		if a, b := js[1].Pods[0].Phase, js[2].Pods[0].Phase; a != view.PhaseStale || b != view.PhaseRunning {
			t.Errorf("%s, then %s", a, b)
		}
		if got := reasons(js[2].Events); got != "pod:Running" {
			t.Errorf("events %q", got)
		}
	})
	t.Run("a uid of the manifest's own proves nothing", func(t *testing.T) {
		uid := func(s string) string { return strings.Replace(s, "  name: web\n", "  name: web\n  uid: u1\n", 1) }
		js := follow(t, step(uid(web), ready, t0, hour), step(uid(changed), ready, at(time.Hour), at(time.Minute)), step(uid(changed), ready, at(2*time.Hour), at(time.Minute)))
		if p := js[2].Pods[0]; p.Phase != view.PhaseRunning {
			t.Errorf("%s %q", p.Phase, p.Message)
		}
	})
}

func TestEventsOfExits(t *testing.T) {
	ready := []Sandbox{box("s1", "web", "u1", true)}
	step := func(now time.Time, cs ...Container) func() (Input, time.Time) {
		return func() (Input, time.Time) { return input(webFolder(), ready, cs...), now }
	}
	first := exited("c0", "s1", "web", 0, 1, hour, at(-time.Minute))
	second := exited("c1", "s1", "web", 1, 137, at(-50*time.Second), at(10*time.Second))
	js := follow(t,
		step(t0, first, running("c1", "s1", "web", 1, at(-50*time.Second))),
		step(at(10*time.Second), first, second),
		step(at(11*time.Second), first, second),
		step(at(30*time.Second), second, running("c2", "s1", "web", 2, at(20*time.Second))),
	)
	for i, want := range []string{"", "exit:Error", "", ""} {
		if got := reasons(js[i].Events); got != want {
			t.Errorf("step %d: events %q, want %q", i, got, want)
		}
	}
	e := js[1].Events[0]
	if e.Subject != "kube-system/web" || e.Fields["exitCode"] != "137" || !e.Time.Equal(at(10*time.Second)) {
		t.Errorf("event %+v", e)
	}
	p := js[3].Pods[0]
	if p.Restarts != 2 || p.Containers[0].LastExit == nil || p.Containers[0].LastExit.Code != 137 || p.Containers[0].Attempt != 2 {
		t.Errorf("pod %+v", p)
	}
}

func TestEventsOfPhases(t *testing.T) {
	ready := []Sandbox{box("s1", "web", "u1", true)}
	ok := func() (Input, time.Time) {
		return input(webFolder(), ready, running("c1", "s1", "web", 0, hour)), t0
	}
	none := func(now time.Time) func() (Input, time.Time) {
		return func() (Input, time.Time) { return input(webFolder(), nil), now }
	}
	hung := func() (Input, time.Time) {
		in := input(webFolder(), nil)
		in.Runtime.Err = "hung"
		return in, at(3 * time.Minute)
	}
	js := follow(t, ok, none(at(time.Second)), none(at(2*time.Minute)), hung, none(at(4*time.Minute)), func() (Input, time.Time) { in, _ := ok(); return in, at(5 * time.Minute) }, func() (Input, time.Time) { return input(folderOf(), nil), at(6 * time.Minute) })
	for i, want := range []string{"", "", "pod:Missing", "", "", "pod:Running", "pod:Gone"} {
		if got := reasons(js[i].Events); got != want {
			t.Errorf("step %d: events %q, want %q", i, got, want)
		}
	}
	if got := js[4].Pods[0].Since; !got.Equal(at(time.Second)) {
		t.Errorf("missing since %v: the hung runtime must not begin it anew", got)
	}
	if len(js[6].Pods) != 0 || js[6].StaticPod[0].Status != health.Absent {
		t.Errorf("after the end: %+v %+v", js[6].Pods, js[6].StaticPod)
	}
}

// kubeadmEtcd has the form of what kubeadm writes, with all that a kubelet accepts in silence.
const kubeadmEtcd = `apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://10.0.0.1:2379
  creationTimestamp: null
  labels:
    component: etcd
    tier: control-plane
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --data-dir=/var/lib/etcd
    image: registry.k8s.io/etcd:3.6.4-0
    imagePullPolicy: IfNotPresent
    livenessProbe:
      failureThreshold: 8
      httpGet:
        host: 127.0.0.1
        path: /livez
        port: probe-port
        scheme: HTTP
      initialDelaySeconds: 10
      periodSeconds: 10
      timeoutSeconds: 15
    name: etcd
    ports:
    - containerPort: 2381
      name: probe-port
      protocol: TCP
    resources:
      requests:
        cpu: 100m
        memory: 100Mi
    startupProbe:
      failureThreshold: 24
      httpGet:
        host: 127.0.0.1
        path: /readyz
        port: probe-port
        scheme: HTTP
    volumeMounts:
    - mountPath: /var/lib/etcd
      name: etcd-data
  hostNetwork: true
  priority: 2000001000
  priorityClassName: system-node-critical
  securityContext:
    seccompProfile:
      type: RuntimeDefault
  volumes:
  - hostPath:
      path: /var/lib/etcd
      type: DirectoryOrCreate
    name: etcd-data
status: {}
`

func TestJudgeFiles(t *testing.T) {
	want := map[string]string{
		"api.yaml":    "ok",
		"bad.yaml":    "failing Invalid",
		"dir":         "absent",
		"etcd.yaml":   "ok",
		"fifo":        "failing KubeletIgnores",
		"gone.yaml":   "failing Unreadable",
		"secret.yaml": "unknown Unreadable",
		"typo.yaml":   "failing KubeletIgnores",
		"volume.yaml": "failing KubeletRefuses",
		"web.yaml":    "failing DuplicateName",
		"web.yaml~":   "failing IgnoredName",
	}
	f := folderOf(
		file("api.yaml", pod("api", "registry.test/api:1")),
		file("bad.yaml", "a: [b"),
		file("etcd.yaml", kubeadmEtcd),
		File{Name: "dir", Kind: Directory},
		File{Name: "fifo", Kind: Special},
		File{Name: "gone.yaml", Kind: Gone, Err: "leads nowhere"},
		File{Name: "secret.yaml", Err: "permission denied"},
		file("typo.yaml", strings.Replace(pod("typo", "registry.test/typo:1"), "hostNetwork", "hostNetwrok", 1)),
		file("volume.yaml", pod("volume", "registry.test/volume:1", "serviceAccountName: x")),
		file("web.yaml", web),
		file("web.yaml~", web),
	)
	j := judge(input(f, nil), Memory{}, t0)
	got := map[string]string{}
	for _, x := range j.Manifests {
		got[x.Subject] = strings.TrimSpace(x.Status.String() + " " + reasonName(x))
		if x.Status != health.OK && x.Message == "" {
			t.Errorf("%s: no message", x.Subject)
		}
	}
	for k, w := range want {
		if got[k] != w {
			t.Errorf("%s: %q, want %q", k, got[k], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("findings %v", got)
	}
}

func TestNothingThere(t *testing.T) {
	for _, tt := range []struct {
		name             string
		in               func(*Input)
		static, manifest string
	}{
		{"empty folder", func(*Input) {}, "absent", "absent"},
		{"no folder", func(in *Input) { in.Folder = &Folder{Path: "/m", Missing: true} }, "absent", "absent"},
		{"no kubelet, no folder", func(in *Input) { in.Folder, in.Kubelet = &Folder{Path: "/m", Missing: true}, false }, "absent", "absent"},
		{"no path", func(in *Input) { in.Folder, in.NoFolder = nil, "none" }, "absent", "absent"},
		{"runtime away", func(in *Input) { in.Runtime.Err = "away" }, "unknown RuntimeUnknown", "absent"},
		{"a node with none of it", func(in *Input) {
			in.Folder, in.Kubelet, in.Runtime.Err = &Folder{Path: "/m", Missing: true}, false, "no socket"
		}, "absent", "absent"},
		{"folder unreadable", func(in *Input) { in.Folder = &Folder{Path: "/m", Err: "denied"} }, "unknown ManifestsUnknown", "unknown Unreadable"},
		{"folder gone under a pod", func(in *Input) {
			in.Folder = &Folder{Path: "/m", Missing: true}
			in.Runtime.Sandboxes = []Sandbox{box("s", "web", "u", true)}
		}, "absent", "failing FolderMissing"},
		{"only a bad file", func(in *Input) { in.Folder = folderOf(file("x", "[")) }, "failing Refused", "failing Invalid"},
		{"polled", func(in *Input) { in.Unwatched = "polled" }, "absent", "ok"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := input(folderOf(), nil)
			tt.in(&in)
			j := judge(in, Memory{}, t0)
			s := func(f health.Finding) string { return strings.TrimSpace(f.Status.String() + " " + reasonName(f)) }
			if len(j.StaticPod) != 1 || len(j.Manifests) != 1 || s(j.StaticPod[0]) != tt.static || s(j.Manifests[0]) != tt.manifest {
				t.Errorf("%+v\n%+v", j.StaticPod, j.Manifests)
			}
			for _, f := range append(j.StaticPod, j.Manifests...) {
				if f.Message == "" {
					t.Errorf("no message: %+v", f)
				}
			}
		})
	}
}

func TestAnotherNodeName(t *testing.T) {
	in := input(webFolder(), []Sandbox{{ID: "s1", Namespace: "kube-system", Name: "web-oldname", UID: "u", Source: "file", Ready: true}})
	j := judge(in, Memory{}, t0)
	if len(j.Pods) != 2 {
		t.Fatalf("%+v", j.Pods)
	}
	if p := j.Pods[0]; p.Phase != view.PhaseMissing || !strings.Contains(p.Message, "web-oldname runs, but this node is node-1 (test): set nodeName") {
		t.Errorf("%s %q", p.Phase, p.Message)
	}
	if p := j.Pods[1]; p.Name != "web-oldname" || p.Phase != view.PhaseNoManifest {
		t.Errorf("%s %s", p.Name, p.Phase)
	}
}

func TestDelay(t *testing.T) {
	for level, want := range []int{0, 10, 20, 40, 80, 160, 300, 300} {
		if got := delay(level, 10*time.Second, 300*time.Second); got != time.Duration(want)*time.Second {
			t.Errorf("level %d: %v, want %d s", level, got, want)
		}
	}
	if got := delay(1<<40, 10*time.Second, 300*time.Second); got != 300*time.Second {
		t.Errorf("a huge level: %v", got)
	}
}

func TestManyPodsStayApart(t *testing.T) {
	var fs []File
	var boxes []Sandbox
	var cs []Container
	for i := range 100 {
		n := fmt.Sprintf("p%d", i)
		fs = append(fs, file(n+".yaml", pod(n, "registry.test/"+n+":1")))
		if i%2 == 0 {
			boxes = append(boxes, box("s"+n, n, "u"+n, true))
			cs = append(cs, running("c"+n, "s"+n, n, 0, hour))
		}
	}
	j := judge(input(folderOf(fs...), boxes, cs...), Memory{}, t0)
	n := map[string]int{}
	for _, p := range j.Pods {
		n[p.Phase]++
	}
	if n[view.PhaseRunning] != 50 || n[view.PhaseMissing] != 50 {
		t.Errorf("%v", n)
	}
}
