package crifake

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type sandbox struct {
	seq       int
	id, name  string
	config    *cri.PodSandboxConfig // never changed
	handler   string
	created   int64
	ready     bool
	ip        string
	pid       int
	resources *cri.LinuxContainerResources // as updated
}

func (b *sandbox) key() string {
	return b.config.GetMetadata().GetNamespace() + "/" + b.config.GetMetadata().GetName()
}

// sandboxName is unique as long as the metadata is (containerd cri/server/helpers.go; CRI-O has kubelet's old Docker names).
func (s *Server) sandboxName(m *cri.PodSandboxMetadata) string {
	name := fmt.Sprintf("%s_%s_%s_%d", m.GetName(), m.GetNamespace(), m.GetUid(), m.GetAttempt())
	if s.p.crio {
		return "k8s_POD_" + name
	}
	return name
}

// reserveLocked keeps a name for an id. Two calls that make the same thing, or a retry of a call whose effect the caller did
// not see, meet here.
func (s *Server) reserveLocked(kind, name, id string) error {
	holder, taken := s.names[name]
	switch {
	case !taken:
		s.names[name] = id
		return nil
	case s.p.crio:
		return fmt.Errorf("kubelet may be retrying requests that are timing out in CRI-O due to system load: error reserving %s name %s for id %s: name is reserved", kind, name, id)
	}
	return fmt.Errorf("failed to reserve %s name %q: name %q is reserved for %q", kind, name, name, holder)
}

// releaseLocked frees a name if id still holds it.
func (s *Server) releaseLocked(name, id string) {
	if s.names[name] == id {
		delete(s.names, name)
	}
}

// findLocked looks an id or a unique prefix of one up.
func findLocked[T any](m map[string]T, id string) (T, bool) {
	if v, ok := m[id]; ok || id == "" {
		return v, ok
	}
	var found T
	n := 0
	for k, v := range m {
		if strings.HasPrefix(k, id) {
			found = v
			n++
		}
	}
	return found, n == 1
}

func (s *Server) sandboxKey(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := findLocked(s.sandboxes, id); ok {
		return b.key()
	}
	return id
}

func (s *Server) noSandbox(id string) error {
	if s.p.crio {
		return status.Errorf(codes.NotFound, "could not find pod %q: PodSandbox with ID starting with %s not found: ID does not exist", id, id)
	}
	return status.Error(codes.NotFound, "an error occurred when try to find sandbox: not found")
}

// RunPodSandbox implements cri.RuntimeServiceServer.
func (s *Server) RunPodSandbox(ctx context.Context, r *cri.RunPodSandboxRequest) (*cri.RunPodSandboxResponse, error) {
	m := r.GetConfig().GetMetadata()
	return serve(s, ctx, "RunPodSandbox", m.GetNamespace()+"/"+m.GetName(), func(ctx context.Context) (*cri.RunPodSandboxResponse, error) {
		return s.runPodSandbox(ctx, r)
	})
}

func (s *Server) runPodSandbox(ctx context.Context, r *cri.RunPodSandboxRequest) (*cri.RunPodSandboxResponse, error) {
	m := r.GetConfig().GetMetadata()
	if m == nil {
		return nil, fmt.Errorf("sandbox config must include metadata")
	}
	if m.GetName() == "" || m.GetNamespace() == "" || m.GetUid() == "" {
		return nil, fmt.Errorf("sandbox metadata wants name, namespace and uid, got %q, %q, %q", m.GetName(), m.GetNamespace(), m.GetUid())
	}
	if h := r.GetRuntimeHandler(); h != "" && h != "runc" && !slices.Contains(s.o.RuntimeHandlers, h) {
		return nil, fmt.Errorf("failed to get sandbox runtime: no runtime for %q is configured", h)
	}
	name := s.sandboxName(m)
	s.mu.Lock()
	id := s.newIDLocked()
	err := s.reserveLocked(s.podWord(), name, id)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	err = s.work(ctx, s.p.Delays.RunPodSandbox)

	s.mu.Lock()
	defer s.mu.Unlock()
	hostNetwork := networkMode(r.GetConfig()) == cri.NamespaceMode_NODE
	if err == nil && !hostNetwork {
		if c := s.conditionLocked(cri.NetworkReady); c != nil && !c.Status {
			err = fmt.Errorf("failed to setup network for sandbox %q: %s", id, strings.TrimPrefix(c.Message, "Network plugin returns error: "))
		}
	}
	if err != nil {
		s.releaseLocked(name, id)
		return nil, err
	}
	n := s.nextLocked()
	b := &sandbox{
		seq: n, id: id, name: name, config: r.GetConfig(), handler: r.GetRuntimeHandler(),
		created: time.Now().UnixNano(), ready: true, pid: fakePID(n),
	}
	if !hostNetwork {
		b.ip = fmt.Sprintf("10.88.%d.%d", n>>8&0xff, n&0xff)
	}
	if s.p.crio {
		b.handler = "" // what CRI-O shows, whatever was asked for
	}
	s.sandboxes[id] = b
	s.publishLocked(cri.ContainerEventType_CONTAINER_CREATED_EVENT, id, b)
	s.publishLocked(cri.ContainerEventType_CONTAINER_STARTED_EVENT, id, b)
	return &cri.RunPodSandboxResponse{PodSandboxId: id}, nil
}

