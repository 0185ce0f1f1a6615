package manifest

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// validator holds a pod with its defaults against the rules of the API (k8s.io/kubernetes pkg/apis/core/validation) for
// the fields that a static pod's life depends on. In run mode it adds what the runtime would refuse later.
type validator struct {
	*sink
	opts Options
}

// at adds an error, unless it follows from one that was reported already.
func (v validator) at(p place, message, fix string) {
	if !v.known(p.path) {
		v.sink.at(p, message, fix)
	}
}

// warn adds a warning under the same condition.
func (v validator) warn(p place, message, fix string) {
	if !v.known(p.path) {
		v.sink.warn(p, message, fix)
	}
}

// fail reports a syntax check's finding, if it has one.
func (v validator) fail(p place, message string) {
	if message != "" {
		v.at(p, message, "")
	}
}

// oneOf checks an enumeration.
func oneOf[T ~string](v validator, p place, got T, want ...T) {
	if slices.Contains(want, got) {
		return
	}
	names := make([]string, len(want))
	for i, w := range want {
		names[i] = string(w)
	}
	fix := ""
	if near := nearest(string(got), names); near != "" {
		fix = "did you mean " + near + "?"
	}
	v.at(p, "expected "+list(names)+", got "+quoted(string(got)), fix)
}

func (v validator) pod(pod *corev1.Pod, p place) {
	v.metadata(pod, p.field("metadata"))
	spec, at := &pod.Spec, p.field("spec")
	oneOf(v, at.field("restartPolicy"), spec.RestartPolicy, corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)
	oneOf(v, at.field("dnsPolicy"), spec.DNSPolicy, corev1.DNSClusterFirst, corev1.DNSClusterFirstWithHostNet, corev1.DNSDefault, corev1.DNSNone)
	if *spec.TerminationGracePeriodSeconds < 0 {
		v.at(at.field("terminationGracePeriodSeconds"), "must not be negative", "")
	}
	if d := spec.ActiveDeadlineSeconds; d != nil && (*d < 1 || *d > math.MaxInt32) {
		v.at(at.field("activeDeadlineSeconds"), "must lie between 1 and 2147483647", "")
	}
	if spec.Hostname != "" {
		v.fail(at.field("hostname"), dnsLabel(spec.Hostname))
	}
	if spec.RuntimeClassName != nil {
		v.fail(at.field("runtimeClassName"), dnsSubdomain(*spec.RuntimeClassName))
	}
	if spec.HostPID && spec.ShareProcessNamespace != nil && *spec.ShareProcessNamespace {
		v.at(at.field("shareProcessNamespace"), "cannot be true together with hostPID", "remove one")
	}
	v.podSecurity(spec.SecurityContext, at.field("securityContext"))
	volumes := v.volumes(spec, at.field("volumes"))
	if len(spec.Containers) == 0 {
		v.at(at.field("containers"), "at least one container is required", "")
	}
	names := map[string]bool{}
	hostPorts := map[string]bool{}
	for _, l := range []struct {
		key        string
		containers []corev1.Container
		init       bool
	}{{"initContainers", spec.InitContainers, true}, {"containers", spec.Containers, false}} {
		for i := range l.containers {
			c, at := &l.containers[i], at.field(l.key).index(i)
			if names[c.Name] && c.Name != "" {
				v.at(at.field("name"), "another container of the pod is named "+quoted(c.Name), "container names are unique in a pod")
			}
			names[c.Name] = true
			v.container(c, spec, volumes, at)
			if l.init {
				v.ports(c, spec.HostNetwork, map[string]bool{}, at.field("ports"))
			} else {
				v.ports(c, spec.HostNetwork, hostPorts, at.field("ports"))
			}
		}
	}
}

// Bounds of the names that are made of a pod's: the API's for the name with the node's behind it, and NAME_MAX for the
// log folder <namespace>_<name>_<uid>.
const (
	maxPodName   = 253
	maxLogFolder = 255 - len("__") - 36
	maxAnnotated = 256 << 10 // bytes of all annotations, keys and values
)

