package view

import (
	"slices"
	"time"
)

// Roles of a node, in the order in which they are shown.
const (
	RoleControlPlane = "control-plane"
	RoleEtcd         = "etcd" // of a cluster, with no control plane beside it
	RoleWorker       = "worker"
	RoleBalancer     = "balancer"
)

// Component is one of Kubernetes' own processes on this node.
type Component struct {
	Name     string    `json:"name"`               // of its program
	Here     bool      `json:"here"`               // this node has it
	Manifest string    `json:"manifest,omitempty"` // of its static pod
	Pod      string    `json:"pod,omitempty"`      // the phase of that
	Restarts int       `json:"restarts,omitempty"` // of its containers
	PID      int       `json:"pid,omitempty"`      // 0: none runs, or it is not known
	Since    time.Time `json:"since,omitzero"`     // when the process began
	Address  string    `json:"address,omitempty"`  // where it is asked
	Version  string    `json:"version,omitempty"`
	Mode     string    `json:"mode,omitempty"` // of kube-proxy
}

// Etcd is this node's member as last looked at.
type Etcd struct {
	Version   string   `json:"version,omitempty"`
	HasLeader bool     `json:"hasLeader"`
	IsLeader  bool     `json:"isLeader"`
	Members   []string `json:"members,omitempty"` // by name; empty where the API was not asked
	DBSize    float64  `json:"dbSizeBytes"`
	DBInUse   float64  `json:"dbInUseBytes"`
	DBQuota   float64  `json:"dbQuotaBytes"`
	Fsync     float64  `json:"fsyncP99Seconds"`  // of the last five minutes; 0: too few syncs
	Commit    float64  `json:"commitP99Seconds"` // the same of commits
}

// Components are what a node has of Kubernetes' own processes.
type Components struct {
	List []Component `json:"list"` // by name
	Etcd *Etcd       `json:"etcd,omitempty"`
}

// Roles of a node with these components and perhaps a balancer (HAProxy or keepalived). None: an empty list.
func (c Components) Roles(balancer bool) []string {
	here := func(names ...string) bool {
		return slices.ContainsFunc(c.List, func(x Component) bool { return x.Here && slices.Contains(names, x.Name) })
	}
	var out []string
	control := here("kube-apiserver", "kube-scheduler", "kube-controller-manager")
	if control {
		out = append(out, RoleControlPlane)
	}
	if here("etcd") && !control {
		out = append(out, RoleEtcd)
	}
	if here("kubelet") && len(out) == 0 {
		out = append(out, RoleWorker)
	}
	if balancer {
		out = append(out, RoleBalancer)
	}
	return out
}