func (s *Server) podWord() string {
	if s.p.crio {
		return "pod"
	}
	return "sandbox"
}

func networkMode(c *cri.PodSandboxConfig) cri.NamespaceMode {
	return c.GetLinux().GetSecurityContext().GetNamespaceOptions().GetNetwork()
}

// StopPodSandbox implements cri.RuntimeServiceServer. It is idempotent, also for an unknown id.
func (s *Server) StopPodSandbox(ctx context.Context, r *cri.StopPodSandboxRequest) (*cri.StopPodSandboxResponse, error) {
	return serve(s, ctx, "StopPodSandbox", s.sandboxKey(r.GetPodSandboxId()), func(ctx context.Context) (*cri.StopPodSandboxResponse, error) {
		return &cri.StopPodSandboxResponse{}, s.stopPodSandbox(ctx, r.GetPodSandboxId())
	})
}

func (s *Server) stopPodSandbox(ctx context.Context, id string) error {
	s.mu.Lock()
	b, ok := findLocked(s.sandboxes, id)
	if !ok {
		s.mu.Unlock()
		return nil
	}
	inside := s.insideLocked(b)
	s.mu.Unlock()

	grace := s.p.sandboxStopGrace()
	if s.p.crio { // all at once
		for _, c := range inside {
			s.signalStop(c, grace)
		}
	}
	for _, c := range inside {
		if err := s.stop(ctx, c, grace); err != nil {
			return fmt.Errorf("failed to stop container %q: %w", c.id, err)
		}
	}
	if err := s.work(ctx, s.p.Delays.StopPodSandbox); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreadyLocked(b)
	b.ip = ""
	return nil
}

func (s *Server) unreadyLocked(b *sandbox) {
	if b.ready {
		b.ready = false
		b.pid = 0
		s.publishLocked(cri.ContainerEventType_CONTAINER_STOPPED_EVENT, b.id, b)
	}
}

// insideLocked returns a sandbox's containers, oldest first.
func (s *Server) insideLocked(b *sandbox) []*container {
	var inside []*container
	for _, c := range s.containers {
		if c.sandbox == b {
			inside = append(inside, c)
		}
	}
	slices.SortFunc(inside, func(a, b *container) int { return a.seq - b.seq })
	return inside
}

// RemovePodSandbox implements cri.RuntimeServiceServer. A running sandbox is stopped first, its containers are removed.
func (s *Server) RemovePodSandbox(ctx context.Context, r *cri.RemovePodSandboxRequest) (*cri.RemovePodSandboxResponse, error) {
	return serve(s, ctx, "RemovePodSandbox", s.sandboxKey(r.GetPodSandboxId()), func(ctx context.Context) (*cri.RemovePodSandboxResponse, error) {
		return &cri.RemovePodSandboxResponse{}, s.removePodSandbox(ctx, r.GetPodSandboxId())
	})
}

func (s *Server) removePodSandbox(ctx context.Context, id string) error {
	s.mu.Lock()
	b, ok := findLocked(s.sandboxes, id)
	s.mu.Unlock()
	if !ok {
		return nil
	}
	if err := s.stopPodSandbox(ctx, b.id); err != nil {
		return fmt.Errorf("failed to forcibly stop sandbox %q: %w", b.id, err)
	}
	if err := s.work(ctx, s.p.Delays.RemovePodSandbox); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sandboxes[b.id] != b {
		return nil // another call was faster
	}
	for _, c := range s.insideLocked(b) {
		if err := s.removeLocked(c); err != nil {
			return fmt.Errorf("failed to remove container %q: %w", c.id, err)
		}
	}
	s.publishLocked(cri.ContainerEventType_CONTAINER_DELETED_EVENT, b.id, b)
	delete(s.sandboxes, b.id)
	s.releaseLocked(b.name, b.id)
	return nil
}

// UpdatePodSandboxResources implements cri.RuntimeServiceServer; only containerd 2 and CRI-O have it.
func (s *Server) UpdatePodSandboxResources(ctx context.Context, r *cri.UpdatePodSandboxResourcesRequest) (*cri.UpdatePodSandboxResourcesResponse, error) {
	return serve(s, ctx, "UpdatePodSandboxResources", s.sandboxKey(r.GetPodSandboxId()), func(context.Context) (*cri.UpdatePodSandboxResourcesResponse, error) {
		if !s.p.runtimeConfig {
			return nil, unknownMethod("UpdatePodSandboxResources")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		b, ok := findLocked(s.sandboxes, r.GetPodSandboxId())
		if !ok {
			return nil, s.noSandbox(r.GetPodSandboxId())
		}
		b.resources = r.GetResources()
		return &cri.UpdatePodSandboxResourcesResponse{}, nil
	})
}
