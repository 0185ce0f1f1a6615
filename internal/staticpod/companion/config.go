package companion

import (
	"context"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/kubelet"
)

// Config is read once a pass.
type Config struct {
	Path               string        // manifest folder or file; empty: the kubelet's own
	NodeName           string        // empty: the kubelet's own
	FileCheckFrequency time.Duration // how often the folder is read with no event; 0: 20 s
	SyncFrequency      time.Duration // how often everything is read; 0: 1 min
	ProbeTimeout       time.Duration // of each step of a look; 0: 3 s
}

func (c Config) filled() Config {
	if c.FileCheckFrequency <= 0 {
		c.FileCheckFrequency = 20 * time.Second
	}
	if c.SyncFrequency <= 0 {
		c.SyncFrequency = time.Minute
	}
	if c.ProbeTimeout <= 0 {
		c.ProbeTimeout = 3 * time.Second
	}
	return c
}

// resync is the longest time between two passes.
func (c Config) resync() time.Duration { return min(c.FileCheckFrequency, c.SyncFrequency) }

// grace is the time a kubelet gets on top of its own check frequency: it starts pods one after the other, waits 10 to 30 s between
// the old content of a pod and the new (kubernetes/kubernetes#139502), and pulls nothing that is there.
const grace = 30 * time.Second

// CRI is what companion mode asks of the runtime; cri.RuntimeServiceClient has it.
type CRI interface {
	ListPodSandbox(ctx context.Context, in *cri.ListPodSandboxRequest, opts ...grpc.CallOption) (*cri.ListPodSandboxResponse, error)
	ListContainers(ctx context.Context, in *cri.ListContainersRequest, opts ...grpc.CallOption) (*cri.ListContainersResponse, error)
	ContainerStatus(ctx context.Context, in *cri.ContainerStatusRequest, opts ...grpc.CallOption) (*cri.ContainerStatusResponse, error)
	PodSandboxStatus(ctx context.Context, in *cri.PodSandboxStatusRequest, opts ...grpc.CallOption) (*cri.PodSandboxStatusResponse, error)
}

// Store keeps the memory over a restart of the agent.
type Store interface {
	Save(name string, version int, v any) error
	Load(name string, version int, v any) (found bool, err error)
}

// Deps are the parts of the agent that companion mode uses.
type Deps struct {
	Runtime func() (CRI, error)  // the connection in force, or why there is none
	Kubelet func() kubelet.Facts // nil: kubelet.Find("/"), asked at most once a file check
	Store   Store                // nil: nothing is kept
	Record  func(event.Event)    // nil: no timeline
}
