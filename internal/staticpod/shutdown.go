package staticpod

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// ending is how far the node's going down has come.
type ending struct {
	mu    sync.Mutex
	stage stage
	down  map[string]bool // pods of which nothing runs any more
	moved chan struct{}   // closed and made anew when down changes
}

type stage uint8

const (
	staying      stage = iota
	endingOthers       // pods that are not critical end
	endingAll
)

// Shutdown stops every pod because the node goes down: first those that are not critical, then the others, each with its grace
// (as kubelet's graceful node shutdown, pkg/kubelet/nodeshutdown). Nothing is removed and nothing starts until Stay. It returns once
// all are stopped, or with what still runs when ctx ends.
func (p *Pods) Shutdown(ctx context.Context) error {
	if p.desired.Load() == nil {
		return nil // no pod was looked at yet
	}
	for _, s := range []stage{endingOthers, endingAll} {
		if err := p.endStage(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Stay takes Shutdown back: the node does not go down after all, and its pods start again.
func (p *Pods) Stay() {
	p.ending.mu.Lock()
	p.ending.stage = staying
	p.ending.mu.Unlock()
	p.full.Wake()
}

func (p *Pods) endStage(ctx context.Context, s stage) error {
	p.ending.mu.Lock()
	p.ending.stage, p.ending.down, p.ending.moved = s, map[string]bool{}, make(chan struct{})
	p.ending.mu.Unlock()
	p.mu.Lock()
	keys := slices.Collect(maps.Keys(p.pods))
	p.mu.Unlock()
	keys = slices.DeleteFunc(keys, func(key string) bool { return !p.ends(key) })
	for _, key := range keys {
		p.wake(key)
	}
	for {
		p.ending.mu.Lock()
		up := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return p.ending.down[key] })
		moved := p.ending.moved
		p.ending.mu.Unlock()
		if len(up) == 0 {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			slices.Sort(up)
			return fmt.Errorf("stop pods: %s still up: %w", strings.Join(up, ", "), ctx.Err())
		}
	}
}

// ends reports whether a pod is to end with the node now.
func (p *Pods) ends(key string) bool {
	p.ending.mu.Lock()
	s := p.ending.stage
	p.ending.mu.Unlock()
	if s != endingOthers {
		return s == endingAll
	}
	d := p.desired.Load()
	if d == nil {
		return false // nothing is known of it, and nothing was begun
	}
	w, ok := d.Pods[key]
	return !ok || w.Pod.Spec == nil || !critical(&w.Pod.Spec.Spec)
}

// ended notes after a pass whether a pod that is to end is down. Pods that are not its own to stop count as down.
func (p *Pods) ended(key string, s State, began bool) {
	if !s.Ending {
		return
	}
	down := s.Held || (!began && len(s.Ops) == 0 &&
		!slices.ContainsFunc(s.Containers, func(c Container) bool { return c.State == Running || c.State == StateUnknown }) &&
		!slices.ContainsFunc(s.Sandboxes, func(b Sandbox) bool { return b.Ready }))
	p.ending.mu.Lock()
	defer p.ending.mu.Unlock()
	if p.ending.down[key] == down {
		return
	}
	p.ending.down[key] = down
	close(p.ending.moved)
	p.ending.moved = make(chan struct{})
}

// ShutdownTime is how long Shutdown may take by the graces of the pods: the longest of those that are not critical, then the longest of
// the others.
func (p *Pods) ShutdownTime() time.Duration {
	d := p.desired.Load()
	if d == nil {
		return 0
	}
	var others, last time.Duration
	for _, w := range d.Pods {
		if w.Pod.Spec == nil {
			continue
		}
		grace := 30 * time.Second
		if s := w.Pod.Spec.Spec.TerminationGracePeriodSeconds; s != nil {
			grace = max(graceOf(*s), minGrace)
		}
		if critical(&w.Pod.Spec.Spec) {
			last = max(last, grace)
		} else {
			others = max(others, grace)
		}
	}
	return others + last
}
