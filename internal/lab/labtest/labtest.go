// Package labtest starts labs for tests. Tests that use it need root,
// containerd, runc and the CNI plugins, and carry the build tag integration: where
// something is missing they fail.
package labtest

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/lab"
)

// ContainerdVariable names another containerd for the labs of tests, so that the
// same tests run over further versions.
const ContainerdVariable = "NODEAGENT_TEST_CONTAINERD"

// Start gives a lab whose containerd is ready. Empty options become a folder of
// the test and the small workload binary. When the test ends the lab is closed,
// and whatever it leaves is an error of the test; a failed test shows the end of
// containerd's log.
func Start(t *testing.T, o lab.Options) *lab.Lab {
	t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(t.TempDir(), "lab")
	}
	if o.Workload == "" {
		o.Workload = lab.BuildWorkload(t)
	}
	if o.Containerd == "" {
		o.Containerd = os.Getenv(ContainerdVariable)
	}
	if o.Log == nil {
		o.Log = t.Output()
	}
	l, err := lab.New(o)
	if err != nil {
		t.Fatalf("this test needs a private containerd: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of containerd's log:\n%s", l.LastLog(40))
		}
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
		for _, left := range lab.Leftovers(l.Name(), l.Dir()) {
			t.Errorf("the lab left: %s", left)
		}
	})
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// Pod is one pod of one container for RunPod.
type Pod struct {
	Name         string // of the pod; the container is "main"
	Image        string
	Args         []string
	Handler      string // "" for the default
	HostNetwork  bool
	CgroupParent string // "" for the lab's
	Labels       map[string]string
}

func (p Pod) sandbox(l *lab.Lab) *cri.PodSandboxConfig {
	network, hostname := cri.NamespaceMode_POD, p.Name
	if p.HostNetwork { // and the host's name with it
		network, hostname = cri.NamespaceMode_NODE, ""
	}
	return &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: p.Name, Uid: "uid-" + p.Name, Namespace: "lab"},
		Hostname:     hostname,
		LogDirectory: filepath.Join(l.PodLogs(), p.Name),
		Labels:       p.Labels,
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent: cmp.Or(p.CgroupParent, l.CgroupParent()),
			SecurityContext: &cri.LinuxSandboxSecurityContext{
				NamespaceOptions: &cri.NamespaceOption{Network: network, Pid: cri.NamespaceMode_CONTAINER, Ipc: cri.NamespaceMode_POD},
			},
		},
	}
}

// Times are how long the calls of RunPod took.
type Times struct{ Run, Create, Start time.Duration }

// RunPod makes and starts the pod by plain CRI calls and gives the ids of its
// sandbox and container.
func RunPod(ctx context.Context, l *lab.Lab, p Pod) (sandbox, container string, took Times, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	conn, err := l.Dial()
	if err != nil {
		return "", "", took, err
	}
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	config := p.sandbox(l)
	begin := time.Now()
	ran, err := client.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: config, RuntimeHandler: p.Handler})
	if err != nil {
		return "", "", took, fmt.Errorf("run sandbox %s: %w", p.Name, err)
	}
	took.Run = time.Since(begin)
	begin = time.Now()
	created, err := client.CreateContainer(ctx, &cri.CreateContainerRequest{
		PodSandboxId: ran.PodSandboxId, SandboxConfig: config,
		Config: &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: "main"},
			Image:    &cri.ImageSpec{Image: p.Image, UserSpecifiedImage: p.Image},
			Args:     p.Args,
			LogPath:  "main_0.log",
			Labels:   p.Labels,
			Linux: &cri.LinuxContainerConfig{SecurityContext: &cri.LinuxContainerSecurityContext{
				NamespaceOptions: config.Linux.SecurityContext.NamespaceOptions,
			}},
		},
	})
	if err != nil {
		return "", "", took, fmt.Errorf("create container of %s: %w", p.Name, err)
	}
	took.Create = time.Since(begin)
	begin = time.Now()
	if _, err := client.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: created.ContainerId}); err != nil {
		return "", "", took, fmt.Errorf("start container of %s: %w", p.Name, err)
	}
	took.Start = time.Since(begin)
	return ran.PodSandboxId, created.ContainerId, took, nil
}
