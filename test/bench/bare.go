//go:build bench

package main

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/lab"
)

// bare makes the calls that a pod needs by hand: the floor of what an agent can reach.
type bare struct {
	lab  *lab.Lab
	conn *grpc.ClientConn
	c    cri.RuntimeServiceClient
}

func newBare(l *lab.Lab) (*bare, error) {
	conn, err := l.Dial()
	if err != nil {
		return nil, err
	}
	return &bare{lab: l, conn: conn, c: cri.NewRuntimeServiceClient(conn)}, nil
}

func (b *bare) close() { b.conn.Close() }

func bareNamespaces() *cri.NamespaceOption {
	return &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER}
}

// barePod is a sandbox made by hand.
type barePod struct {
	b      *bare
	config *cri.PodSandboxConfig
	id     string
}

// sandbox runs one, confined by the runtime's seccomp profile as kubelet's and the agent's are. Its cgroup is made beside those of the agent's pods.
func (b *bare) sandbox(ctx context.Context, name string) (*barePod, error) {
	p := &barePod{b: b, config: &cri.PodSandboxConfig{Metadata: &cri.PodSandboxMetadata{Name: name, Uid: name, Namespace: "bench"}, LogDirectory: b.lab.PodLogs(),
		Linux: &cri.LinuxPodSandboxConfig{CgroupParent: b.lab.CgroupParent() + "/kubepods/besteffort/pod" + name,
			SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: bareNamespaces(), Seccomp: &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault}}}}}
	s, err := b.c.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: p.config})
	if err != nil {
		return nil, fmt.Errorf("bare sandbox: %w", err)
	}
	p.id = s.PodSandboxId
	return p, nil
}

// start creates and starts a container in it.
func (p *barePod) start(ctx context.Context, attempt int) (id string, err error) {
	ct, err := p.b.c.CreateContainer(ctx, &cri.CreateContainerRequest{PodSandboxId: p.id, SandboxConfig: p.config, Config: &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: "main", Attempt: uint32(attempt)}, Image: &cri.ImageSpec{Image: image}, Args: []string{"sleep"},
		LogPath: fmt.Sprintf("%s-%d.log", p.config.Metadata.Name, attempt),
		Linux:   &cri.LinuxContainerConfig{SecurityContext: &cri.LinuxContainerSecurityContext{NamespaceOptions: bareNamespaces()}}}})
	if err == nil {
		_, err = p.b.c.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: ct.ContainerId})
	}
	if err != nil {
		return "", fmt.Errorf("bare container: %w", err)
	}
	return ct.ContainerId, nil
}

// stop asks a container to end.
func (p *barePod) stop(ctx context.Context, id string) error {
	if _, err := p.b.c.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: id, Timeout: 30}); err != nil {
		return fmt.Errorf("stop the bare container: %w", err)
	}
	return nil
}

// attempt is how long a start takes, in milliseconds; the container is taken away again.
func (p *barePod) attempt(ctx context.Context, n int) (float64, error) {
	began := time.Now()
	id, err := p.start(ctx, n)
	if err != nil {
		return 0, err
	}
	took := since(began)
	if err := p.stop(ctx, id); err != nil {
		return 0, err
	}
	_, err = p.b.c.RemoveContainer(ctx, &cri.RemoveContainerRequest{ContainerId: id})
	return took, err
}

// remove takes the sandbox and what is in it away.
func (p *barePod) remove(ctx context.Context) error {
	_, err := p.b.c.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: p.id})
	if err == nil {
		_, err = p.b.c.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: p.id})
	}
	if err != nil {
		return fmt.Errorf("remove the bare sandbox: %w", err)
	}
	return nil
}

// since is in milliseconds.
func since(t time.Time) float64 { return float64(time.Since(t).Microseconds()) / 1000 }
