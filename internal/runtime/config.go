package runtime

import (
	"cmp"
	"context"
	"path/filepath"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/procs"
)

// Config is what a pass reads anew; every field may change while the agent runs.
type Config struct {
	Root     string                           // the file system's root, for tests; empty: /
	Endpoint string                           // unix:///path; empty: found by Detect
	Kubelet  func() (endpoint, source string) // what kubelet was told, and where that was read; may be nil, and answer nothing

	// Unneeded tells why this node needs no runtime, such as a pure balancer; empty: it does. Without one such a node is not failing. It may be nil.
	Unneeded func() string

	ProbeTimeout   time.Duration // of each call of a look; above 0 (runtimeProbeTimeout)
	CheckFrequency time.Duration // from look to look; above 0 (runtimeCheckFrequency)

	// DetailFrequency is from one look at the details to the next: lists, images, plugins, shims, OCI runtimes. 0: DefaultDetailFrequency.
	DetailFrequency time.Duration
	// KubeletCgroup is what the node's kubelet does with cgroups. It may be nil, and answer nothing.
	KubeletCgroup func() KubeletCgroup
	// Unit is systemd's unit of a process, or by its name where pid is 0. nil: no systemd. It must end with ctx.
	Unit func(ctx context.Context, pid int, name string) (Unit, error)
	// Free percent of the image file system's space and inodes below which ImageFilesystem fails. 0: kubelet's own hard eviction
	// thresholds, imagefs.available 15 % and imagefs.inodesFree 5 %.
	ImageSpaceMin, ImageInodesMin float64
	// Processes is shared with others that look for processes, and read once; nil: a table of its own, of /proc.
	Processes *procs.Table
	// Canary says whether and how canaries are run; the zero value runs none.
	Canary CanaryConfig

	shimGrace, ociPatience time.Duration // for tests; 0: the constants of these names
	eventsCalm             time.Duration // for tests, read when the Runtime is made; 0: steady
}

// DefaultDetailFrequency keeps what the details cost containerd far below 0.2 % of a core.
const DefaultDetailFrequency = 30 * time.Second

// KubeletCgroup is how a kubelet was told to use cgroups.
type KubeletCgroup struct {
	Here   bool   // there is a kubelet
	Driver string // cgroupfs or systemd; empty: not said, so that it asks the runtime or takes its own default
	Source string // where that was read, for people
	FailV1 bool   // it refuses to start on cgroup v1 (failCgroupV1, the default since 1.35)
}

// Unit is what systemd tells of the runtime's unit.
type Unit struct {
	Name     string // containerd.service; empty: the process belongs to none
	KillMode string // process, control-group, mixed, none
	Restarts uint32 // NRestarts: automatic restarts since it was last started by hand
}

func (c Config) unneeded() string {
	if c.Unneeded == nil {
		return ""
	}
	return c.Unneeded()
}

func (c Config) detailFrequency() time.Duration {
	return cmp.Or(c.DetailFrequency, DefaultDetailFrequency)
}

// slow is how long a call may take before it counts as slow: a third of what makes it hung.
func (c Config) slow() time.Duration { return c.ProbeTimeout / 3 }

// Hooks are called as things happen: nudges, which may come late, twice, or for nothing. Each may be nil. They must not block.
type Hooks struct {
	OnConnect    func() // the connection came up; Up tells whether it still is
	OnDisconnect func() // the connection was lost
	OnAnswer     func() // it answers again after it did not: a hung one keeps its connection

	OnEvent  func(containerID, pod string) // something became of a container or sandbox; pod is namespace/name, empty where it is not told
	OnRelist func()                        // events may have been missed: read everything again

	// Observe is told of each unary call: its name (Version, ListContainers ...), how long it took, and gRPC's code (OK, DeadlineExceeded ...).
	Observe func(method string, d time.Duration, code string)
}

func call(f func()) {
	if f != nil {
		f()
	}
}

func (c Config) detect() Detection {
	d := Detect(c.Root, c.Endpoint, c.Kubelet)
	d.root = c.Root
	if d.Endpoint.Path != "" && c.Root != "" {
		d.Endpoint.Path = filepath.Join(c.Root, d.Endpoint.Path)
	}
	return d
}

func (c Config) valid() time.Duration { return health.Validity(c.CheckFrequency, c.ProbeTimeout) }
