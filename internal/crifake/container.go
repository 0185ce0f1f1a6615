package crifake

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type container struct {
	id, name string
	seq      int
	sandbox  *sandbox
	config   *cri.ContainerConfig // never changed
	image    *localImage
	logPath  string

	state                      cri.ContainerState
	starting                   bool
	created, started, finished int64
	exit                       exit
	message                    string
	resources                  *cri.LinuxContainerResources // as updated
	done                       chan struct{}                // closed once EXITED

	pid       int
	proc      *os.Process // a real process, or nil
	override  *exit       // how a real process is to be reported
	gone      bool        // the process ended; the runtime may not know yet
	end       exit        // how it ended, if gone
	vanished  bool        // the runtime missed the end and never learns of it by itself
	lost      bool        // and no stop teaches it either
	selfTimer *time.Timer // the entrypoint's own end
	termTimer *time.Timer // the end after a TERM
	termed    bool        // the runtime sent the stop signal
	killTimer *time.Timer // CRI-O's stop loop
	killAt    time.Time
}

// exit is how a process ended; an empty reason means Completed or Error by the code.
type exit struct {
	code   int32
	reason string
	at     time.Time
}

func (e exit) why() string {
	switch {
	case e.reason != "":
		return e.reason
	case e.code == 0:
		return "Completed"
	}
	return "Error"
}

func (c *container) key() string { return c.sandbox.key() + "/" + c.config.GetMetadata().GetName() }

func (c *container) stopTimers() {
	for _, t := range []*time.Timer{c.selfTimer, c.termTimer, c.killTimer} {
		if t != nil {
			t.Stop()
		}
	}
}

func (s *Server) containerName(m *cri.ContainerMetadata, p *cri.PodSandboxMetadata) string {
	name := fmt.Sprintf("%s_%s_%s_%s_%d", m.GetName(), p.GetName(), p.GetNamespace(), p.GetUid(), m.GetAttempt())
	if s.p.crio {
		return "k8s_" + name
	}
	return name
}

func (s *Server) containerKey(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := findLocked(s.containers, id); ok {
		return c.key()
	}
	return id
}

func (s *Server) noContainer(id string) error {
	if s.p.crio {
		return status.Errorf(codes.NotFound, "could not find container %q: container with ID starting with %s not found: ID does not exist", id, id)
	}
	return status.Errorf(codes.NotFound, "an error occurred when try to find container %q: not found", id)
}

// CreateContainer implements cri.RuntimeServiceServer.
func (s *Server) CreateContainer(ctx context.Context, r *cri.CreateContainerRequest) (*cri.CreateContainerResponse, error) {
	key := s.sandboxKey(r.GetPodSandboxId()) + "/" + r.GetConfig().GetMetadata().GetName()
	return serve(s, ctx, "CreateContainer", key, func(ctx context.Context) (*cri.CreateContainerResponse, error) {
		return s.createContainer(ctx, r)
	})
}

func (s *Server) createContainer(ctx context.Context, r *cri.CreateContainerRequest) (*cri.CreateContainerResponse, error) {
	c, err := s.prepareContainer(r)
	if err != nil {
		return nil, err
	}
	err = s.work(ctx, s.p.Delays.CreateContainer)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.p.crio { // conmon runs the OCI runtime's create here
		err = s.behaviourLocked(c).StartErr
	}
	if err == nil && s.sandboxes[c.sandbox.id] != c.sandbox {
		err = s.noSandbox(c.sandbox.id)
	}
	if err != nil {
		s.releaseLocked(c.name, c.id)
		return nil, err
	}
	c.created = time.Now().UnixNano()
	c.seq = s.nextLocked()
	s.containers[c.id] = c
	s.publishLocked(cri.ContainerEventType_CONTAINER_CREATED_EVENT, c.id, c.sandbox)
	return &cri.CreateContainerResponse{ContainerId: c.id}, nil
}

