package agent

import (
	"context"

	"nodeagent/internal/config"
	"nodeagent/internal/health"
	"nodeagent/internal/keepalive"
	"nodeagent/internal/keepalive/dump"
	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/keepalive/lint"
	"nodeagent/internal/keepalive/wire"
	"nodeagent/internal/view"
)

// lookVIP looks at VRRP and the balancer once. The verdicts are those of the files; the wire can't be listened to in one look.
func lookVIP(ctx context.Context, c config.Config, store peekStore, facts *facts) (view.VIP, []health.Look) {
	l := lintConfigOf(c)
	list, err := lint.Describe(l.path, keepalive.Comm, l.options)
	configured := func() keepalive.Configured { return configuredOf(l.path, list, err) }
	looks, k := keepalive.Look(keepaliveConfig(c), store, configured)
	v := vipView(k)
	balancer, b := haproxy.Look(ctx, haproxyConfig(c, facts, func() []lint.Described { return list }))
	v.Balancer = balancerView(b)
	looks = append(append(looks, balancer...), lintLook(l))
	for _, w := range wire.Conditions() {
		looks = append(looks, health.Look{Of: w, Findings: []health.Finding{{Status: health.Absent, Message: "the daemon listens to the wire, and none runs"}}})
	}
	for _, d := range dump.Conditions() {
		looks = append(looks, health.Look{Of: d, Findings: []health.Finding{{Status: health.Absent, Message: "the daemon asks keepalived, and none runs"}}})
	}
	return v, looks
}

// shownVIP is nil where a node has neither keepalived nor a balancer.
func shownVIP(v view.VIP) *view.VIP {
	if len(v.Instances) == 0 && len(v.Keepalived) == 0 && v.Balancer == nil && !v.Named && v.Maintenance == nil {
		return nil
	}
	return &v
}

func (v *vip) maintenance() *view.Maintenance {
	m, on := v.keepalive.Maintenance()
	if !on {
		return nil
	}
	out := view.Maintenance(m)
	return &out
}

// VIPOnce is what `nodeagent vip` shows with no daemon.
func VIPOnce(ctx context.Context, c config.Config) view.VIP {
	v, _ := lookVIP(ctx, c, peekStore{c.StateDir}, newFacts())
	return v
}

// LintOptions are what `nodeagent vip lint` holds a keepalived.conf against, and the file that it reads if none is named.
func LintOptions(c config.Config) (path string, o lint.Options) {
	l := lintConfigOf(c)
	return l.path, l.options
}
