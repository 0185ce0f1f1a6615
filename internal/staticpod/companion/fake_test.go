package companion

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// fakeCRI answers with what it holds.
type fakeCRI struct {
	mu         sync.Mutex
	hang       bool // every call waits for its context
	hangStatus bool // only statuses do
	sandboxes  []*cri.PodSandbox
	containers []*cri.Container
	statuses   map[string]*cri.ContainerStatusResponse
	ips        map[string]string
	calls      map[string]int
}

// set changes what it holds.
func (f *fakeCRI) set(change func(*fakeCRI)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *fakeCRI) enter(ctx context.Context, call string, hang func() bool) error {
	f.mu.Lock()
	if f.calls == nil {
		f.calls = map[string]int{}
	}
	f.calls[call]++
	stuck := hang()
	f.mu.Unlock()
	if stuck {
		<-ctx.Done()
		return status.FromContextError(ctx.Err()).Err()
	}
	return nil
}

func (f *fakeCRI) ListPodSandbox(ctx context.Context, _ *cri.ListPodSandboxRequest, _ ...grpc.CallOption) (*cri.ListPodSandboxResponse, error) {
	if err := f.enter(ctx, "sandboxes", func() bool { return f.hang }); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return proto.Clone(&cri.ListPodSandboxResponse{Items: f.sandboxes}).(*cri.ListPodSandboxResponse), nil
}

func (f *fakeCRI) ListContainers(ctx context.Context, _ *cri.ListContainersRequest, _ ...grpc.CallOption) (*cri.ListContainersResponse, error) {
	if err := f.enter(ctx, "containers", func() bool { return f.hang }); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return proto.Clone(&cri.ListContainersResponse{Containers: f.containers}).(*cri.ListContainersResponse), nil
}

func (f *fakeCRI) ContainerStatus(ctx context.Context, in *cri.ContainerStatusRequest, _ ...grpc.CallOption) (*cri.ContainerStatusResponse, error) {
	if err := f.enter(ctx, "status", func() bool { return f.hang || f.hangStatus }); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.statuses[in.ContainerId]; r != nil {
		return proto.Clone(r).(*cri.ContainerStatusResponse), nil
	}
	return nil, status.Error(codes.NotFound, "no such container")
}

func (f *fakeCRI) PodSandboxStatus(ctx context.Context, in *cri.PodSandboxStatusRequest, _ ...grpc.CallOption) (*cri.PodSandboxStatusResponse, error) {
	if err := f.enter(ctx, "sandbox", func() bool { return f.hang }); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return &cri.PodSandboxStatusResponse{Status: &cri.PodSandboxStatus{Id: in.PodSandboxId, Network: &cri.PodSandboxNetworkStatus{Ip: f.ips[in.PodSandboxId]}}}, nil
}

// web is a runtime in which a kubelet runs the pod web of the tests.
func fakeWeb() *fakeCRI {
	labels := map[string]string{labelName: "web-" + node, labelNamespace: "kube-system", labelUID: "u1"}
	return &fakeCRI{
		sandboxes: []*cri.PodSandbox{
			{Id: "s1", State: cri.PodSandboxState_SANDBOX_READY, Labels: labels, Annotations: map[string]string{annotationSource: "file"}, CreatedAt: 9e17},
			{Id: "api", State: cri.PodSandboxState_SANDBOX_READY, Labels: map[string]string{labelName: "other", labelNamespace: "default"}, Annotations: map[string]string{annotationSource: "api"}},
			{Id: "bare", State: cri.PodSandboxState_SANDBOX_READY},
		},
		containers: []*cri.Container{
			{
				Id: "c1", PodSandboxId: "s1", State: cri.ContainerState_CONTAINER_RUNNING, Metadata: &cri.ContainerMetadata{Name: "web", Attempt: 2},
				Image: &cri.ImageSpec{Image: "sha256:1", UserSpecifiedImage: "registry.test/web:1"}, CreatedAt: 9e17,
				Labels: map[string]string{labelContainer: "web"}, Annotations: map[string]string{annotationCount: "3", annotationType: "container"},
			},
			{Id: "x", PodSandboxId: "api", State: cri.ContainerState_CONTAINER_RUNNING, Metadata: &cri.ContainerMetadata{Name: "x"}},
		},
		statuses: map[string]*cri.ContainerStatusResponse{
			"c1": {
				Status: &cri.ContainerStatus{Id: "c1", State: cri.ContainerState_CONTAINER_RUNNING, StartedAt: 9e17},
				Info:   map[string]string{"info": `{"pid":4242,"config":{"command":["web","--flag"],"envs":[{"key":"A","value":"one"}]}}`},
			},
		},
		ips: map[string]string{"s1": "10.1.2.3"},
	}
}