// prepareContainer checks the request and reserves the name.
func (s *Server) prepareContainer(r *cri.CreateContainerRequest) (*container, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := findLocked(s.sandboxes, r.GetPodSandboxId())
	switch {
	case !ok && s.p.crio:
		return nil, fmt.Errorf("specified sandbox not found: %s", r.GetPodSandboxId())
	case !ok:
		return nil, status.Errorf(codes.NotFound, "failed to find sandbox id %q: not found", r.GetPodSandboxId())
	case !b.ready && s.p.crio:
		return nil, fmt.Errorf("CreateContainer failed as the sandbox was stopped: %s", b.id)
	case !b.ready:
		return nil, fmt.Errorf("sandbox container %q is not running", b.id)
	case r.GetConfig().GetMetadata().GetName() == "":
		return nil, errors.New("container config must include metadata")
	case r.GetSandboxConfig().GetMetadata() == nil:
		return nil, errors.New("pod sandbox config must include metadata")
	}
	spec := r.GetConfig().GetImage()
	if s.p.crio && spec.GetUserSpecifiedImage() == "" {
		return nil, errors.New("user specified image not specified, cannot verify image signature")
	}
	image := s.resolveLocked(spec.GetImage())
	if image == nil {
		return nil, status.Errorf(codes.NotFound, "failed to resolve image %q: not found", spec.GetImage())
	}
	c := &container{
		id: s.newIDLocked(), name: s.containerName(r.GetConfig().GetMetadata(), r.GetSandboxConfig().GetMetadata()),
		sandbox: b, config: r.GetConfig(), image: image, resources: r.GetConfig().GetLinux().GetResources(),
		state: cri.ContainerState_CONTAINER_CREATED, done: make(chan struct{}),
	}
	if d, f := r.GetSandboxConfig().GetLogDirectory(), r.GetConfig().GetLogPath(); d != "" && f != "" {
		c.logPath = filepath.Join(d, f)
	}
	return c, s.reserveLocked("container", c.name, c.id)
}

// StartContainer implements cri.RuntimeServiceServer. A container whose start failed is EXITED with code 128, StartError.
func (s *Server) StartContainer(ctx context.Context, r *cri.StartContainerRequest) (*cri.StartContainerResponse, error) {
	return serve(s, ctx, "StartContainer", s.containerKey(r.GetContainerId()), func(ctx context.Context) (*cri.StartContainerResponse, error) {
		return &cri.StartContainerResponse{}, s.startContainer(ctx, r.GetContainerId())
	})
}

func (s *Server) startContainer(ctx context.Context, id string) error {
	s.mu.Lock()
	c, ok := findLocked(s.containers, id)
	err := error(nil)
	switch {
	case !ok:
		err = s.noContainer(id)
	case c.state != cri.ContainerState_CONTAINER_CREATED && s.p.crio:
		err = fmt.Errorf("container %s is not in created state: %s", c.id, map[cri.ContainerState]string{
			cri.ContainerState_CONTAINER_RUNNING: "running", cri.ContainerState_CONTAINER_EXITED: "stopped"}[c.state])
	case c.state != cri.ContainerState_CONTAINER_CREATED:
		err = fmt.Errorf("failed to set starting state for container %q: container is in %s state", c.id, c.state)
	case c.starting:
		err = fmt.Errorf("failed to set starting state for container %q: container is already in starting state", c.id)
	}
	if err != nil {
		s.mu.Unlock()
		return err
	}
	c.starting = true
	s.mu.Unlock()

	err = s.work(ctx, s.p.Delays.StartContainer)
	s.mu.Lock()
	defer s.mu.Unlock()
	c.starting = false
	b := s.behaviourLocked(c)
	if err == nil && !c.sandbox.ready {
		err = fmt.Errorf("sandbox container %q is not running", c.sandbox.id)
	}
	if err == nil && !s.p.crio && b.StartErr != nil {
		err = fmt.Errorf("failed to create containerd task: failed to create shim task: OCI runtime create failed: %w", b.StartErr)
	}
	if err == nil {
		err = s.openLog(c)
	}
	if err == nil {
		err = s.spawnLocked(c)
	}
	if err != nil {
		s.setExitedLocked(c, exit{code: 128, reason: "StartError", at: time.Now()})
		c.message = err.Error()
		return err
	}
	c.started = time.Now().UnixNano()
	c.state = cri.ContainerState_CONTAINER_RUNNING
	writeLog(c.logPath, append([]string{fmt.Sprintf("started %s attempt %d", c.key(), c.config.GetMetadata().GetAttempt())}, b.Log...)...)
	s.publishLocked(cri.ContainerEventType_CONTAINER_STARTED_EVENT, c.id, c.sandbox)
	if b.Exits {
		c.selfTimer = time.AfterFunc(b.ExitAfter, func() { s.endProcess(c, exit{code: b.Code, reason: b.Reason}) })
	}
	return nil
}

