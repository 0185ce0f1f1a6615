package staticpod

import (
	"context"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// CRI is what run mode needs of a runtime. cri.RuntimeServiceClient has it.
type CRI interface {
	Status(ctx context.Context, in *cri.StatusRequest, opts ...grpc.CallOption) (*cri.StatusResponse, error)
	RuntimeConfig(ctx context.Context, in *cri.RuntimeConfigRequest, opts ...grpc.CallOption) (*cri.RuntimeConfigResponse, error)
	RunPodSandbox(ctx context.Context, in *cri.RunPodSandboxRequest, opts ...grpc.CallOption) (*cri.RunPodSandboxResponse, error)
	StopPodSandbox(ctx context.Context, in *cri.StopPodSandboxRequest, opts ...grpc.CallOption) (*cri.StopPodSandboxResponse, error)
	RemovePodSandbox(ctx context.Context, in *cri.RemovePodSandboxRequest, opts ...grpc.CallOption) (*cri.RemovePodSandboxResponse, error)
	PodSandboxStatus(ctx context.Context, in *cri.PodSandboxStatusRequest, opts ...grpc.CallOption) (*cri.PodSandboxStatusResponse, error)
	ListPodSandbox(ctx context.Context, in *cri.ListPodSandboxRequest, opts ...grpc.CallOption) (*cri.ListPodSandboxResponse, error)
	CreateContainer(ctx context.Context, in *cri.CreateContainerRequest, opts ...grpc.CallOption) (*cri.CreateContainerResponse, error)
	StartContainer(ctx context.Context, in *cri.StartContainerRequest, opts ...grpc.CallOption) (*cri.StartContainerResponse, error)
	StopContainer(ctx context.Context, in *cri.StopContainerRequest, opts ...grpc.CallOption) (*cri.StopContainerResponse, error)
	RemoveContainer(ctx context.Context, in *cri.RemoveContainerRequest, opts ...grpc.CallOption) (*cri.RemoveContainerResponse, error)
	ListContainers(ctx context.Context, in *cri.ListContainersRequest, opts ...grpc.CallOption) (*cri.ListContainersResponse, error)
	ContainerStatus(ctx context.Context, in *cri.ContainerStatusRequest, opts ...grpc.CallOption) (*cri.ContainerStatusResponse, error)
	ReopenContainerLog(ctx context.Context, in *cri.ReopenContainerLogRequest, opts ...grpc.CallOption) (*cri.ReopenContainerLogResponse, error)
	ExecSync(ctx context.Context, in *cri.ExecSyncRequest, opts ...grpc.CallOption) (*cri.ExecSyncResponse, error)
}

// Images is what run mode needs of the image service. cri.ImageServiceClient has it.
type Images interface {
	ImageStatus(ctx context.Context, in *cri.ImageStatusRequest, opts ...grpc.CallOption) (*cri.ImageStatusResponse, error)
	PullImage(ctx context.Context, in *cri.PullImageRequest, opts ...grpc.CallOption) (*cri.PullImageResponse, error)
}

// Labels and annotations. Label keys beginning with io.kubernetes are kubelet's (k8s.io/kubelet/pkg/types), so that crictl, cadvisor
// and log shippers read them; kubernetes.io/config.source is never set, for that would claim a kubelet's pod.
const (
	labelPodName       = "io.kubernetes.pod.name"
	labelPodNamespace  = "io.kubernetes.pod.namespace"
	labelPodUID        = "io.kubernetes.pod.uid"
	labelContainerName = "io.kubernetes.container.name"
	labelInstance      = "nodeagent/instance"

	annotationHash    = "nodeagent/hash"
	annotationKey     = "nodeagent/pod"     // namespace/name as written, the key
	annotationGrace   = "nodeagent/grace"   // seconds; a stop needs it when the manifest is gone
	annotationPreStop = "nodeagent/prestop" // JSON of the LifecycleHandler, for the same reason
	annotationRole    = "nodeagent/role"    // init:ORDER or sidecar:ORDER; other containers have none
	annotationRestart = "io.kubernetes.container.restartCount"
)

// Bounds of what a message of a runtime may carry into views and events.
const maxMessage = 512

func clip(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return s[:maxMessage] + "…"
}
