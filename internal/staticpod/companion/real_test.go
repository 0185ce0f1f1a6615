//go:build integration

package companion

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/lab"
	"nodeagent/internal/lab/labtest"
	"nodeagent/internal/staticpod/kubelet"
	"nodeagent/internal/view"
)

// TestRealContainerd makes a pod as a kubelet does in a real containerd and holds that the look at it is right: most of all, that
// what runs is not taken for an older content.
func TestRealContainerd(t *testing.T) {
	binary := lab.BuildWorkload(t)
	l := labtest.Start(t, lab.Options{Workload: binary})
	const image = "lab.invalid/web:1"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := l.Import(ctx, lab.Image{Name: image, Files: map[string]string{"/workload": binary}, Entrypoint: []string{"/workload"}}); err != nil {
		t.Fatal(err)
	}
	conn, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	labels := map[string]string{labelName: "web-" + node, labelNamespace: "kube-system", labelUID: "u1", labelContainer: "web"}
	config := &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: "web-" + node, Namespace: "kube-system", Uid: "u1"}, Labels: labels,
		Annotations: map[string]string{annotationSource: "file"}, LogDirectory: filepath.Join(l.PodLogs(), "web"),
		Linux: &cri.LinuxPodSandboxConfig{CgroupParent: l.CgroupParent(), SecurityContext: &cri.LinuxSandboxSecurityContext{
			NamespaceOptions: &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER},
		}},
	}
	sandbox, err := client.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: config})
	if err != nil {
		t.Fatal(err)
	}
	made, err := client.CreateContainer(ctx, &cri.CreateContainerRequest{PodSandboxId: sandbox.PodSandboxId, SandboxConfig: config, Config: &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: "web", Attempt: 1}, Image: &cri.ImageSpec{Image: image, UserSpecifiedImage: image},
		Command: []string{"/workload"}, Args: []string{"workload", "pause"}, Envs: []*cri.KeyValue{{Key: "A", Value: []byte("one")}}, LogPath: "web.log",
		Labels: labels, Annotations: map[string]string{annotationCount: "1", annotationType: "container"},
		Linux: &cri.LinuxContainerConfig{SecurityContext: &cri.LinuxContainerSecurityContext{NamespaceOptions: config.Linux.SecurityContext.NamespaceOptions}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: made.ContainerId}); err != nil {
		t.Fatal(err)
	}

	dir := t.TempDir()
	// A kubelet that started long ago: nothing is within its time to act.
	found := facts(dir)
	text := func(arg, value string) string {
		return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: kube-system}\nspec:\n  hostNetwork: true\n  terminationGracePeriodSeconds: 0\n"+
			"  containers:\n  - {name: web, image: %q, command: [/workload], args: [workload, %s], env: [{name: A, value: %s}]}\n", image, arg, value)
	}
	look := func() view.Pod {
		t.Helper()
		c := New(func() Config { return Config{} }, Deps{Runtime: func() (CRI, error) { return client, nil }, Kubelet: func() kubelet.Facts { return found }}, nil, zap.NewNop())
		pods, _, err := c.Look(ctx)
		if err != nil || len(pods) != 1 {
			t.Fatalf("%+v %v", pods, err)
		}
		return pods[0]
	}
	write(t, filepath.Join(dir, "web.yaml"), text("pause", "one"))
	p := look()
	if p.Phase != view.PhaseRunning || !p.Ready || p.Message != "" || p.Restarts != 1 || p.Containers[0].PID == 0 || p.Containers[0].StartedAt.IsZero() {
		t.Errorf("%+v", p)
	}
	// What is changed is found without any memory; a kubelet still has its time to replace it.
	for _, changed := range []string{text("serve", "one"), text("pause", "two")} {
		write(t, filepath.Join(dir, "web.yaml"), changed)
		if p := look(); !strings.Contains(p.Message, "its manifest changed at") {
			t.Errorf("not seen as changed: %s %q", p.Phase, p.Message)
		}
	}
	write(t, filepath.Join(dir, "web.yaml"), text("pause", "one"))
	if _, err := client.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: made.ContainerId}); err != nil {
		t.Fatal(err)
	}
	if p := look(); !slices.Contains([]string{view.PhaseRestarting, view.PhaseBackOff}, p.Phase) || p.Containers[0].LastExit == nil {
		t.Errorf("after its end: %+v", p)
	}
}
