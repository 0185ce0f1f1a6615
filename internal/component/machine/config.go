package machine

import (
	"cmp"
	"path/filepath"
	"time"

	"nodeagent/internal/health"
)

// Config is read once a look; every field may change while the agent runs.
type Config struct {
	Root           string        // of the files that are read, for tests; empty: /
	CheckFrequency time.Duration // from look to look; 0: 30 s
	Timeout        time.Duration // how long a file system may take to answer; 0: 3 s
	SpaceMin       float64       // percent of free space below which Filesystems fails; 0: 10, kubelet's hard nodefs.available
	InodesMin      float64       // percent of free inodes below which it fails; 0: 5, kubelet's hard nodefs.inodesFree
	ClockOffset    time.Duration // offset from which the clock is off; 0: 100 ms
}

func (c Config) filled() Config {
	c.Root = cmp.Or(c.Root, "/")
	c.CheckFrequency = cmp.Or(c.CheckFrequency, 30*time.Second)
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	c.SpaceMin = cmp.Or(c.SpaceMin, 10)
	c.InodesMin = cmp.Or(c.InodesMin, 5)
	c.ClockOffset = cmp.Or(c.ClockOffset, 100*time.Millisecond)
	return c
}

func (c Config) path(p string) string { return filepath.Join(c.Root, p) }

func (c Config) valid() time.Duration { return health.Validity(c.CheckFrequency, c.Timeout) }

// Folder is one whose file system must take writes.
type Folder struct {
	What string // whose it is, for people: etcd, pod logs
	Path string
}

// Kubelet is what this node's kubelet wants of the machine.
type Kubelet struct {
	Here           bool   // there is one
	Running        bool   // it runs now
	FailSwapOn     bool   // it does not start with swap on
	ProtectKernel  bool   // it does not start where a setting of the kernel is not as it wants it, instead of setting it
	SwapSource     string // where FailSwapOn was read; empty: kubelet's default
	ForwardingSeen bool   // another condition judges the forwarding of packets
}

// Deps are the parts of the agent that machine uses.
type Deps struct {
	// Kubelet answers from files and /proc; nil: there is none.
	Kubelet func() Kubelet
	// Folders are those whose file systems are judged, the most important first. What does not exist is left out.
	Folders func() []Folder
}
