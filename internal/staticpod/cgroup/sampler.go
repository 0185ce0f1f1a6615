package cgroup

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"nodeagent/internal/reconcile"
)

// Target is a pod whose usage is sampled.
type Target struct {
	Key        string   // of the usage: namespace/name
	Parent     string   // its cgroup, as Parent gives it
	Systemd    bool     // the form of Parent
	Containers []string // ids of those that run; their throttling and, on v1, their OOM kills are in no file of the pod's
}

// SamplerOptions of a Sampler.
type SamplerOptions struct {
	Tree     *Tree
	Pods     func() []Target // must not block; asked before each round
	Interval time.Duration   // between two rounds; 0: 10 s, at least 1 s
	Files    int             // descriptors that may be kept open; 0: 4096. Beyond them a file is opened for each read, which costs five times as much.
}

// Sampler reads the usage of all pods in a loop. It is a task; Usages may be called at any time.
type Sampler struct {
	*reconcile.Loop
	o      SamplerOptions
	files  budget
	probes map[string]*podProbe
	buf    []byte
	last   atomic.Pointer[map[string]Usage]
}

type podProbe struct {
	target     Target
	pod        *probe
	containers []*probe
}

// NewSampler makes a sampler that does nothing until Run.
func NewSampler(o SamplerOptions) *Sampler {
	if o.Interval == 0 {
		o.Interval = 10 * time.Second
	}
	o.Interval = max(o.Interval, time.Second)
	if o.Files == 0 {
		o.Files = 4096
	}
	s := &Sampler{o: o, files: budget{left: o.Files}, probes: map[string]*podProbe{}, buf: make([]byte, bufferSize)}
	s.Loop = reconcile.NewLoop(func(context.Context) (time.Time, error) {
		begin := time.Now()
		s.round()
		return begin.Add(o.Interval), nil
	}, reconcile.Options{Name: "pod usage", Bound: time.Minute})
	return s
}

// Run samples until ctx ends, then gives the descriptors back. It may be called again after it returned.
func (s *Sampler) Run(ctx context.Context) error {
	defer s.closeAll()
	return s.Loop.Run(ctx)
}

// Usages are those of the last round by key, nil before the first. A pod that has no cgroup is not there. The map is shared: it must not be changed.
func (s *Sampler) Usages() map[string]Usage {
	if m := s.last.Load(); m != nil {
		return *m
	}
	return nil
}

func (s *Sampler) round() {
	targets := s.o.Pods()
	out := make(map[string]Usage, len(targets))
	for _, t := range targets {
		if _, twice := out[t.Key]; twice {
			continue
		}
		p := s.of(t)
		if p == nil {
			continue
		}
		if u, ok := p.sample(s.buf); ok {
			out[t.Key] = u
			continue
		}
		p.close()
		delete(s.probes, t.Key)
	}
	for key, p := range s.probes {
		if _, ok := out[key]; !ok {
			p.close()
			delete(s.probes, key)
		}
	}
	s.last.Store(&out)
}

// of is a pod's probe: the last round's if nothing of the pod changed.
func (s *Sampler) of(t Target) *podProbe {
	rel, err := relative(t.Parent, t.Systemd)
	if err != nil {
		return nil
	}
	p := s.probes[t.Key]
	if p != nil && (p.target.Parent != t.Parent || p.target.Systemd != t.Systemd) {
		p.close()
		p = nil
	}
	if p == nil {
		p = &podProbe{target: t, pod: s.o.Tree.probe(rel, &s.files)}
		p.target.Containers = nil
		s.probes[t.Key] = p
	}
	if !slices.Equal(p.target.Containers, t.Containers) || len(p.containers) < len(t.Containers) {
		for _, c := range p.containers {
			c.close()
		}
		p.containers = s.containers(rel, t.Containers)
		p.target.Containers = slices.Clone(t.Containers)
		p.pod.rounds = 0 // the new ones are read in this round
	}
	return p
}

// containers finds the cgroups of containers below their pod's: runtimes name them <id>, cri-containerd-<id>.scope, crio-<id>.scope.
func (s *Sampler) containers(rel string, ids []string) []*probe {
	if len(ids) == 0 {
		return nil
	}
	entries, err := os.ReadDir(filepath.Join(s.o.Tree.mount("cpu"), rel))
	if err != nil {
		return nil
	}
	var out []*probe
	for _, e := range entries {
		is := func(id string) bool {
			return id != "" && strings.Contains(e.Name(), id) && !strings.Contains(e.Name(), "conmon")
		}
		if e.IsDir() && slices.ContainsFunc(ids, is) {
			out = append(out, s.o.Tree.probe(filepath.Join(rel, e.Name()), &s.files))
		}
	}
	return out
}

// sample is false where the pod's cgroup is gone.
func (p *podProbe) sample(buf []byte) (Usage, bool) {
	u, ran, err := p.pod.sample(buf)
	if err != nil {
		return Usage{}, false
	}
	for _, c := range p.containers {
		if ran {
			c.last = Usage{}
			c.throttling(&c.last, buf)
			if !c.v2 {
				c.last.OOMKills = c.killed(buf)
			}
		}
		u.Periods += c.last.Periods
		u.ThrottledPeriods += c.last.ThrottledPeriods
		u.Throttled += c.last.Throttled
		u.OOMKills += c.last.OOMKills
	}
	return u, true
}

func (p *podProbe) close() {
	p.pod.close()
	for _, c := range p.containers {
		c.close()
	}
}

func (s *Sampler) closeAll() {
	for key, p := range s.probes {
		p.close()
		delete(s.probes, key)
	}
}
