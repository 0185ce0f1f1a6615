package component

import (
	"net"
	"net/netip"
	"strings"
)

// place is where a component is asked.
type place struct {
	address string   // host:port
	names   []string // its certificate must be for one of them
	note    string   // what is odd about it
}

// apiserverPlace decides where a kube-apiserver is asked: at the address it binds; where it binds all, at the one it advertises if this node has it,
// else over loopback. So it is never another host or a load balancer that answers.
func apiserverPlace(f flags, local map[netip.Addr]bool) place {
	port := f.or("secure-port", "6443")
	bind, _ := netip.ParseAddr(f.or("bind-address", "0.0.0.0"))
	advertised, advErr := netip.ParseAddr(f["advertise-address"])
	p := place{names: []string{"kubernetes.default.svc", "kubernetes", "localhost"}}
	if advErr == nil {
		p.names = append(p.names, advertised.String())
	}
	host := "127.0.0.1"
	switch {
	case bind.IsValid() && !bind.IsUnspecified():
		host = bind.String()
	case advErr == nil && local[advertised]:
		host = advertised.String()
	case advErr == nil:
		p.note = "it advertises " + advertised.String() + ", which is on no interface of this node"
	case bind.Is6() && bind.IsUnspecified():
		host = "::1"
	}
	p.names = append(p.names, host)
	p.address = net.JoinHostPort(host, port)
	return p
}

// localAddresses of this node's interfaces.
func localAddresses() (map[netip.Addr]bool, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	out := map[netip.Addr]bool{}
	for _, a := range list {
		text, _, _ := strings.Cut(a.String(), "/")
		if ip, err := netip.ParseAddr(text); err == nil {
			out[ip.Unmap()] = true
		}
	}
	return out, nil
}
