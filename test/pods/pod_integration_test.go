//go:build integration

package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// pod is one manifest in the agent's folder.
type pod struct {
	t    *testing.T
	n    *node
	name string
	ctl  string // a folder of the node that its containers may mount at /ctl: ${CTL} in the manifest
}

// pod puts a manifest into the folder. In it ${NAME}, ${IMAGE}, ${USERIMAGE} and ${CTL} stand for the pod's name, the images and a folder of the
// node that is made for it. When the test ends it is removed, and all of it has to go.
func (n *node) pod(t *testing.T, name, text string) *pod {
	t.Helper()
	p := &pod{t: t, n: n, name: name, ctl: t.TempDir()}
	if err := os.Chmod(p.ctl, 0o777); err != nil {
		t.Fatal(err)
	}
	p.put(text)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("manifest:\n%s", p.expand(text))
			p.tell()
		}
		p.remove()
		p.gone()
	})
	return p
}

func (p *pod) expand(text string) string {
	return strings.NewReplacer("${NAME}", p.name, "${IMAGE}", p.n.image, "${USERIMAGE}", p.n.userImage, "${CTL}", p.ctl, "${HANDLER}", p.n.handler).Replace(text)
}

func (p *pod) file() string { return filepath.Join(p.n.manifests, p.name+".yaml") }

// put writes the manifest as an editor does: whole, by rename.
func (p *pod) put(text string) {
	p.t.Helper()
	tmp := filepath.Join(p.n.manifests, "."+p.name)
	err := os.WriteFile(tmp, []byte(p.expand(text)), 0o600)
	if err == nil {
		err = os.Rename(tmp, p.file())
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

func (p *pod) remove() {
	if err := os.Remove(p.file()); err != nil && !os.IsNotExist(err) {
		p.t.Error(err)
	}
}

// tell logs what the agent says of the pod.
func (p *pod) tell() {
	s, err := p.n.api.Status(context.Background())
	if err != nil {
		p.t.Log(err)
		return
	}
	for _, c := range s.Conditions {
		for _, x := range c.Subjects {
			if strings.Contains(x.Name, p.name) {
				p.t.Logf("%s: %s %s %s %s", c.Name, x.Name, x.Status, x.Reason, x.Message)
			}
		}
	}
	b, _ := json.Marshal(p.view(s))
	p.t.Logf("the agent shows %s", b)
}

// full is the pod's name in the runtime.
func (p *pod) full() string { return p.name + "-" + strings.ToLower(p.n.name) }

func (p *pod) labels() map[string]string {
	return map[string]string{"io.kubernetes.pod.name": p.full()}
}

// sandbox is the pod's one ready sandbox.
func (p *pod) sandbox() *cri.PodSandbox {
	p.t.Helper()
	var out *cri.PodSandbox
	eventually(p.t, "a sandbox of "+p.name, func(ctx context.Context) error {
		list, err := p.n.runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{LabelSelector: p.labels()}})
		if err != nil {
			return err
		}
		if len(list.Items) != 1 || list.Items[0].State != cri.PodSandboxState_SANDBOX_READY {
			return fmt.Errorf("there are %v", list.Items)
		}
		out = list.Items[0]
		return nil
	})
	return out
}

// ip is the pod's own address.
func (p *pod) ip() string {
	p.t.Helper()
	answer, err := p.n.runtime.PodSandboxStatus(p.t.Context(), &cri.PodSandboxStatusRequest{PodSandboxId: p.sandbox().Id})
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.Status.Network.GetIp()
}

// containers lists the attempts of a container, the newest last.
func (p *pod) containers(ctx context.Context, name string) ([]*cri.Container, error) {
	labels := p.labels()
	labels["io.kubernetes.container.name"] = name
	list, err := p.n.runtime.ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{LabelSelector: labels}})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list.Containers, func(a, b *cri.Container) int { return int(a.CreatedAt - b.CreatedAt) })
	return list.Containers, nil
}

// proc is a container that runs.
type proc struct {
	p       *pod
	id      string
	pid     int
	attempt int
	status  *cri.ContainerStatus
}

// run waits until a container runs and gives it.
func (p *pod) run(container string) proc { p.t.Helper(); return p.runAfter(container, -1) }

// runAfter waits for an attempt that came after another.
func (p *pod) runAfter(container string, attempt int) proc {
	p.t.Helper()
	return p.runAs(container, func(c *cri.Container) bool { return int(c.Metadata.Attempt) > attempt })
}

// startedAfter waits for an attempt that came after another, though it may have ended already, and gives its number: one that a probe kills at once
// is seldom seen to run.
func (p *pod) startedAfter(container string, attempt int) (newest int) {
	p.t.Helper()
	eventually(p.t, fmt.Sprintf("container %s of %s is started after attempt %d", container, p.name, attempt), func(ctx context.Context) error {
		list, err := p.containers(ctx, container)
		if err != nil {
			return err
		}
		for _, c := range list {
			if c.State != cri.ContainerState_CONTAINER_CREATED {
				newest = max(newest, int(c.Metadata.Attempt))
			}
		}
		if newest <= attempt {
			return fmt.Errorf("the newest attempt is %d", newest)
		}
		return nil
	})
	return newest
}

