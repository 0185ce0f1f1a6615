package staticpod

import (
	"context"
	"maps"
	"slices"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/staticpod/conditions"
	"nodeagent/internal/view"
)

// Look is one pass over everything with nothing begun, written or recorded. d.Store must not write; d.MayStart and d.Record are not used.
// signs are of another owner of the node.
func Look(ctx context.Context, d Deps, signs []string) []view.Pod {
	private, _ := privateMounts()
	_, f := decideGate(latch{}, signs, private, false)
	d.Board.Publish(health.Look{Of: conditions.RunMode, Findings: []health.Finding{f}})
	d.MayStart = func() (bool, string) { return f.Status == health.OK, f.Message }
	d.Record = func(event.Event) {}
	p, err := New(d)
	if err != nil {
		d.Board.Publish(health.Look{Of: conditions.StaticPods, Findings: []health.Finding{{Status: health.Unknown, Reason: conditions.PodUnknown, Message: clip(err.Error())}}})
		return nil
	}
	defer p.exits.close()
	p.source.look()
	if d.Store.Instance() == "" { // no agent ever ran here: nothing in the runtime can be ours
		p.publishEmpty()
		return nil
	}
	if _, err := p.resync(ctx); err != nil {
		return p.views.All()
	}
	p.mu.Lock()
	p.looking = true
	keys := slices.Sorted(maps.Keys(p.pods))
	p.mu.Unlock()
	for _, key := range keys {
		_, _ = p.pass(ctx, key) // what it could not read it shows as unknown
	}
	return p.views.All()
}
