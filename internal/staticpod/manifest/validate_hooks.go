package manifest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func (v validator) hook(h *corev1.LifecycleHandler, grace int64, p place) {
	if h == nil {
		return
	}
	n := v.handlers(h.Exec, h.HTTPGet, h.TCPSocket, p)
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
func (v validator) handlers(exec *corev1.ExecAction, get *corev1.HTTPGetAction, tcp *corev1.TCPSocketAction, p place) int {
	n := 0
	if exec != nil {
		n++
		if len(exec.Command) == 0 {
			v.at(p.field("exec").field("command"), "required", "")
		}
	}
	if get != nil {
		n++
		v.port(get.Port, p.field("httpGet").field("port"))
		if get.Scheme != "" {
			oneOf(v, p.field("httpGet").field("scheme"), get.Scheme, corev1.URISchemeHTTP, corev1.URISchemeHTTPS)
		}
	}
	if tcp != nil {
		n++
		v.port(tcp.Port, p.field("tcpSocket").field("port"))
	}
	return n
}

func (v validator) port(port intstr.IntOrString, p place) {
	if port.Type == intstr.String {
		if port.StrVal == "" {
			v.at(p, "required", "")
			return
		}
		v.fail(p, portName(port.StrVal))
	} else if port.IntVal < 1 || port.IntVal > 65535 {
		v.at(p, fmt.Sprintf("a port lies between 1 and 65535, got %d", port.IntVal), "")
	}
}

// probe checks a probe; once is true for the roles in which one success is all that counts.
func (v validator) probe(probe *corev1.Probe, once bool, p place) {
	if probe == nil || v.opts.Mode == Run {
		return // refused as a whole by the table of fields
	}
	n := v.handlers(probe.Exec, probe.HTTPGet, probe.TCPSocket, p)
	if probe.GRPC != nil {
		n++
		v.port(intstr.FromInt32(probe.GRPC.Port), p.field("grpc").field("port"))
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
			v.at(p.field("terminationGracePeriodSeconds"), "not allowed for a readiness probe", "remove it")
		case *g < 1:
			v.at(p.field("terminationGracePeriodSeconds"), "must be at least 1", "")
		}
	}
}
