// Package view holds what is shown and is no condition: the JSON types of the API, and the cells modules publish them in.
//
// A module writes its cells; metrics, the API and the pages read them. Field names are documented and stable: a field is added,
// never renamed.
package view

import (
	"sync/atomic"
	"time"
)

// Cell holds the newest value of one view. Writers replace the value whole; readers get it without waiting.
type Cell[T any] struct{ p atomic.Pointer[T] }

// Set replaces the value. The caller gives it away and changes it no more.
func (c *Cell[T]) Set(v T) { c.p.Store(&v) }

// Get is the newest value; false before the first Set.
func (c *Cell[T]) Get() (T, bool) {
	p := c.p.Load()
	if p == nil {
		var zero T
		return zero, false
	}
	return *p, true
}

// Status is the whole node as `status -o json` prints it.
type Status struct {
	Node        string       `json:"node"`
	Version     string       `json:"version"`
	Time        time.Time    `json:"time"`
	Since       time.Time    `json:"since,omitzero"` // start of the daemon; zero when the CLI looked by itself
	Daemon      bool         `json:"daemon"`         // false: no daemon ran, the CLI looked once by itself
	Status      string       `json:"status"`         // ok, failing, unknown: the worst of what counts
	Mode        string       `json:"mode"`           // staticPods.mode
	Roles       []string     `json:"roles"`          // found: see the Role constants; empty: none
	Runtime     Runtime      `json:"runtime"`
	Conditions  []Condition  `json:"conditions"`
	Pods        []Pod        `json:"pods"`
	Network     *Network     `json:"network,omitempty"`     // where there is Flannel
	VIP         *VIP         `json:"vip,omitempty"`         // where keepalived or a balancer is
	Maintenance *Maintenance `json:"maintenance,omitempty"` // in force
	Components  *Components  `json:"components,omitempty"`  // where there is one of Kubernetes' own processes
	Mutes       []Mute       `json:"mutes,omitempty"`
}

// Condition is one condition with its subjects.
type Condition struct {
	Name     string    `json:"name"`
	Help     string    `json:"help"`
	Impact   string    `json:"impact"` // critical, degraded, notice
	Status   string    `json:"status"` // of the worst subject that is not muted
	Disabled bool      `json:"disabled,omitempty"`
	Subjects []Subject `json:"subjects"`
	More     int       `json:"more,omitempty"` // subjects left out above the bound
}

// Subject is one subject of a condition; Name is empty where the condition is about the node.
type Subject struct {
	Name     string            `json:"name,omitempty"`
	Status   string            `json:"status"` // ok, failing, unknown, absent
	Reason   string            `json:"reason,omitempty"`
	Message  string            `json:"message,omitempty"`
	Fix      string            `json:"fix,omitempty"`
	Since    time.Time         `json:"since"`
	Muted    *Mute             `json:"muted,omitempty"`
	Evidence map[string]string `json:"evidence,omitempty"`
}

// Mute is a mute in force.
type Mute struct {
	Condition string    `json:"condition"`
	Subject   string    `json:"subject,omitempty"`
	Until     time.Time `json:"until"`
	Reason    string    `json:"reason,omitempty"`
	By        string    `json:"by,omitempty"`
}

// Runtime is the CRI runtime as last seen.
type Runtime struct {
	Endpoint string `json:"endpoint,omitempty"`
	Source   string `json:"source,omitempty"` // where the endpoint was found
	Name     string `json:"name,omitempty"`
	Version  string `json:"version,omitempty"`
	API      string `json:"api,omitempty"`

	Details  *RuntimeDetails `json:"details,omitempty"`
	Canaries []Canary        `json:"canaries,omitempty"` // the last one of each handler; none where none is configured
}

