package manifest

import (
	"strings"
	"testing"
)

// TestAsKubernetes: rules that test/compat found to differ from Kubernetes' own, in both modes. A verdict is a part of the error or
// warning that is wanted, "ok" for none at all.
func TestAsKubernetes(t *testing.T) {
	for _, c := range []struct{ name, meta, spec, container, run, kubelet string }{
		{name: "os without name", spec: "os: {}", run: "spec.os.name: required", kubelet: "spec.os.name: required"},
		{name: "unknown os", spec: "os: {name: plan9}", run: "spec.os.name: this version takes", kubelet: "spec.os.name: expected linux or windows"},
		{name: "linux", spec: "os: {name: linux}", run: "ok", kubelet: "ok"},
		{name: "priority class that is no name", spec: "priorityClassName: High_Priority", run: "spec.priorityClassName: \"High_Priority\" is not a DNS name", kubelet: "spec.priorityClassName: \"High_Priority\" is not a DNS name"},
		{name: "negative grace", spec: "terminationGracePeriodSeconds: -5", run: "must not be negative", kubelet: "warning: spec.terminationGracePeriodSeconds: a kubelet takes 1"},
		{name: "name mended by the node's", meta: "a-", run: "is not a DNS name", kubelet: "ok"},
		{name: "name not mended by the node's", meta: "a.", run: "is not a DNS name", kubelet: "is not a DNS name"},
		{name: "name that begins badly", meta: "-a", run: "is not a DNS name", kubelet: "is not a DNS name"},
		{name: "host address that is none", container: "ports: [{containerPort: 1, hostPort: 1, hostIP: localhost}]", run: "hostIP: \"localhost\" is not an IP address", kubelet: "warning: spec.containers[0].ports[0].hostIP"},
		{name: "host address", container: "ports: [{containerPort: 1, hostPort: 1, hostIP: '::1'}]", run: "ok", kubelet: "ok"},
		{name: "colon in a mount path", spec: "volumes: [{name: v, emptyDir: {}}]", container: "volumeMounts: [{name: v, mountPath: '/dev/pci-0000:00'}]", run: "ok", kubelet: "ok"},
		{name: "mount path of another tool", spec: "volumes: [{name: v, emptyDir: {}}]", container: "volumeMounts: [{name: v, mountPath: '/a:ro'}]", run: "warning: spec.containers[0].volumeMounts[0].mountPath", kubelet: "warning: spec.containers[0].volumeMounts[0].mountPath"},
		{name: "projected source with nothing in it", spec: "volumes: [{name: v, projected: {sources: [{}]}}]", run: "sources[0]: a source is one of", kubelet: "sources[0]: a source is one of"},
		{name: "seccomp profile with an empty path", spec: "securityContext: {seccompProfile: {type: Localhost, localhostProfile: ''}}", run: "localhostProfile: required for type Localhost", kubelet: "ok"},
		{name: "sysctl in both of its forms", spec: "securityContext: {sysctls: [{name: kernel.shm_rmid_forced, value: '0'}, {name: kernel/shm_rmid_forced, value: '1'}]}", run: "kernel.shm_rmid_forced is set above already", kubelet: "ok"},
		{name: "sysctl twice", spec: "securityContext: {sysctls: [{name: kernel.shm_rmid_forced, value: '0'}, {name: kernel.shm_rmid_forced, value: '1'}]}", run: "is set above already", kubelet: "is set above already"},
	} {
		name := c.meta
		if name == "" {
			name = "a"
		}
		text := "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec:\n  " + c.spec + "\n  containers:\n  - name: a\n    image: a:1\n    " + c.container + "\n"
		for mode, want := range map[Mode]string{Run: c.run, Kubelet: c.kubelet} {
			r := Parse("f", []byte(text), Options{NodeName: "node1", Mode: mode})
			got := report(r)
			switch {
			case want == "ok" && len(r.Problems) > 0, want != "ok" && !strings.Contains(got, want):
				t.Errorf("%s, mode %d: want %s, got\n%s", c.name, mode, want, got)
			case want != "ok" && strings.HasPrefix(want, "warning") == r.Failed():
				t.Errorf("%s, mode %d: failed is %v:\n%s", c.name, mode, r.Failed(), got)
			}
		}
	}
	// What the API makes of it, a kubelet's pod has.
	r := Parse("f", []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {terminationGracePeriodSeconds: -5, containers: [{name: a, image: a}]}"), Options{Mode: Kubelet})
	if len(r.Pods) != 1 || *r.Pods[0].Spec.Spec.TerminationGracePeriodSeconds != 1 {
		t.Errorf("a negative grace gives %s", report(r))
	}
}
