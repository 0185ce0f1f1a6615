package crifake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ListPodSandbox implements cri.RuntimeServiceServer.
func (s *Server) ListPodSandbox(ctx context.Context, r *cri.ListPodSandboxRequest) (*cri.ListPodSandboxResponse, error) {
	f := r.GetFilter()
	key := filterKey(s.sandboxKey(f.GetId()), f.GetState() != nil, f.GetState().GetState(), f.GetLabelSelector())
	return serve(s, ctx, "ListPodSandbox", key, func(context.Context) (*cri.ListPodSandboxResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		resp := &cri.ListPodSandboxResponse{}
		for _, id := range slices.Sorted(maps.Keys(s.sandboxes)) {
			b := s.sandboxes[id]
			if !sameID(s.sandboxes, f.GetId(), id) || !hasLabels(b.config.GetLabels(), f.GetLabelSelector()) ||
				f.GetState() != nil && f.GetState().GetState() != b.state() {
				continue
			}
			resp.Items = append(resp.Items, &cri.PodSandbox{
				Id: b.id, Metadata: b.config.GetMetadata(), State: b.state(), CreatedAt: b.created,
				Labels: b.config.GetLabels(), Annotations: b.config.GetAnnotations(), RuntimeHandler: b.handler,
			})
		}
		return resp, nil
	})
}

// ListContainers implements cri.RuntimeServiceServer.
func (s *Server) ListContainers(ctx context.Context, r *cri.ListContainersRequest) (*cri.ListContainersResponse, error) {
	f := r.GetFilter()
	what := s.containerKey(f.GetId())
	if what == "" {
		what = s.sandboxKey(f.GetPodSandboxId())
	}
	key := filterKey(what, f.GetState() != nil, f.GetState().GetState(), f.GetLabelSelector())
	return serve(s, ctx, "ListContainers", key, func(context.Context) (*cri.ListContainersResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		resp := &cri.ListContainersResponse{}
		for _, id := range slices.Sorted(maps.Keys(s.containers)) {
			c := s.containers[id]
			if !sameID(s.containers, f.GetId(), id) || !sameID(s.sandboxes, f.GetPodSandboxId(), c.sandbox.id) ||
				!hasLabels(c.config.GetLabels(), f.GetLabelSelector()) || f.GetState() != nil && f.GetState().GetState() != c.state {
				continue
			}
			resp.Containers = append(resp.Containers, &cri.Container{
				Id: c.id, PodSandboxId: c.sandbox.id, Metadata: c.config.GetMetadata(), Image: c.config.GetImage(),
				ImageRef: c.image.id, ImageId: s.imageID(c), State: c.state, CreatedAt: c.created,
				Labels: c.config.GetLabels(), Annotations: c.config.GetAnnotations(),
			})
		}
		return resp, nil
	})
}

// sameID tells whether a filter's id, which may be a unique prefix or empty, means id.
func sameID[T any](m map[string]T, filter, id string) bool {
	if filter == "" || filter == id {
		return true
	}
	n := 0
	for k := range m {
		if strings.HasPrefix(k, filter) {
			n++
		}
	}
	return n == 1 && strings.HasPrefix(id, filter)
}