// runOther waits for another container in a one's place, as after a replacement.
func (p *pod) runOther(container string, before proc) proc {
	p.t.Helper()
	return p.runAs(container, func(c *cri.Container) bool { return c.Id != before.id })
}

func (p *pod) runAs(container string, ok func(*cri.Container) bool) proc {
	p.t.Helper()
	var out proc
	eventually(p.t, fmt.Sprintf("container %s of %s runs", container, p.name), func(ctx context.Context) error {
		list, err := p.containers(ctx, container)
		if err != nil {
			return err
		}
		for _, c := range list {
			if c.State != cri.ContainerState_CONTAINER_RUNNING || !ok(c) {
				continue
			}
			answer, err := p.n.runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: c.Id, Verbose: true})
			if err != nil {
				return err
			}
			var info struct {
				PID int `json:"pid"`
			}
			if err := json.Unmarshal([]byte(answer.Info["info"]), &info); err != nil || info.PID == 0 {
				return fmt.Errorf("its pid in %q: %v", answer.Info["info"], err)
			}
			// A runtime may call it running while its process still is the OCI runtime's.
			if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", info.PID)); err != nil || exe != "/nodeagent" {
				return fmt.Errorf("process %d is %s (%v)", info.PID, exe, err)
			}
			// The kernel shows a program before its arguments and environment.
			if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", info.PID)); err != nil || len(env) == 0 {
				return fmt.Errorf("process %d is on its way (%v)", info.PID, err)
			}
			out = proc{p: p, id: c.Id, pid: info.PID, attempt: int(c.Metadata.Attempt), status: answer.Status}
			return nil
		}
		return fmt.Errorf("none of %d runs", len(list))
	})
	return out
}

// gone waits until the runtime has nothing of the pod, and no volume of it is left.
func (p *pod) gone() {
	p.t.Helper()
	eventually(p.t, "pod "+p.name+" is gone", func(ctx context.Context) error {
		list, err := p.n.runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{Filter: &cri.PodSandboxFilter{LabelSelector: p.labels()}})
		if err != nil {
			return err
		}
		for _, s := range list.Items {
			return fmt.Errorf("sandbox %s is left, %s", s.Id, s.State)
		}
		s, err := p.n.api.Status(ctx)
		if err != nil {
			return err
		}
		if v := p.view(s); v.Name != "" && v.Phase != view.PhaseRefused {
			return fmt.Errorf("the agent has it as %s: %s", v.Phase, v.Message)
		}
		return nil
	})
}

// view is the pod as the agent shows it; it has no name if it shows none.
func (p *pod) view(s view.Status) view.Pod {
	for _, v := range s.Pods {
		if v.Name == p.name {
			return v
		}
	}
	return view.Pod{}
}

// becomes waits until the agent shows the pod as wanted.
func (p *pod) becomes(what string, ok func(view.Pod) bool) view.Pod {
	p.t.Helper()
	var out view.Pod
	eventually(p.t, p.name+" becomes "+what, func(ctx context.Context) error {
		s, err := p.n.api.Status(ctx)
		if err != nil {
			return err
		}
		if out = p.view(s); out.Name == "" || !ok(out) {
			return fmt.Errorf("it is %+v", out)
		}
		return nil
	})
	return out
}

func (p *pod) ready() { p.t.Helper(); p.becomes("ready", func(v view.Pod) bool { return v.Ready }) }
func (p *pod) unready() {
	p.t.Helper()
	p.becomes("not ready", func(v view.Pod) bool { return !v.Ready })
}

func (p *pod) phase(want string) view.Pod {
	p.t.Helper()
	return p.becomes(want, func(v view.Pod) bool { return v.Phase == want })
}

// death waits for the timeline's line of a container's end, read where root reads it.
func (p *pod) death(container string, ok func(event.Event) bool) event.Event {
	p.t.Helper()
	var out event.Event
	eventually(p.t, "the timeline tells of the end of "+container+" of "+p.name, func(context.Context) error {
		list, err := event.Since(p.n.state, time.Time{})
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.Kind == event.KindExit && e.Subject == "default/"+p.name+"/"+container && ok(e) {
				out = e
				return nil
			}
		}
		return fmt.Errorf("none of %d events is it", len(list))
	})
	return out
}

// message waits until the agent says something of the pod that does not run.
func (p *pod) message(part string) {
	p.t.Helper()
	p.becomes("said to have "+part, func(v view.Pod) bool { return !v.Ready && strings.Contains(v.Message, part) })
}

// runs reports whether a container of a pod runs in a later attempt.
func runs(v view.Pod, after int) bool {
	return slices.ContainsFunc(v.Containers, func(c view.Container) bool { return c.Name == "main" && c.State == "running" && c.Attempt > after })
}

func kill(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) }

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

// eventuallyGone waits for the end of a process.
func eventuallyGone(t *testing.T, pid int) {
	t.Helper()
	eventually(t, fmt.Sprintf("the end of process %d", pid), func(context.Context) error {
		if alive(pid) {
			return fmt.Errorf("it lives")
		}
		return nil
	})
}
