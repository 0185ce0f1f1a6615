package snippet

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
)

// Balancer is what an haproxy.cfg is made of. The zero value of a field with a default means the default.
type Balancer struct {
	Bind    netip.Addr // where it listens; zero: every address. A VIP needs net.ipv4.ip_nonlocal_bind=1
	Port    uint16     // default 8443; on a node with an apiserver not the apiserver's own, unless Bind is a VIP
	Servers []Server   // required: the apiservers
	Check   string     // path; default /readyz, also /livez or /healthz
	CA      string     // file of the cluster's CA on this node (/etc/kubernetes/pki/ca.crt); empty: certificates are not verified in checks
	Socket  string     // the runtime socket; default /run/haproxy/admin.sock
	User    string     // whom HAProxy becomes; default haproxy; - for whom it was started as (in a container)
}

// Server is one apiserver.
type Server struct {
	Name string
	Addr netip.AddrPort
}

func (b Balancer) filled() Balancer {
	if b.Port == 0 {
		b.Port = 8443
	}
	if b.Check == "" {
		b.Check = "/readyz"
	}
	if b.Socket == "" {
		b.Socket = "/run/haproxy/admin.sock"
	}
	if b.User == "" {
		b.User = "haproxy"
	}
	return b
}

// Validate says everything that is wrong; nil if nothing is.
func (b Balancer) Validate() error {
	b = b.filled()
	var p problems
	p.add(len(b.Servers) == 0, "servers: name the apiservers, such as node1=10.0.0.11:6443")
	p.add(len(b.Servers) > 100, "servers: at most 100")
	var names []string
	var addrs []netip.AddrPort
	for _, s := range b.Servers {
		p.add(!isWord(s.Name), "server %q: use letters, digits and _.-", s.Name)
		p.add(slices.Contains(names, s.Name), "server %s stands twice", s.Name)
		p.add(!s.Addr.IsValid() || s.Addr.Port() == 0 || s.Addr.Addr().IsUnspecified() || s.Addr.Addr().IsMulticast(), "server %s: write address:port, such as 10.0.0.11:6443", s.Name)
		p.add(s.Addr.IsValid() && slices.Contains(addrs, s.Addr), "server %s: another one has %s", s.Name, s.Addr)
		p.add(s.Addr.IsValid() && s.Addr.Addr() == b.Bind && s.Addr.Port() == b.Port, "server %s is the balancer itself", s.Name)
		names, addrs = append(names, s.Name), append(addrs, s.Addr)
		p.add(s.Addr.IsValid() && !b.Bind.IsValid() && s.Addr.Port() == b.Port,
			"port %d is the apiserver's of %s too: on one node both can't listen on every address; use another port, or bind the VIP", b.Port, s.Name)
	}
	p.add(b.Bind.IsValid() && (b.Bind.IsMulticast() || b.Bind.Zone() != ""), "bind %s: use an address of the node or the VIP", b.Bind)
	p.add(!slices.Contains([]string{"/readyz", "/livez", "/healthz"}, b.Check), "check %q: use /readyz, /livez or /healthz", b.Check)
	p.add(b.CA != "" && !isFile(b.CA), "ca %q: use an absolute path without blanks and quotes", b.CA)
	p.add(!isFile(b.Socket) || len(b.Socket) > 100, "socket %q: use an absolute path of at most 100 characters without blanks and quotes", b.Socket)
	p.add(!isWord(b.User), "user %q: use the name of a user, or -", b.User)
	return errors.Join(p...)
}

// HAProxy writes a complete haproxy.cfg. The error is Validate's, or w's.
func (b Balancer) HAProxy(w io.Writer) error {
	if err := b.Validate(); err != nil {
		return err
	}
	b = b.filled()
	listen := netip.AddrPortFrom(b.Bind, b.Port).String()
	switch {
	case b.Bind.IsValid():
	case slices.ContainsFunc(b.Servers, func(s Server) bool { return s.Addr.Addr().Is6() }):
		listen = fmt.Sprintf(":::%d v4v6", b.Port)
	default: // a node may have IPv6 switched off
		listen = fmt.Sprintf("*:%d", b.Port)
	}
	return balancerTemplate.Execute(w, struct {
		Balancer
		Listen string
	}{b, listen})
}
