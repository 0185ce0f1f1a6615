package crifake_test

import (
	"context"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/crifake"
)

const image = "registry.test/app:1"

func newServer(p crifake.Personality) *crifake.Server {
	return crifake.New(crifake.Options{Personality: p, PodEvents: true, Images: []crifake.Image{{Name: image, Present: true}}})
}

func pod(name string) *cri.PodSandboxConfig {
	return &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: name, Namespace: "default", Uid: "uid-" + name},
		Labels:   map[string]string{"pod": name},
	}
}

func run(t testing.TB, rt cri.RuntimeServiceClient, p *cri.PodSandboxConfig) string {
	t.Helper()
	r, err := rt.RunPodSandbox(t.Context(), &cri.RunPodSandboxRequest{Config: p})
	if err != nil {
		t.Fatalf("run sandbox: %v", err)
	}
	return r.PodSandboxId
}

func createRequest(sandbox string, p *cri.PodSandboxConfig, name string, attempt uint32) *cri.CreateContainerRequest {
	return &cri.CreateContainerRequest{PodSandboxId: sandbox, SandboxConfig: p, Config: &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: name, Attempt: attempt},
		Image:    &cri.ImageSpec{Image: image, UserSpecifiedImage: image},
		Labels:   map[string]string{"container": name},
		LogPath:  fmt.Sprintf("%s/%d.log", name, attempt),
	}}
}

func create(t testing.TB, rt cri.RuntimeServiceClient, sandbox string, p *cri.PodSandboxConfig, name string, attempt uint32) string {
	t.Helper()
	r, err := rt.CreateContainer(t.Context(), createRequest(sandbox, p, name, attempt))
	if err != nil {
		t.Fatalf("create container: %v", err)
	}
	return r.ContainerId
}

func start(t testing.TB, rt cri.RuntimeServiceClient, id string) {
	t.Helper()
	if _, err := rt.StartContainer(t.Context(), &cri.StartContainerRequest{ContainerId: id}); err != nil {
		t.Fatalf("start container: %v", err)
	}
}

// up runs a pod with one container and returns the ids.
func up(t testing.TB, rt cri.RuntimeServiceClient, name string) (sandbox, container string) {
	t.Helper()
	p := pod(name)
	sandbox = run(t, rt, p)
	container = create(t, rt, sandbox, p, "main", 0)
	start(t, rt, container)
	return sandbox, container
}

func stop(ctx context.Context, rt cri.RuntimeServiceClient, id string, seconds int64) error {
	_, err := rt.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: id, Timeout: seconds})
	return err
}

func containerStatus(t testing.TB, rt cri.RuntimeServiceClient, id string) *cri.ContainerStatus {
	t.Helper()
	r, err := rt.ContainerStatus(t.Context(), &cri.ContainerStatusRequest{ContainerId: id})
	if err != nil {
		t.Fatalf("container status: %v", err)
	}
	return r.Status
}

func wantExit(t testing.TB, st *cri.ContainerStatus, code int32, reason string) {
	t.Helper()
	if st.State != cri.ContainerState_CONTAINER_EXITED || st.ExitCode != code || st.Reason != reason {
		t.Errorf("container is %s, %d, %q; want EXITED, %d, %q", st.State, st.ExitCode, st.Reason, code, reason)
	}
}

func wantCode(t testing.TB, err error, code codes.Code) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("got error %v, want code %s", err, code)
	}
}

// each runs a test for every personality.
func each(t *testing.T, f func(t *testing.T, p crifake.Personality)) {
	for _, p := range crifake.Personalities() {
		t.Run(p.Name, func(t *testing.T) { f(t, p) })
	}
}
