package staticpod

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/cgroup"
	"nodeagent/internal/staticpod/downward"
	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/staticpod/volume"
)

// place of a pod on this node.
func (p *Pods) place(ctx context.Context, pod *corev1.Pod) place {
	cfg := p.d.Config()
	return place{Instance: p.d.Store.Instance(), LogsDir: cfg.LogsDir, CgroupRoot: cfg.CgroupRoot, SeccompDir: p.d.Store.Path("seccomp"), Systemd: p.cgroupDriver(ctx) == "systemd", Resolver: nodeResolver(pod.Spec.HostNetwork)}
}

// facts are what a pod may ask about itself.
func (p *Pods) facts(spec *corev1.Pod, id identity, sandbox Sandbox) downward.Facts {
	f := downward.Facts{
		Pod: spec, FullName: id.FullName, Namespace: id.Namespace, UID: id.UID, NodeName: p.d.Config().NodeName,
		PodIPs: sandbox.IPs, CapacityMilliCPU: int64(runtime.NumCPU()) * 1000, CapacityMemory: memoryCapacity(),
	}
	if ip := p.hostAddress(); ip != "" {
		f.HostIPs = []string{ip}
	}
	if spec.Spec.HostNetwork || len(f.PodIPs) == 0 {
		f.PodIPs = f.HostIPs
	}
	return f
}

// object finds the data of a ConfigMap or Secret of the manifest folder.
func (p *Pods) object(kind, namespace, name string) (map[string][]byte, bool) {
	o, ok := p.desired.Load().Objects[manifest.ObjectKey{Kind: kind, Namespace: namespace, Name: name}]
	return o.Data, ok
}

// text finds what of a ConfigMap or Secret may be environment: binaryData may not (pkg/kubelet/kubelet_pods.go).
func (p *Pods) text(kind, namespace, name string) (map[string][]byte, bool) {
	o, ok := p.desired.Load().Objects[manifest.ObjectKey{Kind: kind, Namespace: namespace, Name: name}]
	if len(o.Binary) == 0 {
		return o.Data, ok
	}
	data := maps.Clone(o.Data)
	for _, k := range o.Binary {
		delete(data, k)
	}
	return data, ok
}

// podDir is the folder of a pod's own things below the state folder.
func (p *Pods) podDir(uid string) string { return p.d.Store.Path("pods", uid) }

func (p *Pods) volumes(id identity, f downward.Facts) volume.Input {
	return volume.Input{Dir: p.podDir(id.UID), Objects: p.object, Facts: f, Made: func(string) error { return nil }, Calls: &p.calls} // all below podDir is ours
}

func (p *Pods) runSandbox(ctx context.Context, o opContext, a Action) error {
	id := identify(o.want.Pod, p.d.Config().NodeName)
	spec := o.want.Pod.Spec
	at := p.place(ctx, spec)
	if err := p.logs.collector.Returned(id.UID); err != nil { // before anything is written there
		return err
	}
	if err := os.MkdirAll(logDir(at.LogsDir, id), 0o755); err != nil {
		return fmt.Errorf("make log folder: %w", err)
	}
	if err := p.prepareVolumes(ctx, o, id, Sandbox{}); err != nil {
		return err
	}
	handler := ""
	if spec.Spec.RuntimeClassName != nil {
		handler = *spec.Spec.RuntimeClassName
	}
	config := sandboxConfig(spec, id, at, a.Attempt)
	p.made(o.x, config.Linux.CgroupParent)
	if err := p.kernel.ensure(ctx, config.Linux.CgroupParent, cgroup.PodLimits(&spec.Spec)); err != nil {
		return fmt.Errorf("limit the pod: %w", err)
	}
	r, err := p.d.CRI.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: config, RuntimeHandler: handler})
	if err != nil {
		return fmt.Errorf("run sandbox: %w", err)
	}
	p.d.Record(event.Event{Kind: event.KindPod, Subject: o.x.key, Reason: "Sandbox", Message: fmt.Sprintf("sandbox %.12s runs (attempt %d)", r.GetPodSandboxId(), a.Attempt)})
	return nil
}

// made remembers a cgroup to be removed with the pod. The last one is that of the present content: another QoS class is another cgroup.
func (p *Pods) made(x *pod, cgroup string) {
	p.mu.Lock()
	n := len(x.memory.Made)
	last := n > 0 && x.memory.Made[n-1] == cgroup
	p.mu.Unlock()
	if last {
		return
	}
	err := p.change(x, func(m *Memory) {
		m.Made = append(slices.DeleteFunc(m.Made, func(c string) bool { return c == cgroup }), cgroup)
	})
	if err != nil {
		p.note(x, "write the pod's memory", err)
	}
}

func (o opContext) sandbox(id string) Sandbox {
	for _, s := range o.r.sandboxes {
		if s.ID == id {
			return s
		}
	}
	return Sandbox{}
}

