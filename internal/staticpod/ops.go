package staticpod

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/reconcile"
	"nodeagent/internal/staticpod/folder"
)

// opBackoff holds back an op that failed: what the runtime refuses now it mostly refuses a moment later too.
var opBackoff = reconcile.Backoff{Initial: 500 * time.Millisecond, Factor: 2, Max: time.Minute, Jitter: 0.2}

// opContext is what an op may need of the pass that began it. It does not change any more.
type opContext struct {
	x    *pod
	want *folder.Wanted
	r    *reading
	m    Memory
}

// begin runs actions beside the loop.
func (p *Pods) begin(x *pod, want *folder.Wanted, r *reading, actions []Action) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.open {
		return
	}
	o := opContext{x: x, want: want, r: r, m: x.memory.clone()}
	for _, a := range actions {
		if a.Verb == Pull {
			p.images.pull(p.opsCtx, a.Image, x.key)
			continue
		}
		x.ops[a.Slot] = a
		p.ops.Go(func() {
			began := time.Now()
			err := p.guarded(o, a)
			p.finished(o, a, err, time.Since(began))
		})
	}
}

// guarded turns a panic of an op into its error: one pod's op must not end the others.
func (p *Pods) guarded(o opContext, a Action) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return p.perform(o, a)
}

// finished records an op's outcome and wakes its pod.
func (p *Pods) finished(o opContext, a Action, err error, took time.Duration) {
	x := o.x
	p.mu.Lock()
	delete(x.ops, a.Slot)
	f := x.failures[a.Slot]
	switch {
	case err == nil:
		delete(x.failures, a.Slot)
		x.noted = ""
	case isInDoubt(err) && f.Count == 0:
		x.failures[a.Slot] = Failure{Count: 1, Error: clip(err.Error()), NotBefore: time.Now().Add(100 * time.Millisecond)}
	default:
		f.Count++
		f.Error, f.NotBefore = clip(err.Error()), time.Now().Add(opBackoff.Jittered(f.Count-1))
		x.failures[a.Slot] = f
	}
	if isNoImage(err) {
		p.images.lost(a.Image)
	}
	if a.Verb == Cleanup && err == nil {
		delete(p.pods, x.key)
		p.views.Delete(x.key)
	}
	p.stir(x)
	p.mu.Unlock()
	if err != nil && p.opsCtx.Err() == nil {
		p.note(x, string(a.Verb)+" "+a.Name, err)
	}
	if a.Verb == Cleanup && err == nil {
		p.gone(x.key)
		if _, back := p.desired.Load().Pods[x.key]; back { // its manifest is there again
			p.keyed.Wake(x.key)
		}
		return
	}
	if err == nil {
		p.d.Log.Debug(string(a.Verb), zap.String("pod", x.key), zap.String("container", a.Name), zap.Duration("took", took))
	}
	p.keyed.Wake(x.key)
}

// perform does one action. Every call has its deadline.
func (p *Pods) perform(o opContext, a Action) error {
	cfg := p.d.Config()
	ctx, cancel := context.WithTimeout(p.makeCtx, cfg.RuntimeRequestTimeout)
	defer cancel()
	switch a.Verb {
	case RunSandbox:
		return p.runSandbox(ctx, o, a)
	case CreateAndStart:
		id, err := p.createContainer(ctx, o, a)
		if err != nil {
			return err
		}
		return p.startContainer(ctx, id)
	case Prepare:
		_, err := p.createContainer(ctx, o, a)
		return err
	case Start:
		if err := prepareVolumes(&o.want.Pod.Spec.Spec, p.place(ctx, o.m.UID)); err != nil {
			return err
		}
		return p.startContainer(ctx, a.ID)
	case Stop:
		return p.stopContainer(o, a)
	case RemoveContainer:
		return p.removeContainer(ctx, o, a)
	case StopSandbox:
		if _, err := p.d.CRI.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: a.ID}); err != nil && !isNotFound(err) {
			return fmt.Errorf("stop sandbox: %w", err)
		}
	case RemoveSandbox:
		if _, err := p.d.CRI.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: a.ID}); err != nil && !isNotFound(err) {
			return fmt.Errorf("remove sandbox: %w", err)
		}
	case Cleanup:
		return p.cleanup(o)
	}
	return nil
}

