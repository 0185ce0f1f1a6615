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
	// Names of the pod's containers and volumes.
	containers, volumes map[string]bool
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
	if near := v.near(string(got), names); near != "" {
		fix = "did you mean " + near + "?"
	}
	v.at(p, "expected "+list(names)+", got "+quoted(string(got)), fix)
}

func (v validator) pod(pod *corev1.Pod, p place) {
	v.metadata(pod, p.field("metadata"))
	spec, at := &pod.Spec, p.field("spec")
	v.containers, v.volumes = map[string]bool{}, map[string]bool{}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		v.containers[c.Name] = true
	}
	oneOf(v, at.field("restartPolicy"), spec.RestartPolicy, corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)
	oneOf(v, at.field("dnsPolicy"), spec.DNSPolicy, corev1.DNSClusterFirst, corev1.DNSClusterFirstWithHostNet, corev1.DNSDefault, corev1.DNSNone)
	v.grace(spec.TerminationGracePeriodSeconds, at.field("terminationGracePeriodSeconds"))
	if d := spec.ActiveDeadlineSeconds; d != nil && (*d < 1 || *d > math.MaxInt32) {
		v.at(at.field("activeDeadlineSeconds"), "must lie between 1 and 2147483647", "")
	}
	if spec.Hostname != "" {
		v.fail(at.field("hostname"), dnsLabel(spec.Hostname))
	}
	if spec.RuntimeClassName != nil {
		v.fail(at.field("runtimeClassName"), dnsSubdomain(*spec.RuntimeClassName))
	}
	if spec.PriorityClassName != "" {
		v.fail(at.field("priorityClassName"), dnsSubdomain(spec.PriorityClassName))
	}
	if spec.OS != nil {
		v.os(spec.OS.Name, at.field("os").field("name"))
	}
	if spec.HostPID && spec.ShareProcessNamespace != nil && *spec.ShareProcessNamespace {
		v.at(at.field("shareProcessNamespace"), "cannot be true together with hostPID", "remove one")
	}
	v.dns(spec, at.field("dnsConfig"))
	for i, a := range spec.HostAliases {
		v.hostAlias(a, at.field("hostAliases").index(i))
	}
	v.podSecurity(spec.SecurityContext, at.field("securityContext"))
	v.sysctls(spec, at.field("securityContext").field("sysctls"))
	for i := range spec.Volumes {
		v.volume(&spec.Volumes[i], at.field("volumes").index(i))
	}
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
			v.container(c, spec, at)
			v.role(c, l.init, at)
			// Init containers run one by one. The API says the same of sidecars, but here they hold their ports beside the others.
			taken := hostPorts
			if l.init && (v.opts.Mode == Kubelet || !sidecar(c)) {
				taken = map[string]bool{}
			}
			v.ports(c, spec.HostNetwork, taken, at.field("ports"))
		}
	}
}

// grace checks the grace period. The API turns a negative one into 1 as a default, which the other rules then see.
func (v validator) grace(seconds *int64, p place) {
	switch {
	case *seconds >= 0:
	case v.opts.Mode == Kubelet:
		v.warn(p, "a kubelet takes 1 for a negative number", "write the seconds that a stop may take")
		*seconds = 1
	default:
		v.at(p, "must not be negative", "")
	}
}

func (v validator) os(name corev1.OSName, p place) {
	if name == "" {
		v.at(p, "required", "write linux, or remove spec.os")
		return
	}
	oneOf(v, p, name, corev1.Linux, corev1.Windows)
}

// sidecar tells whether an init container is restarted for as long as the pod runs.
func sidecar(c *corev1.Container) bool {
	return c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
}

// role checks what only some containers may have.
func (v validator) role(c *corev1.Container, init bool, p place) {
	if !init || sidecar(c) {
		return
	}
	if c.RestartPolicy != nil { // run mode's table of fields takes Always alone; a kubelet has known the others since 1.35
		oneOf(v, p.field("restartPolicy"), *c.RestartPolicy, corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyOnFailure, corev1.ContainerRestartPolicyNever)
	}
	for _, f := range []struct {
		key string
		set bool
	}{{"lifecycle", c.Lifecycle != nil}, {"livenessProbe", c.LivenessProbe != nil}, {"readinessProbe", c.ReadinessProbe != nil}, {"startupProbe", c.StartupProbe != nil}} {
		if f.set {
			v.at(p.field(f.key).atKey(), "an init container has none of these unless it is a sidecar", "remove it, or write restartPolicy: Always beside it")
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
	case v.opts.Mode == Run && dnsSubdomain(pod.Name) != "":
		v.fail(name, dnsSubdomain(pod.Name))
	case len(full) > maxPodName:
		v.at(name, fmt.Sprintf("with the node's name behind it, %d characters are too many: at most %d are allowed", len(full), maxPodName), "shorten it")
	case v.opts.Mode == Kubelet && dnsSubdomain(full) != "" && dnsSubdomain(pod.Name) != "": // the node's name behind it can mend the last character alone
		v.fail(name, dnsSubdomain(pod.Name))
	case v.opts.NodeName != "" && dnsSubdomain(full) != "":
		v.at(name, "with the node's name behind it, "+dnsSubdomain(full), "give the node a valid name")
	case v.opts.Mode == Run && len(pod.Namespace)+len(full) > maxLogFolder:
		v.at(name, fmt.Sprintf("namespace and name with the node's name behind it have more than %d characters together, too many for the pod's log folder", maxLogFolder), "shorten it")
	}
	v.fail(p.field("namespace"), dnsLabel(pod.Namespace))

	v.labels(pod.Labels, p.field("labels"))
	v.annotations(pod.Annotations, p.field("annotations"))
	if v.opts.Mode == Kubelet {
		return
	}
	for _, k := range slices.Sorted(maps.Keys(pod.Labels)) {
		if strings.HasPrefix(k, "io.kubernetes.") || strings.HasPrefix(k, "nodeagent/") {
			v.at(p.field("labels").field(k).atKey(), "the agent and the tools around the runtime set this label", "remove it")
		}
	}
	for _, k := range slices.Sorted(maps.Keys(pod.Annotations)) {
		v.annotation(k, pod.Annotations[k], p.field("annotations").field(k))
	}
}

func (v validator) labels(labels map[string]string, p place) {
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		v.fail(p.field(k).atKey(), qualifiedName(k))
		v.fail(p.field(k), labelValue(labels[k]))
	}
}

func (v validator) annotations(annotations map[string]string, p place) {
	size := 0
	for _, k := range slices.Sorted(maps.Keys(annotations)) {
		size += len(k) + len(annotations[k])
		v.fail(p.field(k).atKey(), qualifiedName(strings.ToLower(k)))
	}
	if size > maxAnnotated {
		v.at(p, fmt.Sprintf("the annotations have %d bytes together: at most %d are allowed", size, maxAnnotated), "")
	}
}

// annotation refuses the keys that mean something to others: what a kubelet writes on its own pods, and profiles that a
// kubelet would apply and this version does not.
func (v validator) annotation(key, value string, p place) {
	if key == RestartAnnotation {
		if value != "true" && value != "false" {
			v.at(p, `expected "true" or "false"`, "")
		}
		return
	}
	p = p.atKey()
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
