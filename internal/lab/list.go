package lab

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Seen is one container as the runtime itself lists it.
type Seen struct {
	Namespace string // of its pod, as its sandbox says
	Pod       string
	PodID     string // of its sandbox
	Container string
	Attempt   uint32
	State     string // Created, Running, Exited or Unknown
	ExitCode  int32  // of an exited one
	Reason    string // of an exited one: Completed, Error, OOMKilled ...
	PID       int    // on the host; 0 where there is none
	ID        string
}

// SeenPod is one sandbox as the runtime itself lists it.
type SeenPod struct {
	Namespace, Name, UID string
	Attempt              uint32
	Ready                bool
	IP                   string // "" on the host's network
	Labels               map[string]string
	ID                   string
}

// List asks the lab's containerd for its containers. See the function List.
func (l *Lab) List(ctx context.Context) ([]Seen, error) { return List(ctx, l.Socket()) }

// Pods asks the lab's containerd for its sandboxes. See the function Pods.
func (l *Lab) Pods(ctx context.Context) ([]SeenPod, error) { return Pods(ctx, l.Socket()) }

// List asks the CRI behind a unix socket for every container, by a connection of
// its own and with none of the agent's code: it is what the agent is checked
// against. Sorted by pod, container and attempt. A container that goes away
// meanwhile is left out.
func List(ctx context.Context, socket string) ([]Seen, error) {
	conn, err := dial(socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	sandboxes, err := client.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return nil, fmt.Errorf("list sandboxes: %w", err)
	}
	pods := map[string]*cri.PodSandboxMetadata{}
	for _, s := range sandboxes.Items {
		pods[s.Id] = s.Metadata
	}
	containers, err := client.ListContainers(ctx, &cri.ListContainersRequest{})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	var out []Seen
	for _, c := range containers.Containers {
		answer, err := client.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: c.Id, Verbose: true})
		if status.Code(err) == codes.NotFound {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("status of container %s: %w", c.Id, err)
		}
		pod := pods[c.PodSandboxId]
		seen := Seen{
			Namespace: pod.GetNamespace(), Pod: pod.GetName(), PodID: c.PodSandboxId,
			Container: c.GetMetadata().GetName(), Attempt: c.GetMetadata().GetAttempt(),
			State: stateName(answer.Status.State), ID: c.Id,
			ExitCode: answer.Status.ExitCode, Reason: answer.Status.Reason,
		}
		if answer.Status.State == cri.ContainerState_CONTAINER_RUNNING {
			if seen.PID, err = infoPID(answer.Info); err != nil {
				return nil, fmt.Errorf("status of container %s: %w", c.Id, err)
			}
		}
		out = append(out, seen)
	}
	slices.SortFunc(out, func(a, b Seen) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Pod, b.Pod), cmp.Compare(a.Container, b.Container),
			cmp.Compare(a.Attempt, b.Attempt), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// infoPID reads the process id from the verbose part of a status; containerd
// and CRI-O both write it as {"pid": N} under "info".
func infoPID(info map[string]string) (int, error) {
	var body struct {
		PID int `json:"pid"`
	}
	if err := json.Unmarshal([]byte(info["info"]), &body); err != nil {
		return 0, fmt.Errorf("verbose info: %w", err)
	}
	return body.PID, nil
}

// stateName turns CONTAINER_RUNNING into Running.
func stateName(s cri.ContainerState) string {
	word := strings.TrimPrefix(s.String(), "CONTAINER_")
	return word[:1] + strings.ToLower(word[1:])
}

// Pods asks the CRI behind a unix socket for every sandbox, as List does for
// containers. Sorted by namespace, name and attempt.
func Pods(ctx context.Context, socket string) ([]SeenPod, error) {
	conn, err := dial(socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	list, err := client.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return nil, fmt.Errorf("list sandboxes: %w", err)
	}
	var out []SeenPod
	for _, s := range list.Items {
		answer, err := client.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: s.Id})
		if status.Code(err) == codes.NotFound {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("status of sandbox %s: %w", s.Id, err)
		}
		out = append(out, SeenPod{
			Namespace: s.GetMetadata().GetNamespace(), Name: s.GetMetadata().GetName(), UID: s.GetMetadata().GetUid(),
			Attempt: s.GetMetadata().GetAttempt(), Ready: s.State == cri.PodSandboxState_SANDBOX_READY,
			IP: answer.Status.GetNetwork().GetIp(), Labels: s.Labels, ID: s.Id,
		})
	}
	slices.SortFunc(out, func(a, b SeenPod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Attempt, b.Attempt), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

// Dial opens a connection to the lab's containerd for raw CRI calls. The caller
// closes it. It does not wait for containerd.
func (l *Lab) Dial() (*grpc.ClientConn, error) { return dial(l.Socket()) }

// dial allows answers of 16 MiB, as kubelet does.
func dial(socket string) (*grpc.ClientConn, error) {
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16<<20)))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", socket, err)
	}
	return conn, nil
}
