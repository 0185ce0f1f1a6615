package main

import (
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"nodeagent/internal/agent"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/staticpod/verify"
	"nodeagent/internal/view"
)

func TestMembers(t *testing.T) {
	proc := t.TempDir()
	for pid, cgroup := range map[string]string{"90": "0::/kubepods/podu/sandbox1\n", "100": "0::/kubepods/podu/sandbox1\n", "7": "0::/kubepods/podu/other\n", "self": "0::/kubepods/podu/sandbox1\n"} {
		if err := os.MkdirAll(filepath.Join(proc, pid), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(proc, pid, "cgroup"), []byte(cgroup), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := view.Pod{Sandbox: "sandbox1", Containers: []view.Container{
		{Name: "done", Role: "init", State: "exited", PID: 3}, {Name: "web", State: "running", PID: 40, ID: "c1"}, {Name: "odd", State: "running"},
	}}
	got := members(proc, p)
	want := []verify.Member{{Name: "web", PID: 40, Role: verify.Container, ID: "c1"}, {Name: "sandbox", PID: 90, Role: verify.Sandbox, ID: "sandbox1"}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, id := range []string{"", "sandbox2"} { // none is told, and a runtime that has none
		if p.Sandbox = id; len(members(proc, p)) != 1 {
			t.Errorf("sandbox %q: %+v", id, members(proc, p))
		}
	}
}

func TestWantOf(t *testing.T) {
	yes, no := true, false
	m := agent.PodManifest{Pod: manifest.Pod{Spec: &corev1.Pod{Spec: corev1.PodSpec{HostNetwork: true, HostPID: true, HostIPC: true, ShareProcessNamespace: &yes, HostUsers: &no}}}}
	if got, want := wantOf(m, verify.Report{}), (verify.Want{HostNetwork: true, HostPID: true, HostIPC: true, ShareProcessNamespace: true, UserNamespace: true}); got != want {
		t.Errorf("%+v", got)
	}
	m = agent.PodManifest{Pod: manifest.Pod{Spec: &corev1.Pod{}}, Cgroups: []string{"/kubepods/podu", "/kubepods.slice/kubepods-podu.slice"}}
	for at, want := range map[string]string{"/kubepods.slice/kubepods-podu.slice/cri-1.scope": m.Cgroups[1], "/kubepods/podu/x": m.Cgroups[0], "/elsewhere": m.Cgroups[0], "/kubepods/podu2/x": m.Cgroups[0]} {
		if got := wantOf(m, verify.Report{Members: []verify.Process{{Cgroups: []string{"/user.slice", at}}}}); got != (verify.Want{Cgroup: want}) {
			t.Errorf("%s: %+v, want %s", at, got, want)
		}
	}
}

func TestVerifyCode(t *testing.T) {
	ok, bad, unknown := verify.Line{Status: health.OK}, verify.Line{Status: health.Failing}, verify.Line{Status: health.Unknown}
	for _, c := range []struct {
		lines []verify.Line
		want  int
	}{{[]verify.Line{ok, ok}, exitOK}, {[]verify.Line{unknown, ok}, exitUnknown}, {[]verify.Line{unknown, bad, ok}, exitProblem}} {
		if got := verifyCode(c.lines); got != c.want {
			t.Errorf("%v: %d, want %d", c.lines, got, c.want)
		}
	}
}
