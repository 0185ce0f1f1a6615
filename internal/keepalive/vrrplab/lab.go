package vrrplab

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
)

// Interface is the name of each node's interface.
const Interface = "eth0"

// VIP is the address that the nodes share.
var VIP = netip.MustParsePrefix("10.77.0.100/24")

// Lab is a bridge with nodes around it.
type Lab struct {
	Nodes []*Node
	name  string
	t     testing.TB
}

// Node is one network namespace.
type Node struct {
	Name    string // of its namespace
	Address netip.Addr
	Dir     string // its own files

	t      testing.TB
	handle *netlink.Handle
	daemon *Process
}

// New makes a lab of n nodes, at most 9. name is short (links take 15 characters), lower case, and the test's own.
func New(t testing.TB, name string, n int) *Lab {
	t.Helper()
	l := &Lab{name: "na-ka-" + name, t: t}
	for i := range n {
		l.Nodes = append(l.Nodes, &Node{Name: fmt.Sprintf("%s-%d", l.name, i+1), Address: netip.AddrFrom4([4]byte{10, 77, 0, byte(i + 1)}), Dir: t.TempDir(), t: t})
	}
	l.remove()
	t.Cleanup(func() {
		for _, n := range l.Nodes {
			if n.handle != nil {
				n.handle.Close()
			}
		}
		l.remove()
	})
	bridge := l.name + "-br"
	ip(t, "netns", "add", bridge)
	ip(t, "-n", bridge, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	ip(t, "-n", bridge, "link", "set", "br0", "up")
	for i, n := range l.Nodes {
		port := "p" + strconv.Itoa(i+1)
		ip(t, "netns", "add", n.Name)
		ip(t, "-n", n.Name, "link", "set", "lo", "up")
		ip(t, "-n", n.Name, "link", "add", Interface, "type", "veth", "peer", "name", port, "netns", bridge)
		ip(t, "-n", bridge, "link", "set", port, "master", "br0", "up")
		ip(t, "-n", n.Name, "addr", "add", netip.PrefixFrom(n.Address, 24).String(), "dev", Interface)
		ip(t, "-n", n.Name, "link", "set", Interface, "up")
		ns, err := netns.GetFromName(n.Name)
		if err != nil {
			t.Fatal(err)
		}
		n.handle, err = netlink.NewHandleAt(ns)
		ns.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	return l
}

// remove ends every process in the lab's namespaces and removes them. It is no error if there are none.
func (l *Lab) remove() {
	names := []string{l.name + "-br"}
	for _, n := range l.Nodes {
		names = append(names, n.Name)
	}
	for _, name := range names {
		for range 100 {
			out, _ := exec.Command("ip", "netns", "pids", name).Output()
			pids := strings.Fields(string(out))
			if len(pids) == 0 {
				break
			}
			for _, s := range pids {
				if pid, err := strconv.Atoi(s); err == nil {
					_ = syscall.Kill(pid, syscall.SIGKILL)
				}
			}
			time.Sleep(10 * time.Millisecond) // nothing tells when a process of another parent is gone
		}
		_ = exec.Command("ip", "netns", "del", name).Run()
	}
}

func ip(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// IP runs ip in the node's namespace.
func (n *Node) IP(args ...string) {
	n.t.Helper()
	ip(n.t, append([]string{"-n", n.Name}, args...)...)
}

// Multicast has the bridge pass multicast on, or not: adverts get lost, while each node's link is up and unicast and ARP work.
func (l *Lab) Multicast(pass bool) {
	l.t.Helper()
	flood := "off"
	if pass {
		flood = "on"
	}
	for i := range l.Nodes {
		ip(l.t, "-n", l.name+"-br", "link", "set", "p"+strconv.Itoa(i+1), "type", "bridge_slave", "mcast_flood", flood)
	}
}

// HoldsVIP reports whether the VIP is on the node.
func (n *Node) HoldsVIP() bool {
	list, err := n.handle.AddrList(nil, netlink.FAMILY_V4)
	if err != nil {
		n.t.Fatalf("addresses of %s: %v", n.Name, err)
	}
	for _, a := range list {
		if got, ok := netip.AddrFromSlice(a.IP.To4()); ok && got == VIP.Addr() {
			return true
		}
	}
	return false
}

// Holders are the indices of the nodes that have the VIP, such as "0" or "0 1"; empty: none has.
func (l *Lab) Holders() string {
	var out []string
	for i, n := range l.Nodes {
		if n.HoldsVIP() {
			out = append(out, strconv.Itoa(i))
		}
	}
	return strings.Join(out, " ")
}

// File writes a file of the node and answers its path.
func (n *Node) File(name, text string) string {
	n.t.Helper()
	path := filepath.Join(n.Dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		n.t.Fatal(err)
	}
	return path
}
