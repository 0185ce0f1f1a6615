package kubelet

import (
	"fmt"
)

var (
	binDirs     = []string{"/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/bin", "/sbin", "/opt/bin", "/opt/kubernetes/bin"}
	configs     = []string{"/var/lib/kubelet/config.yaml", "/var/lib/kubelet/kubeadm-flags.env", "/etc/kubernetes/kubelet/config.json", "/etc/kubernetes/kubelet/kubelet-config.json"}
	kubeconfigs = []string{"/etc/kubernetes/kubelet.conf", "/etc/kubernetes/bootstrap-kubelet.conf", "/var/lib/kubelet/kubeconfig", "/var/lib/kubelet/bootstrap-kubeconfig"}
)

// distribution is a product with a kubelet inside it.
type distribution struct {
	name      string
	process   string // its program
	units     []string
	binaries  []string
	settings  string // its own configuration, in which kubelet-arg and node-name may stand
	args      string // a file with kubelet's command line
	manifests string // the folder it gives its kubelet when nothing else is said
	dropins   string // --config-dir it gives its kubelet
}

// distributions and their paths, from their documentation and packages.
var distributions = []distribution{
	{
		name: "k3s", process: "k3s", units: []string{"k3s.service", "k3s-agent.service"},
		binaries: []string{"/usr/local/bin/k3s", "/usr/bin/k3s", "/opt/bin/k3s"},
		settings: "/etc/rancher/k3s/config.yaml", manifests: "/var/lib/rancher/k3s/agent/pod-manifests",
		dropins: "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d",
	},
	{
		name: "rke2", process: "rke2", units: []string{"rke2-server.service", "rke2-agent.service"},
		binaries: []string{"/usr/local/bin/rke2", "/usr/bin/rke2", "/opt/rke2/bin/rke2", "/var/lib/rancher/rke2/bin/kubelet"},
		settings: "/etc/rancher/rke2/config.yaml", manifests: "/var/lib/rancher/rke2/agent/pod-manifests",
		dropins: "/var/lib/rancher/rke2/agent/etc/kubelet.conf.d",
	},
	{
		name: "k0s", process: "k0s", units: []string{"k0scontroller.service", "k0sworker.service"},
		binaries: []string{"/usr/local/bin/k0s", "/usr/bin/k0s", "/var/lib/k0s/bin/kubelet"},
	},
	{
		name: "microk8s", process: "kubelite", units: []string{"snap.microk8s.daemon-kubelite.service", "snap.microk8s.daemon-kubelet.service"},
		binaries: []string{"/snap/bin/microk8s", "/snap/microk8s/current/kubelite"},
		args:     "/var/snap/microk8s/current/args/kubelet",
	},
}

// evidence lists every sign of a kubelet.
func (h *host) evidence(u unit, running *Process) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if running != nil {
		add("process %d (%s) runs", running.PID, running.Name)
	}
	seen := map[string]bool{}
	for _, dir := range binDirs {
		path := dir + "/kubelet"
		if real := h.real(path, true); h.hasFile(path) && !seen[real] { // /bin is /usr/bin on most
			seen[real] = true
			add("binary %s", path)
		}
	}
	if u.path != "" || len(u.dropins) > 0 {
		out = append(out, "unit "+u.describe())
	}
	for _, path := range configs {
		if h.hasFile(path) {
			add("configuration %s", path)
		}
	}
	for _, path := range kubeconfigs {
		if h.hasFile(path) {
			add("kubeconfig %s", path)
		}
	}
	for _, d := range distributions {
		for _, name := range d.units {
			if path, masked := h.unitFile(name); path != "" {
				add("%s's unit %s", d.name, unit{path: path, masked: masked, enabled: true}.describe())
			}
		}
		for _, path := range d.binaries {
			if h.exists(path) {
				add("%s's binary %s", d.name, path)
			}
		}
	}
	return out
}

func (u unit) describe() string {
	switch {
	case u.path == "":
		return u.dropins[0] + " (a drop-in; the unit itself is gone)"
	case u.masked:
		return u.path + " (masked)"
	case !u.enabled:
		return u.path + " (disabled)"
	}
	return u.path
}

// unitFile finds a unit's file without reading it.
func (h *host) unitFile(name string) (path string, masked bool) {
	for _, dir := range unitDirs {
		if p := dir + "/" + name; h.exists(p) {
			return p, h.null(p)
		}
	}
	return "", false
}

// distribution is the product whose kubelet this is: the one that runs, else the first installed one where no kubelet of kubeadm's
// kind is configured; nil: none.
func (h *host) distribution(running *Process) *distribution {
	for i, d := range distributions {
		if running != nil && running.Name == d.process {
			return &distributions[i]
		}
	}
	if h.hasFile("/var/lib/kubelet/config.yaml") {
		return nil
	}
	for i, d := range distributions {
		for _, name := range d.units {
			if path, _ := h.unitFile(name); path != "" {
				return &distributions[i]
			}
		}
	}
	return nil
}

// MayReturn tells whether a kubelet is here or may come back, with the reasons. answers is what Answers said; sandbox says that the
// runtime has a sandbox with the annotation kubernetes.io/config.source, which only a kubelet writes. A /proc that could not be
// read counts as a reason: not to know is not to have none.
func MayReturn(f Facts, answers, sandbox bool) (bool, []string) {
	reasons := append([]string(nil), f.Evidence...)
	if answers {
		reasons = append(reasons, "something answers on kubelet's health port 127.0.0.1:10248")
	}
	if sandbox {
		reasons = append(reasons, "the runtime has a pod sandbox that a kubelet made (annotation kubernetes.io/config.source)")
	}
	if !f.ProcRead {
		reasons = append(reasons, "/proc could not be read, so that a running kubelet would not be seen")
	}
	return len(reasons) > 0, reasons
}
