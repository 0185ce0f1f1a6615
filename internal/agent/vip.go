package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/component"
	"nodeagent/internal/config"
	"nodeagent/internal/event"
	"nodeagent/internal/health"
	"nodeagent/internal/keepalive"
	"nodeagent/internal/keepalive/dump"
	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/keepalive/lint"
	"nodeagent/internal/keepalive/wire"
	"nodeagent/internal/view"
)

// vip is what keepalived is told, and what is seen of VRRP and the balancer.
type vip struct {
	keepalive *keepalive.Keepalive
	balancer  *haproxy.Balancer
	wire      *wire.Wire
	conf      *vrrpConf
	dump      *dump.Dump
}

// defaultPolicy is the verdict of a node that configures none.
const defaultPolicy = "vip"

// peerTimeout bounds the question to all other agents, within the deadline of a verb.
const peerTimeout = 5 * time.Second

func (a *agent) wireVIP(facts *facts) {
	conf := newVRRPConf(func() lintConfig { return lintConfigOf(a.config()) }, a.board)
	v := &vip{conf: conf}
	v.keepalive = keepalive.New(func() keepalive.Config { return keepaliveConfig(a.config()) }, keepalive.Deps{
		Store: a.folder, Record: func(e event.Event) { a.ring.Append(e) }, Configured: conf.configured, Node: func() string { return a.nodeName },
		Processes: facts.procs,
	}, a.board, a.logOf(partVIP))
	v.balancer = haproxy.New(func() haproxy.Config { return haproxyConfig(a.config(), facts, conf.described) }, a.board, a.logOf(partVIP))
	v.wire = wire.New(func() wire.Config {
		return wire.Config{Own: v.own, Interval: time.Second, ProbeInterval: a.config().Keepalive.ProbeInterval}
	}, a.board, a.logOf(partVIP))
	v.dump = dump.New(dump.Deps{Enabled: func() bool { return a.config().Keepalive.JSONDump }, Running: v.running, Tracked: v.tracked}, a.board, a.logOf(partVIP))
	a.vip = v
	a.wakes = append(a.wakes, v.keepalive.Wake, v.balancer.Wake, v.wire.Wake, conf.loop.Wake, v.dump.Wake)
}

func (v *vip) tasks() []Task {
	var out []Task
	for _, t := range v.keepalive.Tasks() {
		out = append(out, t)
	}
	for _, t := range v.balancer.Tasks() {
		out = append(out, t)
	}
	return append(out, v.wire, v.conf.loop, v.dump)
}

func vipConditions() []*health.Condition {
	return slices.Concat(keepalive.Conditions(), haproxy.Conditions(), wire.Conditions(), lint.Conditions(), dump.Conditions())
}

func verdictDir(c config.Config) string { return filepath.Join(c.RunDir, "verdict") }

func keepaliveConfig(c config.Config) keepalive.Config {
	return keepalive.Config{
		Dir: verdictDir(c), FIFO: c.Keepalive.NotifyFIFO, Policies: policies(c.Keepalive.Policies),
		CheckFrequency: c.Keepalive.CheckFrequency, Peers: c.Keepalive.Peers, PeerTimeout: peerTimeout,
	}
}

// policies are the configured ones, or the one with two tiers.
func policies(named map[string]config.Policy) []keepalive.Policy {
	base := keepalive.TwoTiers(defaultPolicy, haproxy.HAProxy.Name, component.APIServer.Name)
	if len(named) == 0 {
		return []keepalive.Policy{base}
	}
	var out []keepalive.Policy
	for name, p := range named {
		x := base
		x.Name, x.Counts = name, nil
		x.Rise, x.Fall, x.FaultFor = cmp.Or(p.Rise, x.Rise), cmp.Or(p.Fall, x.Fall), cmp.Or(p.FaultFor, x.FaultFor)
		x.Maintenance, x.Nothing = cmp.Or(p.Maintenance, x.Maintenance), cmp.Or(p.Nothing, x.Nothing)
		for condition, c := range p.Counts {
			x.Counts = append(x.Counts, keepalive.Count{Condition: condition, Subject: c.Subject, Weight: cmp.Or(c.Weight, keepalive.DefaultWeight), Fault: c.Fault})
		}
		// What weighs most is named first.
		slices.SortFunc(x.Counts, func(a, b keepalive.Count) int {
			return cmp.Or(cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.Condition, b.Condition))
		})
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b keepalive.Policy) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func haproxyConfig(c config.Config, facts *facts, vips func() []lint.Described) haproxy.Config {
	h := c.Keepalive.HAProxy
	return haproxy.Config{File: h.ConfigFile, Socket: h.Socket, Port: uint16(h.Port), Timeout: h.Timeout, Interval: h.CheckFrequency,
		Processes: facts.procs,
		Kubelet: func() haproxy.Kubelet {
			return kubeletWay(facts.get().Server, ownAddresses, vips())
		}}
}

// own are this node's instances for who listens to the wire: what keepalived.conf says, with what netlink says of the addresses.
func (v *vip) own() []wire.Own {
	present := map[string]bool{}
	known := map[string]bool{}
	for _, i := range v.keepalive.View().Instances {
		known[i.Name] = true
		present[i.Name] = slices.ContainsFunc(i.VIPs, func(x keepalive.VIP) bool { return x.Present })
	}
	var out []wire.Own
	for _, d := range v.conf.described() {
		o := wire.Own{Name: d.Name, Interface: d.Interface, VRID: d.VRID, Version: d.Version, Interval: d.Advert, Holds: present[d.Name], Known: known[d.Name]}
		for _, p := range d.VIPs {
			o.VIPs = append(o.VIPs, p.Addr())
		}
		o.V6 = len(o.VIPs) > 0 && o.VIPs[0].Is6()
		out = append(out, o)
	}
	return out
}

// answer is what other nodes' agents are told.
func (v *vip) answer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(v.keepalive.Answer())
}

func (v *vip) startMaintenance(ctx context.Context, d time.Duration, reason, by string, force bool) (view.Maintenance, error) {
	m, err := v.keepalive.StartMaintenance(ctx, keepalive.MaintenanceRequest{For: d, Reason: reason, By: by, Force: force})
	return view.Maintenance(m), err
}

// leave gives the VIP up before the node goes down: it asks nobody, since the node goes anyway.
func (v *vip) leave(log *zap.Logger) func(context.Context) {
	return func(ctx context.Context) {
		if err := v.keepalive.Leave(ctx); err != nil {
			log.Warn("give the VIP up before the node goes down", zap.Error(err))
		}
	}
}

// view is all that is shown.
func (v *vip) view() view.VIP {
	out := vipView(v.keepalive.View())
	heard, _ := v.wire.View.Get()
	addHeard(&out, heard)
	if b, ok := v.balancer.View.Get(); ok {
		out.Balancer = balancerView(b)
	}
	return out
}

// paused says whether a person has asked that nothing is done to the node, and why.
func (v *vip) paused() (bool, string) {
	m, on := v.keepalive.Maintenance()
	if !on {
		return false, ""
	}
	return true, m.String()
}

// prefixes are those of a described instance.
func prefixes(d lint.Described) []netip.Prefix { return slices.Concat(d.VIPs, d.Excluded) }