// Pod is one static pod.
type Pod struct {
	Namespace    string      `json:"namespace"`
	Name         string      `json:"name"`
	UID          string      `json:"uid,omitempty"`
	File         string      `json:"file,omitempty"` // its manifest; empty: runs with none
	Hash         string      `json:"hash,omitempty"` // of the manifest's content that runs; "v1:" and more, to be compared alone
	Sandbox      string      `json:"sandbox,omitempty"`
	Phase        string      `json:"phase"` // see the Phase constants
	Ready        bool        `json:"ready"`
	Message      string      `json:"message,omitempty"`
	Since        time.Time   `json:"since,omitzero"` // in this phase
	IP           string      `json:"ip,omitempty"`
	Restarts     int         `json:"restarts"`
	NextStart    time.Time   `json:"nextStart,omitzero"`    // the next restart, where back-off holds one
	StoppedUntil time.Time   `json:"stoppedUntil,omitzero"` // a person stopped it; it starts again then
	Usage        *Usage      `json:"usage,omitempty"`       // of the pod's cgroup, as last sampled; absent while not known
	Containers   []Container `json:"containers,omitempty"`  // init containers first
}

// Usage is what a pod's cgroup counts.
type Usage struct {
	At               time.Time `json:"at"`
	CPUSeconds       float64   `json:"cpuSeconds"` // since the cgroup was made
	CPU              float64   `json:"cpu"`        // cores, between the last two samples
	ThrottledSeconds float64   `json:"throttledSeconds"`
	WorkingSet       uint64    `json:"workingSetBytes"`
	MemoryLimit      uint64    `json:"memoryLimitBytes,omitempty"` // 0: none
	OOMKills         uint64    `json:"oomKills"`                   // of any process of the pod
}

// Phases of a static pod.
const (
	PhasePending     = "Pending"      // wanted, not yet running
	PhasePulling     = "Pulling"      // an image is on its way
	PhaseInit        = "Initializing" // its init containers are at work
	PhaseNotReady    = "NotReady"     // every container runs and a probe does not pass
	PhaseStopped     = "Stopped"      // a person stopped it for a while
	PhaseRunning     = "Running"      // every container runs
	PhaseRestarting  = "Restarting"   // a container ended and starts again
	PhaseBackOff     = "BackOff"      // a container waits for its next restart
	PhaseCrashLoop   = "CrashLoop"    // it keeps ending
	PhaseStopping    = "Stopping"     // it is being stopped
	PhaseSucceeded   = "Succeeded"    // every container ended well and none starts again
	PhaseFailed      = "Failed"       // a container ended badly and none starts again
	PhaseMissing     = "Missing"      // a manifest is there and nothing runs
	PhaseStale       = "Stale"        // what runs is of an older content of the manifest
	PhaseDuplicate   = "Duplicate"    // two manifests or two sandboxes claim one name
	PhaseNoManifest  = "NoManifest"   // runs and has no manifest
	PhaseRefused     = "Refused"      // the manifest is refused
	PhaseUnknown     = "Unknown"      // could not be found out
	PhaseTerminating = "Terminating"  // its manifest is gone and it still runs
)

// Container is one container of a pod.
type Container struct {
	Name      string    `json:"name"`
	Role      string    `json:"role,omitempty"` // init, sidecar; empty for the others
	State     string    `json:"state"`          // created, running, exited, waiting, unknown
	Ready     bool      `json:"ready"`          // runs and its readiness probe passes (beside a kubelet, which alone knows of its probes: runs); an init container that is done
	Image     string    `json:"image,omitempty"`
	ID        string    `json:"id,omitempty"`
	PID       int       `json:"pid,omitempty"`
	Attempt   int       `json:"attempt"`
	Restarts  int       `json:"restarts"`
	StartedAt time.Time `json:"startedAt,omitzero"`
	LastExit  *Exit     `json:"lastExit,omitempty"`
	NextStart time.Time `json:"nextStart,omitzero"`
	Probes    []Probe   `json:"probes,omitempty"`
}

// Probe is one probe of a container that runs.
type Probe struct {
	Kind    string    `json:"kind"`              // liveness, readiness, startup
	Status  string    `json:"status"`            // ok, failing, unknown
	Message string    `json:"message,omitempty"` // of the last failure
	At      time.Time `json:"at,omitzero"`       // of the last run
}

// Exit is how a container last ended.
type Exit struct {
	Code   int       `json:"code"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// Check is the answer to `check NAME`.
type Check struct {
	Name    string `json:"name"`
	Status  string `json:"status"`  // ok, failing, unknown, absent
	Message string `json:"message"` // one line of at most 80 characters
	Code    int    `json:"code"`    // 0 ok, absent, or muted; 1 failing; 2 unknown, no such name, or switched off
}
