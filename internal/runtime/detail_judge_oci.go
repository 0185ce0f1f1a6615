package runtime

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"syscall"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/health"
	"nodeagent/internal/runtime/oci"
)

func isUsedUp(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENOSPC)
}

// judgePlugins reads containerd's own list. A plugin that skipped itself is no error: it says "skip plugin".
func (d *detailsSeen) judgePlugins() []health.Finding {
	if d.name != "containerd" && (d.name != "" || status.Code(d.plugins.Err) == codes.Unimplemented) {
		return []health.Finding{{Status: health.Absent, Message: d.name + " has no plugins to ask for"}}
	}
	if !d.plugins.asked || d.plugins.Err != nil {
		if d.unresponsive != "" || !d.plugins.asked {
			return []health.Finding{notAsked(cmp.Or(d.unresponsive, "not connected"))}
		}
		return []health.Finding{unknown(reasonCallError, "ask containerd for its plugins: %s", status.Convert(d.plugins.Err).Message())}
	}
	var out []health.Finding
	for _, p := range d.plugins.Resp.GetPlugins() {
		e := p.GetInitErr()
		if e == nil || e.GetCode() == 0 || strings.Contains(e.GetMessage(), "skip plugin") {
			continue
		}
		name := p.GetType() + "." + p.GetID()
		reason := reasonPluginOther
		switch {
		case p.GetType() == "io.containerd.grpc.v1" && p.GetID() == "cri", p.GetType() == "io.containerd.cri.v1", strings.HasPrefix(p.GetType(), "io.containerd.podsandbox."):
			reason = reasonPluginCRI
		case p.GetType() == "io.containerd.snapshotter.v1":
			if p.GetID() != cmp.Or(d.told.Snapshotter, "overlayfs") {
				continue // not used: zfs and btrfs fail on any other disk
			}
			reason = reasonPluginSnapshotter
		}
		out = append(out, about(name, failing(reason, "%s", e.GetMessage())))
	}
	// The network's configuration is loaded by the CRI plugin itself, and it keeps the error. That there is none is
	// NetworkReady's to tell.
	if l := d.told.CNILoad; l != "" && l != "OK" && !strings.Contains(l, "no network config") {
		out = append(out, about("cni", failing(reasonPluginCNI, "%s", strings.Trim(l, `"`))))
	}
	if len(out) == 0 {
		return []health.Finding{{Status: health.OK, Message: fmt.Sprintf("%d plugins", len(d.plugins.Resp.GetPlugins()))}}
	}
	return out
}

func (d *detailsSeen) judgeDriver() health.Finding {
	if d.cfg.KubeletCgroup == nil {
		return health.Finding{Status: health.Absent, Message: "no kubelet is on this node"}
	}
	k := d.cfg.KubeletCgroup()
	if !k.Here {
		return health.Finding{Status: health.Absent, Message: "no kubelet is on this node"}
	}
	if k.FailV1 && (d.cgroups.Version == "v1" || d.cgroups.Version == "hybrid") {
		return failing(reasonCgroupV1, "this node has cgroup %s, and its kubelet refuses to start on cgroup v1", d.cgroups.Version)
	}
	is := d.cgroupDriver()
	pairs := []health.Pair{{Key: "runtime", Value: is}, {Key: "kubelet", Value: k.Driver}, {Key: "source", Value: k.Source}, {Key: "cgroup", Value: d.cgroups.Version}}
	var f health.Finding
	switch {
	case is == "":
		f = unknown(reasonDriverNotTold, "the runtime did not tell its cgroup driver")
	case k.Driver == "" || k.Driver == is:
		f = health.Finding{Status: health.OK, Message: "both use " + is}
		if k.Driver == "" {
			f.Message = "the runtime uses " + is + "; the kubelet is told none"
		}
	case d.driver.Err == nil:
		// A kubelet since 1.31 asks RuntimeConfig and takes its answer over its own configuration (KEP-4033).
		f = failing(reasonDriverMismatch, "the runtime uses %s, kubelet is told %s; one older than 1.31 makes its own cgroups beside the runtime's", is, k.Driver)
	default:
		f = failing(reasonDriverMismatch, "the runtime uses %s, kubelet is told %s: pods start and then vanish, or never start", is, k.Driver)
	}
	f.Evidence = pairs
	return f
}

// cgroupDriver is what RuntimeConfig says, else what the verbose Status or /config tells; empty: not told.
func (d *detailsSeen) cgroupDriver() string {
	if d.driver.Err == nil && d.driver.Resp.GetLinux() != nil {
		if d.driver.Resp.GetLinux().GetCgroupDriver() == cri.CgroupDriver_SYSTEMD {
			return "systemd"
		}
		return "cgroupfs"
	}
	return d.told.CgroupDriver
}

