package crifake

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// fakePID is above the kernel's PID_MAX_LIMIT (4194304), so that it never names a process.
func fakePID(n int) int { return 5_000_000 + n }

// spawnLocked gives a container its process.
func (s *Server) spawnLocked(c *container) error {
	if !s.o.RealProcesses {
		c.pid = fakePID(s.nextLocked())
		return nil
	}
	if s.closed {
		return errors.New("crifake: server is closed")
	}
	// The child dies with the thread that forked it, so a test that locks its goroutine to a thread and lets it die takes
	// its containers along.
	cmd := exec.Command("/bin/sleep", "infinity")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.proc, c.pid = cmd.Process, cmd.Process.Pid
	s.children.Go(func() {
		_ = cmd.Wait() // the state tells all
		s.mu.Lock()
		e := exitOf(cmd.ProcessState)
		if c.override != nil {
			e = *c.override
		}
		s.mu.Unlock()
		s.processEnded(c, e)
	})
	return nil
}

// exitOf gives the code as a shell and the runtimes do: 128 and the signal.
func exitOf(p *os.ProcessState) exit {
	if w, ok := p.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return exit{code: 128 + int32(w.Signal())}
	}
	return exit{code: int32(p.ExitCode())}
}

func killGroup(p *os.Process) { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }

// endProcess ends a container's process in the given way, real or not. It does nothing if it ended already.
func (s *Server) endProcess(c *container, e exit) {
	s.mu.Lock()
	if c.gone || c.state != cri.ContainerState_CONTAINER_RUNNING {
		s.mu.Unlock()
		return
	}
	proc := c.proc
	if proc != nil {
		if c.override == nil {
			c.override = &e
		}
		killGroup(proc) // under the lock: gone is not set, so the pid is not yet reused
	}
	s.mu.Unlock()
	if proc == nil {
		s.processEnded(c, e)
	}
}

// processEnded is the moment in which a pidfd becomes readable. The runtime learns of it now or a little later.
func (s *Server) processEnded(c *container, e exit) {
	s.mu.Lock()
	if c.gone {
		s.mu.Unlock()
		return
	}
	e.at = time.Now()
	c.gone, c.end = true, e
	pid := c.pid
	for _, t := range []*time.Timer{c.selfTimer, c.termTimer} {
		if t != nil {
			t.Stop()
		}
	}
	lag := time.Duration(0)
	if s.o.RealisticDelays {
		lag = s.p.Delays.Exit
	}
	if lag == 0 {
		s.noticeLocked(c)
	} else if !s.closed {
		time.AfterFunc(lag, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.noticeLocked(c)
		})
	}
	var hooks []func(string, int)
	for _, n := range slices.Sorted(maps.Keys(s.onExit)) {
		hooks = append(hooks, s.onExit[n])
	}
	s.mu.Unlock()
	for _, f := range hooks {
		f(c.id, pid)
	}
}

// noticeLocked lets the runtime see that the process ended, unless it is down (Up does it then) or missed it for good.
func (s *Server) noticeLocked(c *container) {
	if c.state == cri.ContainerState_CONTAINER_RUNNING && !s.down && !c.vanished {
		s.setExitedLocked(c, c.end)
	}
}
