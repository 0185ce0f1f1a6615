package manifest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func (v validator) container(c *corev1.Container, spec *corev1.PodSpec, p place) {
	v.fail(p.field("name"), dnsLabel(c.Name))
	v.image(c, p.field("image"))
	oneOf(v, p.field("imagePullPolicy"), c.ImagePullPolicy, corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever)
	oneOf(v, p.field("terminationMessagePolicy"), c.TerminationMessagePolicy, corev1.TerminationMessageReadFile, corev1.TerminationMessageFallbackToLogsOnError)
	v.env(c, p.field("env"))
	v.envFrom(c.EnvFrom, p.field("envFrom"))
	v.mounts(c, p.field("volumeMounts"))
	v.resources(c.Resources, p.field("resources"))
	v.security(c.SecurityContext, spec.SecurityContext, p.field("securityContext"))
	if l := c.Lifecycle; l != nil {
		at := p.field("lifecycle")
		v.hook(l.PostStart, *spec.TerminationGracePeriodSeconds, c.Ports, at.field("postStart"))
		v.hook(l.PreStop, *spec.TerminationGracePeriodSeconds, c.Ports, at.field("preStop"))
	}
	v.probe(c.LivenessProbe, true, c.Ports, p.field("livenessProbe"))
	v.probe(c.ReadinessProbe, false, c.Ports, p.field("readinessProbe"))
	v.probe(c.StartupProbe, true, c.Ports, p.field("startupProbe"))
}

func (v validator) image(c *corev1.Container, p place) {
	if c.Image == "" {
		v.at(p, "required", "write the image, such as registry.k8s.io/pause:3.10")
		return
	}
	if strings.TrimSpace(c.Image) != c.Image {
		v.at(p, quoted(c.Image)+" has white space around it", "remove it")
		return
	}
	if m := imageReference(c.Image); m != "" {
		if v.opts.Mode == Kubelet {
			v.warn(p, m+"; a kubelet takes the pod and fails with InvalidImageName", "")
			return
		}
		v.at(p, m, "")
	}
}

// ports checks a container's ports; taken holds the host ports of the pod's containers so far.
func (v validator) ports(c *corev1.Container, hostNetwork bool, taken map[string]bool, p place) {
	names, numbers := map[string]bool{}, map[string]bool{}
	for i := range c.Ports {
		port, at := &c.Ports[i], p.index(i)
		if port.Name != "" {
			v.fail(at.field("name"), portName(port.Name))
			if names[port.Name] {
				v.at(at.field("name"), "another port of the container is named "+quoted(port.Name), "")
			}
			names[port.Name] = true
		}
		oneOf(v, at.field("protocol"), port.Protocol, corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP)
		switch {
		case port.ContainerPort == 0:
			v.at(at.field("containerPort"), "required", "")
		case port.ContainerPort < 1 || port.ContainerPort > 65535:
			v.at(at.field("containerPort"), fmt.Sprintf("a port lies between 1 and 65535, got %d", port.ContainerPort), "")
		}
		if number := fmt.Sprintf("%d/%s", port.ContainerPort, port.Protocol); numbers[number] && !hostNetwork && port.ContainerPort != 0 {
			v.warn(at.field("containerPort"), "the container has a port "+number+" already", "")
		} else {
			numbers[number] = true
		}
		if port.HostIP != "" {
			v.hostIP(port.HostIP, at.field("hostIP"))
		}
		if port.HostPort == 0 {
			continue
		}
		switch {
		case port.HostPort < 1 || port.HostPort > 65535:
			v.at(at.field("hostPort"), fmt.Sprintf("a port lies between 1 and 65535, got %d", port.HostPort), "")
			continue
		case hostNetwork && port.HostPort != port.ContainerPort:
			v.at(at.field("hostPort"), fmt.Sprintf("must be %d, the containerPort, because hostNetwork is true", port.ContainerPort), "remove hostPort")
		}
		// The API compares protocol, address and port as written, so 0.0.0.0 and 127.0.0.1 do not collide.
		key := fmt.Sprintf("%s/%s/%d", port.Protocol, port.HostIP, port.HostPort)
		if taken[key] {
			v.at(at.field("hostPort"), fmt.Sprintf("another port of the pod takes %s port %d of the node", port.Protocol, port.HostPort), "")
		}
		taken[key] = true
	}
}

