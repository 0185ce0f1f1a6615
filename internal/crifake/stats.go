package crifake

import (
	"context"
	"maps"
	"slices"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Every running container uses a tenth of a core since its start, and 10 MiB.
const (
	usedMemory   = 10 << 20
	usedOneInCPU = 10
)

func (s *Server) statsLocked(c *container) *cri.ContainerStats {
	now := time.Now().UnixNano()
	v := func(n uint64) *cri.UInt64Value { return &cri.UInt64Value{Value: n} }
	return &cri.ContainerStats{
		Attributes: &cri.ContainerAttributes{
			Id: c.id, Metadata: c.config.GetMetadata(), Labels: c.config.GetLabels(), Annotations: c.config.GetAnnotations(),
		},
		Cpu:           &cri.CpuUsage{Timestamp: now, UsageCoreNanoSeconds: v(uint64(now-c.started) / usedOneInCPU)},
		Memory:        &cri.MemoryUsage{Timestamp: now, WorkingSetBytes: v(usedMemory), UsageBytes: v(usedMemory), RssBytes: v(usedMemory)},
		WritableLayer: &cri.FilesystemUsage{Timestamp: now, UsedBytes: v(4096), InodesUsed: v(1)},
	}
}

// ContainerStats implements cri.RuntimeServiceServer.
func (s *Server) ContainerStats(ctx context.Context, r *cri.ContainerStatsRequest) (*cri.ContainerStatsResponse, error) {
	return serve(s, ctx, "ContainerStats", s.containerKey(r.GetContainerId()), func(context.Context) (*cri.ContainerStatsResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c, ok := findLocked(s.containers, r.GetContainerId())
		if !ok {
			return nil, s.noContainer(r.GetContainerId())
		}
		return &cri.ContainerStatsResponse{Stats: s.statsLocked(c)}, nil
	})
}

// ListContainerStats implements cri.RuntimeServiceServer, for running containers.
func (s *Server) ListContainerStats(ctx context.Context, r *cri.ListContainerStatsRequest) (*cri.ListContainerStatsResponse, error) {
	f := r.GetFilter()
	key := filterKey(s.containerKey(f.GetId()), false, nil, f.GetLabelSelector())
	return serve(s, ctx, "ListContainerStats", key, func(context.Context) (*cri.ListContainerStatsResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		resp := &cri.ListContainerStatsResponse{}
		for _, id := range slices.Sorted(maps.Keys(s.containers)) {
			c := s.containers[id]
			if c.state == cri.ContainerState_CONTAINER_RUNNING && sameID(s.containers, f.GetId(), id) &&
				sameID(s.sandboxes, f.GetPodSandboxId(), c.sandbox.id) && hasLabels(c.config.GetLabels(), f.GetLabelSelector()) {
				resp.Stats = append(resp.Stats, s.statsLocked(c))
			}
		}
		return resp, nil
	})
}

func (s *Server) podStatsLocked(b *sandbox) *cri.PodSandboxStats {
	now := time.Now().UnixNano()
	cpu, mem := uint64(0), uint64(0)
	linux := &cri.LinuxPodSandboxStats{}
	for _, c := range s.insideLocked(b) {
		if c.state == cri.ContainerState_CONTAINER_RUNNING {
			st := s.statsLocked(c)
			linux.Containers = append(linux.Containers, st)
			cpu += st.Cpu.UsageCoreNanoSeconds.Value
			mem += st.Memory.WorkingSetBytes.Value
		}
	}
	linux.Cpu = &cri.CpuUsage{Timestamp: now, UsageCoreNanoSeconds: &cri.UInt64Value{Value: cpu}}
	linux.Memory = &cri.MemoryUsage{Timestamp: now, WorkingSetBytes: &cri.UInt64Value{Value: mem}}
	linux.Process = &cri.ProcessUsage{Timestamp: now, ProcessCount: &cri.UInt64Value{Value: uint64(len(linux.Containers))}}
	return &cri.PodSandboxStats{
		Attributes: &cri.PodSandboxAttributes{
			Id: b.id, Metadata: b.config.GetMetadata(), Labels: b.config.GetLabels(), Annotations: b.config.GetAnnotations(),
		},
		Linux: linux,
	}
}

// PodSandboxStats implements cri.RuntimeServiceServer.
func (s *Server) PodSandboxStats(ctx context.Context, r *cri.PodSandboxStatsRequest) (*cri.PodSandboxStatsResponse, error) {
	return serve(s, ctx, "PodSandboxStats", s.sandboxKey(r.GetPodSandboxId()), func(context.Context) (*cri.PodSandboxStatsResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		b, ok := findLocked(s.sandboxes, r.GetPodSandboxId())
		if !ok {
			return nil, s.noSandbox(r.GetPodSandboxId())
		}
		return &cri.PodSandboxStatsResponse{Stats: s.podStatsLocked(b)}, nil
	})
}

// ListPodSandboxStats implements cri.RuntimeServiceServer, for ready sandboxes.
func (s *Server) ListPodSandboxStats(ctx context.Context, r *cri.ListPodSandboxStatsRequest) (*cri.ListPodSandboxStatsResponse, error) {
	f := r.GetFilter()
	key := filterKey(s.sandboxKey(f.GetId()), false, nil, f.GetLabelSelector())
	return serve(s, ctx, "ListPodSandboxStats", key, func(context.Context) (*cri.ListPodSandboxStatsResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		resp := &cri.ListPodSandboxStatsResponse{}
		for _, id := range slices.Sorted(maps.Keys(s.sandboxes)) {
			b := s.sandboxes[id]
			if b.ready && sameID(s.sandboxes, f.GetId(), id) && hasLabels(b.config.GetLabels(), f.GetLabelSelector()) {
				resp.Stats = append(resp.Stats, s.podStatsLocked(b))
			}
		}
		return resp, nil
	})
}
