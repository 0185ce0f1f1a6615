package crifake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// openLog makes the container's log file, as StartContainer does.
func (s *Server) openLog(c *container) error {
	if c.logPath == "" {
		return nil
	}
	if !s.o.StrictLogDirs {
		if err := os.MkdirAll(filepath.Dir(c.logPath), 0o755); err != nil {
			return fmt.Errorf("failed to create container loggers: %w", err)
		}
	}
	f, err := os.OpenFile(c.logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return fmt.Errorf("failed to create container loggers: failed to open container log file %q: %w", c.logPath, err)
	}
	return f.Close()
}

// writeLog appends full stdout lines in the CRI log format (kubelet's pkg/kubelet/kuberuntime/logs). A file that was
// removed stays away, as it does for a runtime that holds the old one open; the lines are lost.
func writeLog(path string, lines ...string) {
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return
	}
	defer f.Close()
	var b strings.Builder
	now := time.Now().Format(time.RFC3339Nano)
	for _, l := range lines {
		fmt.Fprintf(&b, "%s %s %s %s\n", now, cri.Stdout, cri.LogTagFull, l)
	}
	_, _ = f.WriteString(b.String())
}

// ReopenContainerLog implements cri.RuntimeServiceServer: it makes the log file again after a rotation.
func (s *Server) ReopenContainerLog(ctx context.Context, r *cri.ReopenContainerLogRequest) (*cri.ReopenContainerLogResponse, error) {
	return serve(s, ctx, "ReopenContainerLog", s.containerKey(r.GetContainerId()), func(context.Context) (*cri.ReopenContainerLogResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c, ok := findLocked(s.containers, r.GetContainerId())
		if !ok {
			return nil, s.noContainer(r.GetContainerId())
		}
		if c.state != cri.ContainerState_CONTAINER_RUNNING {
			return nil, errors.New("container is not running")
		}
		return &cri.ReopenContainerLogResponse{}, s.openLog(c)
	})
}