func (d *detailsSeen) judgeTasks() []health.Finding {
	switch {
	case !d.containers.asked || d.containers.Err != nil || !d.sandboxes.asked || d.sandboxes.Err != nil:
		return []health.Finding{notAsked("see RuntimeCalls")}
	case d.procErr != nil:
		return []health.Finding{unknown(reasonProcUnread, "%v", d.procErr)}
	}
	var out []health.Finding
	for _, t := range d.dead {
		out = append(out, about(t.Name, failing(reasonTaskDead, "container %s is called running, and its process %d is gone", short(t.ID), t.PID)))
	}
	for _, s := range d.leaked {
		out = append(out, about("shim "+short(s.ID), failing(reasonShimLeaked, "pid %d runs and has no task", s.PID)))
	}
	for _, s := range d.stopped {
		out = append(out, about("shim "+short(s.ID), failing(reasonShimStopped, "pid %d is stopped (state T)", s.PID)))
	}
	if len(out) == 0 {
		return []health.Finding{{Status: health.OK}}
	}
	return out
}

func short(id string) string { return id[:min(len(id), 13)] }

func (d *detailsSeen) judgeShim() health.Finding {
	if d.name != "containerd" {
		return health.Finding{Status: health.Absent, Message: d.name + " has no shims of containerd's"}
	}
	v := d.shim.version
	switch {
	case d.peer > 1 && !d.isContainerd():
		return health.Finding{Status: health.Absent, Message: d.daemon + " answers in containerd's place: which shim is started is its own affair"}
	case d.peer <= 1:
		return unknown(reasonShimError, "the process behind the socket is not known, nor the PATH it looks on")
	case d.shim.path == "":
		return failing(reasonShimMissing, "%s is neither on the PATH of containerd (pid %d) nor beside it", shimName, d.peer)
	case errors.Is(v.Err, oci.ErrHung):
		return failing(reasonShimHung, "%v", v.Err)
	case v.Err != nil:
		return failing(reasonShimError, "%v", v.Err)
	case v.Version == strings.TrimPrefix(d.version, "v"):
		return health.Finding{Status: health.OK, Message: fmt.Sprintf("%s %s", d.shim.path, v.Version)}
	}
	order, ok := oci.Compare(v.Version, d.version)
	switch {
	case !ok:
		return unknown(reasonShimError, "%s says version %q, containerd %q: they can't be compared", d.shim.path, v.Version, d.version)
	case order != 0:
		return failing(reasonShimSkew, "containerd runs as %s, %s is %s: pods may not start any more", d.version, d.shim.path, v.Version)
	}
	return health.Finding{Status: health.OK, Message: fmt.Sprintf("%s %s", d.shim.path, v.Version)}
}

func (d *detailsSeen) judgeHandlers() []health.Finding {
	if len(d.handlers) == 0 {
		if d.toldErr != nil {
			return []health.Finding{unknown(reasonOCINotTold, "%v", d.toldErr)}
		}
		return []health.Finding{unknown(reasonOCINotTold, "the runtime did not tell its handlers")}
	}
	host := oci.Host{Cgroups: d.cgroups, Runtime: d.name, Version: d.version}
	var out []health.Finding
	for _, h := range d.handlers {
		out = append(out, about(h.Name, d.judgeHandler(h, host)))
	}
	return out
}

func (d *detailsSeen) judgeHandler(h handlerSeen, host oci.Host) health.Finding {
	if h.path == "" {
		return failing(reasonOCIMissing, "%s is not there, or is no program", cmp.Or(h.Binary, "its binary"))
	}
	for _, o := range d.stuck {
		if o.Binary == h.path {
			return failing(reasonOCIHung, "%s %s does not end (pid %d), longer than %v", o.Binary, o.Verb, o.PID, cmp.Or(d.cfg.ociPatience, ociPatience))
		}
	}
	switch {
	case h.Shim:
		return health.Finding{Status: health.OK, Message: h.path}
	case errors.Is(h.version.Err, oci.ErrHung):
		return failing(reasonOCIHung, "%v", h.version.Err)
	case h.version.Err != nil:
		return failing(reasonOCIError, "%v", h.version.Err)
	}
	if r, refused := oci.Refuses(h.version, host); refused {
		if r.Hybrid {
			return failing(reasonOCIHybrid, "%s", r.Message)
		}
		return failing(reasonOCITooOld, "%s", r.Message)
	}
	return health.Finding{Status: health.OK, Message: fmt.Sprintf("%s %s at %s", h.version.Program, h.version.Version, h.path)}
}
