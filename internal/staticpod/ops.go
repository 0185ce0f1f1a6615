package staticpod

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

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
	if a.Stale && err != nil { // whatever it says: nothing was left to stop
		x.lost[a.ID] = true // unless the runtime calls it exited by now
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
		return p.startContainer(ctx, o, a, id)
	case Prepare:
		_, err := p.createContainer(ctx, o, a)
		return err
	case Start:
		if err := p.prepareAgain(ctx, o, a); err != nil {
			return err
		}
		return p.startContainer(ctx, o, a, a.ID)
	case PostStart:
		return p.postStart(o, a)
	case Refresh:
		return p.refresh(ctx, o)
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
		return p.cleanup(ctx, o)
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
