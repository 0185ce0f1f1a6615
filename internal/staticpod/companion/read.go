package companion

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Labels and annotations a kubelet writes (pkg/kubelet/types, pkg/kubelet/kuberuntime/labels.go).
const (
	labelName        = "io.kubernetes.pod.name"
	labelNamespace   = "io.kubernetes.pod.namespace"
	labelUID         = "io.kubernetes.pod.uid"
	labelContainer   = "io.kubernetes.container.name"
	annotationSource = "kubernetes.io/config.source"
	annotationCount  = "io.kubernetes.container.restartCount"
	annotationType   = "io.kubernetes.container.type"
)

// Sandbox is a pod sandbox that a kubelet made from a static source.
type Sandbox struct {
	ID, Namespace, Name, UID, Source string
	Ready                            bool
	Created                          time.Time
	IP                               string
}

// Container is a container of such a sandbox.
type Container struct {
	ID, Sandbox, Name string
	Type              string // init, container, ephemeral; empty: made by a kubelet that does not say
	State             cri.ContainerState
	Attempt           int
	Restarts          int // annotation restartCount, else the attempt
	Image             string
	Wanted            string // image as its manifest had it (user_specified_image); empty: the runtime does not keep it
	Created           time.Time
	Status            *Status // nil: not known
}

// Status is what only a container's status tells.
type Status struct {
	Started, Finished time.Time
	Code              int
	Reason            string
	PID               int
	Process           *Process // nil: the runtime does not tell
}

// Process is what a container was made from. It may hold secrets: it is compared and never shown.
type Process struct {
	Command, Args []string
	Env           map[string]string // as the runtime's JSON has it: the text, or base64 of it where the field is bytes
}

// Runtime is one reading of the runtime.
type Runtime struct {
	Sandboxes  []Sandbox
	Containers []Container
	Err        string // it could not be asked; the rest says nothing then
}

// static tells the sources of a kubelet that need no API server.
func static(source string) bool { return source == "file" || source == "http" }

// reader asks the runtime and keeps what can't change: the status of a container in one state, the address of a sandbox.
type reader struct {
	statuses map[string]*Status // by container id and state
	ips      map[string]string  // by sandbox id
}

// read asks for everything: two lists, then a status for each container and sandbox not yet known. Each of the two steps has the
// timeout. A status that can't be had leaves its container with none.
func (r *reader) read(ctx context.Context, rt CRI, timeout time.Duration) Runtime {
	var out Runtime
	lists, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sandboxes, err := rt.ListPodSandbox(lists, &cri.ListPodSandboxRequest{})
	if err != nil {
		return Runtime{Err: "list pod sandboxes: " + answer(err, timeout)}
	}
	containers, err := rt.ListContainers(lists, &cri.ListContainersRequest{})
	if err != nil {
		return Runtime{Err: "list containers: " + answer(err, timeout)}
	}
	ours := map[string]bool{}
	for _, s := range sandboxes.GetItems() {
		if source := s.GetAnnotations()[annotationSource]; static(source) {
			ours[s.GetId()] = true
			out.Sandboxes = append(out.Sandboxes, Sandbox{
				ID: s.GetId(), Namespace: s.GetLabels()[labelNamespace], Name: s.GetLabels()[labelName], UID: s.GetLabels()[labelUID],
				Source: source, Ready: s.GetState() == cri.PodSandboxState_SANDBOX_READY, Created: nanos(s.GetCreatedAt()),
			})
		}
	}
	for _, c := range containers.GetContainers() {
		if ours[c.GetPodSandboxId()] {
			out.Containers = append(out.Containers, listed(c))
		}
	}
	details, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r.fill(details, rt, &out)
	return out
}

