package staticpod

import (
	"time"

	"nodeagent/internal/staticpod/folder"
)

// Slot is a place in a pod in which at most one op runs at a time. Pulls are shared by image and have no slot.
type Slot struct {
	Kind string // sandbox, container, standby, dead
	Name string // of the container; the id of a sandbox or dead container that is taken away
}

// Slots of a pod.
var sandboxSlot = Slot{Kind: "sandbox"}

func containerSlot(name string) Slot { return Slot{Kind: "container", Name: name} }

func standbySlot(name string) Slot { return Slot{Kind: "standby", Name: name} }

// Verb is what an action does. Each is idempotent.
type Verb string

// The verbs.
const (
	Pull            Verb = "pull"
	RunSandbox      Verb = "run sandbox"
	StopSandbox     Verb = "stop sandbox"
	RemoveSandbox   Verb = "remove sandbox"
	CreateAndStart  Verb = "start container"   // a new attempt
	Prepare         Verb = "prepare container" // makes the next attempt and does not start it
	Start           Verb = "start created container"
	Stop            Verb = "stop container"
	RemoveContainer Verb = "remove container"
	Cleanup         Verb = "clean up" // volumes, cgroup and memory of a pod that is gone
)

// Action is one thing to do.
type Action struct {
	Slot    Slot
	Verb    Verb
	ID      string // sandbox or container acted upon
	Name    string // container name
	Image   string
	Attempt uint32
	Again   bool          // of CreateAndStart and Start: a restart, not the first start
	Sandbox string        // the container's sandbox
	Grace   time.Duration // of Stop: what is left of it
	Hook    bool          // of Stop: preStop has to run first
	Stale   bool          // of Stop: its process has ended by itself, and the runtime does not notice
	Log     string        // of RemoveContainer: its log file, to be removed too
}

// Sandbox is one sandbox of the pod as the runtime tells it.
type Sandbox struct {
	ID      string
	Attempt uint32
	Ready   bool
	Created time.Time
	Hash    string
	IP      string // empty while unknown, and for the host's network
	HostNet bool
	UID     string
}

// ContainerState is the CRI's.
type ContainerState uint8

// The states of a container.
const (
	StateUnknown ContainerState = iota
	Created
	Running
	Exited
)

// Container is one container of the pod as the runtime tells it.
type Container struct {
	ID, Name, Sandbox string
	Attempt           uint32
	State             ContainerState
	Hash              string
	Image             string
	PID               int
	Started, Finished time.Time
	Created           time.Time
	ExitCode          int
	Reason, Message   string
	LogPath           string
	Grace             time.Duration // of its stop, as its own content says
	PreStop           bool          // it has a hook
	hook              string        // as written beside the container
	Gone              bool          // its process is seen to have ended; the runtime has not said so yet
	GoneAt            time.Time     // since when
}

// ImageState is what is known of an image.
type ImageState struct {
	Known     bool
	Present   bool
	Pulling   bool
	Error     string
	NotBefore time.Time // of the next pull
	Fresh     bool      // pulled for this content already, for imagePullPolicy Always
}

// Failure is how often in a row an op of a slot failed.
type Failure struct {
	Count     int
	Error     string
	NotBefore time.Time
}

// State is all a plan is made from.
type State struct {
	Want       *folder.Wanted // nil: the pod is not wanted
	Standby    bool           // successors are made ahead
	Held       bool           // starts are refused (another owner of the node): stop nothing, start nothing
	Sandboxes  []Sandbox      // newest attempt first
	Containers []Container    // newest attempt first
	Images     map[string]ImageState
	Ops        map[Slot]Action
	Failures   map[Slot]Failure
	Memory     Memory
}

// Memory is what a pod remembers over the agent's life; it is written before each act.
type Memory struct {
	Hash       string                     `json:"hash"` // of the content the rest is about
	UID        string                     `json:"uid"`
	Namespace  string                     `json:"namespace"`
	Name       string                     `json:"name"` // without the node's
	FullName   string                     `json:"fullName"`
	Boot       string                     `json:"boot"`
	Sandbox    uint32                     `json:"sandbox"`           // the newest attempt that was begun
	Began      bool                       `json:"began"`             // Sandbox counts
	Replace    string                     `json:"replace,omitempty"` // a sandbox id that a person asked to be restarted
	Containers map[string]ContainerMemory `json:"containers,omitempty"`
	StopBy     map[string]StopMemory      `json:"stopBy,omitempty"` // by container id
	Made       []string                   `json:"made,omitempty"`   // folders and cgroups that we made, removed with the pod
}

// ContainerMemory is what is remembered of one container name.
type ContainerMemory struct {
	Next      uint32        `json:"next"`     // attempt of the next one
	Restarts  int           `json:"restarts"` // over the life of this content
	Level     int           `json:"level"`    // of back-off
	NotBefore time.Time     `json:"notBefore,omitzero"`
	LastID    string        `json:"lastID,omitempty"` // the container whose end was recorded last
	Recorded  uint32        `json:"recorded"`         // deaths of attempts below are recorded
	LastExit  int           `json:"lastExit"`
	LastWhy   string        `json:"lastWhy,omitempty"`
	LastAt    time.Time     `json:"lastAt,omitzero"`
	LastLong  time.Duration `json:"lastLong,omitempty"` // how long it ran
	Done      bool          `json:"done,omitempty"`     // ended for good by its restartPolicy
}

// StopMemory is a stop that was begun.
type StopMemory struct {
	By     time.Time `json:"by"`     // SIGKILL is due
	Hooked bool      `json:"hooked"` // preStop was begun
}
