package oci

import "fmt"

// Host is what of a node decides whether an OCI runtime refuses it.
type Host struct {
	Hybrid            string // mount point of a cgroup2 that owns controllers beside cgroup v1; empty: none
	HybridControllers string // those it owns
	Runtime, Version  string // the CRI runtime that writes the bundles: containerd, cri-o
}

// Refusal says why every container of an OCI runtime would be refused.
type Refusal struct {
	Hybrid  bool // because of the host's cgroups; else because it is too old for the CRI runtime
	Message string
}

// Refuses foretells what a pod would only find out: crun (1.8 and 1.21 alike) runs nothing on cgroup v1 beside a cgroup2 that owns a
// controller, and before 1.14.3 it took only the versions of the OCI runtime specification it knew ("unknown version specified",
// containers/crun#1620): containerd 1.7 writes 1.1, containerd 2 and CRI-O 1.30 write 1.2. Of a script nothing is foretold: it may be
// there to work around this.
func Refuses(v Version, h Host) (Refusal, bool) {
	if v.Program != "crun" || !v.ELF {
		return Refusal{}, false
	}
	below := func(is, want string) bool { c, ok := Compare(is, want); return ok && c < 0 }
	atLeast := func(is, want string) bool { c, ok := Compare(is, want); return ok && c >= 0 }
	need := ""
	switch {
	case h.Runtime == "containerd" && atLeast(h.Version, "2.0"), h.Runtime == "cri-o" && atLeast(h.Version, "1.30"):
		need = "1.14.3"
	case h.Runtime == "containerd" && atLeast(h.Version, "1.7"):
		need = "1.8.2" // 1.8.1 was seen to refuse it
	}
	if need != "" && below(v.Version, need) {
		return Refusal{Message: fmt.Sprintf(`crun %s is too old for %s %s: it would end every container with "unknown version specified"; it takes crun %s`, v.Version, h.Runtime, h.Version, need)}, true
	}
	if h.Hybrid != "" {
		return Refusal{Hybrid: true, Message: fmt.Sprintf("crun %s refuses cgroup v1 beside a cgroup2 that owns controllers, and %s owns %s", v.Version, h.Hybrid, h.HybridControllers)}, true
	}
	return Refusal{}, false
}
