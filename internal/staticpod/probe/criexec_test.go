package probe

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
)

// Every runtime says a time-out in its own words.
func TestExecsOfRuntimes(t *testing.T) {
	for _, p := range []crifake.Personality{crifake.Containerd16(), crifake.Containerd2(), crifake.CRIO()} {
		synctest.Test(t, func(t *testing.T) {
			const image = "registry.test/app:1"
			rt := crifake.New(crifake.Options{Personality: p, Images: []crifake.Image{{Name: image}}})
			defer rt.Close()
			client := rt.Client()
			config := &cri.PodSandboxConfig{Metadata: &cri.PodSandboxMetadata{Name: "web", Namespace: "default", Uid: "u"}}
			if _, err := client.PullImage(t.Context(), &cri.PullImageRequest{Image: &cri.ImageSpec{Image: image}}); err != nil {
				t.Fatal(err)
			}
			sandbox, err := client.RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: config})
			if err != nil {
				t.Fatal(err)
			}
			created, err := client.CreateContainer(t.Context(), &cri.CreateContainerRequest{PodSandboxId: sandbox.PodSandboxId, SandboxConfig: config,
				Config: &cri.ContainerConfig{Metadata: &cri.ContainerMetadata{Name: "app"}, Image: &cri.ImageSpec{Image: image, UserSpecifiedImage: image}}})
			if err != nil {
				t.Fatal(err)
			}
			x := Target{ContainerID: created.ContainerId}
			probe := func(cmd string) attempt {
				return newHandlers(ExecIn(client)).probe(t.Context(), &corev1.Probe{TimeoutSeconds: 2, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{cmd}}}}, x)
			}
			if a := probe("ok"); a.outcome != Unknown {
				t.Errorf("%s: not started: %+v", p.Name, a)
			}
			if _, err := client.StartContainer(t.Context(), &cri.StartContainerRequest{ContainerId: created.ContainerId}); err != nil {
				t.Fatal(err)
			}
			rt.OnExec(func(e crifake.Exec) crifake.ExecResult {
				return map[string]crifake.ExecResult{"no": {Code: 1, Stdout: "out ", Stderr: "err"}, "slow": {Delay: time.Minute}}[e.Cmd[0]]
			})
			if a := probe("ok"); a.outcome != Success {
				t.Errorf("%s: %+v", p.Name, a)
			}
			if a := probe("no"); a.outcome != Failure || a.output != "out err" {
				t.Errorf("%s: %+v", p.Name, a)
			}
			began := time.Now()
			if a := probe("slow"); a.outcome != Failure || a.message != "exec: the command did not end within 2s" || time.Since(began) != 2*time.Second {
				t.Errorf("%s: %+v after %v", p.Name, a, time.Since(began))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			err = RunHook(ctx, &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"slow"}}}, x, ExecIn(client))
			if err == nil || !strings.Contains(err.Error(), "did not end in time") {
				t.Errorf("%s: hook: %v", p.Name, err)
			}
			rt.Down()
			if a := probe("ok"); a.outcome != Unknown || !strings.Contains(a.message, "could not run the command") {
				t.Errorf("%s: down: %+v", p.Name, a)
			}
		})
	}
}