// setExitedLocked makes the runtime report the end of a container.
func (s *Server) setExitedLocked(c *container, e exit) {
	c.state = cri.ContainerState_CONTAINER_EXITED
	c.exit = e
	c.finished = e.at.UnixNano()
	c.pid = 0
	c.vanished, c.lost = false, false
	c.stopTimers()
	close(c.done)
	if c.started != 0 {
		writeLog(c.logPath, fmt.Sprintf("exited with code %d (%s)", e.code, e.why()))
	}
	s.publishLocked(cri.ContainerEventType_CONTAINER_STOPPED_EVENT, c.id, c.sandbox)
}

// RemoveContainer implements cri.RuntimeServiceServer. A running container is killed first; an unknown id is no error.
func (s *Server) RemoveContainer(ctx context.Context, r *cri.RemoveContainerRequest) (*cri.RemoveContainerResponse, error) {
	return serve(s, ctx, "RemoveContainer", s.containerKey(r.GetContainerId()), func(ctx context.Context) (*cri.RemoveContainerResponse, error) {
		s.mu.Lock()
		c, ok := findLocked(s.containers, r.GetContainerId())
		s.mu.Unlock()
		if !ok {
			return &cri.RemoveContainerResponse{}, nil
		}
		if err := s.stop(ctx, c, 0); err != nil {
			return nil, fmt.Errorf("failed to forcibly stop container %q: %w", c.id, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.containers[c.id] != c {
			return &cri.RemoveContainerResponse{}, nil
		}
		if err := s.removeLocked(c); err != nil {
			return nil, err
		}
		return &cri.RemoveContainerResponse{}, nil
	})
}

func (s *Server) removeLocked(c *container) error {
	switch {
	case c.starting:
		return fmt.Errorf("failed to set removing state for container %q: container is in starting state, can't be removed", c.id)
	case c.state == cri.ContainerState_CONTAINER_RUNNING:
		return fmt.Errorf("failed to set removing state for container %q: container is still running, to stop first", c.id)
	}
	delete(s.containers, c.id)
	s.releaseLocked(c.name, c.id)
	s.publishLocked(cri.ContainerEventType_CONTAINER_DELETED_EVENT, c.id, c.sandbox)
	return nil
}

// UpdateContainerResources implements cri.RuntimeServiceServer.
func (s *Server) UpdateContainerResources(ctx context.Context, r *cri.UpdateContainerResourcesRequest) (*cri.UpdateContainerResourcesResponse, error) {
	return serve(s, ctx, "UpdateContainerResources", s.containerKey(r.GetContainerId()), func(context.Context) (*cri.UpdateContainerResourcesResponse, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		c, ok := findLocked(s.containers, r.GetContainerId())
		if !ok {
			return nil, s.noContainer(r.GetContainerId())
		}
		if c.state == cri.ContainerState_CONTAINER_EXITED {
			return nil, fmt.Errorf("failed to update resources: container %q is in %s state", c.id, c.state)
		}
		c.resources = r.GetLinux()
		return &cri.UpdateContainerResourcesResponse{}, nil
	})
}
