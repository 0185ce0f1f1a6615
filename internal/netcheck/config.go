package netcheck

import (
	"cmp"
	"context"
	"net/netip"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/health"
)

// Config is read once a look; every field may change while the agent runs, but for Netns.
type Config struct {
	Netns      string // path of a network namespace, such as /run/netns/x; empty: the agent's own
	Proc       string // empty: /proc
	SubnetEnv  string // empty: /run/flannel/subnet.env
	CNIConfDir string // empty: /etc/cni/net.d
	CNIDataDir string // of host-local; empty: /var/lib/cni/networks
	NodeName   string // finds this node among Deps.Nodes; empty: found by its subnet

	Resync      time.Duration // from look to look with no event; 0: 30 s
	ReadTimeout time.Duration // of each netlink call; 0: 3 s

	ProbeInterval    time.Duration // from probe to probe of a peer; 0: 10 s
	FullSizeInterval time.Duration // from full-size probe to full-size probe of a peer; 0: 60 s
	ProbeTimeout     time.Duration // how long an answer may take; 0: 1 s
	ProbeWindow      int           // probes that loss is counted over; 0: 30
	MaxProbed        int           // peers probed in one round; above it a part that rotates; 0: 64

	root  string        // for tests: where the files of network managers and firewalld are looked for; empty: /
	young time.Duration // for tests: how long a flanneld that has started is left alone; 0: youngFlanneld
}

func (c Config) filled() Config {
	c.Proc = cmp.Or(c.Proc, "/proc")
	c.SubnetEnv = cmp.Or(c.SubnetEnv, "/run/flannel/subnet.env")
	c.CNIConfDir = cmp.Or(c.CNIConfDir, "/etc/cni/net.d")
	c.CNIDataDir = cmp.Or(c.CNIDataDir, "/var/lib/cni/networks")
	c.Resync = cmp.Or(c.Resync, 30*time.Second)
	c.ReadTimeout = cmp.Or(c.ReadTimeout, 3*time.Second)
	c.ProbeInterval = cmp.Or(c.ProbeInterval, 10*time.Second)
	c.FullSizeInterval = cmp.Or(c.FullSizeInterval, time.Minute)
	c.ProbeTimeout = cmp.Or(c.ProbeTimeout, time.Second)
	c.ProbeWindow = cmp.Or(c.ProbeWindow, 30)
	c.MaxProbed = cmp.Or(c.MaxProbed, 64)
	c.root = cmp.Or(c.root, "/")
	c.young = cmp.Or(c.young, youngFlanneld)
	return c
}

func (c Config) valid() time.Duration      { return health.Validity(c.Resync, 2*c.ReadTimeout) }
func (c Config) probeValid() time.Duration { return health.Validity(c.ProbeInterval, 4*c.ProbeTimeout) }

// Deps are the parts of the agent that netcheck uses. Each may be nil.
type Deps struct {
	// Nodes lists the cluster's nodes with Flannel's annotations; asked once a look, and must answer from memory. Nothing depends on it: its
	// error makes the part Unknown and nothing else.
	Nodes func(ctx context.Context) ([]Node, error)

	// Permit says whether an act may be done now, and if not, why and from when it may; action is one of the Mend constants, the zero time: not
	// known. nil: nothing is ever mended. Done is told what came of each that was permitted, Refuse what this package will not do now.
	Permit func(action, target, why string) (ok bool, because string, from time.Time)
	Done   func(action, target, why string, err error)
	Refuse func(action, target, why, because string)

	Store  Store             // keeps the last good picture; nil: it ends with the agent
	Boot   string            // id of this boot, beside what is kept
	Record func(event.Event) // the timeline; must not block

	// Observe is told the round-trip time of each answered probe through the overlay.
	Observe func(rtt time.Duration)
}

// Store keeps what outlives the agent, as internal/state's Folder does.
type Store interface {
	Load(name string, version int, v any) (found bool, err error)
	Save(name string, version int, v any) error
}

// Node is what Flannel's annotations (flannel.alpha.coreos.com/*) and spec.podCIDRs say of one node.
type Node struct {
	Name       string         `json:"name"`
	Backend    string         `json:"backend"`             // backend-type: vxlan, host-gw, udp ...
	PublicIP   netip.Addr     `json:"publicIP,omitzero"`   // public-ip
	PublicIPv6 netip.Addr     `json:"publicIPv6,omitzero"` // public-ipv6
	VTEP       string         `json:"vtep,omitempty"`      // VtepMAC of backend-data
	VTEPv6     string         `json:"vtepV6,omitempty"`    // VtepMAC of backend-v6-data
	Subnets    []netip.Prefix `json:"subnets"`             // spec.podCIDRs
}
