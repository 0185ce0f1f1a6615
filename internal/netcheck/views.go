package netcheck

import (
	"net/netip"
	"time"
)

// View is Flannel on this node as last seen.
type View struct {
	Absent      string       `json:"absent,omitempty"` // how it was looked for, where there is none
	Backend     string       `json:"backend,omitempty"`
	Subnets     []string     `json:"subnets,omitempty"`
	MTU         int          `json:"mtu,omitempty"` // FLANNEL_MTU
	Uplink      string       `json:"uplink,omitempty"`
	Devices     []DeviceView `json:"devices,omitempty"`
	Bridge      string       `json:"bridge,omitempty"`
	Peers       int          `json:"peers"` // known in the kernel
	Addresses   []Leases     `json:"addresses,omitempty"`
	Generations []Generation `json:"rulesetChanges,omitempty"` // the last ones, the newest last
	Took        string       `json:"took"`                     // the last look, read and judged
	Looks       uint64       `json:"looks"`
	Overruns    uint64       `json:"overruns"` // event sockets opened anew because events were lost
}

// DeviceView is one device of Flannel.
type DeviceView struct {
	Name  string `json:"name"`
	Index int    `json:"index,omitempty"` // 0: it is not there
	MAC   string `json:"mac,omitempty"`
	MTU   int    `json:"mtu,omitempty"`
	Up    bool   `json:"up"`
}

// States of a peer.
const (
	PeerUp          = "up"
	PeerUnreachable = "unreachable"  // its node answers, the overlay does not
	PeerDown        = "underlayDown" // its node does not answer either
	PeerUnknown     = "unknown"      // not probed yet, or it can't be
)

// PeerView is one peer with what its probes found.
type PeerView struct {
	Subnet   netip.Prefix  `json:"subnet"`
	Node     string        `json:"node,omitempty"`
	Underlay netip.Addr    `json:"underlay,omitzero"`
	Device   string        `json:"device,omitempty"`
	State    string        `json:"state"`
	RTT      time.Duration `json:"rttNanoseconds,omitempty"` // of the last answer
	Loss     float64       `json:"loss"`                     // 0 to 1, over the window
	Probes   int           `json:"probes"`                   // in the window
	PathMTU  int           `json:"pathMTU,omitempty"`        // in bytes; 0: not known
	Answered time.Time     `json:"answered,omitzero"`        // last
	Message  string        `json:"message,omitempty"`
}
