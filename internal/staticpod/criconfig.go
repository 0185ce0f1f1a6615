package staticpod

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/staticpod/manifest"
)

// place is where a pod's things lie on the node.
type place struct {
	Instance   string
	NodeName   string
	LogsDir    string // of all pods
	VolumesDir string // of this pod
	CgroupRoot string
	Systemd    bool // the runtime's cgroup driver
	HostIP     string
}

// identity of a pod in the runtime.
type identity struct {
	Namespace, Name, FullName, UID, Hash string
}

func identify(p manifest.Pod, node string) identity {
	return identity{Namespace: p.Namespace, Name: p.Name, FullName: manifest.NodePodName(p.Name, node),
		UID: manifest.UID(p.Namespace, p.Name, node), Hash: p.Hash}
}

// logDir of a pod, as kubelet lays it out (pkg/kubelet/kuberuntime/helpers.go).
func logDir(root string, id identity) string {
	return filepath.Join(root, id.Namespace+"_"+id.FullName+"_"+id.UID)
}

func labels(id identity, instance string, extra map[string]string) map[string]string {
	l := map[string]string{}
	maps.Copy(l, extra)
	l[labelPodName], l[labelPodNamespace], l[labelPodUID], l[labelInstance] = id.FullName, id.Namespace, id.UID, instance
	return l
}

// sandboxConfig is the pod's sandbox. It is the same for every container of the pod and for every attempt but for its number.
func sandboxConfig(p *corev1.Pod, id identity, at place, attempt uint32) *cri.PodSandboxConfig {
	s := &p.Spec
	annotations := map[string]string{}
	maps.Copy(annotations, p.Annotations)
	delete(annotations, "kubernetes.io/config.source")
	annotations[annotationHash] = id.Hash
	annotations[annotationKey] = id.Namespace + "/" + id.Name
	c := &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: id.FullName, Namespace: id.Namespace, Uid: id.UID, Attempt: attempt},
		Hostname:     hostname(p, id),
		LogDirectory: logDir(at.LogsDir, id),
		Labels:       labels(id, at.Instance, p.Labels),
		Annotations:  annotations,
		Linux: &cri.LinuxPodSandboxConfig{
			CgroupParent: cgroupParent(at.CgroupRoot, at.Systemd, qos(s), id.UID),
			SecurityContext: &cri.LinuxSandboxSecurityContext{
				NamespaceOptions: namespaces(s),
				Privileged:       anyPrivileged(s),
				Seccomp:          &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault},
			},
			Resources: &cri.LinuxContainerResources{},
		},
	}
	if sc := s.SecurityContext; sc != nil {
		c.Linux.SecurityContext.RunAsUser = int64Value(sc.RunAsUser)
		c.Linux.SecurityContext.RunAsGroup = int64Value(sc.RunAsGroup)
		c.Linux.SecurityContext.SupplementalGroups = sc.SupplementalGroups
	}
	if !s.HostNetwork {
		for _, ct := range s.Containers {
			for _, port := range ct.Ports {
				if port.HostPort > 0 {
					c.PortMappings = append(c.PortMappings, &cri.PortMapping{Protocol: protocol(port.Protocol), ContainerPort: port.ContainerPort, HostPort: port.HostPort, HostIp: port.HostIP})
				}
			}
		}
	}
	return c
}

// hostname of a pod is its name, cut to the 63 bytes the kernel takes; in the host's network it is the node's.
func hostname(p *corev1.Pod, id identity) string {
	switch {
	case p.Spec.HostNetwork:
		return ""
	case p.Spec.Hostname != "":
		return p.Spec.Hostname
	case len(id.FullName) > 63:
		return strings.TrimRight(id.FullName[:63], "-.")
	}
	return id.FullName
}

func namespaces(s *corev1.PodSpec) *cri.NamespaceOption {
	n := &cri.NamespaceOption{Network: cri.NamespaceMode_POD, Ipc: cri.NamespaceMode_POD, Pid: cri.NamespaceMode_CONTAINER}
	if s.HostNetwork {
		n.Network = cri.NamespaceMode_NODE
	}
	if s.HostIPC {
		n.Ipc = cri.NamespaceMode_NODE
	}
	switch {
	case s.HostPID:
		n.Pid = cri.NamespaceMode_NODE
	case s.ShareProcessNamespace != nil && *s.ShareProcessNamespace:
		n.Pid = cri.NamespaceMode_POD
	}
	return n
}

func anyPrivileged(s *corev1.PodSpec) bool {
	return slices.ContainsFunc(s.Containers, func(c corev1.Container) bool {
		return c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
	})
}

func protocol(p corev1.Protocol) cri.Protocol {
	switch p {
	case corev1.ProtocolUDP:
		return cri.Protocol_UDP
	case corev1.ProtocolSCTP:
		return cri.Protocol_SCTP
	}
	return cri.Protocol_TCP
}

func int64Value(v *int64) *cri.Int64Value {
	if v == nil {
		return nil
	}
	return &cri.Int64Value{Value: *v}
}

