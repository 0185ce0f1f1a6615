package behaviour

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/lab"
	"nodeagent/internal/view"
)

// rig is a runtime the script is played over.
type rig struct {
	socket   string
	image    string // of the workload: runs until SIGTERM
	workload string // its program on this host; empty: none
	cgroup   string
	resync   string // where the runtime tells of nothing, only the resync puts it right
	hook     string // YAML of a preStop of three seconds
	down     func() // the runtime's daemon dies, containers live on
	up       func()
	hang     func() // it stops answering
	resume   func()
}

// script is what run mode promises.
func script(t *testing.T, r rig) {
	dir := t.TempDir()
	s := &stage{t: t, rig: r, agent: newAgent(t, dir, r), manifests: filepath.Join(dir, "manifests")}
	s.agent.start()
	for _, scene := range []struct {
		name string
		play func(*stage)
	}{
		{"start", (*stage).starts},
		{"kill -9 of a container", (*stage).killed},
		{"a restart made ahead", (*stage).ahead},
		{"kill -9 of the daemon at every step of a restart", (*stage).daemonKilledRestarting},
		{"a changed manifest", (*stage).changed},
		{"a broken manifest", (*stage).broken},
		{"kill -9 of the daemon", (*stage).daemonKilled},
		{"kill -9 of the daemon at every step of a start", (*stage).daemonKilledStarting},
		{"kill -9 of the daemon at every step of a replacement", (*stage).daemonKilledReplacing},
		{"the runtime stops and starts", (*stage).runtimeRestarts},
		{"the runtime hangs", (*stage).runtimeHangs},
		{"an interrupted stop", (*stage).interruptedStop},
		{"an emptied folder", (*stage).emptied},
		{"a removed manifest", (*stage).removed},
	} {
		if !t.Run(scene.name, func(t *testing.T) {
			s.t, s.agent.t = t, t
			scene.play(s)
		}) {
			break // later scenes build on earlier ones
		}
	}
	s.t, s.agent.t = t, t
}

type stage struct {
	t         *testing.T
	rig       rig
	agent     *agent
	manifests string
}

// put writes a manifest as an editor does: whole, by rename.
func (s *stage) put(file, text string) {
	s.t.Helper()
	tmp := filepath.Join(s.manifests, "."+file)
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(s.manifests, file)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) remove(file string) {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.manifests, file)); err != nil {
		s.t.Fatal(err)
	}
}

