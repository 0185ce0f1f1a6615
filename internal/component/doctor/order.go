package doctor

import (
	"cmp"
	"slices"
	"strings"
)

// Steps of a node that comes up.
const (
	stepTime         = "time"
	stepMachine      = "machine"
	stepCertificates = "certificates"
	stepRuntime      = "runtime"
	stepKubelet      = "kubelet"
	stepEtcd         = "etcd"
	stepAPIServer    = "apiserver"
	stepVIP          = "VIP"
	stepCNI          = "CNI"
	stepPods         = "pods"
	stepAgent        = "agent"
)

var order = []string{stepTime, stepMachine, stepCertificates, stepRuntime, stepKubelet, stepEtcd, stepAPIServer, stepVIP, stepCNI, stepPods, stepAgent}

// places of conditions, by name. Those of the runtime, etcd, Flannel and VRRP are found by how they begin.
var places = map[string]string{
	"Clock":       stepTime,
	"Filesystems": stepMachine, "Inotify": stepMachine, "Kernel": stepMachine, "Swap": stepMachine,
	"Certificates": stepCertificates, "CertificateRenewal": stepCertificates, "CertificatesInUse": stepCertificates,
	"ImageFilesystem": stepRuntime, "PauseImage": stepRuntime, "CgroupDriver": stepRuntime, "ShimVersion": stepRuntime, "OCIRuntimes": stepRuntime, "PodNames": stepRuntime,
	"Kubelet": stepKubelet, "RunMode": stepKubelet, "ManifestFolder": stepKubelet, "Manifests": stepKubelet, "NodeShutdown": stepKubelet,
	"APIServer": stepAPIServer, "Scheduler": stepAPIServer, "ControllerManager": stepAPIServer,
	"HAProxy": stepVIP, "HAProxyServers": stepVIP,
	"PodBridge": stepCNI, "KubeProxy": stepCNI, "StaticPods": stepPods,
}

// StepOf is the step to which a subject of a condition belongs. A condition that has no place is the agent's own.
func StepOf(condition, subject string) string {
	if condition == "StaticPods" {
		_, pod, _ := strings.Cut(subject, "/")
		for _, p := range []struct{ begins, step string }{
			{"etcd", stepEtcd}, {"kube-apiserver", stepAPIServer}, {"kube-controller-manager", stepAPIServer}, {"kube-scheduler", stepAPIServer},
			{"haproxy", stepVIP}, {"keepalived", stepVIP}, {"kube-vip", stepVIP}, {"kube-flannel", stepCNI}, {"kube-proxy", stepCNI},
		} {
			if strings.HasPrefix(pod, p.begins) {
				return p.step
			}
		}
	}
	if step, known := places[condition]; known {
		return step
	}
	for _, p := range []struct{ begins, step string }{
		{"Runtime", stepRuntime}, {"Etcd", stepEtcd}, {"Flannel", stepCNI}, {"Network", stepCNI}, {"VRRP", stepVIP}, {"VIP", stepVIP}, {"Keepalived", stepVIP},
	} {
		if strings.HasPrefix(condition, p.begins) {
			return p.step
		}
	}
	return stepAgent
}

// blockers are reasons of conditions that are not critical, without which nothing after them works.
var blockers = map[string][]string{
	"Filesystems":  {"ReadOnly", "SpaceLow", "InodesLow"},
	"Inotify":      {"UsedUp"},
	"Kernel":       {"Setting", "ModuleMissing", "ModulesGone"},
	"Swap":         {"SwapOn"},
	"Certificates": {"Expired", "CAExpired", "NotYetValid", "KeyMismatch", "WrongCA", "Damaged"},
	"PauseImage":   {"Missing", "NotFound"},
}

func blocks(condition, reason string) bool { return slices.Contains(blockers[condition], reason) }

// sorted puts the worst first: what fails, of that what blocks, and of that what failed first.
func sorted(causes []Cause) []Cause {
	rank := func(c Cause) int {
		switch {
		case c.Status == failing && c.Blocks:
			return 0
		case c.Status == failing:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(causes, func(a, b Cause) int { return cmp.Compare(rank(a), rank(b)) })
	return causes
}