func (v validator) metadata(pod *corev1.Pod, p place) {
	name := p.field("name")
	full := NodePodName(pod.Name, v.opts.NodeName)
	switch {
	case pod.Name == "":
		v.at(name, "required", "give the pod a name")
	case dnsSubdomain(pod.Name) != "":
		v.fail(name, dnsSubdomain(pod.Name))
	case len(full) > maxPodName:
		v.at(name, fmt.Sprintf("with the node's name behind it, %d characters are too many: at most %d are allowed", len(full), maxPodName), "shorten it")
	case v.opts.NodeName != "" && dnsSubdomain(full) != "":
		v.at(name, "with the node's name behind it, "+dnsSubdomain(full), "give the node a valid name")
	case v.opts.Mode == Run && len(pod.Namespace)+len(full) > maxLogFolder:
		v.at(name, fmt.Sprintf("namespace and name with the node's name behind it have more than %d characters together, too many for the pod's log folder", maxLogFolder), "shorten it")
	}
	v.fail(p.field("namespace"), dnsLabel(pod.Namespace))

	at := p.field("labels")
	for _, k := range slices.Sorted(maps.Keys(pod.Labels)) {
		v.fail(at.field(k).atKey(), qualifiedName(k))
		v.fail(at.field(k), labelValue(pod.Labels[k]))
		if v.opts.Mode == Run && (strings.HasPrefix(k, "io.kubernetes.") || strings.HasPrefix(k, "nodeagent/")) {
			v.at(at.field(k).atKey(), "the agent and the tools around the runtime set this label", "remove it")
		}
	}
	at = p.field("annotations")
	size := 0
	for _, k := range slices.Sorted(maps.Keys(pod.Annotations)) {
		size += len(k) + len(pod.Annotations[k])
		v.fail(at.field(k).atKey(), qualifiedName(strings.ToLower(k)))
		if v.opts.Mode == Run {
			v.annotation(k, at.field(k).atKey())
		}
	}
	if size > maxAnnotated {
		v.at(at, fmt.Sprintf("the annotations have %d bytes together: at most %d are allowed", size, maxAnnotated), "")
	}
}

// annotation refuses the keys that mean something to others: what a kubelet writes on its own pods, and profiles that a
// kubelet would apply and this version does not.
func (v validator) annotation(key string, p place) {
	switch {
	case strings.HasPrefix(key, "kubernetes.io/config."):
		v.at(p, "a kubelet marks its own pods with this annotation", "remove it")
	case strings.HasPrefix(key, "nodeagent/"), strings.HasPrefix(key, "io.kubernetes."):
		v.at(p, "the agent sets this annotation", "remove it")
	case strings.HasPrefix(key, corev1.DeprecatedAppArmorBetaContainerAnnotationKeyPrefix):
		v.at(p, "AppArmor profiles are not supported by this version", "remove it; the runtime's default profile applies where AppArmor is on")
	case strings.HasPrefix(key, "seccomp.security.alpha.kubernetes.io/"), strings.HasPrefix(key, "container.seccomp.security.alpha.kubernetes.io/"):
		v.at(p, "Kubernetes dropped this annotation in 1.27", "use securityContext.seccompProfile")
	}
}

func (v validator) podSecurity(sc *corev1.PodSecurityContext, p place) {
	v.id(sc.RunAsUser, p.field("runAsUser"))
	v.id(sc.RunAsGroup, p.field("runAsGroup"))
	v.id(sc.FSGroup, p.field("fsGroup"))
	for i := range sc.SupplementalGroups {
		v.id(&sc.SupplementalGroups[i], p.field("supplementalGroups").index(i))
	}
	v.seccomp(sc.SeccompProfile, p.field("seccompProfile"))
}

// id checks a user or group id: 0 to 2^31-1.
func (v validator) id(id *int64, p place) {
	if id != nil && (*id < 0 || *id > math.MaxInt32) {
		v.at(p, "must lie between 0 and 2147483647", "")
	}
}

func (v validator) seccomp(s *corev1.SeccompProfile, p place) {
	if s == nil {
		return
	}
	local := s.LocalhostProfile != nil && *s.LocalhostProfile != ""
	switch {
	case s.Type == "":
		v.at(p.field("type"), "required", "write RuntimeDefault or Unconfined")
	case s.Type == corev1.SeccompProfileTypeLocalhost && !local:
		v.at(p.field("localhostProfile"), "required for type Localhost", "")
	case s.Type != corev1.SeccompProfileTypeLocalhost && s.LocalhostProfile != nil:
		v.at(p.field("localhostProfile"), "allowed for type Localhost only", "remove it")
	}
	if s.Type != "" {
		oneOf(v, p.field("type"), s.Type, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeUnconfined, corev1.SeccompProfileTypeLocalhost)
	}
}
