package component

import (
	"math"

	"nodeagent/internal/view"
)

// Components are what was last looked at; those not looked at yet are not among them.
func (c *Checker) Components() view.Components {
	out := view.Components{List: c.views.All()}
	if e, ok := c.etcdView.Get(); ok {
		out.Etcd = e
	}
	return out
}

// shown is what is shown of a component.
func (f found) shown(name, address string) view.Component {
	v := view.Component{Name: name, Here: f.there(), Address: address}
	if f.manifest != nil {
		v.Manifest = f.manifest.file
	}
	if f.pod != nil {
		v.Pod, v.Restarts = f.pod.Phase, restartsOf(*f.pod)
	}
	if f.process != nil {
		v.PID, v.Since = f.process.pid, f.process.at
	}
	return v
}

func restartsOf(p view.Pod) int {
	n := 0
	for _, c := range p.Containers {
		n += c.Restarts
	}
	return max(n, p.Restarts)
}

// etcdShown is nil where there is no etcd, or nothing is known of it.
func etcdShown(s etcdSeen) *view.Etcd {
	if !s.metrics.valid {
		return nil
	}
	m := s.metrics
	e := &view.Etcd{Version: m.version, HasLeader: m.hasLeader, IsLeader: m.isLeader, DBSize: m.dbSize, DBInUse: m.dbInUse, DBQuota: s.quota(), Fsync: told(s.fsync), Commit: told(s.commit)}
	for _, x := range s.api.members {
		e.Members = append(e.Members, x.Name)
	}
	return e
}

// told is a percentile that says something, and that JSON can hold.
func told(q quantile) float64 {
	if q.samples < latencySamples || math.IsInf(q.p99, 0) {
		return 0
	}
	return q.p99
}

func kubeletShown(s kubeletSeen) view.Component {
	k := s.kubelet
	return view.Component{Name: nameKubelet, Here: k.Here, PID: k.PID, Since: k.Started, Address: k.Address, Version: s.version}
}