// place of a pod on this node.
func (p *Pods) place(ctx context.Context, uid string) place {
	cfg := p.d.Config()
	return place{Instance: p.d.Store.Instance(), NodeName: cfg.NodeName, LogsDir: cfg.LogsDir, VolumesDir: p.d.Store.Path("pods", uid, "volumes"),
		CgroupRoot: cfg.CgroupRoot, Systemd: p.cgroupDriver(ctx) == "systemd", HostIP: p.hostIP}
}

func (p *Pods) runSandbox(ctx context.Context, o opContext, a Action) error {
	id := identify(o.want.Pod, p.d.Config().NodeName)
	at := p.place(ctx, id.UID)
	spec := o.want.Pod.Spec
	if err := os.MkdirAll(logDir(at.LogsDir, id), 0o755); err != nil {
		return fmt.Errorf("make log folder: %w", err)
	}
	if err := os.MkdirAll(at.VolumesDir, 0o755); err != nil {
		return fmt.Errorf("make volumes folder: %w", err)
	}
	if err := prepareVolumes(&spec.Spec, at); err != nil {
		return err
	}
	handler := ""
	if spec.Spec.RuntimeClassName != nil {
		handler = *spec.Spec.RuntimeClassName
	}
	config := sandboxConfig(spec, id, at, a.Attempt)
	p.made(o.x, config.Linux.CgroupParent)
	r, err := p.d.CRI.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: config, RuntimeHandler: handler})
	if err != nil {
		return fmt.Errorf("run sandbox: %w", err)
	}
	p.d.Record(event.Event{Kind: event.KindPod, Subject: o.x.key, Reason: "Sandbox", Message: fmt.Sprintf("sandbox %.12s runs (attempt %d)", r.GetPodSandboxId(), a.Attempt)})
	return nil
}

// made remembers a cgroup to be removed with the pod.
func (p *Pods) made(x *pod, cgroup string) {
	p.mu.Lock()
	known := slices.Contains(x.memory.Made, cgroup)
	p.mu.Unlock()
	if known {
		return
	}
	if err := p.change(x, func(m *Memory) { m.Made = append(m.Made, cgroup) }); err != nil {
		p.note(x, "write the pod's memory", err)
	}
}

// createContainer makes one attempt of a container and returns its id.
func (p *Pods) createContainer(ctx context.Context, o opContext, a Action) (id string, err error) {
	spec := o.want.Pod.Spec
	var c *corev1.Container
	for i := range spec.Spec.Containers {
		if spec.Spec.Containers[i].Name == a.Name {
			c = &spec.Spec.Containers[i]
		}
	}
	pod := identify(o.want.Pod, p.d.Config().NodeName)
	at := p.place(ctx, pod.UID)
	var sandbox Sandbox
	for _, s := range o.r.sandboxes {
		if s.ID == a.Sandbox {
			sandbox = s
		}
	}
	if err := prepareVolumes(&spec.Spec, at); err != nil {
		return "", err
	}
	config, err := containerConfig(spec, c, pod, at, a.Attempt, o.m.Containers[a.Name].Restarts, sandbox.IP)
	if err != nil {
		return "", err
	}
	if err := p.notRoot(ctx, spec, c); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(logDir(at.LogsDir, pod), c.Name), 0o755); err != nil {
		return "", fmt.Errorf("make log folder: %w", err)
	}
	message, err := makeMessageFile(p.messageFile(pod.UID, c.Name, a.Attempt))
	if err != nil {
		return "", err
	}
	config.Mounts = append(config.Mounts, &cri.Mount{ContainerPath: absolute(c.TerminationMessagePath), HostPath: message})
	r, err := p.d.CRI.CreateContainer(ctx, &cri.CreateContainerRequest{PodSandboxId: a.Sandbox, Config: config, SandboxConfig: sandboxConfig(spec, pod, at, sandbox.Attempt)})
	if err != nil {
		return "", fmt.Errorf("create container: %w", err)
	}
	return r.GetContainerId(), nil
}

// notRoot refuses a container that must not be root and would be by its image's own user, as kubelet does
// (pkg/kubelet/kuberuntime/security_context.go).
func (p *Pods) notRoot(ctx context.Context, pod *corev1.Pod, c *corev1.Container) error {
	if !mustNotBeRoot(pod, c) {
		return nil
	}
	r, err := p.d.Images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: c.Image}})
	if err != nil {
		return fmt.Errorf("status of image %s: %w", c.Image, err)
	}
	return imageUser(c.Name, r.GetImage())
}

func (p *Pods) startContainer(ctx context.Context, id string) error {
	if _, err := p.d.CRI.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: id}); err != nil {
		return fmt.Errorf("start container: %w", err)
	}
	return nil
}

