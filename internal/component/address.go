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
	bind, _ := netip.ParseAddr(f.or("bind-address", "0.0.0.0"))
	advertised, advErr := netip.ParseAddr(f["advertise-address"])
	p := place{names: []string{"kubernetes.default.svc", "kubernetes", "localhost"}}
	if advErr == nil {
		p.names = append(p.names, advertised.String())
	}
	host := reachedAt(bind)
	switch {
	case bind.IsValid() && !bind.IsUnspecified():
	case advErr == nil && local[advertised]:
		host = advertised.String()
	case advErr == nil:
		p.note = "it advertises " + advertised.String() + ", which is on no interface of this node"
	}
	p.names = append(p.names, host)
	p.address = net.JoinHostPort(host, f.or("secure-port", "6443"))
	return p
}

// reachedAt is the host at which a server is asked that binds an address, or all of them where that is none. A server written in Go that binds "::"
// takes IPv4 too, whatever net.ipv6.bindv6only says; ::1 is not there where IPv6 is switched off on lo.
func reachedAt(bind netip.Addr) string {
	if !bind.IsValid() || bind.IsUnspecified() || bind.Unmap().IsUnspecified() {
		return "127.0.0.1"
	}
	return bind.Unmap().String()
}

// elsewhere is the answer of an address that no interface of this node has. What listens there is another node's, as after a move of addresses, and
// would be taken for this node's own: it is not asked.
func elsewhere(address string) (answer, bool) {
	if at, err := netip.ParseAddrPort(address); err != nil || at.Addr().IsLoopback() {
		return answer{}, false // the interfaces need not be listed
	}
	local, _ := localAddresses() // nil where they can't be listed
	return foreign(address, local)
}

// foreign is elsewhere over the addresses of this node; nil: they are not known.
func foreign(address string, local map[netip.Addr]bool) (answer, bool) {
	at, err := netip.ParseAddrPort(address)
	if err != nil || at.Addr().IsLoopback() || local == nil || local[at.Addr().Unmap().WithZone("")] { // no number: localhost
		return answer{}, false
	}
	return answer{outcome: unreachable, detail: "no interface of this node has the address"}, true
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
