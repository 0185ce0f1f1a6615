package lab

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
)

var cniBins = []string{"/usr/lib/cni", "/opt/cni/bin"}

// findCNI gives the folder of the CNI plugins that a lab uses.
func findCNI(dirs []string) (string, error) {
	for _, dir := range dirs {
		whole := true
		for _, plugin := range []string{"bridge", "host-local", "loopback"} {
			if _, err := os.Stat(filepath.Join(dir, plugin)); err != nil {
				whole = false
			}
		}
		if whole {
			return dir, nil
		}
	}
	return "", fmt.Errorf("the CNI plugins bridge, host-local and loopback are in none of %v: install containernetworking-plugins", dirs)
}

// pool is RFC 2544's benchmarking network: no node's pods, services or uplinks
// use it.
var pool = netip.MustParsePrefix("198.18.0.0/15")

const subnets = 512 // the /24s of pool

// pickSubnet gives a /24 of the pool that overlaps none of taken, starting at a
// place that the name fixes.
func pickSubnet(name string, taken []netip.Prefix) (netip.Prefix, error) {
	h := fnv.New32a()
	h.Write([]byte(name))
	first := h.Sum32()
	base := binary.BigEndian.Uint32(pool.Addr().AsSlice())
next:
	for i := range uint32(subnets) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], base+(first+i)%subnets<<8)
		p := netip.PrefixFrom(netip.AddrFrom4(a), 24)
		for _, t := range taken {
			if t.Overlaps(p) {
				continue next
			}
		}
		return p, nil
	}
	return netip.Prefix{}, fmt.Errorf("no free /24 in %s: remove old labs", pool)
}

// routedPrefixes are the networks that the host has a route to, but for default
// routes.
func routedPrefixes() ([]netip.Prefix, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	var out []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		addr, ok := netip.AddrFromSlice(r.Dst.IP.To4())
		bits, _ := r.Dst.Mask.Size()
		if ok && bits > 0 {
			out = append(out, netip.PrefixFrom(addr, bits))
		}
	}
	return out, nil
}

// makeBridge makes the lab's bridge with the first address of subnet. The lab
// makes it rather than the CNI plugin because that one, as a gateway, switches
// ip_forward on for the whole host. Pods reach the host and one another, nothing
// else, and no iptables rule is needed.
func makeBridge(name string, subnet netip.Prefix) error {
	if subnet.Bits() > 30 {
		return fmt.Errorf("bridge %s: subnet %s has no room", name, subnet)
	}
	mac := net.HardwareAddr{0x0a, 0x58, 0, 0, 0, 0} // fixed, or it would change with each port
	copy(mac[2:], subnet.Addr().AsSlice())
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = name, mac
	bridge := &netlink.Bridge{LinkAttrs: attrs}
	if err := netlink.LinkAdd(bridge); err != nil {
		return fmt.Errorf("add bridge %s: %w", name, err)
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: subnet.Addr().Next().AsSlice(), Mask: net.CIDRMask(subnet.Bits(), 32)}}
	if err := netlink.AddrAdd(bridge, addr); err != nil {
		return fmt.Errorf("add %s to bridge %s: %w", addr.IPNet, name, err)
	}
	if err := netlink.LinkSetUp(bridge); err != nil {
		return fmt.Errorf("set bridge %s up: %w", name, err)
	}
	return nil
}

// cniConfig is the lab's network list: the bridge plugin with host-local
// addresses.
func cniConfig(p place, subnet netip.Prefix) ([]byte, error) {
	type object = map[string]any
	return json.MarshalIndent(object{
		"cniVersion": "0.4.0",
		"name":       p.bridge(),
		"plugins": []object{{
			"type":   "bridge",
			"bridge": p.bridge(),
			"ipam": object{
				"type":    "host-local",
				"dataDir": p.cniIPAM(),
				"ranges":  [][]object{{{"subnet": subnet.String(), "gateway": subnet.Addr().Next().String()}}},
			},
		}},
	}, "", "  ")
}

// labLinks are the bridge and what is plugged into it. On the host that is the
// near end of each pod's veth pair.
func labLinks(p place) ([]netlink.Link, error) {
	bridge, err := netlink.LinkByName(p.bridge())
	if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find bridge %s: %w", p.bridge(), err)
	}
	all, err := netlink.LinkList()
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	var out []netlink.Link
	for _, l := range all {
		if l.Type() == "veth" && l.Attrs().MasterIndex == bridge.Attrs().Index {
			out = append(out, l)
		}
	}
	return append(out, bridge), nil
}

func removeLink(name string) error {
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkDel(link)
	}
	// A pod's end of the pair may be gone first, and takes this one with it.
	if _, gone := errors.AsType[netlink.LinkNotFoundError](err); gone {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove link %s: %w", name, err)
	}
	return nil
}
