package netcheck

import (
	"context"
	"slices"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// again is the pause before a look without a daemon looks a second time at what it found failing: flanneld and the CNI plugins work in steps.
const again = 250 * time.Millisecond

// Look looks once, probes every peer once (MaxProbed at most), and changes and keeps nothing: for `status` and `net` with no daemon.
func Look(ctx context.Context, cfg Config, deps Deps) (view.Network, []health.Look) {
	cfg = cfg.filled()
	began := time.Now()
	n := read(ctx, cfg, deps.Nodes)
	v := judge(cfg, n)
	if v.failing() {
		select {
		case <-ctx.Done():
		case <-time.After(again):
			n = read(ctx, cfg, deps.Nodes)
			v = judge(cfg, n)
		}
	}
	p := paint(&n)
	shown := viewOf(&n, p)
	shown.Took, shown.Looks = time.Since(began).Round(10*time.Microsecond).String(), 1
	shown.Peers, v[FlannelReachable] = lookPeers(ctx, cfg, &n, p, deps)
	return shown, looks(cfg, v)
}

func (v verdicts) failing() bool {
	for _, findings := range v {
		if slices.ContainsFunc(findings, func(f health.Finding) bool { return f.Status == health.Failing }) {
			return true
		}
	}
	return false
}

func lookPeers(ctx context.Context, cfg Config, n *Network, p picture, deps Deps) ([]view.Peer, []health.Finding) {
	s := seenOf(n, p)
	if s.absent.Message != "" {
		return nil, []health.Finding{s.absent}
	}
	var pr prober
	defer pr.close()
	peers := pr.follow(s.peers, s.backend, s.mtu)
	findings := pr.once(ctx, cfg, peers, deps.Observe)
	views := make([]view.Peer, len(peers))
	for i, x := range peers {
		views[i] = x.view()
	}
	return views, findings
}
