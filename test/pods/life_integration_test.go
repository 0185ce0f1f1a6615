//go:build integration

package pods

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// lives are of one pod each.
var lives = map[string]func(*node, *testing.T){
	"logs":                   (*node).logs,
	"OOM kill":               (*node).oom,
	"Grafana and Prometheus": (*node).grafana,
	"nothing left":           (*node).nothingLeft,
}

// TestLife plays what a fake runtime can't show; last, and one after the other, what kills the agent.
func TestLife(t *testing.T) {
	runtimes(t, func(t *testing.T, n *node) {
		n.pod(t, "anchor", simple("", `args: [do, hold]`)).run("main")
		t.Run("pods", func(t *testing.T) {
			for name, play := range lives {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					play(n, t)
				})
			}
		})
		t.Run("a runtime that lost the pod", n.forgotten)
		t.Run("kill -9 of the agent", n.killed)
	})
}

// logs shows that rotation loses no line of a container that writes fast, that shippers find the log, and that all goes with the pod.
func (n *node) logs(t *testing.T) {
	const lines = 1500 // of about 100 bytes with the runtime's own words: twice the limit
	p := n.pod(t, "logs", simple("", fmt.Sprintf(`args: [do, "flood %d", "await /ctl/1", "flood %d", "await /ctl/2", "flood %d", "print end", hold]`, lines, lines, lines)))
	c := p.run("main")
	dir := filepath.Dir(c.status.LogPath)
	rotated := func() []string {
		files, err := filepath.Glob(c.status.LogPath + ".*")
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	for i, file := range []string{"1", "2", "end"} {
		eventually(t, "a rotation", waitFor(func() error {
			if len(rotated()) <= i {
				return fmt.Errorf("there are %v", rotated())
			}
			return nil
		}))
		p.set(file)
	}
	link := filepath.Join(n.links, fmt.Sprintf("%s_default_main-%s.log", p.full(), c.id))
	if to, err := os.Readlink(link); err != nil || to != c.status.LogPath {
		t.Errorf("the link leads to %q (%v)", to, err)
	}
	var all []string
	eventually(t, "every line", waitFor(func() error {
		all = nil
		for _, f := range append(rotated(), c.status.LogPath) {
			more, err := logged(f)
			if err != nil {
				return err
			}
			all = append(all, more...)
		}
		if len(all) != 3*lines+1 {
			return fmt.Errorf("%d lines of %d in %v", len(all), 3*lines+1, rotated())
		}
		return nil
	}))
	for i, line := range all[:3*lines] {
		if want := fmt.Sprintf("line %09d ", i%lines); !strings.HasPrefix(line, want) {
			t.Fatalf("line %d is %q", i, line)
		}
	}
	p.remove()
	p.gone()
	eventually(t, "the logs are gone", waitFor(func() error {
		for _, path := range []string{dir, link} {
			if _, err := os.Lstat(path); err == nil {
				return fmt.Errorf("%s is there", path)
			}
		}
		return nil
	}))
}

// logged gives the lines of one file of a log: TIME STREAM TAG TEXT.
func logged(path string) (out []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	b, err := io.ReadAll(r)
	for line := range strings.Lines(string(b)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 4)
		if len(parts) != 4 || parts[2] != "F" {
			return nil, fmt.Errorf("%s: line %q", path, line)
		}
		out = append(out, parts[3])
	}
	return out, err
}

func (n *node) oom(t *testing.T) {
	p := n.pod(t, "oom", simple("", "args: [do, \"print eating\", \"eat 200\"]\nresources: {limits: {memory: 32Mi}}"))
	e := p.death("main", func(e event.Event) bool { return e.Reason == "OOMKilled" })
	equal(t, "the exit code", e.Fields["exitCode"], "137")
	equal(t, "the limit", e.Fields["limit.memory"], "32Mi")
	if !strings.Contains(e.Log, "eating") {
		t.Errorf("its last lines are %q", e.Log)
	}
}

// everything is a pod that has a bit of all that the agent makes on the node.
const everything = "volumes: [{name: m, emptyDir: {medium: Memory}}, {name: d, emptyDir: {}}, {name: s, secret: {secretName: \"${NAME}\"}}, {name: c, configMap: {name: \"${NAME}\"}}]"

