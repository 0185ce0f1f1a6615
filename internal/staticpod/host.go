package staticpod

import (
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// memoryCapacity of the node in bytes; 0 where the kernel does not tell.
func memoryCapacity() int64 {
	var si unix.Sysinfo_t
	if unix.Sysinfo(&si) != nil {
		return 0
	}
	return int64(si.Totalram) * int64(si.Unit)
}

// hostAddress is the node's address, empty while it has none: at boot the agent may be there before the network is.
func (p *Pods) hostAddress() string {
	if ip := p.host.Load(); ip != nil && *ip != "" {
		return *ip
	}
	return p.lookUpHost()
}

// lookUpHost looks the node's address up again.
func (p *Pods) lookUpHost() string {
	before := ""
	if ip := p.host.Load(); ip != nil {
		before = *ip
	}
	ip := hostIP(before)
	p.host.Store(&ip)
	return ip
}

// hostIP is the address of the interface that has the default route, of IPv4 or else of IPv6, as kubelet takes it where nothing else is
// said; empty without one. It stays the one before as long as the interface has that.
func hostIP(before string) string {
	for _, f := range []struct {
		routes string
		of     func(line string) (iface string, ok bool)
		v6     bool
	}{{"/proc/net/route", defaultRoute, false}, {"/proc/net/ipv6_route", defaultRoute6, true}} {
		b, err := os.ReadFile(f.routes)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			name, ok := f.of(line)
			if !ok {
				continue
			}
			iface, err := net.InterfaceByName(name)
			if err != nil {
				continue
			}
			addrs, err := iface.Addrs()
			if err != nil {
				continue
			}
			if ip := chooseAddress(addrs, f.v6, before); ip != "" {
				return ip
			}
		}
	}
	return ""
}

// defaultRoute reads a line of /proc/net/route: interface, destination, gateway, flags, reference count, uses, metric, mask.
func defaultRoute(line string) (iface string, ok bool) {
	f := strings.Fields(line)
	if len(f) < 8 {
		return "", false
	}
	return f[0], f[1] == "00000000" && f[7] == "00000000"
}

// defaultRoute6 reads a line of /proc/net/ipv6_route: destination and its length, source and its length, gateway, metric, reference count, uses, flags,
// interface. The kernel's own route of what it can't reach is lo's.
func defaultRoute6(line string) (iface string, ok bool) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return "", false
	}
	return f[9], f[1] == "00" && strings.Trim(f[0], "0") == "" && f[9] != "lo"
}

// chooseAddress takes the one before if it is still there, else the first of the family, one of the node's network before one of its own alone,
// which mostly is a VIP.
func chooseAddress(addrs []net.Addr, v6 bool, before string) string {
	var shared, alone []string
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || (n.IP.To4() == nil) != v6 || !n.IP.IsGlobalUnicast() {
			continue
		}
		ip := n.IP.String()
		if ip == before {
			return ip
		}
		if ones, bits := n.Mask.Size(); ones < bits {
			shared = append(shared, ip)
		} else {
			alone = append(alone, ip)
		}
	}
	for _, ip := range append(shared, alone...) {
		return ip
	}
	return ""
}