// createContainer makes one attempt of a container and returns its id.
func (p *Pods) createContainer(ctx context.Context, o opContext, a Action) (id string, err error) {
	spec := o.want.Pod.Spec
	pod := identify(o.want.Pod, p.d.Config().NodeName)
	at := p.place(ctx, spec)
	sandbox := o.sandbox(a.Sandbox)
	facts := p.facts(spec, pod, sandbox)
	config, err := containerConfig(spec, a.Name, pod, at, a.Attempt, o.m.Containers[a.Name].Restarts, facts, p.text)
	if err != nil {
		return "", err
	}
	c, _, _ := containerOf(&spec.Spec, a.Name)
	if err := p.user(ctx, spec, c, config.Linux.SecurityContext); err != nil {
		return "", err
	}
	if config.Mounts, err = p.mounts(ctx, o, c, pod, facts, sandbox, a.Attempt); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(logDir(at.LogsDir, pod), c.Name), 0o755); err != nil {
		return "", fmt.Errorf("make log folder: %w", err)
	}
	r, err := p.d.CRI.CreateContainer(ctx, &cri.CreateContainerRequest{PodSandboxId: a.Sandbox, Config: config, SandboxConfig: sandboxConfig(spec, pod, at, sandbox.Attempt)})
	if err != nil {
		return "", fmt.Errorf("create container: %w", err)
	}
	return r.GetContainerId(), nil
}

// mounts of an attempt: its volumes, the pod's hosts file, the file of its last words.
func (p *Pods) mounts(ctx context.Context, o opContext, c *corev1.Container, id identity, facts downward.Facts, sandbox Sandbox, attempt uint32) ([]*cri.Mount, error) {
	o.x.files.Lock()
	defer o.x.files.Unlock()
	spec := o.want.Pod.Spec
	in := p.volumes(id, facts)
	if err := volume.Prepare(ctx, in); err != nil {
		return nil, err
	}
	mounts, err := volume.Mounts(ctx, in, c)
	if err != nil {
		return nil, err
	}
	hosts, err := hostsMount(&spec.Spec, c, p.podDir(id.UID), hostname(spec, id), sandbox.IPs)
	if err != nil {
		return nil, err
	}
	if hosts != nil {
		mounts = append(mounts, hosts)
	}
	message, err := makeMessageFile(p.messageFile(id.UID, c.Name, attempt))
	if err != nil {
		return nil, err
	}
	return append(mounts, &cri.Mount{ContainerPath: absolute(c.TerminationMessagePath), HostPath: message}), nil
}

// prepareAgain puts right what a container made ahead has mounted: a folder on tmpfs may be gone.
func (p *Pods) prepareAgain(ctx context.Context, o opContext, a Action) error {
	o.x.files.Lock()
	defer o.x.files.Unlock()
	id, spec := identify(o.want.Pod, p.d.Config().NodeName), o.want.Pod.Spec
	in := p.volumes(id, p.facts(spec, id, o.sandbox(a.Sandbox)))
	if err := volume.Prepare(ctx, in); err != nil {
		return err
	}
	c, _, _ := containerOf(&spec.Spec, a.Name)
	_, err := volume.Mounts(ctx, in, c)
	return err
}

func (p *Pods) prepareVolumes(ctx context.Context, o opContext, id identity, sandbox Sandbox) error {
	o.x.files.Lock()
	defer o.x.files.Unlock()
	if made := o.m.VolumesOf; made != id.Hash {
		if made != "" { // an edited pod is another pod: it finds no files of the one before
			if err := volume.Remove(p.podDir(id.UID)); err != nil {
				return err
			}
		}
		if err := p.change(o.x, func(m *Memory) { m.VolumesOf = id.Hash }); err != nil {
			return err
		}
	}
	return volume.Prepare(ctx, p.volumes(id, p.facts(o.want.Pod.Spec, id, sandbox)))
}

// refresh brings the files that are made of ConfigMaps and Secrets up to date.
func (p *Pods) refresh(ctx context.Context, o opContext) error {
	p.mu.Lock()
	o.x.refresh = false // before the reading: what changes from now on asks again
	p.mu.Unlock()
	id := identify(o.want.Pod, p.d.Config().NodeName)
	o.x.files.Lock()
	defer o.x.files.Unlock()
	changed, err := volume.Refresh(ctx, p.volumes(id, p.facts(o.want.Pod.Spec, id, Sandbox{})))
	if len(changed) > 0 {
		p.d.Record(event.Event{Kind: event.KindPod, Subject: o.x.key, Reason: "VolumesChanged", Message: "new content in " + strings.Join(changed, ", ")})
	}
	if err != nil {
		p.mu.Lock()
		o.x.refresh = true
		p.mu.Unlock()
	}
	return err
}

// user holds a container's user against its image where the manifest leaves it to that, as kubelet does
// (pkg/kubelet/kuberuntime/security_context.go): one that must not be root is refused if it would be, and a group alone gets the
// image's user beside it, without which a runtime takes none.
func (p *Pods) user(ctx context.Context, pod *corev1.Pod, c *corev1.Container, sc *cri.LinuxContainerSecurityContext) error {
	notRoot, groupAlone := mustNotBeRoot(pod, c), sc.GetRunAsGroup() != nil && sc.GetRunAsUser() == nil
	if !notRoot && !groupAlone {
		return nil
	}
	r, err := p.d.Images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: c.Image}})
	if err != nil {
		return fmt.Errorf("status of image %s: %w", c.Image, err)
	}
	if r.GetImage() == nil {
		return fmt.Errorf("user of container %s: image %s not found", c.Name, c.Image)
	}
	if notRoot {
		if err := imageUser(c.Name, r.GetImage()); err != nil {
			return err
		}
	}
	if groupAlone {
		withImageUser(sc, r.GetImage())
	}
	return nil
}

func (p *Pods) startContainer(ctx context.Context, o opContext, a Action, id string) error {
	if _, err := p.d.CRI.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: id}); err != nil {
		return fmt.Errorf("start container: %w", err)
	}
	p.logs.started(filepath.Join(logDir(p.d.Config().LogsDir, identify(o.want.Pod, p.d.Config().NodeName)), a.Name), a.Attempt)
	return nil
}
