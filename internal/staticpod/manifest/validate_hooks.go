package manifest

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func (v validator) hook(h *corev1.LifecycleHandler, grace int64, ports []corev1.ContainerPort, p place) {
	if h == nil {
		return
	}
	n := v.handlers(h.Exec, h.HTTPGet, h.TCPSocket, ports, p)
	if h.Sleep != nil {
		n++
		if h.Sleep.Seconds < 0 || h.Sleep.Seconds > grace {
			v.at(p.field("sleep").field("seconds"), fmt.Sprintf("must lie between 0 and terminationGracePeriodSeconds, which is %d", grace), "")
		}
	}
	if n != 1 {
		v.at(p, fmt.Sprintf("exactly one handler is required, got %d", n), "")
	}
}

// handlers checks the handlers that hooks and probes share, and counts those that are set.
func (v validator) handlers(exec *corev1.ExecAction, get *corev1.HTTPGetAction, tcp *corev1.TCPSocketAction, ports []corev1.ContainerPort, p place) int {
	n := 0
	if exec != nil {
		n++
		if len(exec.Command) == 0 {
			v.at(p.field("exec").field("command"), "required", "")
		}
	}
	if get != nil {
		n++
		at := p.field("httpGet")
		v.port(get.Port, ports, at.field("port"))
		if get.Scheme != "" {
			oneOf(v, at.field("scheme"), get.Scheme, corev1.URISchemeHTTP, corev1.URISchemeHTTPS)
		}
		for i, h := range get.HTTPHeaders {
			if h.Name == "" || strings.ContainsFunc(h.Name, func(r rune) bool { return !strings.ContainsRune(alnum+"-", r) }) {
				v.at(at.field("httpHeaders").index(i).field("name"), quoted(h.Name)+" is not the name of a header: letters, digits and -", "")
			}
		}
	}
	if tcp != nil {
		n++
		v.port(tcp.Port, ports, p.field("tcpSocket").field("port"))
	}
	return n
}

// port checks a port that is a number or the name of one of the container's own.
func (v validator) port(port intstr.IntOrString, ports []corev1.ContainerPort, p place) {
	if port.Type != intstr.String {
		if port.IntVal < 1 || port.IntVal > 65535 {
			v.at(p, fmt.Sprintf("a port lies between 1 and 65535, got %d", port.IntVal), "")
		}
		return
	}
	message := portName(port.StrVal)
	switch {
	case port.StrVal == "":
		v.at(p, "required", "")
		return
	case strings.Trim(port.StrVal, "0123456789") == "":
		v.at(p, quoted(port.StrVal)+" is a name, not a number", "remove the quotes")
		return
	case message != "":
		v.at(p, message, "")
		return
	}
	names := []string{}
	for _, c := range ports {
		if c.Name != "" {
			names = append(names, c.Name)
		}
	}
	if slices.Contains(names, port.StrVal) {
		return
	}
	message, fix := "the container has no port named "+quoted(port.StrVal), "add it to ports, or write the number"
	if near := v.near(port.StrVal, names); near != "" {
		fix = "did you mean " + near + "?"
	}
	if v.opts.Mode == Kubelet {
		v.warn(p, message+"; a kubelet takes the pod, and the check fails each time", fix)
		return
	}
	v.at(p, message, fix)
}

// probe checks a probe; once is true for the roles in which one success is all that counts.
func (v validator) probe(probe *corev1.Probe, once bool, ports []corev1.ContainerPort, p place) {
	if probe == nil {
		return
	}
	n := v.handlers(probe.Exec, probe.HTTPGet, probe.TCPSocket, ports, p)
	if probe.GRPC != nil {
		n++
		v.port(intstr.FromInt32(probe.GRPC.Port), nil, p.field("grpc").field("port"))
	}
	if n != 1 {
		v.at(p, fmt.Sprintf("exactly one handler is required, got %d", n), "")
	}
	for _, f := range []struct {
		key   string
		value int32
	}{
		{"initialDelaySeconds", probe.InitialDelaySeconds}, {"timeoutSeconds", probe.TimeoutSeconds}, {"periodSeconds", probe.PeriodSeconds},
		{"successThreshold", probe.SuccessThreshold}, {"failureThreshold", probe.FailureThreshold},
	} {
		if f.value < 0 {
			v.at(p.field(f.key), "must not be negative", "")
		}
	}
	if once && probe.SuccessThreshold != 1 {
		v.at(p.field("successThreshold"), "must be 1 for this probe", "remove it")
	}
	if g := probe.TerminationGracePeriodSeconds; g != nil {
		switch {
		case !once:
			if v.opts.Mode == Kubelet { // run mode's table of fields says it
				v.at(p.field("terminationGracePeriodSeconds"), "not allowed for a readiness probe", "remove it")
			}
		case *g < 1:
			v.at(p.field("terminationGracePeriodSeconds"), "must be at least 1", "")
		}
	}
}
