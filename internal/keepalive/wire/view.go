package wire

import (
	"net/netip"
	"time"
)

// View is what was heard.
type View struct {
	At        time.Time         `json:"at"`
	Listening []string          `json:"listening,omitempty"` // interfaces
	Off       string            `json:"off,omitempty"`       // why nothing is listened to
	Peers     []Peer            `json:"peers,omitempty"`     // at most 64
	Forgotten uint64            `json:"forgotten,omitempty"` // peers that were dropped to stay within that
	Malformed map[string]uint64 `json:"malformed,omitempty"` // packets, by interface
	Last      string            `json:"lastMalformed,omitempty"`
	Answers   []Answer          `json:"answers,omitempty"` // of others, for VIPs that this node holds
	Probes    uint64            `json:"probes"`            // sent
	Failures  uint64            `json:"failures"`          // of readers
}

// Peer is one sender of adverts.
type Peer struct {
	Interface string        `json:"interface"`
	VRID      int           `json:"vrid"`
	Address   netip.Addr    `json:"address"`
	MAC       string        `json:"mac,omitempty"`
	Version   int           `json:"version"`
	Priority  int           `json:"priority"` // 0: it resigned
	Interval  time.Duration `json:"interval"` // nanoseconds
	VIPs      []netip.Addr  `json:"vips"`
	Adverts   uint64        `json:"adverts"`
	First     time.Time     `json:"first"` // of this row of adverts
	Last      time.Time     `json:"last"`
	Live      bool          `json:"live"`     // it is a master now
	Instance  string        `json:"instance"` // ours with that VRID; empty: none
}

// Answer is somebody else's word that it has our VIP.
type Answer struct {
	Interface string     `json:"interface"`
	VIP       netip.Addr `json:"vip"`
	MAC       string     `json:"mac"`
	First     time.Time  `json:"first"`
	Last      time.Time  `json:"last"`
}
