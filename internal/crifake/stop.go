package crifake

import (
	"context"
	"fmt"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// StopContainer implements cri.RuntimeServiceServer: TERM, the timeout (seconds), KILL. It is idempotent, also for an unknown id.
//
// A caller of containerd that gives up before the timeout leaves the container with its TERM and no KILL (containerd/cri#1099);
// a second call sends no second TERM and waits its own timeout. CRI-O goes on by itself, and a second call can only
// shorten the wait.
func (s *Server) StopContainer(ctx context.Context, r *cri.StopContainerRequest) (*cri.StopContainerResponse, error) {
	return serve(s, ctx, "StopContainer", s.containerKey(r.GetContainerId()), func(ctx context.Context) (*cri.StopContainerResponse, error) {
		s.mu.Lock()
		c, ok := findLocked(s.containers, r.GetContainerId())
		s.mu.Unlock()
		if !ok {
			return &cri.StopContainerResponse{}, nil
		}
		if err := s.stop(ctx, c, time.Duration(r.GetTimeout())*time.Second); err != nil {
			return nil, err
		}
		return &cri.StopContainerResponse{}, nil
	})
}

// stop ends a running container and waits until the runtime knows it.
func (s *Server) stop(ctx context.Context, c *container, grace time.Duration) error {
	s.mu.Lock()
	running := c.state == cri.ContainerState_CONTAINER_RUNNING && !c.lost
	if running && c.vanished { // the signal meets no process, which ends the runtime's mistake
		s.setExitedLocked(c, c.end)
		running = false
	}
	s.mu.Unlock()
	if !running {
		return nil
	}
	s.signalStop(c, grace)
	if grace > 0 && !s.p.crio {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-c.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			s.kill(c)
		}
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait container %q: %w", c.id, ctx.Err())
	}
}

// signalStop sends what a stop sends first: TERM, or KILL if there is no grace. On CRI-O it arms the KILL too.
func (s *Server) signalStop(c *container, grace time.Duration) {
	if grace <= 0 {
		s.kill(c)
		return
	}
	s.mu.Lock()
	if c.state != cri.ContainerState_CONTAINER_RUNNING || c.gone {
		s.mu.Unlock()
		return
	}
	if at := time.Now().Add(grace); s.p.crio && (c.killTimer == nil || at.Before(c.killAt)) {
		if c.killTimer != nil {
			c.killTimer.Stop()
		}
		c.killAt = at
		c.killTimer = time.AfterFunc(grace, func() { s.kill(c) })
	}
	term := s.behaviourLocked(c).Stop
	send := !c.termed
	c.termed = true
	if !send || term.IgnoresTerm || c.termTimer != nil {
		s.mu.Unlock()
		return
	}
	e := exit{code: term.Code}
	if term.After > 0 {
		c.termTimer = time.AfterFunc(term.After, func() { s.endProcess(c, e) })
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	s.endProcess(c, e)
}

func (s *Server) kill(c *container) {
	s.mu.Lock()
	immune := s.behaviourLocked(c).Stop.IgnoresKill
	s.mu.Unlock()
	if !immune {
		s.endProcess(c, exit{code: 137})
	}
}
