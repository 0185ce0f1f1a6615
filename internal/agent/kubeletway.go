package agent

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/keepalive/lint"
)

// kubeletWay tells how the kubelet of this node reaches its apiserver, from the server of its kubeconfig: whether that is an address of this
// node or a VIP that it may hold. A name is not looked up: that may hang, and is not known.
func kubeletWay(server string, own func() []netip.Addr, vips []lint.Described) haproxy.Kubelet {
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "https" {
		return haproxy.Kubelet{}
	}
	port := uint64(443)
	if p := u.Port(); p != "" {
		if port, err = strconv.ParseUint(p, 10, 16); err != nil {
			return haproxy.Kubelet{}
		}
	}
	k := haproxy.Kubelet{Port: uint16(port), Here: u.Hostname() == "localhost"}
	at, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return k
	}
	k.Here = at.IsLoopback() || slices.Contains(own(), at.Unmap())
	for _, d := range vips {
		k.Here = k.Here || slices.ContainsFunc(prefixes(d), func(p netip.Prefix) bool { return p.Addr() == at.Unmap() })
	}
	return k
}

// ownAddresses are those of this node's interfaces; none where they can't be listed.
func ownAddresses() []netip.Addr {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var out []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr().Unmap())
		}
	}
	return out
}
