package canary

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/runtime/oci"
)

// insideProgram is where the program is in the container.
const insideProgram = "/nodeagent"

// criPath goes over the CRI, as a kubelet does. On the host's network: pods' network has checks of its own, and a canary that is killed must
// leave no address taken.
type criPath struct {
	c      Config
	client cri.RuntimeServiceClient
	images cri.ImageServiceClient
}

func newCRI(c Config, conn grpc.ClientConnInterface) *criPath {
	return &criPath{c: c, client: cri.NewRuntimeServiceClient(conn), images: cri.NewImageServiceClient(conn)}
}

func (p *criPath) hasImage(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, p.c.StepTimeout)
	defer cancel()
	r, err := p.images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: p.c.PauseImage}})
	return r.GetImage() != nil, err
}

func (p *criPath) steps(h oci.Handler) []step {
	labels := map[string]string{Label: "1"}
	options := &cri.NamespaceOption{Network: cri.NamespaceMode_NODE, Pid: cri.NamespaceMode_CONTAINER}
	sandbox := &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Namespace: "nodeagent", Name: "canary-" + h.Name, Uid: rand.Text()},
		Labels:   labels,
		Linux:    &cri.LinuxPodSandboxConfig{CgroupParent: p.cgroupParent(), SecurityContext: &cri.LinuxSandboxSecurityContext{NamespaceOptions: options}},
	}
	container := &cri.ContainerConfig{
		Metadata: &cri.ContainerMetadata{Name: "canary"},
		Image:    &cri.ImageSpec{Image: p.c.PauseImage, UserSpecifiedImage: p.c.PauseImage},
		Command:  []string{insideProgram}, Args: p.c.Wait, Labels: labels,
		Mounts: []*cri.Mount{{HostPath: p.c.Program, ContainerPath: insideProgram, Readonly: true}},
		Linux:  &cri.LinuxContainerConfig{SecurityContext: &cri.LinuxContainerSecurityContext{NamespaceOptions: options, NoNewPrivs: true, ReadonlyRootfs: true}},
	}
	handler := h.Name
	if h.Default {
		handler = "" // as most pods ask for it
	}
	var pod, id string
	return []step{
		{name: "sandbox", do: func(ctx context.Context) error {
			r, err := p.client.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: sandbox, RuntimeHandler: handler})
			pod = r.GetPodSandboxId()
			return err
		}},
		{name: "create", do: func(ctx context.Context) error {
			r, err := p.client.CreateContainer(ctx, &cri.CreateContainerRequest{PodSandboxId: pod, Config: container, SandboxConfig: sandbox})
			id = r.GetContainerId()
			return err
		}},
		{name: "start", do: func(ctx context.Context) error {
			_, err := p.client.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: id})
			return err
		}},
		{name: "exec", do: func(ctx context.Context) error {
			r, err := p.client.ExecSync(ctx, &cri.ExecSyncRequest{ContainerId: id, Cmd: append([]string{insideProgram}, p.c.Exec...), Timeout: int64(max(1, p.c.StepTimeout.Seconds()))})
			if err == nil && r.GetExitCode() != 0 {
				err = fmt.Errorf("exit code %d: %.200s", r.GetExitCode(), r.GetStderr())
			}
			return err
		}},
		{name: "stop", end: true, do: func(ctx context.Context) error {
			if id != "" {
				if _, err := p.client.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: id, Timeout: int64(max(1, p.c.StepTimeout.Seconds()/2))}); err != nil {
					return err
				}
			}
			if pod == "" {
				return nil
			}
			_, err := p.client.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: pod})
			return err
		}},
		{name: "remove", end: true, do: func(ctx context.Context) error {
			if pod == "" {
				return nil
			}
			_, err := p.client.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: pod})
			return err
		}},
	}
}

// ourCgroup is the cgroup parent with the cgroupfs driver.
const ourCgroup = "/nodeagent-canary"

func (p *criPath) cgroupParent() string {
	switch {
	case p.c.CgroupParent != "":
		return p.c.CgroupParent
	case p.c.SystemdCgroup:
		return "system.slice"
	}
	return ourCgroup
}

// sweep removes each sandbox with the label, and the cgroups of ours if they are empty.
func (p *criPath) sweep(ctx context.Context) error {
	listCtx, cancel := context.WithTimeout(ctx, p.c.StepTimeout)
	defer cancel()
	list, err := p.client.ListPodSandbox(listCtx, &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{LabelSelector: map[string]string{Label: "1"}}})
	if err != nil {
		return fmt.Errorf("list sandboxes: %w", err)
	}
	var errs []error
	for _, s := range list.GetItems() {
		if s.GetLabels()[Label] != "1" { // the filter is the runtime's; this one is ours
			continue
		}
		errs = append(errs, p.remove(ctx, s.GetId()))
	}
	if p.cgroupParent() == ourCgroup {
		removeCgroups("/sys/fs/cgroup")
	}
	return errors.Join(errs...)
}

func (p *criPath) remove(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*p.c.StepTimeout)
	defer cancel()
	if _, err := p.client.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
		return fmt.Errorf("stop sandbox %s: %w", id, err)
	}
	if _, err := p.client.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
		return fmt.Errorf("remove sandbox %s: %w", id, err)
	}
	return nil
}

// removeCgroups removes our cgroup from every hierarchy. The kernel refuses one that is in use, and that is left.
func removeCgroups(mount string) {
	_ = os.Remove(mount + ourCgroup)
	entries, err := os.ReadDir(mount)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			_ = os.Remove(filepath.Join(mount, e.Name()) + ourCgroup)
		}
	}
}
