package netcheck

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sysctlNames lists what Flannel needs of the kernel, for the devices that are there.
func sysctlNames(n *Network) []string {
	names := []string{"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"}
	bridges := map[string]bool{"cni0": true}
	for _, l := range n.Links {
		if !flannelDevice(l.Name) && !bridges[l.Name] {
			continue
		}
		names = append(names, "net/ipv4/conf/"+l.Name+"/forwarding", "net/ipv6/conf/"+l.Name+"/forwarding", "net/ipv4/conf/"+l.Name+"/rp_filter")
	}
	return append(names, "net/ipv4/conf/all/rp_filter")
}

func readSysctls(cfg Config, n *Network) {
	for _, name := range sysctlNames(n) {
		b, err := os.ReadFile(filepath.Join(cfg.Proc, "sys", name))
		switch {
		case errors.Is(err, os.ErrNotExist):
			n.Sysctls = append(n.Sysctls, Sysctl{Name: name, Missing: true})
		case err != nil:
			n.miss(PartSysctls, err)
		default:
			n.Sysctls = append(n.Sysctls, Sysctl{Name: name, Value: strings.TrimSpace(string(b))})
		}
	}
}

// readUDPErrors reads the namespace's counters; without them nothing is said about checksums.
func readUDPErrors(cfg Config, n *Network) {
	b, err := os.ReadFile(filepath.Join(cfg.Proc, "thread-self/net/snmp"))
	if err == nil {
		n.UDPErrors = parseUDPErrors(string(b))
	}
}

// parseUDPErrors reads the two lines "Udp:" of /proc/net/snmp: names, then values.
func parseUDPErrors(text string) UDPErrors {
	var out UDPErrors
	var names []string
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] != "Udp:" {
			continue
		}
		if names == nil {
			names = f
			continue
		}
		for i, name := range names {
			if i >= len(f) {
				break
			}
			v, _ := strconv.ParseUint(f[i], 10, 64)
			switch name {
			case "InCsumErrors":
				out.InCsum = v
			case "InDatagrams":
				out.Received = v
			}
		}
		return out
	}
	return out
}