func hasLabels(labels, want map[string]string) bool {
	for k, v := range want {
		if got, ok := labels[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// filterKey is a list call's Call.Key: empty for a full list.
func filterKey(what string, byState bool, state fmt.Stringer, labels map[string]string) string {
	var parts []string
	if what != "" {
		parts = append(parts, what)
	}
	if byState {
		parts = append(parts, state.String())
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, k+"="+labels[k])
	}
	return strings.Join(parts, ",")
}

func (b *sandbox) state() cri.PodSandboxState {
	if b.ready {
		return cri.PodSandboxState_SANDBOX_READY
	}
	return cri.PodSandboxState_SANDBOX_NOTREADY
}

// PodSandboxStatus implements cri.RuntimeServiceServer. Verbose adds "info" with the pid.
func (s *Server) PodSandboxStatus(ctx context.Context, r *cri.PodSandboxStatusRequest) (*cri.PodSandboxStatusResponse, error) {
	return serve(s, ctx, "PodSandboxStatus", s.sandboxKey(r.GetPodSandboxId()), func(context.Context) (*cri.PodSandboxStatusResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		b, ok := findLocked(s.sandboxes, r.GetPodSandboxId())
		if !ok {
			return nil, s.noSandbox(r.GetPodSandboxId())
		}
		resp := &cri.PodSandboxStatusResponse{Status: s.sandboxStatusLocked(b)}
		if s.p.crio && s.o.PodEvents {
			resp.Timestamp = time.Now().UnixNano()
			for _, c := range s.insideLocked(b) {
				resp.ContainersStatuses = append(resp.ContainersStatuses, s.containerStatusLocked(c))
			}
		}
		if r.GetVerbose() {
			resp.Info = infoJSON(map[string]any{
				"pid": b.pid, "netNamespaceClosed": !b.ready, "runtimeHandler": b.handler,
				"image": "registry.k8s.io/pause:3.10", "config": b.config, "updatedResources": b.resources,
			})
		}
		return resp, nil
	})
}

func (s *Server) sandboxStatusLocked(b *sandbox) *cri.PodSandboxStatus {
	return &cri.PodSandboxStatus{
		Id: b.id, Metadata: b.config.GetMetadata(), State: b.state(), CreatedAt: b.created,
		Network:        &cri.PodSandboxNetworkStatus{Ip: b.ip},
		Linux:          &cri.LinuxPodSandboxStatus{Namespaces: &cri.Namespace{Options: b.config.GetLinux().GetSecurityContext().GetNamespaceOptions()}},
		Labels:         b.config.GetLabels(),
		Annotations:    b.config.GetAnnotations(),
		RuntimeHandler: b.handler,
	}
}

// ContainerStatus implements cri.RuntimeServiceServer. Verbose adds "info" with the pid, 0 unless the container runs.
func (s *Server) ContainerStatus(ctx context.Context, r *cri.ContainerStatusRequest) (*cri.ContainerStatusResponse, error) {
	return serve(s, ctx, "ContainerStatus", s.containerKey(r.GetContainerId()), func(context.Context) (*cri.ContainerStatusResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c, ok := findLocked(s.containers, r.GetContainerId())
		if !ok {
			return nil, s.noContainer(r.GetContainerId())
		}
		resp := &cri.ContainerStatusResponse{Status: s.containerStatusLocked(c)}
		switch {
		case r.GetVerbose() && s.p.crio:
			resp.Info = infoJSON(map[string]any{"sandboxID": c.sandbox.id, "pid": c.pid, "privileged": false})
		case r.GetVerbose():
			resp.Info = infoJSON(map[string]any{
				"sandboxID": c.sandbox.id, "pid": c.pid, "removing": false, "snapshotKey": c.id, "snapshotter": "overlayfs",
				"runtimeType": "io.containerd.runc.v2", "config": c.config,
			})
		}
		return resp, nil
	})
}

func (s *Server) containerStatusLocked(c *container) *cri.ContainerStatus {
	st := &cri.ContainerStatus{
		Id: c.id, Metadata: c.config.GetMetadata(), State: c.state, CreatedAt: c.created,
		Image: &cri.ImageSpec{Image: c.image.shown(c.config.GetImage().GetImage())}, ImageRef: c.image.ref(), ImageId: s.imageID(c),
		Labels: c.config.GetLabels(), Annotations: c.config.GetAnnotations(), Mounts: c.config.GetMounts(), LogPath: c.logPath,
	}
	if c.resources != nil {
		st.Resources = &cri.ContainerResources{Linux: c.resources}
	}
	switch c.state {
	case cri.ContainerState_CONTAINER_RUNNING:
		st.StartedAt = c.started
	case cri.ContainerState_CONTAINER_EXITED:
		st.StartedAt, st.FinishedAt = c.started, c.finished
		st.ExitCode, st.Reason, st.Message = c.exit.code, c.exit.why(), c.message
	}
	return st
}

// imageID is the field that came with CRI 1.28.
func (s *Server) imageID(c *container) string {
	if s.p.imageID {
		return c.image.id
	}
	return ""
}

// infoJSON is a verbose response's map with everything under "info", as the runtimes have it.
func infoJSON(v map[string]any) map[string]string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return map[string]string{"info": string(b)}
}
