package companion

import (
	"strings"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

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
