package manifest

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

func (v validator) podSecurity(sc *corev1.PodSecurityContext, p place) {
	v.id(sc.RunAsUser, p.field("runAsUser"))
	v.id(sc.RunAsGroup, p.field("runAsGroup"))
	v.id(sc.FSGroup, p.field("fsGroup"))
	for i := range sc.SupplementalGroups {
		v.id(&sc.SupplementalGroups[i], p.field("supplementalGroups").index(i))
	}
	if sc.FSGroupChangePolicy != nil {
		oneOf(v, p.field("fsGroupChangePolicy"), *sc.FSGroupChangePolicy, corev1.FSGroupChangeOnRootMismatch, corev1.FSGroupChangeAlways)
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
	at := p.field("localhostProfile")
	local := s.LocalhostProfile != nil && (*s.LocalhostProfile != "" || v.opts.Mode == Kubelet) // the API takes an empty one
	switch {
	case s.Type == "":
		v.at(p.field("type"), "required", "write RuntimeDefault or Unconfined")
	case s.Type == corev1.SeccompProfileTypeLocalhost && !local:
		v.at(at, "required for type Localhost", "")
	case s.Type == corev1.SeccompProfileTypeLocalhost:
		v.fail(at, descending(*s.LocalhostProfile))
	case s.LocalhostProfile != nil:
		v.at(at, "allowed for type Localhost only", "remove it")
	}
	if s.Type != "" {
		oneOf(v, p.field("type"), s.Type, corev1.SeccompProfileTypeRuntimeDefault, corev1.SeccompProfileTypeUnconfined, corev1.SeccompProfileTypeLocalhost)
	}
}

// safeSysctls are namespaced and have no influence on other pods (pkg/kubelet/sysctl, safe_sysctls.go). Those that came with a
// kernel after 4.15 are not among them, so all exist.
var safeSysctls = []string{
	"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start",
	"net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
	"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem",
}

var sysctlSyntax = regexp.MustCompile(`^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`)

func (v validator) sysctls(spec *corev1.PodSpec, p place) {
	seen := map[string]bool{}
	for i, s := range spec.SecurityContext.Sysctls {
		at := p.index(i).field("name")
		name := dotted(s.Name)
		once := name
		if v.opts.Mode == Kubelet { // the API compares names as they are written
			once = s.Name
		}
		switch {
		case s.Name == "":
			v.at(at, "required", "")
			continue
		case len(s.Name) > 253 || !sysctlSyntax.MatchString(s.Name):
			v.at(at, quoted(s.Name)+" is not the name of a sysctl", "write it as sysctl -a does")
			continue
		case seen[once]:
			v.at(at, name+" is set above already", "keep one")
		case spec.HostNetwork && strings.HasPrefix(name, "net."):
			v.at(at, name+" is the node's own, because hostNetwork is true", "set it on the node with /etc/sysctl.d")
		case spec.HostIPC && ofIPC(name):
			v.at(at, name+" is the node's own, because hostIPC is true", "set it on the node with /etc/sysctl.d")
		case v.opts.Mode == Run && !slices.Contains(safeSysctls, name):
			fix := "set it on the node with /etc/sysctl.d"
			if near := v.near(name, safeSysctls); near != "" {
				fix = "did you mean " + near + "?"
			}
			v.at(at, fmt.Sprintf("%s is none of the %d sysctls that are safe in a pod", quoted(name), len(safeSysctls)), fix)
		}
		seen[once] = true
	}
}

// dotted writes a sysctl with dots between its parts. With a slash as the first separator the dots belong to names, such as
// that of an interface (sysctl.d(5)).
func dotted(name string) string {
	if i := strings.IndexAny(name, "./"); i < 0 || name[i] == '.' {
		return name
	}
	return strings.NewReplacer("/", ".", ".", "/").Replace(name)
}

// ofIPC tells whether a sysctl belongs to the IPC namespace.
func ofIPC(name string) bool {
	return name == "kernel.sem" || strings.HasPrefix(name, "kernel.shm") || strings.HasPrefix(name, "kernel.msg") || strings.HasPrefix(name, "fs.mqueue.")
}
