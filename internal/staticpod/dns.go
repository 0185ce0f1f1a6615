package staticpod

import (
	"net/netip"
	"os"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Bounds of a resolver configuration (k8s.io/kubernetes/pkg/apis/core/validation): what lies beyond is cut, as kubelet does.
const (
	maxNameservers  = 3
	maxSearches     = 32
	maxSearchLength = 2048
)

// resolver is what a resolv.conf says.
type resolver struct {
	Servers, Searches, Options []string
	// Behind: it is not the node's own resolv.conf, whose servers a pod can't reach, but what stands behind that.
	Behind bool
}

// dnsConfig of a pod's sandbox; nil leaves the runtime to copy the node's own resolv.conf. Without a cluster's DNS in reach of a node's own pods,
// ClusterFirst means the node's resolver, as it does for a kubelet with no clusterDNS.
func dnsConfig(s *corev1.PodSpec, node resolver) *cri.DNSConfig {
	if s.DNSPolicy != corev1.DNSNone && s.DNSConfig == nil && !node.Behind {
		return nil
	}
	out := &cri.DNSConfig{}
	if s.DNSPolicy != corev1.DNSNone {
		out.Servers, out.Searches, out.Options = slices.Clone(node.Servers), slices.Clone(node.Searches), slices.Clone(node.Options)
	}
	if d := s.DNSConfig; d != nil {
		out.Servers = unique(append(out.Servers, d.Nameservers...))
		out.Searches = unique(append(out.Searches, d.Searches...))
		for _, o := range d.Options {
			// An option given in the pod takes the place of the node's of that name.
			out.Options = slices.DeleteFunc(out.Options, func(have string) bool { name, _, _ := strings.Cut(have, ":"); return name == o.Name })
			text := o.Name
			if o.Value != nil && *o.Value != "" {
				text += ":" + *o.Value
			}
			out.Options = append(out.Options, text)
		}
	}
	out.Servers = out.Servers[:min(len(out.Servers), maxNameservers)]
	out.Searches = out.Searches[:min(len(out.Searches), maxSearches)]
	for len(strings.Join(out.Searches, " ")) > maxSearchLength {
		out.Searches = out.Searches[:len(out.Searches)-1]
	}
	return out
}

func unique(in []string) []string {
	var out []string
	for _, s := range in {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// nodeResolver reads the node's resolver configuration as it serves a pod.
func nodeResolver(hostNetwork bool) resolver {
	own, _ := os.ReadFile("/etc/resolv.conf") // without one a pod has what its own dnsConfig says
	behind, _ := os.ReadFile("/run/systemd/resolve/resolv.conf")
	return chooseResolver(string(own), string(behind), hostNetwork)
}

// chooseResolver takes what stands behind systemd-resolved where the node's own file names a loopback address, its stub or another server of
// the node alone: a pod with a network of its own can't reach that.
func chooseResolver(own, behind string, hostNetwork bool) resolver {
	r := parseResolver(own)
	if hostNetwork || !slices.ContainsFunc(r.Servers, func(s string) bool { a, err := netip.ParseAddr(s); return err == nil && a.IsLoopback() }) {
		return r
	}
	if b := parseResolver(behind); len(b.Servers) > 0 {
		b.Behind = true
		return b
	}
	return r
}

func parseResolver(text string) (c resolver) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") || strings.HasPrefix(fields[0], ";") {
			continue
		}
		switch fields[0] {
		case "nameserver":
			c.Servers = append(c.Servers, fields[1])
		case "search", "domain": // the last one counts
			c.Searches = fields[1:]
		case "options":
			c.Options = append(c.Options, fields[1:]...)
		}
	}
	return c
}
