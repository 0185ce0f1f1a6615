package manifest

import "slices"

// probeFields gives the rows of a container's three probes.
func probeFields(at string) []Field {
	var out []Field
	for _, role := range []string{".livenessProbe", ".readinessProbe", ".startupProbe"} {
		at := at + role
		out = slices.Concat(out, []Field{supported(at)}, handlerFields(at), []Field{
			refused(at+".grpc", "use exec with grpc_health_probe in the image"),
			supported(at + ".initialDelaySeconds"),
			supported(at + ".timeoutSeconds"),
			supported(at + ".periodSeconds"),
			supported(at + ".successThreshold"),
			supported(at + ".failureThreshold"),
		})
		grace := supported(at + ".terminationGracePeriodSeconds")
		if role == ".readinessProbe" {
			grace = refused(grace.Path, "a readiness probe stops nothing; remove it")
		}
		out = append(out, grace)
	}
	return out
}

// handlerFields gives the rows of the handlers that probes and hooks share.
func handlerFields(at string) []Field {
	out := []Field{
		supported(at + ".exec"),
		supported(at + ".exec.command"),
		supported(at + ".httpGet"),
		supported(at + ".httpGet.path"),
		supported(at + ".httpGet.port"),
		supported(at + ".httpGet.host"),
		supported(at + ".httpGet.scheme"),
		supported(at + ".httpGet.httpHeaders"),
		supported(at + ".httpGet.httpHeaders[].name"),
		supported(at + ".httpGet.httpHeaders[].value"),
		refused(at+".httpGet.protocol", "HTTP/1.1 is spoken; remove it", "HTTP1"),
	}
	return append(out,
		supported(at+".tcpSocket"),
		supported(at+".tcpSocket.port"),
		supported(at+".tcpSocket.host"),
	)
}

// lifecycleFields gives the rows of a container's hooks.
func lifecycleFields(at string) []Field {
	out := []Field{supported(at)}
	for _, hook := range []string{".postStart", ".preStop"} {
		at := at + hook
		out = append(out, supported(at))
		for _, f := range handlerFields(at) {
			switch f.Path {
			case at + ".tcpSocket":
				// A kubelet takes it and then fails the hook.
				f = refused(f.Path, "use exec, httpGet or sleep")
			case at + ".tcpSocket.port", at + ".tcpSocket.host":
				continue
			}
			out = append(out, f)
		}
		out = append(out, supported(at+".sleep"), supported(at+".sleep.seconds"))
	}
	return append(out, refused(at+".stopSignal", "set STOPSIGNAL in the image, or send the signal from a preStop exec"))
}
