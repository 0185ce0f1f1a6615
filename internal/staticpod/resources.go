package staticpod

import (
	"fmt"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/staticpod/cgroup"
)

const (
	cpuPeriod = 100_000 // microseconds, the kernel's and kubelet's default
	minQuota  = 1000    // the kernel's least, in microseconds
	minShares = 2
	maxShares = 262144
)

// resources of a container: shares from the request, quota and memory from the limits (pkg/kubelet/cm/helpers_linux.go).
func resources(s *corev1.PodSpec, c *corev1.Container) *cri.LinuxContainerResources {
	r := &cri.LinuxContainerResources{CpuShares: minShares, OomScoreAdj: oomScoreAdj(s, c, memoryCapacity())}
	cpu := c.Resources.Requests[corev1.ResourceCPU]
	if cpu.IsZero() {
		cpu = c.Resources.Limits[corev1.ResourceCPU]
	}
	if milli := cpu.MilliValue(); milli > 0 {
		r.CpuShares = min(max(milli*1024/1000, minShares), maxShares)
	}
	if lim := c.Resources.Limits[corev1.ResourceCPU]; !lim.IsZero() {
		r.CpuPeriod, r.CpuQuota = cpuPeriod, max(lim.MilliValue()*cpuPeriod/1000, minQuota)
	}
	if lim := c.Resources.Limits[corev1.ResourceMemory]; !lim.IsZero() {
		r.MemoryLimitInBytes = lim.Value()
	}
	return r
}

// oomScoreAdj as kubelet sets it (pkg/kubelet/qos/policy.go): -997 for what must not be killed, 1000 for best effort, else the less the
// more memory is requested, never below 3.
func oomScoreAdj(s *corev1.PodSpec, c *corev1.Container, capacity int64) int64 {
	if nodeCritical(s) {
		return -997
	}
	switch cgroup.QOS(s) {
	case corev1.PodQOSGuaranteed:
		return -997
	case corev1.PodQOSBestEffort:
		return 1000
	}
	req := c.Resources.Requests[corev1.ResourceMemory]
	if capacity <= 0 {
		return 999
	}
	return min(max(1000-1000*req.Value()/capacity, 3), 999)
}

// nodeCritical pods are the last to be killed for memory and to be stopped with the node (k8s.io/kubernetes/pkg/apis/scheduling).
func nodeCritical(s *corev1.PodSpec) bool {
	return s.PriorityClassName == "system-node-critical" || (s.Priority != nil && *s.Priority >= 2_000_001_000)
}

// critical pods are stopped after the others when the node goes down.
func critical(s *corev1.PodSpec) bool {
	return nodeCritical(s) || s.PriorityClassName == "system-cluster-critical" || (s.Priority != nil && *s.Priority >= 2_000_000_000)
}

// What a container that is not privileged does not see of the kernel, or not change, as kubelet has it (pkg/securitycontext/util.go).
// containerd hides nothing by itself: without these lists /proc/sys is writable in every container that runs as root.
var (
	maskedPaths = []string{
		"/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
		"/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap",
	}
	readonlyPaths = []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
)

func security(s *corev1.PodSpec, c *corev1.Container, profiles string) *cri.LinuxContainerSecurityContext {
	out := &cri.LinuxContainerSecurityContext{
		NamespaceOptions: namespaces(s),
		Seccomp:          &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Unconfined},
	}
	if pod := s.SecurityContext; pod != nil {
		out.RunAsUser, out.RunAsGroup = int64Value(pod.RunAsUser), int64Value(pod.RunAsGroup)
		out.SupplementalGroups = groups(pod)
		seccomp(out, pod.SeccompProfile, profiles)
	}
	sc := c.SecurityContext
	if sc == nil || sc.Privileged == nil || !*sc.Privileged {
		out.MaskedPaths, out.ReadonlyPaths = slices.Clone(maskedPaths), slices.Clone(readonlyPaths)
	}
	if sc == nil {
		return out
	}
	if sc.RunAsUser != nil {
		out.RunAsUser = int64Value(sc.RunAsUser)
	}
	if sc.RunAsGroup != nil {
		out.RunAsGroup = int64Value(sc.RunAsGroup)
	}
	if sc.Privileged != nil {
		out.Privileged = *sc.Privileged
	}
	if sc.ReadOnlyRootFilesystem != nil {
		out.ReadonlyRootfs = *sc.ReadOnlyRootFilesystem
	}
	if sc.AllowPrivilegeEscalation != nil {
		out.NoNewPrivs = !*sc.AllowPrivilegeEscalation
	}
	if caps := sc.Capabilities; caps != nil {
		out.Capabilities = &cri.Capability{}
		for _, x := range caps.Add {
			out.Capabilities.AddCapabilities = append(out.Capabilities.AddCapabilities, string(x))
		}
		for _, x := range caps.Drop {
			out.Capabilities.DropCapabilities = append(out.Capabilities.DropCapabilities, string(x))
		}
	}
	seccomp(out, sc.SeccompProfile, profiles)
	return out
}

// seccomp sets a profile; one of type Localhost is a file below profiles. What is not known confines more, not less.
func seccomp(out *cri.LinuxContainerSecurityContext, p *corev1.SeccompProfile, profiles string) {
	switch {
	case p == nil:
	case p.Type == corev1.SeccompProfileTypeUnconfined:
		out.Seccomp = &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Unconfined}
	case p.Type == corev1.SeccompProfileTypeLocalhost && p.LocalhostProfile != nil:
		out.Seccomp = &cri.SecurityProfile{ProfileType: cri.SecurityProfile_Localhost, LocalhostRef: filepath.Join(profiles, *p.LocalhostProfile)}
	default:
		out.Seccomp = &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault}
	}
}

// mustNotBeRoot reports whether only the image's own user can tell if a runAsNonRoot holds: a runAsUser was checked with the manifest.
func mustNotBeRoot(pod *corev1.Pod, c *corev1.Container) bool {
	must, user := false, false
	if sc := pod.Spec.SecurityContext; sc != nil {
		must, user = sc.RunAsNonRoot != nil && *sc.RunAsNonRoot, sc.RunAsUser != nil
	}
	if sc := c.SecurityContext; sc != nil {
		if sc.RunAsNonRoot != nil {
			must = *sc.RunAsNonRoot
		}
		user = user || sc.RunAsUser != nil
	}
	return must && !user
}

// imageUser refuses an image whose user is root, or a name of which nobody can say so.
func imageUser(container string, image *cri.Image) error {
	switch {
	case image.GetUid() == nil && image.GetUsername() != "":
		return fmt.Errorf("container %s has runAsNonRoot and its image has the user name %q, which may be root: set runAsUser to a number", container, image.GetUsername())
	case image.GetUid().GetValue() == 0:
		return fmt.Errorf("container %s has runAsNonRoot and its image runs as root: set runAsUser", container)
	}
	return nil
}

// withImageUser gives a container its image's user by name or number; an image that names none runs as root.
func withImageUser(sc *cri.LinuxContainerSecurityContext, image *cri.Image) {
	if name := image.GetUsername(); name != "" && image.GetUid() == nil {
		sc.RunAsUsername = name
		return
	}
	sc.RunAsUser = &cri.Int64Value{Value: image.GetUid().GetValue()}
}
