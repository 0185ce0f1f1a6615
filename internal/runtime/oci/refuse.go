package oci

import "fmt"

// Host is what of a node decides whether an OCI runtime refuses it.
type Host struct {
	Cgroups          Cgroups // as the CRI runtime sees them
	Runtime, Version string  // the CRI runtime that writes the bundles: containerd, cri-o
}

// crunUnified is where crun looks for the cgroup2 of a hybrid host, and nowhere else (libcrun_get_cgroup_mode): one that a CNI plugin mounts
// for itself is nothing to it.
const crunUnified = "/sys/fs/cgroup/unified"

// Refusal says why every container of an OCI runtime would be refused.
type Refusal struct {
	Hybrid  bool // because of the host's cgroups; else because it is too old for the CRI runtime
	Message string
}

// Refuses foretells what a pod would only find out: crun (1.8 to 1.29 alike) runs nothing on cgroup v1 beside a cgroup2 that owns a
// controller, and before 1.14.3 it took only bundles whose version of the OCI runtime specification has "1.0" in it ("unknown version
// specified", containers/crun#1620): containerd 1.6 writes 1.0.2-dev and 1.7 writes 1.1.0, which both have; containerd 2 and CRI-O 1.30 write
// 1.2.0 or newer. Of a script nothing is foretold: it may be there to work around this.
func Refuses(v Version, h Host) (Refusal, bool) {
	if v.Program != "crun" || !v.ELF {
		return Refusal{}, false
	}
	below := func(is, want string) bool { c, ok := Compare(is, want); return ok && c < 0 }
	atLeast := func(is, want string) bool { c, ok := Compare(is, want); return ok && c >= 0 }
	const need = "1.14.3"
	if below(v.Version, need) && (h.Runtime == "containerd" && atLeast(h.Version, "2.0") || h.Runtime == "cri-o" && atLeast(h.Version, "1.30")) {
		return Refusal{Message: fmt.Sprintf(`crun %s is too old for %s %s: it would end every container with "unknown version specified"; it takes crun %s`, v.Version, h.Runtime, h.Version, need)}, true
	}
	if c := h.Cgroups; c.Version == "hybrid" && c.Unified == crunUnified && c.Controllers != "" {
		return Refusal{Hybrid: true, Message: fmt.Sprintf("crun %s refuses cgroup v1 beside a cgroup2 that owns controllers, and %s owns %s", v.Version, c.Unified, c.Controllers)}, true
	}
	return Refusal{}, false
}
