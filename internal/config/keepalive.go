package config

import "time"

// Keepalive says what keepalived is told, and how VRRP and the balancer are watched.
type Keepalive struct {
	// keepalived's configuration, which tells what VRRP instances there are.
	ConfigFile string `yaml:"configFile" form:"path"`
	// keepalived writes each change of state here (vrrp_notify_fifo). Empty: vrrp.fifo in runDir.
	NotifyFIFO string `yaml:"notifyFifo" form:"path" reload:"restart"`
	// How often VRRP is looked at, beside the kernel's notices.
	CheckFrequency time.Duration `yaml:"checkFrequency" range:"100ms..1m"`
	// The other nodes' agents, such as [http://10.0.0.2:10071]; asked before maintenance takes this node away.
	Peers []string `yaml:"peers" form:"url"`
	// How often another owner of a VIP that this node holds is looked for, by ARP and ND.
	ProbeInterval time.Duration `yaml:"probeInterval" range:"1s..1h"`
	// Ask keepalived once a minute, by a signal, what it tracks (its JSON dump in /tmp). A packaged agent has a /tmp of its own: it needs
	// PrivateTmp=no in a drop-in of its unit.
	JSONDump bool `yaml:"jsonDump"`
	// The local balancer.
	HAProxy HAProxy `yaml:"haproxy"`
	// What makes this node fit for a VIP, by the name of the verdict. Empty: one, vip, with two tiers: the balancer
	// (seen dead: FAULT, else -120), the local apiserver (-60). A policy takes:
	Policies map[string]Policy `yaml:"policies" keys:"policy"`
}

// HAProxy is the local balancer.
type HAProxy struct {
	// haproxy.cfg. Empty: the one that the process names, else the usual places.
	ConfigFile string `yaml:"configFile" form:"path"`
	// Its runtime socket (stats socket). Empty: the first that its configuration names.
	Socket string `yaml:"socket" form:"socket"`
	// Port of the apiservers on it: if nobody listens there, it is down. 0: every port of its configuration.
	Port int `yaml:"port" range:"0..65535"`
	// How often it is asked.
	CheckFrequency time.Duration `yaml:"checkFrequency" range:"500ms..1m"`
	// Deadline of one look at it.
	Timeout time.Duration `yaml:"timeout" range:"100ms..30s"`
}

// Policy says what makes this node fit for a VIP; a zero field leaves the default.
type Policy struct {
	// The conditions that count, by name, such as {HAProxy: {weight: -120, fault: [Down]}}. Each takes:
	Counts map[string]Count `yaml:"counts" keys:"count"`
	// How long a better verdict must last before it is given; 5s if not set.
	Rise time.Duration `yaml:"rise" range:"1ms..1h"`
	// How long a worse one must last; 2s if not set. FAULT never waits.
	Fall time.Duration `yaml:"fall" range:"1ms..1h"`
	// How long FAULT lasts before it becomes the lowest priority; 10s if not set.
	FaultFor time.Duration `yaml:"faultFor" range:"1s..1h"`
	// Added to the priority while the node is under maintenance; -100 if not set.
	Maintenance int `yaml:"maintenance" range:"-253..-1"`
	// The number where no condition counts because the node has none of it; -60 if not set.
	Nothing int `yaml:"nothing" range:"-253..-1"`
}

// Count is one condition of a policy.
type Count struct {
	// Added to the priority while it is failing or unknown; -60 if not set.
	Weight int `yaml:"weight" range:"-253..-1"`
	// One subject of the condition. Empty: the worst.
	Subject string `yaml:"subject" form:"text"`
	// Reasons for which the VIP is given up at once (FAULT): only what is seen dead on this node alone.
	Fault []string `yaml:"fault" form:"reason"`
}
