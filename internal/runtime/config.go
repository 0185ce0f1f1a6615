package runtime

import (
	"path/filepath"
	"time"

	"nodeagent/internal/health"
)

// Config is what a pass reads anew; every field may change while the agent runs.
type Config struct {
	Root     string                           // the file system's root, for tests; empty: /
	Endpoint string                           // unix:///path; empty: found by Detect
	Kubelet  func() (endpoint, source string) // what kubelet was told, and where that was read; may be nil, and answer nothing

	ProbeTimeout   time.Duration // of each call of a look; above 0 (runtimeProbeTimeout)
	CheckFrequency time.Duration // from look to look; above 0 (runtimeCheckFrequency)
}

// Hooks are called as things happen: nudges, which may come late, twice, or for nothing. Each may be nil. They must not block.
type Hooks struct {
	OnConnect    func() // the connection came up; Up tells whether it still is
	OnDisconnect func() // the connection was lost

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
	if d.Endpoint.Path != "" && c.Root != "" {
		d.Endpoint.Path = filepath.Join(c.Root, d.Endpoint.Path)
	}
	return d
}

func (c Config) valid() time.Duration { return health.Validity(c.CheckFrequency, c.ProbeTimeout) }