// hostIP checks the node's address of a port, which the API takes as it is.
func (v validator) hostIP(s string, p place) {
	if v.opts.Mode == Run {
		v.ip(s, p)
	} else if !isIP(s) {
		v.warn(p, quoted(s)+" is not an IP address; a kubelet takes the pod, and the network may fail it", "")
	}
}

func (v validator) resources(r corev1.ResourceRequirements, p place) {
	for _, l := range []struct {
		key  string
		list corev1.ResourceList
	}{{"limits", r.Limits}, {"requests", r.Requests}} {
		for _, name := range slices.Sorted(maps.Keys(l.list)) {
			q, at := l.list[name], p.field(l.key).field(string(name))
			if l.key == "requests" && at.key.line == 0 {
				continue // a limit that serves as request
			}
			v.fail(at.atKey(), qualifiedName(string(name)))
			if q.Sign() < 0 {
				v.at(at, "must not be negative", "")
			}
			if name == corev1.ResourceMemory && q.MilliValue()%1000 != 0 {
				v.warn(at, quoted(q.String())+" is a fraction of a byte; m means thousandths", "write Mi for mebibytes")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Requests)) {
		if limit, ok := r.Limits[name]; ok {
			v.atMost(r.Requests[name], limit, p.field("requests").field(string(name)))
		}
	}
}

func (v validator) atMost(request, limit resource.Quantity, p place) {
	if request.Cmp(limit) > 0 {
		v.at(p, "the request "+request.String()+" is above the limit "+limit.String(), "lower the request or raise the limit")
	}
}

func (v validator) security(sc *corev1.SecurityContext, pod *corev1.PodSecurityContext, p place) {
	if sc == nil {
		sc = &corev1.SecurityContext{}
	}
	v.id(sc.RunAsUser, p.field("runAsUser"))
	v.id(sc.RunAsGroup, p.field("runAsGroup"))
	v.seccomp(sc.SeccompProfile, p.field("seccompProfile"))
	user, nonRoot := sc.RunAsUser, sc.RunAsNonRoot
	if user == nil {
		user = pod.RunAsUser
	}
	if nonRoot == nil {
		nonRoot = pod.RunAsNonRoot
	}
	if user != nil && *user == 0 && nonRoot != nil && *nonRoot {
		const message = "runAsNonRoot is true, but runAsUser is 0"
		if v.opts.Mode == Kubelet {
			v.warn(p, message+"; a kubelet takes the pod and fails with CreateContainerConfigError", "give another runAsUser")
		} else {
			v.at(p, message, "give another runAsUser")
		}
	}
	var add, drop []corev1.Capability
	if sc.Capabilities != nil {
		add, drop = sc.Capabilities.Add, sc.Capabilities.Drop
	}
	if no := sc.AllowPrivilegeEscalation; no != nil && !*no {
		at := p.field("allowPrivilegeEscalation")
		if sc.Privileged != nil && *sc.Privileged {
			v.at(at, "cannot be false when privileged is true", "remove one")
		}
		if slices.Contains(add, "CAP_SYS_ADMIN") {
			v.at(at, "cannot be false when CAP_SYS_ADMIN is added", "remove one")
		}
	}
	if v.opts.Mode == Kubelet {
		return
	}
	for key, caps := range map[string][]corev1.Capability{"add": add, "drop": drop} {
		for i, c := range caps {
			if message, fix := capability(string(c)); message != "" {
				v.at(p.field("capabilities").field(key).index(i), message, fix)
			}
		}
	}
}
