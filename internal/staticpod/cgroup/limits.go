package cgroup

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

const (
	period    = 100_000 // microseconds, the kernel's and kubelet's default
	minQuota  = 1000    // microseconds, the kernel's least
	minShares = 2       // the kernel's least and most
	maxShares = 262144
)

// Limits of a cgroup.
type Limits struct {
	CPUShares uint64 // 2 to 262144; 1024 are one core's worth
	CPUQuota  int64  // microseconds in each 100 ms; 0: none
	Memory    int64  // bytes; 0: none
}

// QOS is the class that requests and limits give a pod (k8s.io/kubernetes/pkg/apis/core/v1/helper/qos): init containers count too.
func QOS(s *corev1.PodSpec) corev1.PodQOSClass {
	some, guaranteed := false, true
	all := slices.Concat(s.Containers, s.InitContainers)
	for i := range all {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			req, lim := requested(&all[i], name), limited(&all[i], name)
			if !req.IsZero() || !lim.IsZero() {
				some = true
			}
			if lim.IsZero() || req.Cmp(lim) != 0 {
				guaranteed = false
			}
		}
	}
	switch {
	case !some:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}

// PodLimits is what kubelet sets on a pod's cgroup (pkg/kubelet/cm/helpers_linux.go, ResourceConfigForPod): shares from all that is requested; a
// quota and a memory limit where every container has one, since one without would be held down by the others'.
func PodLimits(s *corev1.PodSpec) Limits {
	l := Limits{CPUShares: minShares}
	class := QOS(s)
	if class == corev1.PodQOSBestEffort {
		return l
	}
	request, _ := aggregate(s, corev1.ResourceCPU, requested)
	l.CPUShares = shares(request.MilliValue())
	if cpu, all := aggregate(s, corev1.ResourceCPU, limited); all || class == corev1.PodQOSGuaranteed {
		l.CPUQuota = quota(cpu.MilliValue())
	}
	if memory, all := aggregate(s, corev1.ResourceMemory, limited); all || class == corev1.PodQOSGuaranteed {
		l.Memory = memory.Value()
	}
	return l
}

// requested falls back to the limit, as the API's defaults do; a pod that was defaulted has both.
func requested(c *corev1.Container, name corev1.ResourceName) resource.Quantity {
	if q, ok := c.Resources.Requests[name]; ok {
		return q
	}
	return c.Resources.Limits[name]
}

func limited(c *corev1.Container, name corev1.ResourceName) resource.Quantity {
	return c.Resources.Limits[name]
}

// aggregate is what a pod needs of a resource (k8s.io/component-helpers/resource): its containers and sidecars together, or the neediest init
// container together with the sidecars started before it, whichever is more. all tells that none has none; an init container is taken
// together with the sidecars before it there, too.
func aggregate(s *corev1.PodSpec, name corev1.ResourceName, of func(*corev1.Container, corev1.ResourceName) resource.Quantity) (sum resource.Quantity, all bool) {
	all = true
	for i := range s.Containers {
		q := of(&s.Containers[i], name)
		all = all && !q.IsZero()
		sum.Add(q)
	}
	var sidecars, most resource.Quantity
	for i := range s.InitContainers {
		c := &s.InitContainers[i]
		q := of(c, name)
		needs := sidecars.DeepCopy()
		needs.Add(q)
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sum.Add(q)
			sidecars = needs.DeepCopy()
		}
		all = all && !needs.IsZero()
		if needs.Cmp(most) > 0 {
			most = needs
		}
	}
	if most.Cmp(sum) > 0 {
		sum = most
	}
	return sum, all
}

func shares(milli int64) uint64 {
	if milli <= 0 {
		return minShares
	}
	return uint64(min(max(min(milli, 1<<40)*1024/1000, minShares), maxShares))
}

func quota(milli int64) int64 {
	if milli <= 0 {
		return 0
	}
	return max(min(milli, 1<<40)*period/1000, minQuota)
}

// weight of v2 for v1's shares, as runc converts them: 2 to 262144 becomes 1 to 10000.
func weight(shares uint64) uint64 {
	shares = min(max(shares, minShares), maxShares)
	return 1 + (shares-minShares)*9999/262142
}
