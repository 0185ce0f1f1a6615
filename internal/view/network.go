package view

import (
	"net/netip"
	"time"
)

// Network is Flannel on this node as last seen.
type Network struct {
	Absent      string          `json:"absent,omitempty"` // how it was looked for, where there is none
	Backend     string          `json:"backend,omitempty"`
	Subnets     []string        `json:"subnets,omitempty"`
	MTU         int             `json:"mtu,omitempty"` // FLANNEL_MTU
	Uplink      string          `json:"uplink,omitempty"`
	Devices     []FlannelDevice `json:"devices,omitempty"`
	Bridge      string          `json:"bridge,omitempty"`
	Known       int             `json:"known"`           // peers in the kernel
	Peers       []Peer          `json:"peers,omitempty"` // as last probed, by subnet
	Addresses   []Leases        `json:"addresses,omitempty"`
	Generations []RulesetChange `json:"rulesetChanges,omitempty"` // the last ones, the newest last
	Took        string          `json:"took"`                     // the last look, read and judged
	Looks       uint64          `json:"looks"`
	Overruns    uint64          `json:"overruns"` // event sockets opened anew because events were lost
}

// FlannelDevice is one device of Flannel.
type FlannelDevice struct {
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

// Peer is one peer with what its probes found.
type Peer struct {
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

// Leases are the addresses that host-local gave out in one network.
type Leases struct {
	Network string `json:"network"`
	IPv4    int    `json:"ipv4"`
	IPv6    int    `json:"ipv6"`
}

// RulesetChange is one change of nftables' ruleset, and the process that made it.
type RulesetChange struct {
	ID      uint32    `json:"id"` // of the generation, as the kernel counts
	PID     int       `json:"pid,omitempty"`
	Process string    `json:"process,omitempty"` // its name, of at most 15 bytes
	At      time.Time `json:"at"`
}

// Explanation is the way to a peer, step by step.
type Explanation struct {
	Subnet netip.Prefix `json:"subnet"`
	Node   string       `json:"node,omitempty"`
	Steps  []Step       `json:"steps"`
	End    string       `json:"end"` // where it ends, or that it does not
}

// Step is one step of the way to a peer.
type Step struct {
	Name   string `json:"name"`   // device, route, neighbour, fdb, underlay, mtu, rules, node answers, overlay answers, full size
	Status string `json:"status"` // ok, failing, unknown, absent
	Text   string `json:"text"`
	Fix    string `json:"fix,omitempty"`
}