// cgroupParent of a pod in the form kubelet gives it (pkg/kubelet/cm/cgroup_manager_linux.go), so that what reads kubepods reads
// ours: kubepods[/besteffort|/burstable]/pod<uid>, or the slices of the systemd driver.
func cgroupParent(root string, systemd bool, class corev1.PodQOSClass, uid string) string {
	parts := []string{}
	for p := range strings.SplitSeq(strings.Trim(root, "/"), "/") {
		if p != "" {
			parts = append(parts, p)
		}
	}
	parts = append(parts, "kubepods")
	switch class {
	case corev1.PodQOSBestEffort:
		parts = append(parts, "besteffort")
	case corev1.PodQOSBurstable:
		parts = append(parts, "burstable")
	}
	parts = append(parts, "pod"+uid)
	if !systemd {
		return "/" + path.Join(parts...)
	}
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], "-", "_")
	}
	return strings.Join(parts, "-") + ".slice"
}

// containerConfig is one attempt of one container.
func containerConfig(p *corev1.Pod, c *corev1.Container, id identity, at place, attempt uint32, restarts int, podIP string) (*cri.ContainerConfig, error) {
	env, envs, err := environment(p, c, id, at, podIP)
	if err != nil {
		return nil, fmt.Errorf("environment of container %s: %w", c.Name, err)
	}
	grace := int64(30)
	if p.Spec.TerminationGracePeriodSeconds != nil {
		grace = *p.Spec.TerminationGracePeriodSeconds
	}
	annotations := map[string]string{
		annotationHash:    id.Hash,
		annotationKey:     id.Namespace + "/" + id.Name,
		annotationGrace:   strconv.FormatInt(grace, 10),
		annotationRestart: strconv.Itoa(restarts),
	}
	if c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
		b, err := json.Marshal(c.Lifecycle.PreStop)
		if err != nil {
			return nil, fmt.Errorf("preStop of container %s: %w", c.Name, err)
		}
		annotations[annotationPreStop] = string(b)
	}
	l := labels(id, at.Instance, nil)
	l[labelContainerName] = c.Name
	cc := &cri.ContainerConfig{
		Metadata:    &cri.ContainerMetadata{Name: c.Name, Attempt: attempt},
		Image:       &cri.ImageSpec{Image: c.Image, UserSpecifiedImage: c.Image},
		Command:     expandAll(c.Command, env),
		Args:        expandAll(c.Args, env),
		WorkingDir:  c.WorkingDir,
		Envs:        envs,
		Labels:      l,
		Annotations: annotations,
		LogPath:     filepath.Join(c.Name, strconv.FormatUint(uint64(attempt), 10)+".log"),
		Linux:       &cri.LinuxContainerConfig{Resources: resources(&p.Spec, c), SecurityContext: security(&p.Spec, c)},
	}
	for _, m := range c.VolumeMounts {
		host, err := volumePath(&p.Spec, m.Name, at)
		if err != nil {
			return nil, fmt.Errorf("volume of container %s: %w", c.Name, err)
		}
		cc.Mounts = append(cc.Mounts, &cri.Mount{ContainerPath: absolute(m.MountPath), HostPath: host, Readonly: m.ReadOnly})
	}
	return cc, nil
}

func absolute(p string) string {
	if strings.HasPrefix(p, "/") {
		return p
	}
	return "/" + p
}

func expandAll(in []string, env map[string]string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = manifest.Expand(s, env)
	}
	return out
}

// environment in the manifest's order; a later name wins over an earlier one, and $(VAR) sees what stands before it.
func environment(p *corev1.Pod, c *corev1.Container, id identity, at place, podIP string) (map[string]string, []*cri.KeyValue, error) {
	env := map[string]string{}
	var order []string
	for _, e := range c.Env {
		v := manifest.Expand(e.Value, env)
		if e.ValueFrom != nil {
			if e.ValueFrom.FieldRef == nil {
				return nil, nil, fmt.Errorf("%s: only fieldRef is served", e.Name)
			}
			var err error
			if v, err = fieldRef(p, e.ValueFrom.FieldRef.FieldPath, id, at, podIP); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", e.Name, err)
			}
		}
		if _, twice := env[e.Name]; !twice {
			order = append(order, e.Name)
		}
		env[e.Name] = v
	}
	var out []*cri.KeyValue
	for _, name := range order {
		out = append(out, &cri.KeyValue{Key: name, Value: []byte(env[name])})
	}
	return env, out, nil
}

func fieldRef(p *corev1.Pod, field string, id identity, at place, podIP string) (string, error) {
	if p.Spec.HostNetwork || podIP == "" {
		podIP = at.HostIP
	}
	switch field {
	case "metadata.name":
		return id.FullName, nil
	case "metadata.namespace":
		return id.Namespace, nil
	case "metadata.uid":
		return id.UID, nil
	case "spec.nodeName":
		return at.NodeName, nil
	case "spec.serviceAccountName":
		return p.Spec.ServiceAccountName, nil
	case "status.hostIP", "status.hostIPs":
		return at.HostIP, nil
	case "status.podIP", "status.podIPs":
		return podIP, nil
	}
	for prefix, m := range map[string]map[string]string{"metadata.labels": p.Labels, "metadata.annotations": p.Annotations} {
		if key, ok := strings.CutPrefix(field, prefix+"['"); ok {
			return m[strings.TrimSuffix(key, "']")], nil
		}
	}
	return "", fmt.Errorf("field %s is not served", field)
}
