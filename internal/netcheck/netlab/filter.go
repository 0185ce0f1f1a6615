package netlab

import (
	"fmt"
	"strings"
)

// filter makes flanneld's rules, in the host's mode.
func (h *Host) filter() {
	switch h.lab.o.Filter {
	case "none":
	case "nft":
		h.NFTRules()
	default:
		h.IPTablesRules()
	}
}

// IPTablesRules makes the chains of flanneld's iptables mode anew.
func (h *Host) IPTablesRules() {
	sets := []struct{ command, network, subnet, multicast string }{{"iptables-nft-restore", "10.244.0.0/16", h.Subnet(), "224.0.0.0/4"}}
	if h.lab.o.IPv6 {
		sets = append(sets, struct{ command, network, subnet, multicast string }{"ip6tables-nft-restore", "fd44::/48", fmt.Sprintf("fd44:0:0:%d::/64", h.N), "ff00::/8"})
	}
	for _, s := range sets {
		h.restore(s.command, strings.NewReplacer("NET", s.network, "SUB", s.subnet, "MCAST", s.multicast).Replace(`*nat
:POSTROUTING ACCEPT
:FLANNEL-POSTRTG -
-A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s SUB -d NET -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s NET -d SUB -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG ! -s NET -d SUB -m comment --comment "flanneld masq" -j RETURN
-A FLANNEL-POSTRTG -s NET ! -d MCAST -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
-A FLANNEL-POSTRTG ! -s NET -d NET -m comment --comment "flanneld masq" -j MASQUERADE --random-fully
COMMIT
*filter
:FORWARD ACCEPT
:FLANNEL-FWD -
-A FORWARD -m comment --comment "flanneld forward" -j FLANNEL-FWD
-A FLANNEL-FWD -s NET -m comment --comment "flanneld forward" -j ACCEPT
-A FLANNEL-FWD -d NET -m comment --comment "flanneld forward" -j ACCEPT
COMMIT
`))
	}
}

func (h *Host) restore(command, rules string) {
	h.lab.t.Helper()
	h.Write("rules", rules)
	h.lab.run("ip", "netns", "exec", h.Name, command, h.Dir+"/rules")
}

// NFTRules makes the table of flanneld's nft mode anew.
func (h *Host) NFTRules() {
	h.NFT(strings.NewReplacer("NET", "10.244.0.0/16", "SUB", h.Subnet()).Replace(`table ip flannel-ipv4
delete table ip flannel-ipv4
table ip flannel-ipv4 {
	chain postrtg {
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & 0x4000 == 0x4000 return
		ip saddr SUB ip daddr NET return
		ip saddr NET ip daddr SUB return
		ip saddr != NET ip daddr SUB return
		ip saddr NET ip daddr != 224.0.0.0/4 masquerade fully-random
		ip saddr != NET ip daddr NET masquerade fully-random
	}
	chain forward {
		type filter hook forward priority filter; policy accept;
		ip saddr NET accept
		ip daddr NET accept
	}
}
`))
}
