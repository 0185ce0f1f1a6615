package crifake

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// deprecationCondition is containerd 2's third condition (cri/server/service.go).
const deprecationCondition = "ContainerdHasNoDeprecationWarnings"

func (s *Server) defaultConditions() []*cri.RuntimeCondition {
	types := []string{cri.RuntimeReady, cri.NetworkReady}
	if s.p.deprecations {
		types = append(types, deprecationCondition)
	}
	var all []*cri.RuntimeCondition
	for _, t := range types {
		all = append(all, &cri.RuntimeCondition{Type: t, Status: true})
	}
	return all
}

// SetCondition sets a condition of Status: RuntimeReady, NetworkReady or any other. With NetworkReady false, sandboxes
// that need the pod network cannot be run.
func (s *Server) SetCondition(name string, ok bool, reason, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &cri.RuntimeCondition{Type: name, Status: ok, Reason: reason, Message: message}
	// a new slice: an answer in flight may hold the old one
	s.conditions = append(slices.DeleteFunc(slices.Clone(s.conditions), func(o *cri.RuntimeCondition) bool { return o.Type == name }), c)
}

// SetStatusInfo sets what a verbose Status answers under a key, as "config" or "lastCNILoadStatus".
func (s *Server) SetStatusInfo(key, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.info == nil {
		s.info = map[string]string{}
	}
	s.info[key] = value
}

func (s *Server) conditionLocked(name string) *cri.RuntimeCondition {
	for _, c := range s.conditions {
		if c.Type == name {
			return c
		}
	}
	return nil
}

// Version implements cri.RuntimeServiceServer.
func (s *Server) Version(ctx context.Context, _ *cri.VersionRequest) (*cri.VersionResponse, error) {
	return serve(s, ctx, "Version", "", func(context.Context) (*cri.VersionResponse, error) {
		return &cri.VersionResponse{
			Version: "0.1.0", RuntimeName: s.p.RuntimeName, RuntimeVersion: s.p.RuntimeVersion, RuntimeApiVersion: "v1",
		}, nil
	})
}

// Status implements cri.RuntimeServiceServer. Verbose adds "config", the runtime's configuration as JSON.
func (s *Server) Status(ctx context.Context, r *cri.StatusRequest) (*cri.StatusResponse, error) {
	return serve(s, ctx, "Status", "", func(context.Context) (*cri.StatusResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		resp := &cri.StatusResponse{Status: &cri.RuntimeStatus{Conditions: slices.Clone(s.conditions)}}
		if s.p.runtimeConfig {
			for _, name := range append([]string{"", "runc"}, s.o.RuntimeHandlers...) {
				resp.RuntimeHandlers = append(resp.RuntimeHandlers, &cri.RuntimeHandler{Name: name, Features: &cri.RuntimeHandlerFeatures{}})
			}
		}
		if r.GetVerbose() {
			resp.Info = s.defaultInfo()
			maps.Copy(resp.Info, s.info)
		}
		return resp, nil
	})
}

// defaultInfo has the keys of containerd's configuration that a reader may want; CRI-O names the sandbox image alone.
func (s *Server) defaultInfo() map[string]string {
	config := map[string]any{"sandboxImage": "registry.k8s.io/pause:3.10"}
	if !s.p.crio {
		config = map[string]any{
			"containerd": map[string]any{
				"snapshotter": "overlayfs", "defaultRuntimeName": "runc",
				"runtimes": map[string]any{"runc": map[string]any{
					"runtimeType": "io.containerd.runc.v2",
					"options":     map[string]any{"SystemdCgroup": s.o.SystemdCgroup},
				}},
			},
			"cni":                map[string]any{"binDir": "/opt/cni/bin", "confDir": "/etc/cni/net.d"},
			"sandboxImage":       "registry.k8s.io/pause:3.10",
			"containerdRootDir":  "/var/lib/containerd",
			"containerdEndpoint": "/run/containerd/containerd.sock",
		}
	}
	b, err := json.Marshal(config)
	if err != nil {
		panic(err)
	}
	info := map[string]string{"config": string(b)}
	if !s.p.crio {
		info["golang"] = `"go1.24"`
		info["lastCNILoadStatus"] = "OK"
		info["lastCNILoadStatus.default"] = "OK"
	}
	return info
}

// RuntimeConfig implements cri.RuntimeServiceServer; containerd has it since 2.0.
func (s *Server) RuntimeConfig(ctx context.Context, _ *cri.RuntimeConfigRequest) (*cri.RuntimeConfigResponse, error) {
	return serve(s, ctx, "RuntimeConfig", "", func(context.Context) (*cri.RuntimeConfigResponse, error) {
		if !s.p.runtimeConfig {
			return nil, unknownMethod("RuntimeConfig")
		}
		driver := cri.CgroupDriver_CGROUPFS
		if s.o.SystemdCgroup {
			driver = cri.CgroupDriver_SYSTEMD
		}
		return &cri.RuntimeConfigResponse{Linux: &cri.LinuxRuntimeConfiguration{CgroupDriver: driver}}, nil
	})
}

// UpdateRuntimeConfig implements cri.RuntimeServiceServer; a pod CIDR is taken and ignored.
func (s *Server) UpdateRuntimeConfig(ctx context.Context, _ *cri.UpdateRuntimeConfigRequest) (*cri.UpdateRuntimeConfigResponse, error) {
	return serve(s, ctx, "UpdateRuntimeConfig", "", func(context.Context) (*cri.UpdateRuntimeConfigResponse, error) {
		return &cri.UpdateRuntimeConfigResponse{}, nil
	})
}

// unknownMethod is gRPC's answer where the server is older than the method.
func unknownMethod(name string) error {
	return status.Errorf(codes.Unimplemented, "unknown method %s for service runtime.v1.RuntimeService", name)
}
