package staticpod

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/staticpod/cgroup"
	"nodeagent/internal/staticpod/downward"
	"nodeagent/internal/staticpod/manifest"
)

// place is where a pod's things lie on the node.
type place struct {
	Instance   string
	LogsDir    string // of all pods
	CgroupRoot string
	SeccompDir string   // of profiles of type Localhost
	Systemd    bool     // the runtime's cgroup driver
	Resolver   resolver // the node's
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
			CgroupParent: cgroup.Parent(at.CgroupRoot, at.Systemd, cgroup.QOS(s), id.UID),
			SecurityContext: &cri.LinuxSandboxSecurityContext{
				NamespaceOptions: namespaces(s),
				Privileged:       anyPrivileged(s),
				Seccomp:          &cri.SecurityProfile{ProfileType: cri.SecurityProfile_RuntimeDefault},
			},
			Resources: &cri.LinuxContainerResources{},
		},
	}
	c.DnsConfig = dnsConfig(s, at.Resolver)
	if sc := s.SecurityContext; sc != nil {
		if sc.RunAsUser != nil { // a runtime takes no group alone; the sandbox then keeps its image's user and group
			c.Linux.SecurityContext.RunAsUser = int64Value(sc.RunAsUser)
			c.Linux.SecurityContext.RunAsGroup = int64Value(sc.RunAsGroup)
		}
		c.Linux.SecurityContext.SupplementalGroups = groups(sc)
		for _, x := range sc.Sysctls {
			if c.Linux.Sysctls == nil {
				c.Linux.Sysctls = map[string]string{}
			}
			c.Linux.Sysctls[x.Name] = x.Value
		}
	}
	if !s.HostNetwork {
		for ct := range allContainers(s) {
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
	for c := range allContainers(s) {
		if c.SecurityContext != nil && isTrue(c.SecurityContext.Privileged) {
			return true
		}
	}
	return false
}

// groups that every process of the pod has besides its own: the one that owns its volumes is among them.
func groups(sc *corev1.PodSecurityContext) []int64 {
	out := slices.Clone(sc.SupplementalGroups)
	if sc.FSGroup != nil && !slices.Contains(out, *sc.FSGroup) {
		out = append(out, *sc.FSGroup)
	}
	return out
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

// containerConfig is one attempt of one container, without its mounts.
func containerConfig(p *corev1.Pod, name string, id identity, at place, attempt uint32, restarts int, facts downward.Facts, find objects) (*cri.ContainerConfig, error) {
	c, role, order := containerOf(&p.Spec, name)
	if c == nil {
		return nil, fmt.Errorf("the pod has no container %s", name)
	}
	env, envs, err := environment(c, facts, find)
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
	if text := roleText(role, order); text != "" {
		annotations[annotationRole] = text
	}
	if c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
		b, err := json.Marshal(numbered(c.Lifecycle.PreStop, c))
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
		Linux:       &cri.LinuxContainerConfig{Resources: resources(&p.Spec, c), SecurityContext: security(&p.Spec, c, at.SeccompDir)},
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

// numbered is a hook whose port is a number: it is read back when the manifest may be gone.
func numbered(h *corev1.LifecycleHandler, c *corev1.Container) *corev1.LifecycleHandler {
	if h.HTTPGet == nil || h.HTTPGet.Port.Type == intstr.Int {
		return h
	}
	h = h.DeepCopy()
	for _, port := range c.Ports {
		if port.Name == h.HTTPGet.Port.StrVal {
			h.HTTPGet.Port = intstr.FromInt32(port.ContainerPort)
		}
	}
	return h
}
