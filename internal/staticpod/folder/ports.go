package folder

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// hostPorts notes the pods that want a port of the node which another one wants too. A kubelet refuses the second pod; here both
// run, and which of them the port leads to is the network's to say.
func (d *Desired) hostPorts() {
	type use struct{ key, ip string }
	taken := map[string][]use{}
	for _, key := range slices.Sorted(maps.Keys(d.Pods)) {
		w := d.Pods[key]
		if w.Pod.Spec == nil {
			continue
		}
		var other, port string
		for _, p := range lastingPorts(&w.Pod.Spec.Spec) {
			name := fmt.Sprintf("%d/%s", p.HostPort, p.Protocol)
			i := slices.IndexFunc(taken[name], func(u use) bool { return u.key != key && overlap(u.ip, p.HostIP) })
			if i >= 0 && other == "" {
				other, port = taken[name][i].key, name
			}
			taken[name] = append(taken[name], use{key, p.HostIP})
		}
		if other != "" {
			d.Notes = append(d.Notes, Note{Kind: HostPort, File: w.File,
				Message: fmt.Sprintf("pod %s wants port %s of the node, which pod %s of %s wants too", key, port, other, d.Pods[other].File)})
		}
	}
}

// lastingPorts are the ports of the node that a pod holds as long as it runs.
func lastingPorts(s *corev1.PodSpec) []corev1.ContainerPort {
	var out []corev1.ContainerPort
	sidecars := slices.DeleteFunc(slices.Clone(s.InitContainers), func(c corev1.Container) bool { return c.RestartPolicy == nil })
	for _, c := range slices.Concat(sidecars, s.Containers) {
		for _, p := range c.Ports {
			if p.HostPort > 0 {
				out = append(out, p)
			}
		}
	}
	return out
}

// overlap reports whether two addresses of the node share their ports: no address and 0.0.0.0 mean every one.
func overlap(a, b string) bool {
	every := func(ip string) bool { return ip == "" || ip == "0.0.0.0" || ip == "::" }
	return a == b || every(a) || every(b)
}
