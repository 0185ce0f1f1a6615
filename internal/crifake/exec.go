package crifake

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Exec is a command that ExecSync runs.
type Exec struct {
	ID                        string // of the container
	Namespace, Pod, Container string
	Cmd                       []string
}

// ExecResult is how it ends: after Delay with Err, or with the code and output.
type ExecResult struct {
	Stdout, Stderr string
	Code           int32
	Delay          time.Duration
	Err            error
}

// OnExec sets what ExecSync answers; fn is called without locks, once a call. With nil, every command ends at once with 0.
func (s *Server) OnExec(fn func(Exec) ExecResult) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exec = fn
}

// ExecSync implements cri.RuntimeServiceServer. A command still running when its container ends is killed: code 137. One that
// outlives the request's timeout is DeadlineExceeded on containerd, and exit code -1 on CRI-O.
func (s *Server) ExecSync(ctx context.Context, r *cri.ExecSyncRequest) (*cri.ExecSyncResponse, error) {
	return serve(s, ctx, "ExecSync", s.containerKey(r.GetContainerId()), func(ctx context.Context) (*cri.ExecSyncResponse, error) {
		return s.execSync(ctx, r)
	})
}

func (s *Server) execSync(ctx context.Context, r *cri.ExecSyncRequest) (*cri.ExecSyncResponse, error) {
	s.mu.Lock()
	c, ok := findLocked(s.containers, r.GetContainerId())
	if !ok {
		s.mu.Unlock()
		if s.p.crio {
			return nil, s.noContainer(r.GetContainerId())
		}
		return nil, status.Errorf(codes.NotFound, "failed to exec in container: failed to find container %q in store: not found", r.GetContainerId())
	}
	fn, state := s.exec, c.state
	s.mu.Unlock()
	if state != cri.ContainerState_CONTAINER_RUNNING {
		if s.p.crio {
			return nil, status.Error(codes.NotFound, "container is not created or running: container is stopped")
		}
		return nil, fmt.Errorf("failed to exec in container: container is in %s state", state)
	}
	res := ExecResult{}
	if fn != nil {
		m := c.sandbox.config.GetMetadata()
		res = fn(Exec{ID: c.id, Namespace: m.GetNamespace(), Pod: m.GetName(), Container: c.config.GetMetadata().GetName(), Cmd: r.GetCmd()})
	}
	wait, limit := res.Delay, time.Duration(r.GetTimeout())*time.Second
	late := limit > 0 && wait > limit
	if late {
		wait = limit
	}
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.done:
			return &cri.ExecSyncResponse{ExitCode: 137}, nil
		}
	}
	switch {
	case late && s.p.crio:
		return &cri.ExecSyncResponse{Stderr: []byte("command timed out"), ExitCode: -1}, nil
	case late:
		return nil, status.Errorf(codes.DeadlineExceeded, "failed to exec in container: timeout %s exceeded: context deadline exceeded", limit)
	case res.Err != nil:
		return nil, res.Err
	}
	return &cri.ExecSyncResponse{Stdout: []byte(res.Stdout), Stderr: []byte(res.Stderr), ExitCode: res.Code}, nil
}
