package haproxy

import "time"

// View is the balancer as last seen.
type View struct {
	At        time.Time  `json:"at"`
	Absent    bool       `json:"absent,omitempty"` // no balancer is meant to be here; File alone may be there, as packages bring it
	PIDs      []int      `json:"pids,omitempty"`   // processes of it, as this node counts them
	Version   string     `json:"version,omitempty"`
	Started   time.Time  `json:"started,omitzero"` // from its own uptime
	File      string     `json:"file,omitempty"`   // its configuration
	Socket    string     `json:"socket,omitempty"` // the runtime socket that was asked
	Answered  bool       `json:"answered"`         // the socket answered this look
	Stopping  bool       `json:"stopping,omitempty"`
	Conns     int64      `json:"connections"`
	MaxConn   int64      `json:"maxConnections"`
	Listeners []Listener `json:"listeners,omitempty"` // of its configuration
	Frontends []Frontend `json:"frontends,omitempty"`
	Backends  []Backend  `json:"backends,omitempty"`
	Kubelet   Way        `json:"kubelet,omitempty"`
}

// Way says whether the kubelet of this node reaches its apiserver through this balancer.
type Way string

// Ways; the empty one is not known.
const (
	Through Way = "through"
	Past    Way = "past"
)

// Listener is one address of the configuration.
type Listener struct {
	Proxy   string `json:"proxy"`
	Address string `json:"address"` // host:port; * for every address
	Heard   bool   `json:"heard"`   // somebody listens on it
	Known   bool   `json:"known"`   // Heard was found out
	Waiting uint32 `json:"waiting"` // connections that nobody has accepted yet
	Queue   uint32 `json:"queue"`   // as many may wait
}

// Frontend is one frontend.
type Frontend struct {
	Name        string `json:"name"`
	Status      string `json:"status"` // HAProxy's word: OPEN, FULL, STOP
	Sessions    int64  `json:"sessions"`
	MaxSessions int64  `json:"maxSessions"` // the limit
	Total       int64  `json:"total"`
}

// Backend is one backend with its servers.
type Backend struct {
	Name     string   `json:"name"`
	Status   string   `json:"status"` // HAProxy's word: UP, DOWN
	Sessions int64    `json:"sessions"`
	Queue    int64    `json:"queue"` // sessions that wait for a server
	Total    int64    `json:"total"`
	Live     int      `json:"live"`              // servers that pass their check
	Checked  int      `json:"checked"`           // servers that have one and are not in maintenance
	Kubelet  bool     `json:"kubelet,omitempty"` // the kubelet of this node may be led to it
	Servers  []Server `json:"servers,omitempty"`
}

// Server is one server of a backend.
type Server struct {
	Name      string        `json:"name"`
	Address   string        `json:"address,omitempty"`
	Status    string        `json:"status"` // HAProxy's word: UP, UP 1/3, DOWN, MAINT, DRAIN, NOLB, no check
	Backup    bool          `json:"backup,omitempty"`
	Weight    int64         `json:"weight"`
	Sessions  int64         `json:"sessions"`
	Queue     int64         `json:"queue"`
	Total     int64         `json:"total"`
	Check     string        `json:"check,omitempty"`     // the last check: L7OK, L7STS, L4CON, L4TOUT ...
	CheckCode int64         `json:"checkCode,omitempty"` // the status of an HTTP check
	CheckTook time.Duration `json:"checkTook"`           // nanoseconds
	CheckText string        `json:"checkText,omitempty"` // HAProxy's words about it
	Changed   time.Duration `json:"changed"`             // nanoseconds since it went up or down
}
