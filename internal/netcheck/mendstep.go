package netcheck

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// step is one change of a mend. Its text is the command with which a person would do it.
type step interface {
	do(h *netlink.Handle, proc string) error
	String() string
}

// addRoute, addNeighbour, addFDB and addAddress create and never replace: what somebody else put there meanwhile stays.
type addRoute struct {
	link   int
	device string
	dst    netip.Prefix
	via    netip.Addr // invalid: the device itself
	onlink bool
}

func (s addRoute) String() string {
	text := "ip route add " + s.dst.String()
	if s.via.IsValid() {
		text += " via " + s.via.String()
	}
	text += " dev " + s.device
	if s.onlink {
		text += " onlink"
	}
	return text
}

func (s addRoute) do(h *netlink.Handle, _ string) error {
	r := &netlink.Route{LinkIndex: s.link, Dst: ipNet(s.dst)}
	if s.via.IsValid() {
		r.Gw = s.via.AsSlice()
	} else {
		r.Scope = netlink.SCOPE_LINK
	}
	if s.onlink {
		r.Flags = int(netlink.FLAG_ONLINK)
	}
	return h.RouteAdd(r)
}

type addNeighbour struct {
	link   int
	device string
	ip     netip.Addr
	mac    string
}

func (s addNeighbour) String() string {
	return fmt.Sprintf("ip neigh add %s lladdr %s dev %s nud permanent", s.ip, s.mac, s.device)
}

func (s addNeighbour) do(h *netlink.Handle, _ string) error {
	mac, err := net.ParseMAC(s.mac)
	if err != nil {
		return err
	}
	n := &netlink.Neigh{LinkIndex: s.link, State: netlink.NUD_PERMANENT, IP: s.ip.AsSlice(), HardwareAddr: mac, Type: unix.RTN_UNICAST}
	err = h.NeighAdd(n)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	// Packets to the peer made the kernel ask for it, in vain: such an attempt is nobody's entry, and stands in the way.
	family := unix.AF_INET
	if s.ip.Is6() {
		family = unix.AF_INET6
	}
	there, listErr := h.NeighList(s.link, family)
	if listErr != nil {
		return listErr
	}
	for _, x := range there {
		if x.IP.Equal(n.IP) && x.State&(netlink.NUD_INCOMPLETE|netlink.NUD_FAILED|netlink.NUD_PROBE) != 0 {
			return h.NeighSet(n)
		}
	}
	return err
}

type addFDB struct {
	link   int
	device string
	mac    string
	dst    netip.Addr
}

func (s addFDB) String() string {
	return fmt.Sprintf("bridge fdb add %s dev %s dst %s self permanent", s.mac, s.device, s.dst)
}

func (s addFDB) do(h *netlink.Handle, _ string) error {
	mac, err := net.ParseMAC(s.mac)
	if err != nil {
		return err
	}
	return h.NeighAdd(&netlink.Neigh{LinkIndex: s.link, Family: unix.AF_BRIDGE, State: netlink.NUD_PERMANENT, Flags: netlink.NTF_SELF, IP: s.dst.AsSlice(), HardwareAddr: mac})
}

type addAddress struct {
	link    int
	device  string
	address netip.Prefix
}

func (s addAddress) String() string {
	return fmt.Sprintf("ip address add %s dev %s", s.address, s.device)
}

func (s addAddress) do(h *netlink.Handle, _ string) error {
	return h.AddrAdd(byIndex(s.link), &netlink.Addr{IPNet: &net.IPNet{IP: s.address.Addr().AsSlice(), Mask: net.CIDRMask(s.address.Bits(), s.address.Addr().BitLen())}})
}

type linkUp struct {
	link   int
	device string
}

func (s linkUp) String() string                       { return fmt.Sprintf("ip link set dev %s up", s.device) }
func (s linkUp) do(h *netlink.Handle, _ string) error { return h.LinkSetUp(byIndex(s.link)) }

type setMAC struct {
	link   int
	device string
	mac    string
}

func (s setMAC) String() string { return fmt.Sprintf("ip link set dev %s address %s", s.device, s.mac) }
func (s setMAC) do(h *netlink.Handle, _ string) error {
	mac, err := net.ParseMAC(s.mac)
	if err != nil {
		return err
	}
	return h.LinkSetHardwareAddr(byIndex(s.link), mac)
}

type setMTU struct {
	link   int
	device string
	mtu    int
}

func (s setMTU) String() string { return fmt.Sprintf("ip link set dev %s mtu %d", s.device, s.mtu) }
func (s setMTU) do(h *netlink.Handle, _ string) error {
	return h.LinkSetMTU(byIndex(s.link), s.mtu)
}

type setMaster struct {
	link   int
	device string
	master int
	bridge string
}

func (s setMaster) String() string {
	return fmt.Sprintf("ip link set dev %s master %s", s.device, s.bridge)
}
func (s setMaster) do(h *netlink.Handle, _ string) error {
	return h.LinkSetMasterByIndex(byIndex(s.link), s.master)
}

type setSysctl struct{ name string }

func (s setSysctl) String() string { return "sysctl -w " + s.name + "=1" }
func (s setSysctl) do(_ *netlink.Handle, proc string) error {
	path := filepath.Join(proc, "sys", strings.NewReplacer(".", "/", "/", ".").Replace(s.name)) // sysctl(8): a slash stands for a dot of a device's name
	f, err := os.OpenFile(path, os.O_WRONLY, 0)                                                 // never made
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("1")
	return err
}

// byIndex names a device by its index alone: one of the same name that was made since is not meant.
func byIndex(index int) netlink.Link {
	return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: index}}
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// carryOut does the steps in order and stops at the first that fails. One that is there already is fine: somebody else was faster.
func carryOut(cfg Config, steps []step) error {
	return inside(cfg.Netns, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return fmt.Errorf("open rtnetlink: %w", err)
		}
		defer h.Close()
		if err := h.SetSocketTimeout(cfg.ReadTimeout); err != nil {
			return fmt.Errorf("set the deadline of rtnetlink: %w", err)
		}
		for _, s := range steps {
			if err := s.do(h, cfg.Proc); err != nil && !errors.Is(err, unix.EEXIST) {
				if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.EROFS) {
					return fmt.Errorf("%s: %w: this needs CAP_NET_ADMIN, and for sysctls a unit without ProtectKernelTunables", s, err)
				}
				return fmt.Errorf("%s: %w", s, err)
			}
		}
		return nil
	})
}
