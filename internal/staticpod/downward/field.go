package downward

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Facts are what can be told about a pod on this node.
type Facts struct {
	Pod      *corev1.Pod
	FullName string // with the node's name, as the pod is called in the cluster
	// Namespace and UID are the pod's, NodeName the node's.
	Namespace, UID, NodeName string
	// HostIPs are the node's addresses and PodIPs the pod's, the main one first. A pod in the host's network has the node's.
	HostIPs, PodIPs []string
	// CapacityMilliCPU (thousandths of a core) and CapacityMemory (bytes) stand in for a limit that a container does not have. 0 is unknown.
	CapacityMilliCPU, CapacityMemory int64
}

// Field is the value of a fieldRef's path. A label or annotation that the pod does not have is empty, as in Kubernetes; a path that is
// not served and an address that is not known yet are errors.
func Field(path string, f Facts) (string, error) {
	if name, key, ok := subscript(path); ok {
		switch name {
		case "metadata.labels":
			return f.Pod.Labels[key], nil
		case "metadata.annotations":
			return f.Pod.Annotations[key], nil
		}
		return "", fmt.Errorf("field %s takes no key: only metadata.labels['KEY'] and metadata.annotations['KEY'] do", path)
	}
	switch path {
	case "metadata.name":
		return f.FullName, nil
	case "metadata.namespace":
		return f.Namespace, nil
	case "metadata.uid":
		return f.UID, nil
	case "metadata.labels":
		return formatMap(f.Pod.Labels), nil
	case "metadata.annotations":
		return formatMap(f.Pod.Annotations), nil
	case "spec.nodeName":
		return f.NodeName, nil
	case "spec.serviceAccountName":
		return f.Pod.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return address(path, f.HostIPs, "the node has no known address yet")
	case "status.podIP", "status.podIPs":
		ips := f.PodIPs
		if len(ips) == 0 && f.Pod.Spec.HostNetwork {
			ips = f.HostIPs
		}
		return address(path, ips, "the pod has no address yet")
	}
	return "", fmt.Errorf("field %s is not served: use metadata.name, namespace, uid, labels or annotations, spec.nodeName or "+
		"serviceAccountName, status.hostIP(s) or podIP(s)", path)
}

// subscript splits metadata.labels['key'] as SplitMaybeSubscriptedPath of k8s.io/kubernetes/pkg/fieldpath does.
func subscript(path string) (name, key string, ok bool) {
	inner, closed := strings.CutSuffix(path, "']")
	name, key, opened := strings.Cut(inner, "['")
	if !closed || !opened || name == "" {
		return "", "", false
	}
	return name, key, true
}

// formatMap is one line a key, sorted, the value quoted as Go does: the form that kubelet writes into downwardAPI files.
func formatMap(m map[string]string) string {
	lines := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, fmt.Sprintf("%s=%q", k, m[k]))
	}
	return strings.Join(lines, "\n")
}

// address is the first of ips, or all of them with commas between for a path in the plural.
func address(path string, ips []string, none string) (string, error) {
	switch {
	case len(ips) == 0 || ips[0] == "":
		return "", fmt.Errorf("field %s: %s", path, none)
	case strings.HasSuffix(path, "s"):
		return strings.Join(ips, ","), nil
	}
	return ips[0], nil
}
