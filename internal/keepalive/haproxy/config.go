package haproxy

import (
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/procs"
)

// Config is what a look reads anew; every field may change while the agent runs.
type Config struct {
	Root   string // the file system's root, for tests; empty: /
	File   string // haproxy.cfg; empty: the one that the process names, else the usual places. A fixed one also tells this HAProxy from others on the node
	Socket string // the runtime socket; empty: the first that the configuration names, else the usual places
	Port   uint16 // the apiservers' port on this balancer: if it is not listened on, it is Down whatever else is. 0: every TCP port of its configuration must be unheard

	Timeout  time.Duration // of one look at the socket; above 0
	Interval time.Duration // from look to look; above 0, 1 s to 5 s is sensible

	// Processes is shared with others that look for processes, and read once; nil: a table of its own, of Root's proc.
	Processes *procs.Table

	// Kubelet tells how the kubelet of this node reaches its apiserver; nil or a zero answer: not known.
	Kubelet func() Kubelet
}

// Kubelet is a hint about the kubelet of this node, from its kubeconfig.
type Kubelet struct {
	Port uint16 // of `server:`; 0: not known
	Here bool   // its host is this node or a VIP that this node may hold
}

// shortest pause between looks while it is not well, so that a recovery is seen soon.
const retry = 500 * time.Millisecond

// seldom is the pause where there is no balancer: one that starts may be seen a little later than one that comes back.
const seldom = 5 * time.Second

func (c Config) valid() time.Duration { return health.Validity(c.Interval, c.Timeout) }

func (c Config) kubelet() Kubelet {
	if c.Kubelet == nil {
		return Kubelet{}
	}
	return c.Kubelet()
}
