package cgroup

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func list(cpu, memory string) corev1.ResourceList {
	l := corev1.ResourceList{}
	if cpu != "" {
		l[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
	if memory != "" {
		l[corev1.ResourceMemory] = resource.MustParse(memory)
	}
	return l
}

// c is a container with requests and limits.
func c(reqCPU, reqMem, cpu, mem string) corev1.Container {
	return corev1.Container{Resources: corev1.ResourceRequirements{Requests: list(reqCPU, reqMem), Limits: list(cpu, mem)}}
}

func sidecar(c corev1.Container) corev1.Container {
	always := corev1.ContainerRestartPolicyAlways
	c.RestartPolicy = &always
	return c
}

func TestPodLimits(t *testing.T) {
	const mi = 1 << 20
	type cs = []corev1.Container
	for _, test := range []struct {
		name       string
		init, main cs
		class      corev1.PodQOSClass
		want       Limits
	}{
		{name: "nothing", main: cs{c("", "", "", "")}, class: corev1.PodQOSBestEffort, want: Limits{CPUShares: 2}},
		{name: "zero is nothing", main: cs{c("0", "", "", "0")}, class: corev1.PodQOSBestEffort, want: Limits{CPUShares: 2}},
		{name: "guaranteed", main: cs{c("500m", "64Mi", "500m", "64Mi"), c("250m", "32Mi", "250m", "32Mi")}, class: corev1.PodQOSGuaranteed,
			want: Limits{CPUShares: 768, CPUQuota: 75000, Memory: 96 * mi}},
		{name: "limits alone are requests", main: cs{c("", "", "1", "64Mi")}, class: corev1.PodQOSGuaranteed,
			want: Limits{CPUShares: 1024, CPUQuota: 100000, Memory: 64 * mi}},
		{name: "a request of 0 beside a limit", main: cs{c("0", "64Mi", "1", "64Mi")}, class: corev1.PodQOSBurstable,
			want: Limits{CPUShares: 2, CPUQuota: 100000, Memory: 64 * mi}},
		{name: "requests alone", main: cs{c("100m", "64Mi", "", "")}, class: corev1.PodQOSBurstable, want: Limits{CPUShares: 102}},
		{name: "one has no memory limit", main: cs{c("100m", "", "200m", "64Mi"), c("100m", "", "200m", "")}, class: corev1.PodQOSBurstable,
			want: Limits{CPUShares: 204, CPUQuota: 40000}},
		{name: "one has no cpu limit", main: cs{c("100m", "", "", "64Mi"), c("", "", "200m", "64Mi")}, class: corev1.PodQOSBurstable,
			want: Limits{CPUShares: 307, Memory: 128 * mi}},
		{name: "the neediest init container", init: cs{c("2", "", "2", "256Mi"), c("1", "", "1", "16Mi")}, main: cs{c("500m", "", "1", "64Mi")},
			class: corev1.PodQOSBurstable, want: Limits{CPUShares: 2048, CPUQuota: 200000, Memory: 256 * mi}},
		{name: "an init container without limits", init: cs{c("", "", "", "")}, main: cs{c("500m", "64Mi", "500m", "64Mi")}, class: corev1.PodQOSBurstable,
			want: Limits{CPUShares: 512}},
		{name: "a sidecar runs beside all", init: cs{sidecar(c("100m", "", "100m", "16Mi"))}, main: cs{c("500m", "", "500m", "64Mi")},
			class: corev1.PodQOSGuaranteed, want: Limits{CPUShares: 614, CPUQuota: 60000, Memory: 80 * mi}},
		{name: "an init container beside the sidecars before it", init: cs{sidecar(c("100m", "", "100m", "16Mi")), c("1", "", "1", "100Mi"), sidecar(c("1", "", "1", "16Mi"))},
			main: cs{c("100m", "", "100m", "8Mi")}, class: corev1.PodQOSGuaranteed, want: Limits{CPUShares: 1228, CPUQuota: 120000, Memory: 116 * mi}},
		{name: "an init container without limits after a sidecar with", init: cs{sidecar(c("", "", "100m", "16Mi")), c("", "", "", "")},
			main: cs{c("", "", "100m", "8Mi")}, class: corev1.PodQOSBurstable, want: Limits{CPUShares: 204, CPUQuota: 20000, Memory: 24 * mi}},
		{name: "the least quota and shares", main: cs{c("1m", "", "1m", "1Mi")}, class: corev1.PodQOSGuaranteed, want: Limits{CPUShares: 2, CPUQuota: 1000, Memory: mi}},
		{name: "the most shares", main: cs{c("1e15", "", "", "")}, class: corev1.PodQOSBurstable, want: Limits{CPUShares: 262144}},
	} {
		spec := &corev1.PodSpec{InitContainers: test.init, Containers: test.main}
		if got := QOS(spec); got != test.class {
			t.Errorf("%s: %s", test.name, got)
		}
		if got := PodLimits(spec); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

func TestWeight(t *testing.T) {
	for shares, want := range map[uint64]uint64{0: 1, 2: 1, 1024: 39, 262144: 10000, 1 << 40: 10000} {
		if got := weight(shares); got != want {
			t.Errorf("%d shares weigh %d, want %d", shares, got, want)
		}
	}
}