func everythingPod() string {
	return simple(everything, "args: [do, hold]\nvolumeMounts: [{name: m, mountPath: /m}, {name: d, mountPath: /d, subPath: a/b}, {name: s, mountPath: /s}, {name: c, mountPath: /c, subPath: greeting}]\n") + objects
}

// left is what the agent has on the node for a pod: its folder, mounts in it, and cgroups.
func (n *node) left(uid string, cgroup string) (out []string) {
	dir := filepath.Join(n.state, "pods", uid)
	if _, err := os.Lstat(dir); err == nil {
		out = append(out, dir)
	}
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return []string{err.Error()}
	}
	for _, m := range mounts {
		out = append(out, "mount "+m.Mountpoint)
	}
	if _, err := os.Lstat(cgroup); err == nil {
		out = append(out, cgroup)
	}
	return out
}

func (n *node) nothing(t *testing.T, uid, cgroup string) {
	t.Helper()
	eventually(t, "nothing is left", waitFor(func() error {
		if l := n.left(uid, cgroup); len(l) > 0 {
			return fmt.Errorf("%v", l)
		}
		return nil
	}))
}

// nothingLeft shows that all that was made for a pod goes with it.
func (n *node) nothingLeft(t *testing.T) {
	p := n.pod(t, "nothing-left", everythingPod())
	c := p.run("main")
	uid := p.sandbox().Metadata.Uid
	folder, _ := c.cgroup("memory")
	folder = filepath.Dir(folder)
	if l := n.left(uid, folder); len(l) < 4 { // folder, two tmpfs, cgroup
		t.Errorf("while it runs there is only %v", l)
	}
	p.remove()
	p.gone()
	n.nothing(t, uid, folder)
}

// forgotten shows that counts of restarts survive a runtime that lost a pod.
func (n *node) forgotten(t *testing.T) {
	p := n.pod(t, "forgotten", simple("", "args: [do, hold]"))
	c := p.run("main")
	for range 2 {
		if err := kill(c.pid); err != nil {
			t.Fatal(err)
		}
		c = p.runAfter("main", c.attempt)
	}
	p.becomes("restarted twice", func(v view.Pod) bool { return v.Restarts == 2 && v.Ready })
	sandbox := p.sandbox()
	n.daemon.kill(t)
	for _, f := range []func() error{
		func() error {
			_, err := n.runtime.StopPodSandbox(t.Context(), &cri.StopPodSandboxRequest{PodSandboxId: sandbox.Id})
			return err
		},
		func() error {
			_, err := n.runtime.RemovePodSandbox(t.Context(), &cri.RemovePodSandboxRequest{PodSandboxId: sandbox.Id})
			return err
		},
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	n.daemon.start(t)
	after := p.runOther("main", c)
	if after.attempt <= c.attempt {
		t.Errorf("attempt %d followed %d", after.attempt, c.attempt)
	}
	if v := p.becomes("ready", func(v view.Pod) bool { return v.Ready }); v.Restarts < 2 {
		t.Errorf("it has %d restarts, and had 2", v.Restarts)
	}
}

// killed kills the agent at many moments of one pod's stop and the next one's start. The agent after it brings one copy of the one, and leaves
// nothing of the other.
func (n *node) killed(t *testing.T) {
	p := n.pod(t, "killed", everythingPod())
	for _, d := range []time.Duration{20, 60, 120, 200, 350} {
		c := p.run("main")
		uid := p.sandbox().Metadata.Uid
		folder, _ := c.cgroup("memory")
		p.ready()
		old := p
		old.remove()
		p = n.pod(t, fmt.Sprintf("killed-after-%dms", d), everythingPod())
		<-time.After(d * time.Millisecond) // the moment is what is tried, nothing is awaited
		n.daemon.kill(t)
		n.daemon.start(t)
		p.run("main")
		p.ready()
		list, err := n.runtime.ListPodSandbox(context.Background(), &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{LabelSelector: p.labels()}})
		if err != nil || len(list.Items) != 1 {
			t.Errorf("%s: there are %v (%v)", p.name, list.GetItems(), err)
		}
		old.gone()
		n.nothing(t, uid, filepath.Dir(folder))
	}
	p.remove()
	p.gone()
	// The agent does without a pod before what its volumes were is taken away.
	eventually(t, "no mount is left", waitFor(func() error {
		mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(filepath.Join(n.state, "pods")))
		for _, m := range mounts {
			return fmt.Errorf("%s is left", m.Mountpoint)
		}
		return err
	}))
}