// pod is a manifest; mark makes contents differ.
func (s *stage) pod(name, mark, extra string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 5
  volumes: [{name: v, emptyDir: {}}]
  containers:
    - name: main
      image: %s
      args: [sleep]
      env: [{name: MARK, value: %q}]
      volumeMounts: [{name: v, mountPath: /v}]
%s`, name, s.rig.image, mark, extra)
}

// seen lists the containers of a pod that are in a state ("" for any), by the runtime's own word.
func (s *stage) seen(ctx context.Context, pod, state string) ([]lab.Seen, error) {
	all, err := lab.List(ctx, s.rig.socket)
	return slices.DeleteFunc(all, func(c lab.Seen) bool { return c.Pod != pod+"-node1" || (state != "" && c.State != state) }), err
}

// running waits until exactly one container of the pod runs, and it is as wanted.
func (s *stage) running(pod string, ok func(lab.Seen) bool) lab.Seen {
	s.t.Helper()
	var out lab.Seen
	eventually(s.t, "pod "+pod+" runs", func(ctx context.Context) error {
		list, err := s.seen(ctx, pod, "Running")
		if err != nil {
			return err
		}
		if len(list) != 1 || !alive(list[0].PID) || !ok(list[0]) {
			return fmt.Errorf("the runtime lists %+v", list)
		}
		out = list[0]
		return nil
	})
	return out
}

func anyOne(lab.Seen) bool { return true }

func alive(pid int) bool { return pid > 0 && syscall.Kill(pid, 0) == nil }

// same checks that nothing touched a container while settle came true.
func (s *stage) same(pod string, before lab.Seen, settle func()) {
	s.t.Helper()
	settle()
	after := s.running(pod, anyOne)
	if after.ID != before.ID || after.PID != before.PID {
		s.t.Fatalf("container %+v became %+v", before, after)
	}
}

func (s *stage) gone(pod string) {
	s.t.Helper()
	eventually(s.t, "pod "+pod+" is gone", func(ctx context.Context) error {
		list, err := s.seen(ctx, pod, "")
		if err != nil || len(list) > 0 {
			return fmt.Errorf("the runtime lists %+v (%v)", list, err)
		}
		pods, err := lab.Pods(ctx, s.rig.socket)
		for _, p := range pods {
			if p.Name == pod+"-node1" {
				return fmt.Errorf("sandbox %+v is left", p)
			}
		}
		return err
	})
}

func (s *stage) kill(c lab.Seen) {
	s.t.Helper()
	if err := syscall.Kill(c.PID, syscall.SIGKILL); err != nil {
		s.t.Fatalf("kill %+v: %v", c, err)
	}
}

func (s *stage) starts() {
	s.put("a.yaml", s.pod("anchor", "0", ""))
	s.put("web.yaml", s.pod("web", "1", ""))
	if c := s.running("web", anyOne); c.Attempt != 0 {
		s.t.Errorf("the first container is attempt %d", c.Attempt)
	}
	s.running("anchor", anyOne)
}

func (s *stage) killed() {
	before := s.running("web", anyOne)
	for range 2 {
		s.kill(before)
		after := s.running("web", func(c lab.Seen) bool { return c.PID != before.PID })
		if after.Attempt != before.Attempt+1 {
			s.t.Errorf("attempt %d followed %d", after.Attempt, before.Attempt)
		}
		before = after
	}
}

// ahead waits for the successor of a container that runs, kills that, and sees the successor run.
func (s *stage) ahead() {
	s.put("ahead.yaml", s.pod("ahead", "1", ""))
	before := s.running("ahead", anyOne)
	var spare lab.Seen
	eventually(s.t, "a successor is made", func(ctx context.Context) error {
		list, err := s.seen(ctx, "ahead", "Created")
		if err != nil || len(list) != 1 {
			return fmt.Errorf("%+v (%v)", list, err)
		}
		spare = list[0]
		return nil
	})
	s.same("ahead", before, func() { s.agent.condition("StaticPods", "ok", "") })
	s.kill(before)
	if after := s.running("ahead", func(c lab.Seen) bool { return c.PID != before.PID }); after.ID != spare.ID || after.Attempt != before.Attempt+1 {
		s.t.Errorf("%+v runs, the successor was %+v", after, spare)
	}
	s.remove("ahead.yaml")
	s.gone("ahead")
}

func (s *stage) daemonKilledRestarting() {
	s.put("k.yaml", s.pod("k", "0", ""))
	before := s.running("k", anyOne)
	for _, d := range steps {
		stop := s.neverTwo("k")
		s.kill(before)
		<-time.After(d * time.Millisecond)
		s.agent.kill()
		s.agent.start()
		before = s.running("k", func(c lab.Seen) bool { return c.PID != before.PID })
		stop()
	}
	s.onePod("k")
	s.remove("k.yaml")
	s.gone("k")
}

func (s *stage) changed() {
	before := s.running("web", anyOne)
	stop := s.neverTwo("web")
	s.put("web.yaml", s.pod("web", "2", ""))
	after := s.running("web", func(c lab.Seen) bool { return c.ID != before.ID })
	stop()
	if alive(before.PID) {
		s.t.Errorf("the old process %d lives on beside %d", before.PID, after.PID)
	}
	s.t.Log("a comment is no change")
	s.same("web", after, func() {
		s.put("web.yaml", "# a comment\n"+s.pod("web", "2", ""))
		s.put("probe.yaml", s.pod("probe", "1", "")) // its start shows that the folder was read
		s.running("probe", anyOne)
	})
	s.remove("probe.yaml")
	s.gone("probe")
}

// neverTwo watches that a pod never has two containers running.
func (s *stage) neverTwo(pod string) (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		for ctx.Err() == nil {
			if list, err := s.seen(ctx, pod, "Running"); err == nil && len(list) > 1 && alive(list[0].PID) && alive(list[1].PID) {
				s.t.Errorf("two at once: %+v", list)
				return
			}
		}
	})
	return func() { cancel(); watching.Wait() }
}

func (s *stage) broken() {
	before := s.running("web", anyOne)
	for _, text := range []string{"kind: Pod\n  bad", strings.Replace(s.pod("web", "3", ""), "image:", "imagee:", 1), ""} {
		s.same("web", before, func() {
			s.put("web.yaml", text)
			s.agent.condition("Manifests", "failing", "Rejected")
		})
		s.put("web.yaml", s.pod("web", "2", ""))
		s.agent.condition("Manifests", "ok", "")
	}
	s.same("web", before, func() { s.agent.condition("StaticPods", "ok", "") })
}

func (s *stage) daemonKilled() {
	before := s.running("web", anyOne)
	s.same("web", before, func() {
		s.agent.kill()
		s.agent.start()
		s.agent.condition("StaticPods", "ok", "")
	})
	s.same("web", before, func() {
		s.agent.stop()
		s.agent.start()
		s.agent.condition("StaticPods", "ok", "")
	})
	s.t.Log("a container that dies while no daemon is there")
	counted := s.restarts("web", before.ID)
	s.agent.kill()
	s.kill(before)
	eventually(s.t, "the runtime sees the death", func(ctx context.Context) error {
		if list, err := s.seen(ctx, "web", "Running"); err != nil || len(list) > 0 {
			return fmt.Errorf("%+v (%v)", list, err)
		}
		return nil
	})
	s.agent.start()
	// The number of an attempt that a killed daemon was about to make is not used again, so it may grow by more than one.
	after := s.running("web", func(c lab.Seen) bool { return c.Attempt > before.Attempt })
	if n := s.restarts("web", after.ID); n != counted+1 {
		s.t.Errorf("one death counts as %d restarts", n-counted)
	}
}

// restarts is what the daemon counts for the only container of a pod, once it shows that one as running.
func (s *stage) restarts(pod, id string) int {
	s.t.Helper()
	n := 0
	s.agent.await("container "+id+" is shown", func(v view.Status) bool {
		for _, p := range v.Pods {
			if p.Name == pod && len(p.Containers) == 1 && p.Containers[0].ID == id && p.Containers[0].State == "running" {
				n = p.Containers[0].Restarts
				return true
			}
		}
		return false
	})
	return n
}

// steps are the moments after a change at which the daemon is killed: a start takes some hundred milliseconds.
var steps = []time.Duration{0, 2, 5, 10, 20, 30, 45, 60, 80, 100, 130, 160, 200, 300}

func (s *stage) daemonKilledStarting() {
	for i, d := range steps {
		name := fmt.Sprintf("step%d", i)
		stop := s.neverTwo(name)
		s.put(name+".yaml", s.pod(name, "1", ""))
		<-time.After(d * time.Millisecond) // the moment is what is tried, nothing is awaited
		s.agent.kill()
		s.agent.start()
		s.running(name, anyOne)
		s.agent.condition("StaticPods", "ok", "")
		stop()
		s.onePod(name)
		s.remove(name + ".yaml")
		s.gone(name)
	}
}

func (s *stage) daemonKilledReplacing() {
	s.put("r.yaml", s.pod("r", "0", ""))
	before := s.running("r", anyOne)
	for i, d := range steps {
		stop := s.neverTwo("r")
		s.put("r.yaml", s.pod("r", fmt.Sprint(i+1), ""))
		<-time.After(d * time.Millisecond)
		s.agent.kill()
		s.agent.start()
		before = s.running("r", func(c lab.Seen) bool { return c.ID != before.ID })
		stop()
	}
	s.onePod("r")
	s.remove("r.yaml")
	s.gone("r")
}

// onePod waits until the pod has one ready sandbox and no other.
func (s *stage) onePod(pod string) {
	s.t.Helper()
	eventually(s.t, "one sandbox of "+pod, func(ctx context.Context) error {
		all, err := lab.Pods(ctx, s.rig.socket)
		mine := slices.DeleteFunc(all, func(p lab.SeenPod) bool { return p.Name != pod+"-node1" })
		if err != nil || len(mine) != 1 || !mine[0].Ready {
			return fmt.Errorf("%+v (%v)", mine, err)
		}
		return nil
	})
}

func (s *stage) runtimeRestarts() {
	before := s.running("web", anyOne)
	s.same("web", before, func() {
		s.rig.down()
		s.agent.condition("RuntimeResponsive", "failing", "Dead")
		s.agent.condition("StaticPods", "unknown", "RuntimeUnknown")
		s.rig.up()
		s.agent.condition("RuntimeResponsive", "ok", "")
		s.agent.condition("StaticPods", "ok", "")
	})
	s.t.Log("a container that dies while the runtime is away")
	s.rig.down()
	s.agent.condition("RuntimeResponsive", "failing", "Dead")
	s.kill(before)
	s.rig.up()
	s.running("web", func(c lab.Seen) bool { return c.PID != before.PID })
}

func (s *stage) runtimeHangs() {
	before := s.running("web", anyOne)
	s.same("web", before, func() {
		s.rig.hang()
		s.agent.condition("RuntimeResponsive", "failing", "Hung")
		s.agent.condition("RuntimeReady", "unknown", "")
		s.rig.resume()
		s.agent.condition("RuntimeResponsive", "ok", "")
		s.agent.condition("StaticPods", "ok", "")
	})
}

func (s *stage) interruptedStop() {
	s.put("slow.yaml", s.pod("slow", "1", s.rig.hook))
	c := s.running("slow", anyOne)
	s.remove("slow.yaml")
	s.agent.condition("StaticPods", "failing", "Stopping")
	if !alive(c.PID) {
		s.t.Fatal("it was stopped without its hook")
	}
	s.agent.kill()
	s.agent.start()
	s.gone("slow")
}

func (s *stage) emptied() {
	web, anchor := s.running("web", anyOne), s.running("anchor", anyOne)
	s.agent.stop() // so that one reading finds both files gone
	s.remove("web.yaml")
	s.remove("a.yaml")
	s.agent.start()
	s.same("web", web, func() { s.agent.condition("ManifestFolder", "failing", "Emptied") })
	s.same("anchor", anchor, func() {})
	s.put("web.yaml", s.pod("web", "2", ""))
	s.put("a.yaml", s.pod("anchor", "0", ""))
	s.same("web", web, func() { s.agent.condition("ManifestFolder", "ok", "") })
	s.same("anchor", anchor, func() {})
}

func (s *stage) removed() {
	anchor := s.running("anchor", anyOne)
	s.remove("web.yaml")
	s.gone("web")
	s.same("anchor", anchor, func() {})
	s.remove("a.yaml")
	s.gone("anchor")
	s.agent.condition("StaticPods", "absent", "")
	eventually(s.t, "the state folder forgets the pods", func(context.Context) error {
		left, err := os.ReadDir(filepath.Join(filepath.Dir(s.manifests), "state", "pods"))
		if err != nil || len(left) > 0 {
			return fmt.Errorf("it still has %v (%v)", left, err)
		}
		return nil
	})
}
