package staticpod

import (
	"time"

	"nodeagent/internal/staticpod/folder"
)

// Slot is a place in a pod in which at most one op runs at a time. Pulls are shared by image and have no slot.
type Slot struct {
	Kind string // sandbox, container, standby, hook, volumes, dead
	Name string // of the container; the id of a sandbox or dead container that is taken away
}

// Slots of a pod.
var (
	sandboxSlot = Slot{Kind: "sandbox"}
	volumesSlot = Slot{Kind: "volumes"}
)

func containerSlot(name string) Slot { return Slot{Kind: "container", Name: name} }

func standbySlot(name string) Slot { return Slot{Kind: "standby", Name: name} }

func hookSlot(name string) Slot { return Slot{Kind: "hook", Name: name} }

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
	PostStart       Verb = "run postStart of"
	Refresh         Verb = "refresh volumes" // files made of ConfigMaps and Secrets that changed
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
	Why     string        // of Stop: what the container did to be stopped; empty where the pod itself is to end
	Whole   bool          // of Stop: the pod itself ends
	Init    bool          // of CreateAndStart and Start: an init container
	Log     string        // of RemoveContainer: its log file, to be removed too
}

// Sandbox is one sandbox of the pod as the runtime tells it.
type Sandbox struct {
	ID      string
	Attempt uint32
	Ready   bool
	Created time.Time
	Hash    string
	IP      string   // empty while unknown, and for the host's network
	IPs     []string // IP and those of other families
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
	Role              Role
	Order             int       // among the init containers, of those and of sidecars
	hook              string    // as written beside the container
	Gone              bool      // its process is seen to have ended; the runtime has not said so yet
	GoneAt            time.Time // since when
	Missing           bool      // it was listed, and its status is not to be had any more
}

// Role of a container in its pod.
type Role uint8

// The roles.
const (
	Main    Role = iota
	Init         // runs to its end before the next one starts
	Sidecar      // an init container with restartPolicy Always: runs from its turn on, and ends last
)

// ProbeState is what a running container's probes say.
type ProbeState struct {
	Started bool           // its startup probe passed, or it has none
	Message string         // what is not well
	Ready   bool           // its readiness probe passes, or it has none
	Failed  string         // why a liveness or startup probe wants the container ended; empty: it does not
	Grace   *time.Duration // of the stop that Failed asks for; nil: the pod's
}

// ImageState is what is known of an image.
type ImageState struct {
	Known        bool
	Present      bool
	PullingSince time.Time // of the pull that runs; zero: none does
	Error        string
	NotBefore    time.Time // of the next pull
	Fresh        bool      // pulled for this content already, for imagePullPolicy Always
}

func (i ImageState) pulling() bool { return !i.PullingSince.IsZero() }

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
	Ending     bool           // the node goes down: stop everything, remove nothing, start nothing
	Refresh    bool           // objects that volumes are made of changed
	Sandboxes  []Sandbox      // newest attempt first
	Containers []Container    // newest attempt first
	Images     map[string]ImageState
	Ops        map[Slot]Action
	Failures   map[Slot]Failure
	Probes     map[string]ProbeState // by container id
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
	Made       []string                   `json:"made,omitempty"`   // cgroups that we made, removed with the pod
	// StartedAt is when the first sandbox of this content was begun; activeDeadlineSeconds counts from it.
	StartedAt time.Time `json:"startedAt,omitzero"`
	// VolumesOf is the content whose volumes lie in the pod's folder.
	VolumesOf string `json:"volumesOf,omitempty"`
	// Initialized is the sandbox in which every init container is done.
	Initialized string `json:"initialized,omitempty"`
	// EndBy is, by sandbox, when the grace of a pod that is being stopped is over: sidecars get what the others left of it.
	EndBy map[string]time.Time `json:"endBy,omitempty"`
	// Hold is a stop that a person asked for.
	Hold *Hold `json:"hold,omitempty"`
}

// Hold keeps a pod stopped for a while.
type Hold struct {
	Until time.Time `json:"until"`
	Since time.Time `json:"since"`
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
	LastLong  time.Duration `json:"lastLong,omitempty"`  // how long it ran
	LastBox   string        `json:"lastBox,omitempty"`   // the sandbox it ran in
	Started   string        `json:"started,omitempty"`   // the container whose startup probe has passed
	Hooked    string        `json:"hooked,omitempty"`    // the container whose postStart is over
	HookError string        `json:"hookError,omitempty"` // how it failed
	Done      bool          `json:"done,omitempty"`      // ended for good by its restartPolicy
}

// StopMemory is a stop that was begun.
type StopMemory struct {
	By     time.Time `json:"by"`            // SIGKILL is due
	Hooked bool      `json:"hooked"`        // preStop was begun
	Why    string    `json:"why,omitempty"` // what the container did to be stopped; empty: the pod was to end
}