// stopContainer runs preStop, whose time comes out of the grace, then has the runtime stop the container. The agent's end cuts it
// short; what is left of the grace is on disk and taken up by the next one.
func (p *Pods) stopContainer(o opContext, a Action) error {
	by := time.Now().Add(a.Grace)
	ctx, cancel := context.WithDeadline(p.opsCtx, by.Add(30*time.Second))
	defer cancel()
	p.d.Record(event.Event{Kind: event.KindPod, Subject: o.x.key + "/" + a.Name, Reason: "Stopping", Message: fmt.Sprintf("being stopped, %s of grace", a.Grace.Round(time.Second))})
	if a.Hook {
		for _, c := range o.r.containers {
			if c.ID == a.ID {
				p.preStop(ctx, o.x, c, by)
			}
		}
	}
	seconds := int64(math.Ceil(max(time.Until(by), minGrace).Seconds()))
	if _, err := p.d.CRI.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: a.ID, Timeout: seconds}); err != nil && !isNotFound(err) {
		return fmt.Errorf("stop container: %w", err)
	}
	return nil
}

// preStop runs the hook until it ends or the grace does; its failure is said and stops nothing.
func (p *Pods) preStop(ctx context.Context, x *pod, c Container, by time.Time) {
	var h corev1.LifecycleHandler
	if err := json.Unmarshal([]byte(c.hook), &h); err != nil {
		p.note(x, "read preStop of "+c.Name, err)
		return
	}
	ctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	switch {
	case h.Sleep != nil:
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(h.Sleep.Seconds) * time.Second):
		}
	case h.Exec != nil:
		r, err := p.d.CRI.ExecSync(ctx, &cri.ExecSyncRequest{ContainerId: c.ID, Cmd: h.Exec.Command, Timeout: int64(math.Ceil(max(time.Until(by).Seconds(), 1)))})
		if err == nil && r.GetExitCode() != 0 {
			err = fmt.Errorf("exit code %d", r.GetExitCode())
		}
		if err != nil && p.opsCtx.Err() == nil {
			p.d.Record(event.Event{Kind: event.KindPod, Subject: x.key + "/" + c.Name, Reason: "PreStopFailed", Message: "preStop: " + clip(err.Error())})
		}
	}
}

func (p *Pods) removeContainer(ctx context.Context, o opContext, a Action) error {
	if _, err := p.d.CRI.RemoveContainer(ctx, &cri.RemoveContainerRequest{ContainerId: a.ID}); err != nil && !isNotFound(err) {
		return fmt.Errorf("remove container: %w", err)
	}
	os.Remove(p.messageFile(o.m.UID, a.Name, a.Attempt))
	// The log of an attempt goes with it; only one below our own pod's folder is ours.
	if root := p.d.Config().LogsDir; a.Log != "" && strings.HasPrefix(filepath.Clean(a.Log), filepath.Join(root, o.m.Namespace+"_"+o.m.FullName+"_")) {
		if err := os.Remove(a.Log); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("remove log: %w", err)
		}
	}
	return nil
}

// cleanup removes what was made for a pod that is gone. Its logs stay: they are what a person looks for then.
func (p *Pods) cleanup(o opContext) error {
	m := o.m
	for _, cgroup := range m.Made {
		removeCgroups(cgroup)
	}
	if m.UID != "" && filepath.Base(m.UID) == m.UID {
		if err := os.RemoveAll(p.d.Store.Path("pods", m.UID)); err != nil {
			return fmt.Errorf("remove volumes: %w", err)
		}
	}
	if err := p.d.Store.Delete(memoryName(o.x.key)); err != nil {
		return err
	}
	if m.Name != "" {
		p.d.Record(event.Event{Kind: event.KindPod, Subject: o.x.key, Reason: "Removed", Message: "stopped and removed"})
	}
	return nil
}

// cgroupDriver is the configured one, else the runtime's: RuntimeConfig tells it (containerd 2, CRI-O), and containerd's verbose
// status before that. cgroupfs where nobody does.
func (p *Pods) cgroupDriver(ctx context.Context) string {
	if d := p.d.Config().CgroupDriver; d != "" {
		return d
	}
	if d := p.driver.Load(); d != nil {
		return *d
	}
	driver, err := askDriver(ctx, p.d.CRI, p.d.Config().RuntimeProbeTimeout)
	if err == nil {
		p.driver.Store(&driver)
	}
	return driver
}
