package component

import (
	"cmp"
	"context"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/procs"
	"nodeagent/internal/view"
)

// Config is read once a look; every field may change while the agent runs.
type Config struct {
	Manifests  []string      // folders (or files) of static pod manifests; empty: /etc/kubernetes/manifests
	PKI        string        // empty: /etc/kubernetes/pki
	Proc       string        // empty: /proc
	Kubelet    string        // kubelet's folder of pods and their volumes; empty: /var/lib/kubelet
	Kubeconfig string        // credentials for an apiserver that refuses anonymous looks; empty: none
	Every      time.Duration // from look to look; 0: 5 s
	Timeout    time.Duration // of each request; 0: 3 s
	Slow       time.Duration // an answer that takes longer is slow; 0: 1 s
}

func (c Config) filled() Config {
	if len(c.Manifests) == 0 {
		c.Manifests = []string{"/etc/kubernetes/manifests"}
	}
	c.PKI = cmp.Or(c.PKI, "/etc/kubernetes/pki")
	c.Proc = cmp.Or(c.Proc, "/proc")
	c.Kubelet = cmp.Or(c.Kubelet, "/var/lib/kubelet")
	c.Every = cmp.Or(c.Every, 5*time.Second)
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	c.Slow = cmp.Or(c.Slow, time.Second)
	return c
}

// requests is the most that one look sends one after the other.
const requests = 4

func (c Config) valid() time.Duration { return health.Validity(c.Every, requests*c.Timeout) }

// Deps are the parts of the agent that component uses. Each may be nil.
type Deps struct {
	Pods      func() []view.Pod                                             // the static pods, from memory
	Kubelet   func() Kubelet                                                // from memory, or a few small files
	Unit      func(ctx context.Context, pid int, name string) (Unit, error) // of the process, or the named one; nil: there is no systemd
	LastError func(ctx context.Context, unit string) (string, error)        // what a unit wrote last that is an error, free of secrets; nil: there is no journal
	Observe   func(component string, d time.Duration)                       // each answer's duration
	Processes *procs.Table                                                  // shared with others that look for processes, of Config's Proc; nil: one of its own
}
