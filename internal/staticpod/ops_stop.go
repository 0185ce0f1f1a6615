package staticpod

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/event"
	"nodeagent/internal/staticpod/podlogs"
	"nodeagent/internal/staticpod/volume"
)

// stalePatience is how long, beyond its grace, a runtime may take over the stop of a container whose process is gone. containerd 1.6, whose shim
// has missed the end, waits for it until the call's deadline.
const stalePatience = 3 * time.Second

// stopContainer runs preStop, whose time comes out of the grace, then has the runtime stop the container. The agent's end cuts it
// short; what is left of the grace is on disk and taken up by the next one.
func (p *Pods) stopContainer(o opContext, a Action) error {
	by := time.Now().Add(a.Grace)
	patience := 30 * time.Second
	if a.Stale { // nothing has to end: the runtime agrees at once, or not at all
		patience = stalePatience
	}
	ctx, cancel := context.WithDeadline(p.opsCtx, by.Add(patience))
	defer cancel()
	reason, why := "Stopping", "being stopped"
	if a.Why != "" {
		reason, why = "Unhealthy", a.Why+"; it is stopped"
	}
	p.d.Record(event.Event{Kind: event.KindPod, Subject: o.x.key + "/" + a.Name, Reason: reason, Message: fmt.Sprintf("%s, %s of grace", why, a.Grace.Round(time.Second))})
	if a.Hook {
		for _, c := range o.r.containers {
			if c.ID == a.ID {
				p.preStop(ctx, o, c, by)
			}
		}
	}
	seconds := int64(math.Ceil(max(time.Until(by), minGrace).Seconds()))
	if _, err := p.d.CRI.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: a.ID, Timeout: seconds}); err != nil && !isNotFound(err) {
		return fmt.Errorf("stop container: %w", err)
	}
	r, err := p.d.CRI.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: a.ID})
	if err == nil && r.GetStatus().GetState() == cri.ContainerState_CONTAINER_RUNNING {
		return fmt.Errorf("stop container: %w", errStillRunning)
	}
	return nil
}

func (p *Pods) removeContainer(ctx context.Context, o opContext, a Action) error {
	if _, err := p.d.CRI.RemoveContainer(ctx, &cri.RemoveContainerRequest{ContainerId: a.ID}); err != nil && !isNotFound(err) {
		return fmt.Errorf("remove container: %w", err)
	}
	os.Remove(p.messageFile(o.m.UID, a.Name, a.Attempt))
	// The log of an attempt goes with it; only one below our own pod's folder is ours.
	if root := p.d.Config().LogsDir; a.Log != "" && strings.HasPrefix(filepath.Clean(a.Log), filepath.Join(root, o.m.Namespace+"_"+o.m.FullName+"_")) {
		if err := podlogs.RemoveAttempt(a.Log); err != nil {
			return err
		}
		p.logs.unlink(o.m, a.Name, a.ID, a.Log)
	}
	return nil
}

// cleanup removes what was made for a pod that is gone. Its logs stay for a while: they are what a person looks for then.
func (p *Pods) cleanup(ctx context.Context, o opContext) error {
	m := o.m
	for _, parent := range m.Made {
		if err := p.kernel.remove(ctx, parent); err != nil {
			return fmt.Errorf("remove the pod's cgroup: %w", err)
		}
	}
	if m.UID != "" && filepath.Base(m.UID) == m.UID {
		if err := volume.Remove(p.podDir(m.UID)); err != nil {
			return fmt.Errorf("remove volumes: %w", err)
		}
		if err := p.logs.removed(m); err != nil {
			return err
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

// sweepVolumes removes, once after the agent's start, the folders of pods that are no more, with the mounts that a crash left in them.
func (p *Pods) sweepVolumes(all map[string]*reading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.readOnce || !p.open {
		return
	}
	known := map[string]bool{}
	for _, x := range p.pods {
		known[x.memory.UID] = true
	}
	for _, r := range all {
		for _, s := range r.sandboxes {
			known[s.UID] = true
		}
	}
	for _, w := range p.desired.Load().Pods {
		known[identify(w.Pod, p.d.Config().NodeName).UID] = true
	}
	p.ops.Go(func() {
		if err := volume.Sweep(p.d.Store.Path("pods"), func(uid string) bool { return known[uid] || p.logs.live(uid) }); err != nil {
			p.d.Log.Warn("remove volumes of pods that are gone", zap.Error(err))
		}
	})
}
