package staticpod

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/staticpod/cgroup"
	"nodeagent/internal/view"
)

// sampleFrequency is between two samples of what pods use, as cAdvisor's and kubelet's.
const sampleFrequency = 10 * time.Second

// kernel is what the kernel counts and limits of pods. The zero one, of a look or a test without cgroups, does nothing.
type kernel struct {
	tree    *cgroup.Tree
	sampler *cgroup.Sampler
	oom     *cgroup.OOM

	mu   sync.Mutex
	was  map[string]cgroup.Usage // by key: the sample before the last
	last map[string]cgroup.Usage
}

func (p *Pods) newKernel(tree *cgroup.Tree) error {
	if tree == nil {
		return nil
	}
	oom, err := cgroup.NewOOM(tree, p.oomKilled)
	if err != nil {
		return err
	}
	p.kernel.tree, p.kernel.oom = tree, oom
	p.kernel.sampler = cgroup.NewSampler(cgroup.SamplerOptions{Tree: tree, Pods: p.sampled, Interval: sampleFrequency})
	return nil
}

func (k *kernel) tasks() []Task {
	if k.tree == nil {
		return nil
	}
	return []Task{k.sampler, k.oom}
}

// ensure makes a pod's cgroup with its limits.
func (k *kernel) ensure(ctx context.Context, parent string, l cgroup.Limits) error {
	if k.tree == nil {
		return nil
	}
	return k.tree.Ensure(ctx, parent, isSlice(parent), l)
}

func (k *kernel) remove(ctx context.Context, parent string) error {
	if k.tree == nil {
		return nil
	}
	return k.tree.Remove(ctx, parent, isSlice(parent))
}

func isSlice(parent string) bool { return strings.HasSuffix(parent, ".slice") }

// watch begins to count a container's OOM kills; what can't be watched is told by the runtime alone.
func (p *Pods) watchOOM(id string, pid int) {
	if p.kernel.oom == nil {
		return
	}
	if err := p.kernel.oom.Watch(id, pid); err != nil {
		p.d.Log.Debug("watch for OOM kills", zap.Error(err))
	}
}

// oomKilled takes note of what the kernel killed in a container. The kernel forgets it with the cgroup; a counter must not fall.
func (p *Pods) oomKilled(id string, k cgroup.Kills) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.pods[p.owner[id]]; x != nil {
		x.ooms[id] = k.Count
	}
}

// forgetOOM drops a container that is gone. It needs Pods.mu.
func (p *Pods) forgetOOM(x *pod, id string) {
	x.oomsPast += x.ooms[id]
	delete(x.ooms, id)
	if p.kernel.oom != nil {
		p.kernel.oom.Forget(id)
	}
}

// oomKills of a pod since the agent's start.
func (p *Pods) oomKills(key string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.pods[key]
	if x == nil {
		return 0
	}
	n := x.oomsPast
	for _, k := range x.ooms {
		n += k
	}
	return uint64(n)
}

// killed reports whether a container's end was an OOM kill, whatever its runtime noticed.
func (k *kernel) killed(c Container) bool {
	if k.oom == nil {
		return false
	}
	kills, ok := k.oom.Killed(c.ID)
	return ok && kills.Ended(c.ExitCode, c.Finished)
}

// sampled are the pods whose usage is asked for.
func (p *Pods) sampled() []cgroup.Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]cgroup.Target, 0, len(p.pods))
	for key, x := range p.pods {
		if len(x.memory.Made) == 0 {
			continue
		}
		t := cgroup.Target{Key: key, Parent: x.memory.Made[len(x.memory.Made)-1]}
		t.Systemd = isSlice(t.Parent)
		for id, c := range x.statuses {
			if c.State == Running {
				t.Containers = append(t.Containers, id)
			}
		}
		out = append(out, t)
	}
	return out
}

// usage of a pod as last sampled; nil while there is none. The rate is over the last two samples.
func (k *kernel) usage(key string) *view.Usage {
	if k.sampler == nil {
		return nil
	}
	now, ok := k.sampler.Usages()[key]
	if !ok {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last == nil {
		k.was, k.last = map[string]cgroup.Usage{}, map[string]cgroup.Usage{}
	}
	if last := k.last[key]; now.At.After(last.At) {
		k.was[key], k.last[key] = last, now
	}
	u := &view.Usage{At: now.At, CPUSeconds: now.CPU.Seconds(), ThrottledSeconds: now.Throttled.Seconds(), WorkingSet: now.MemoryWorkingSet, MemoryLimit: now.MemoryLimit}
	if was := k.was[key]; !was.At.IsZero() && now.CPU >= was.CPU {
		u.CPU = (now.CPU - was.CPU).Seconds() / now.At.Sub(was.At).Seconds()
	}
	return u
}
