package keepalive

import (
	"errors"
	"net/netip"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/procs"
)

// Default places.
const (
	DefaultDir  = "/run/nodeagent/verdict"
	DefaultFIFO = "/run/nodeagent/vrrp.fifo"
)

// Config is what a pass reads anew. Dir, FIFO and Proc are read once, by New.
type Config struct {
	Dir  string // of verdict files and sockets; survives the agent
	FIFO string // keepalived's vrrp_notify_fifo; empty: none
	Proc string // the proc file system, for tests; empty: /proc

	Policies []Policy // each valid (see Validate), no name twice

	CheckFrequency time.Duration // how often VRRP is looked at with no event; above 0
	Peers          []string      // http(s) addresses of the other agents
	PeerTimeout    time.Duration // of the whole question to all peers; above 0
}

// Instance is a VRRP instance as keepalived.conf has it.
type Instance struct {
	Name      string
	Interface string
	VRID      int
	Priority  int
	VIPs      []netip.Prefix // virtual_ipaddress, and excluded ones; a bare address is /32 or /128
	Verdicts  []string       // names of verdicts that it tracks, by file, or by a script that asks us
	Process   bool           // it tracks the agent's process too
}

// Configured is what keepalived.conf says.
type Configured struct {
	Path      string // of the file
	Found     bool   // it is there and has an instance
	Instances []Instance
	Err       error // it is there and could not be read
}

// Deps are what others do for this package.
type Deps struct {
	Store      Store
	Record     func(event.Event) // the timeline; must not block; may be nil
	Configured func() Configured // called from one goroutine, at each look; must be cheap where nothing changed
	Node       func() string     // this node's name, for the answer to peers
	Processes  *procs.Table      // shared with others that look for processes; nil: one of its own
}

func (c Config) proc() string {
	if c.Proc == "" {
		return "/proc"
	}
	return c.Proc
}

var errNotConfigured = errors.New("keepalived.conf is not read by this agent")

func notConfigured() Configured { return Configured{Err: errNotConfigured} }
