package view

import (
	"net/netip"
	"time"
)

// VIP is what this node tells keepalived, what became of it, and the balancer behind it.
type VIP struct {
	Verdicts    []Verdict       `json:"verdicts"`
	Named       bool            `json:"named"`                 // keepalived.conf names a verdict of ours; if not, all this is only observed
	Changes     []VerdictChange `json:"changes,omitempty"`     // the newest, the oldest first
	Maintenance *Maintenance    `json:"maintenance,omitempty"` // in force
	Keepalived  []int           `json:"keepalived,omitempty"`  // pids
	Instances   []VRRPInstance  `json:"instances,omitempty"`
	Heard       []VRRPPeer      `json:"heard,omitempty"` // other senders of adverts
	WireOff     string          `json:"wireOff,omitempty"`
	Malformed   uint64          `json:"malformed"` // packets that were no adverts
	Balancer    *Balancer       `json:"balancer,omitempty"`
	Counters    VIPCounters     `json:"counters"`
}

// VIPCounters count since the agent's start.
type VIPCounters struct {
	Changes    uint64 `json:"changes"`    // verdicts that took another number or word
	Rewrites   uint64 `json:"rewrites"`   // verdict files that somebody else changed or removed
	Answers    uint64 `json:"answers"`    // on the verdict sockets
	BadNotices uint64 `json:"badNotices"` // lines of the notify FIFO that were none
}

// Verdict is what a policy makes of the node's health.
type Verdict struct {
	Policy string    `json:"policy"`
	Number int       `json:"number"` // what is added to the priority: 0 fit, down to -253, or -254, which is FAULT
	Word   string    `json:"word"`   // ok, degraded, unknown, fault, maintenance
	Causes []string  `json:"causes,omitempty"`
	Since  time.Time `json:"since"`
	Next   int       `json:"next,omitempty"`  // the number that waits for its time
	NextAt time.Time `json:"nextAt,omitzero"` // when it comes; zero: nothing waits
}

// VerdictChange is a verdict that changed.
type VerdictChange struct {
	At     time.Time `json:"at"`
	Policy string    `json:"policy"`
	From   int       `json:"from"`
	To     int       `json:"to"`
	Word   string    `json:"word"`
	Cause  string    `json:"cause,omitempty"`
	Would  bool      `json:"would,omitempty"` // keepalived.conf did not name the verdict: this is what would have been
}

// VRRPInstance is one vrrp_instance of keepalived.conf.
type VRRPInstance struct {
	Name        string     `json:"name"`
	Interface   string     `json:"interface,omitempty"`
	VRID        int        `json:"vrid,omitempty"`
	Priority    int        `json:"priority,omitempty"`  // of keepalived.conf
	Effective   int        `json:"effective,omitempty"` // as keepalived told last; 0: it did not
	State       string     `json:"state"`               // MASTER, BACKUP, FAULT, STOP, UNKNOWN
	Since       time.Time  `json:"since"`
	Transitions uint64     `json:"transitions"`
	VIPs        []VIPState `json:"vips,omitempty"`
	Tracked     bool       `json:"tracked"` // it tracks a verdict of ours
}

// VIPState is one address of an instance.
type VIPState struct {
	Address string `json:"address"`
	Present bool   `json:"present"` // on this node
}

// VRRPPeer is another sender of adverts.
type VRRPPeer struct {
	Interface string     `json:"interface"`
	VRID      int        `json:"vrid"`
	Address   netip.Addr `json:"address"`
	Version   int        `json:"version"`
	Priority  int        `json:"priority"`
	Live      bool       `json:"live"`               // it is a master now
	Instance  string     `json:"instance,omitempty"` // ours with that VRID
	Last      time.Time  `json:"last"`
}

// Balancer is the local HAProxy.
type Balancer struct {
	Version  string    `json:"version,omitempty"`
	File     string    `json:"file,omitempty"`
	Socket   string    `json:"socket,omitempty"`
	Answered bool      `json:"answered"` // the socket answered the last look
	Conns    int64     `json:"connections"`
	MaxConn  int64     `json:"maxConnections"`
	Backends []Backend `json:"backends,omitempty"`
	Kubelet  string    `json:"kubelet,omitempty"` // through: this node's kubelet reaches its apiserver through it; past: it does not; empty: not known
}

// Backend is one backend of the balancer.
type Backend struct {
	Name     string          `json:"name"`
	Status   string          `json:"status"` // HAProxy's word: UP, DOWN
	Sessions int64           `json:"sessions"`
	Queue    int64           `json:"queue"`
	Live     int             `json:"live"`    // servers that pass their check
	Checked  int             `json:"checked"` // servers that have one
	Servers  []BackendServer `json:"servers,omitempty"`
}

// BackendServer is one server of a backend.
type BackendServer struct {
	Name    string `json:"name"`
	Address string `json:"address,omitempty"`
	Status  string `json:"status"`          // HAProxy's word: UP, DOWN, MAINT, DRAIN, no check
	Check   string `json:"check,omitempty"` // the last check: L7OK, L4CON ...
}

// Maintenance says that a person wants this node without the VIP for a while.
type Maintenance struct {
	Until  time.Time `json:"until"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`
}

// MaintenanceRequest asks for maintenance of this node.
type MaintenanceRequest struct {
	For    string `json:"for"` // a duration: 30m, 1h; at most 744h
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`    // who asks; empty: the peer's user name
	Force  bool   `json:"force,omitempty"` // don't ask the other nodes' agents
}
