//go:build integration

package behaviour

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/lab"
	"nodeagent/internal/procs"
	"nodeagent/internal/view"
)

// moments after the begin of an operation at which containerd is killed, and whether the daemon is killed with it. A sandbox takes it
// about 90 ms on a quiet machine, a container 75, a stop and a removal 95.
var moments = []struct {
	after time.Duration
	both  bool
}{{0, false}, {20 * time.Millisecond, true}, {60 * time.Millisecond, false}, {110 * time.Millisecond, true}, {170 * time.Millisecond, false}}

// TestContainerdKilled kills containerd during every operation on a pod: no pod is lost, none is there twice, and the one beside is never
// touched.
func TestContainerdKilled(t *testing.T) {
	everyContainerd(t, func(t *testing.T, r rig) {
		dir := t.TempDir()
		s := &stage{t: t, rig: r, agent: newAgent(t, dir, r), manifests: filepath.Join(dir, "manifests")}
		s.agent.start()
		s.put("a.yaml", s.pod("anchor", "beside", ""))
		anchor := s.running("anchor", anyOne)
		for i, both := range []bool{false, true} {
			s.killedPulling(fmt.Sprintf("p%d", i), fmt.Sprintf("%s-pull-%d", filepath.Base(r.cgroup), i), both)
			s.same("anchor", anchor, func() {})
		}
		for i, m := range moments {
			name := fmt.Sprintf("k%d", i)
			mark := func(n int) string { return fmt.Sprintf("%s-%d-%d", filepath.Base(r.cgroup), i, n) }
			killed := func() {
				t.Helper()
				<-time.After(m.after) // the moment is what is tried, nothing is awaited
				if m.both {
					s.agent.kill()
				}
				r.down()
				r.up()
				if m.both {
					s.agent.start()
				}
			}
			t.Logf("%s: start", name)
			s.put(name+".yaml", s.pod(name, mark(0), ""))
			killed()
			c := s.running(name, anyOne)
			s.onlyOne(name, mark(0))

			t.Logf("%s: restart of a container", name)
			s.kill(c)
			killed()
			c = s.running(name, func(n lab.Seen) bool { return n.PID != c.PID })
			s.onlyOne(name, mark(0))

			t.Logf("%s: replacement", name)
			s.put(name+".yaml", s.pod(name, mark(1), ""))
			killed()
			s.running(name, func(n lab.Seen) bool { return n.ID != c.ID && copies(mark(1)) == 1 })
			s.onlyOne(name, mark(1))
			if n := copies(mark(0)); n != 0 {
				t.Errorf("%d processes of the old content are left", n)
			}

			t.Logf("%s: stop and removal", name)
			s.remove(name + ".yaml")
			killed()
			s.gone(name)
			if n := copies(mark(1)); n != 0 {
				t.Errorf("%d processes of a removed pod are left", n)
			}
			s.same("anchor", anchor, func() {})
			if t.Failed() {
				return
			}
		}
	})
}

// onlyOne waits until a pod has one sandbox, and one process carries its mark: the kernel's word, for a runtime that was killed may have
// forgotten what it started.
func (s *stage) onlyOne(pod, mark string) {
	s.t.Helper()
	s.onePod(pod)
	eventually(s.t, "one process of "+pod, func(context.Context) error {
		if n := copies(mark); n != 1 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
}

// copies counts the processes in whose environment a mark is.
func copies(mark string) (n int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it ended
		}
		for v := range bytes.SplitSeq(b, []byte{0}) {
			if v, ok := strings.CutPrefix(string(v), "MARK="); ok && v == mark {
				n++
			}
		}
	}
	return n
}

// TestStateNotKnown: containerd does not find a container's pipes after its restart, and calls its state unknown for ever. The container is ended
// and started again, as kubelet does, and nothing of it is there twice.
func TestStateNotKnown(t *testing.T) {
	everyContainerd(t, func(t *testing.T, r rig) {
		dir := t.TempDir()
		s := &stage{t: t, rig: r, agent: newAgent(t, dir, r), manifests: filepath.Join(dir, "manifests")}
		s.agent.start()
		mark := filepath.Base(r.cgroup) + "-unknown"
		s.put("web.yaml", s.pod("web", mark, ""))
		c := s.running("web", anyOne)
		r.down()
		pipes, err := filepath.Glob("/run/nodeagent-lab/*/state/io.containerd.grpc.v1.cri/containers/" + c.ID)
		if err != nil || len(pipes) != 1 {
			t.Fatalf("containerd's folder of container %s: %q, %v", c.ID, pipes, err)
		}
		if err := os.RemoveAll(pipes[0]); err != nil {
			t.Fatal(err)
		}
		r.up()
		c = s.running("web", func(n lab.Seen) bool { return n.ID != c.ID })
		s.onlyOne("web", mark)
		s.endIsLost("web", mark, c)
		s.ofAnotherNamespace(mark)
	})
}

// ofAnotherNamespace puts the daemon into a PID namespace of its own, as a container without hostPID is, and has it start a pod. Of the one that
// runs, and never crashed, it does not find the process, and leaves it alone.
func (s *stage) ofAnotherNamespace(mark string) {
	s.t.Helper()
	s.put("still.yaml", s.pod("still", mark+"-still", ""))
	before := s.running("still", anyOne)
	s.agent.kill()
	s.agent.within = []string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}
	s.agent.start()
	s.put("other.yaml", s.pod("other", mark+"-other", ""))
	s.running("other", anyOne)
	s.onlyOne("other", mark+"-other")
	s.same("still", before, func() {})
	s.onlyOne("still", mark+"-still")
}

// endIsLost stops a container's shim and kills the container: containerd goes on calling it running, and lets the stop of it hang. Its pod has
// crashed before, so that nothing gets ahead of the runtime. It is taken for exited, and once the shim goes on the pod runs once.
func (s *stage) endIsLost(pod, mark string, c lab.Seen) {
	s.t.Helper()
	s.kill(c)
	c = s.running(pod, func(n lab.Seen) bool { return n.ID != c.ID })
	stat, err := procs.ReadStat("/proc", c.PID)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(stat.Parent, syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	goOn := func() { _ = syscall.Kill(stat.Parent, syscall.SIGCONT) }
	s.t.Cleanup(goOn)
	s.kill(c)
	began := time.Now()
	s.agent.await("the end of a container that containerd calls running", func(v view.Status) bool {
		return slices.ContainsFunc(v.Pods, func(p view.Pod) bool {
			return p.Name == pod && slices.ContainsFunc(p.Containers, func(x view.Container) bool {
				return x.LastExit != nil && x.LastExit.Reason == "ContainerStatusUnknown"
			})
		})
	})
	s.t.Logf("taken for exited after %v", time.Since(began))
	goOn()
	s.running(pod, func(n lab.Seen) bool { return n.ID != c.ID })
	s.onlyOne(pod, mark)
}