func listed(c *cri.Container) Container {
	out := Container{
		ID: c.GetId(), Sandbox: c.GetPodSandboxId(), Name: c.GetLabels()[labelContainer], Type: c.GetAnnotations()[annotationType],
		State: c.GetState(), Attempt: int(c.GetMetadata().GetAttempt()), Image: c.GetImage().GetImage(),
		Wanted: c.GetImage().GetUserSpecifiedImage(), Created: nanos(c.GetCreatedAt()),
	}
	if out.Name == "" {
		out.Name = c.GetMetadata().GetName()
	}
	out.Restarts = out.Attempt
	if n, err := strconv.Atoi(c.GetAnnotations()[annotationCount]); err == nil && n > out.Restarts {
		out.Restarts = n
	}
	return out
}

// fill adds statuses and addresses and forgets those of what is gone. The newest containers come first, so that what is judged most is
// known first when time runs out.
func (r *reader) fill(ctx context.Context, rt CRI, out *Runtime) {
	slices.SortStableFunc(out.Containers, func(a, b Container) int { return b.Created.Compare(a.Created) })
	statuses, ips := map[string]*Status{}, map[string]string{}
	for i := range out.Containers {
		c := &out.Containers[i]
		key := c.ID + " " + c.State.String()
		c.Status = r.statuses[key]
		if c.Status == nil && ctx.Err() == nil {
			var state cri.ContainerState
			if c.Status, state = statusOf(ctx, rt, c.ID); c.Status != nil && state != c.State { // it changed since the list
				c.State = state
				key = c.ID + " " + c.State.String()
			}
		}
		if c.Status != nil {
			statuses[key] = c.Status
		}
	}
	for i := range out.Sandboxes {
		s := &out.Sandboxes[i]
		if !s.Ready {
			continue
		}
		ip, known := r.ips[s.ID]
		if !known && ctx.Err() == nil {
			if resp, err := rt.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: s.ID}); err == nil {
				ip, known = resp.GetStatus().GetNetwork().GetIp(), true
			}
		}
		if s.IP = ip; known {
			ips[s.ID] = ip
		}
	}
	r.statuses, r.ips = statuses, ips
}

func statusOf(ctx context.Context, rt CRI, id string) (*Status, cri.ContainerState) {
	resp, err := rt.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: id, Verbose: true})
	if err != nil || resp.GetStatus() == nil {
		return nil, 0
	}
	st := resp.GetStatus()
	out := &Status{
		Started: nanos(st.GetStartedAt()), Finished: nanos(st.GetFinishedAt()), Code: int(st.GetExitCode()), Reason: st.GetReason(),
	}
	out.PID, out.Process = verbose(resp.GetInfo()["info"])
	return out, st.GetState()
}

// verbose reads what containerd says in a verbose status: the pid and the CRI configuration the container was made from. CRI-O says
// the pid alone.
func verbose(info string) (int, *Process) {
	var v struct {
		PID    int `json:"pid"`
		Config *struct {
			Command []string `json:"command"`
			Args    []string `json:"args"`
			Envs    []struct {
				Key   string          `json:"key"`
				Value json.RawMessage `json:"value"`
			} `json:"envs"`
		} `json:"config"`
	}
	if json.Unmarshal([]byte(info), &v) != nil {
		return 0, nil
	}
	if v.Config == nil {
		return v.PID, nil
	}
	p := &Process{Command: v.Config.Command, Args: v.Config.Args, Env: map[string]string{}}
	for _, e := range v.Config.Envs {
		var s string
		if json.Unmarshal(e.Value, &s) == nil || len(e.Value) == 0 {
			p.Env[e.Key] = s
		}
	}
	return v.PID, p
}

func nanos(n int64) time.Time {
	if n <= 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

// answer is an error of the runtime for people.
func answer(err error, timeout time.Duration) string {
	switch s := status.Convert(err); s.Code() {
	case codes.DeadlineExceeded:
		return fmt.Sprintf("no answer within %v", timeout)
	case codes.Unknown:
		return err.Error()
	default:
		return s.Code().String() + ": " + s.Message()
	}
}
