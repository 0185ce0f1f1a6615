package crifake

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Behaviour is what a container's main process does. The zero value runs for ever and ends at TERM with code 0.
type Behaviour struct {
	// Exits makes it end by itself, ExitAfter its start, with Code and Reason (empty: Completed or Error by the code).
	Exits     bool
	ExitAfter time.Duration
	Code      int32
	Reason    string
	// StartErr makes the start fail, as a missing entrypoint does: in StartContainer, on CRI-O in CreateContainer.
	StartErr error
	// Log are lines that it writes when it starts.
	Log  []string
	Stop StopBehaviour
}

// StopBehaviour is what a process does when it is told to end.
type StopBehaviour struct {
	After       time.Duration // it ends so long after the TERM
	Code        int32         // and with this code
	IgnoresTerm bool          // it ends at KILL alone, with code 137
	IgnoresKill bool          // it is in state D: not even KILL ends it; Exit does
}

// Behave sets the behaviour of one pod's container; the target is "pod/container" or "namespace/pod/container" and wins over
// the image's. A start reads it whole; its Stop holds at once, also for a container that runs.
func (s *Server) Behave(target string, b Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviours[target] = b
}

func (s *Server) behaviourLocked(c *container) Behaviour {
	_, short, _ := strings.Cut(c.key(), "/")
	for _, k := range []string{c.key(), short} {
		if b, ok := s.behaviours[k]; ok {
			return b
		}
	}
	if i, ok := s.registry[normalName(c.image.Name)]; ok {
		return i.Behaviour
	}
	return c.image.Behaviour
}

// Container is a test's view of a container. Config is the runtime's own: don't change it.
type Container struct {
	ID, SandboxID        string
	Namespace, Pod, Name string
	Attempt              uint32
	State                cri.ContainerState
	Pid                  int  // 0 unless running
	Lost                 bool // its process has ended, and nothing but a restart teaches the runtime so: see Lose
	ExitCode             int32
	Reason               string // of the exit
	Created              time.Time
	Started, Finished    time.Time // zero if it did not
	LogPath              string
	Config               *cri.ContainerConfig
}

// Sandbox is a test's view of a sandbox. Config is the runtime's own: don't change it.
type Sandbox struct {
	ID, Namespace, Pod string
	Attempt            uint32
	Ready              bool
	IP                 string
	Created            time.Time
	Config             *cri.PodSandboxConfig
}

// Containers returns a pod's containers, oldest first, in every state and of every sandbox. The pod is "name" or
// "namespace/name"; empty means all pods. It works while the runtime is down.
func (s *Server) Containers(pod string) []Container {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Container
	for _, c := range s.sortedLocked() {
		if podMatches(pod, c.sandbox.key()) {
			out = append(out, c.view())
		}
	}
	return out
}

// Running returns the running container of that pod and name, the newest if there are several.
func (s *Server) Running(pod, name string) (Container, bool) {
	all := s.Containers(pod)
	for _, c := range slices.Backward(all) {
		if c.Name == name && c.State == cri.ContainerState_CONTAINER_RUNNING {
			return c, true
		}
	}
	return Container{}, false
}

// Sandboxes returns a pod's sandboxes, oldest first; the pod is as for Containers.
func (s *Server) Sandboxes(pod string) []Sandbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Sandbox
	for _, b := range slices.SortedFunc(maps.Values(s.sandboxes), func(a, b *sandbox) int { return a.seq - b.seq }) {
		if podMatches(pod, b.key()) {
			m := b.config.GetMetadata()
			out = append(out, Sandbox{
				ID: b.id, Namespace: m.GetNamespace(), Pod: m.GetName(), Attempt: m.GetAttempt(), Ready: b.ready, IP: b.ip,
				Created: time.Unix(0, b.created), Config: b.config,
			})
		}
	}
	return out
}

// Exit ends a running container's process with a code and a reason (empty: Completed or Error by the code). The target is an
// id, "pod/container" or "namespace/pod/container"; a name means the newest that runs. With none running it is an error.
func (s *Server) Exit(target string, code int32, reason string) error {
	c, err := s.runningTarget(target)
	if err != nil {
		return err
	}
	s.endProcess(c, exit{code: code, reason: reason})
	return nil
}

// OOM ends a running container as the kernel's OOM killer does: 137, OOMKilled.
func (s *Server) OOM(target string) error { return s.Exit(target, 137, "OOMKilled") }

// Vanish ends a running container's process and lets the runtime miss it: it goes on reporting RUNNING with the old pid until a
// stop or a restart of the runtime (containerd#12600, #5708, #10421).
func (s *Server) Vanish(target string) error {
	c, err := s.runningTarget(target)
	if err != nil {
		return err
	}
	s.mu.Lock()
	c.vanished = true
	s.mu.Unlock()
	s.endProcess(c, exit{code: 137})
	return nil
}

// Lose is Vanish where no stop ends the mistake either: the runtime has no task of the container any more, so that StopContainer answers at
// once and changes nothing, and a removal is refused, as containerd does (stopContainer in its container_stop.go). A restart puts it right.
func (s *Server) Lose(target string) error {
	c, err := s.runningTarget(target)
	if err != nil {
		return err
	}
	s.mu.Lock()
	c.lost = true
	s.mu.Unlock()
	return s.Vanish(c.id)
}

// KillSandbox ends the pause process of a pod's newest ready sandbox: NOTREADY, its containers go on.
func (s *Server) KillSandbox(pod string) error {
	for _, v := range slices.Backward(s.Sandboxes(pod)) {
		if v.Ready {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.unreadyLocked(s.sandboxes[v.ID])
			return nil
		}
	}
	return fmt.Errorf("crifake: no ready sandbox of pod %q", pod)
}

// OnExit calls fn in the moment in which a container's process ends, as a pidfd tells it: before the runtime knows if delays
// are realistic, else right after. fn runs without locks, on the goroutine that ended the process, and must not block.
func (s *Server) OnExit(fn func(containerID string, pid int)) (cancel func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.nextLocked()
	s.onExit[n] = fn
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.onExit, n)
	}
}

func (s *Server) runningTarget(target string) (*container, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.sortedLocked()) {
		_, short, _ := strings.Cut(c.key(), "/")
		if c.state == cri.ContainerState_CONTAINER_RUNNING && !c.gone && (c.id == target || c.key() == target || short == target) {
			return c, nil
		}
	}
	return nil, fmt.Errorf("crifake: no running container %q", target)
}

func (s *Server) sortedLocked() []*container {
	return slices.SortedFunc(maps.Values(s.containers), func(a, b *container) int { return a.seq - b.seq })
}

func podMatches(pod, key string) bool {
	_, name, _ := strings.Cut(key, "/")
	return pod == "" || pod == key || pod == name
}

func (c *container) view() Container {
	m := c.sandbox.config.GetMetadata()
	v := Container{
		ID: c.id, SandboxID: c.sandbox.id, Namespace: m.GetNamespace(), Pod: m.GetName(),
		Name: c.config.GetMetadata().GetName(), Attempt: c.config.GetMetadata().GetAttempt(),
		State: c.state, Pid: c.pid, Lost: c.lost, Created: time.Unix(0, c.created), LogPath: c.logPath, Config: c.config,
	}
	if c.started != 0 {
		v.Started = time.Unix(0, c.started)
	}
	if c.state == cri.ContainerState_CONTAINER_EXITED {
		v.ExitCode, v.Reason, v.Finished = c.exit.code, c.exit.why(), time.Unix(0, c.finished)
	}
	return v
}
