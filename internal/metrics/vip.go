package metrics

import (
	"nodeagent/internal/view"
)

// Bounds of series: more than a node has instances of VRRP, and a balancer backends.
const (
	maxInstances = 32
	maxBackends  = 20
)

var (
	verdictDesc    = desc("verdict", "What keepalived adds to the priority for this verdict: 0 fit, below 0 unfit, -254 FAULT.", "policy")
	followedDesc   = desc("verdict_followed", "Whether keepalived.conf names a verdict of this node: 1, or 0 where the verdicts are only observed.")
	changesDesc    = desc("verdict_changes_total", "Times a verdict took another number or word.")
	rewritesDesc   = desc("verdict_rewrites_total", "Verdict files that somebody else changed or removed, and that were put back.")
	answersDesc    = desc("verdict_answers_total", "Connections to the verdict sockets that were answered.")
	badNoticesDesc = desc("vrrp_bad_notices_total", "Lines of keepalived's notify FIFO that were none.")
	maintainDesc   = desc("maintenance", "Whether the node is under maintenance: 1 or 0.")
	untilDesc      = desc("maintenance_until_timestamp_seconds", "When the maintenance in force ends; none where there is none.")

	vrrpStateDesc  = desc("vrrp_state", "State of a VRRP instance: 0 unknown, 1 MASTER, 2 BACKUP, 3 FAULT, 4 stopped.", "vrrp_instance")
	vrrpHeldDesc   = desc("vrrp_vips", "Addresses of a VRRP instance that are on this node.", "vrrp_instance")
	vrrpPrioDesc   = desc("vrrp_priority", "Priority of a VRRP instance as keepalived told last, or as configured where it did not.", "vrrp_instance")
	vrrpTransDesc  = desc("vrrp_transitions_total", "Changes of state of a VRRP instance.", "vrrp_instance")
	vrrpSinceDesc  = desc("vrrp_state_since_timestamp_seconds", "Since when a VRRP instance is in its state.", "vrrp_instance")
	vrrpHeardDesc  = desc("vrrp_masters_heard", "Other nodes that advertise the instance's VRID now.", "vrrp_instance")
	malformedDesc  = desc("vrrp_malformed_packets_total", "Packets on the instances' interfaces that were no good VRRP.")
	haproxyUpDesc  = desc("haproxy_answers", "Whether HAProxy's runtime socket answered the last look: 1 or 0; none where there is no HAProxy.")
	haproxyConn    = desc("haproxy_connections", "Connections that HAProxy has.")
	haproxyMaxConn = desc("haproxy_connections_limit", "Connections that HAProxy takes.")
	backendLive    = desc("haproxy_backend_servers_live", "Servers of a backend that pass their check.", "backend")
	backendChecked = desc("haproxy_backend_servers_checked", "Servers of a backend that have a check and are not in maintenance.", "backend")
	backendQueue   = desc("haproxy_backend_queue", "Sessions that wait for a server of a backend.", "backend")
)

// vrrpStates are the values of vrrp_state.
var vrrpStates = map[string]float64{"MASTER": 1, "BACKUP": 2, "FAULT": 3, "STOP": 4}

func vipSamples(to *samples, v view.VIP) {
	for _, x := range v.Verdicts[:min(len(v.Verdicts), maxInstances)] {
		to.gauge(verdictDesc, float64(x.Number), x.Policy)
	}
	to.gauge(followedDesc, yes(v.Named))
	to.counter(changesDesc, float64(v.Counters.Changes))
	to.counter(rewritesDesc, float64(v.Counters.Rewrites))
	to.counter(answersDesc, float64(v.Counters.Answers))
	to.gauge(maintainDesc, yes(v.Maintenance != nil))
	if v.Maintenance != nil {
		to.gauge(untilDesc, seconds(v.Maintenance.Until))
	}
	if len(v.Instances) > 0 {
		to.counter(badNoticesDesc, float64(v.Counters.BadNotices))
		to.counter(malformedDesc, float64(v.Malformed))
	}
	for _, i := range v.Instances[:min(len(v.Instances), maxInstances)] {
		instanceSamples(to, i, v.Heard)
	}
	if v.Balancer != nil {
		balancerSamples(to, *v.Balancer)
	}
}

func instanceSamples(to *samples, i view.VRRPInstance, heard []view.VRRPPeer) {
	held, masters := 0, 0
	for _, x := range i.VIPs {
		if x.Present {
			held++
		}
	}
	for _, p := range heard {
		if p.Live && p.Instance == i.Name {
			masters++
		}
	}
	priority := i.Effective
	if priority == 0 {
		priority = i.Priority
	}
	to.gauge(vrrpStateDesc, vrrpStates[i.State], i.Name)
	to.gauge(vrrpHeldDesc, float64(held), i.Name)
	to.gauge(vrrpPrioDesc, float64(priority), i.Name)
	to.counter(vrrpTransDesc, float64(i.Transitions), i.Name)
	to.gauge(vrrpHeardDesc, float64(masters), i.Name)
	if !i.Since.IsZero() {
		to.gauge(vrrpSinceDesc, seconds(i.Since), i.Name)
	}
}

func balancerSamples(to *samples, b view.Balancer) {
	to.gauge(haproxyUpDesc, yes(b.Answered))
	if !b.Answered {
		return
	}
	to.gauge(haproxyConn, float64(b.Conns))
	to.gauge(haproxyMaxConn, float64(b.MaxConn))
	for _, x := range b.Backends[:min(len(b.Backends), maxBackends)] {
		to.gauge(backendLive, float64(x.Live), x.Name)
		to.gauge(backendChecked, float64(x.Checked), x.Name)
		to.gauge(backendQueue, float64(x.Queue), x.Name)
	}
}
