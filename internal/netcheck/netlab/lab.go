// Package netlab builds nodes in network namespaces in the shape that flanneld and the CNI plugins give them, for tests alone: a switch,
// three hosts on it, Flannel's devices and entries on each, and one pod behind each host's bridge. Needs root, iproute2 and nftables.
package netlab

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// Options of a Lab.
type Options struct {
	Backend string // vxlan, direct (vxlan with DirectRouting), host-gw, udp
	IPv6    bool   // dual stack
	Filter  string // iptables (default), nft, none
}

// Lab is three hosts on one switch. Hosts are numbered from 1.
type Lab struct {
	Hosts []*Host
	t     testing.TB
	o     Options
	sw    string
}

// Host is one node.
type Host struct {
	N     int
	Name  string // of its namespace
	Netns string // path of it
	Dir   string // subnet.env, cni/, networks/
	Pod   string // namespace of its pod
	lab   *Lab
}

var labs atomic.Int64

// New builds a lab, healthy, and removes it when the test ends.
func New(t testing.TB, o Options) *Lab {
	t.Helper()
	id := fmt.Sprintf("nclab%d-%d", os.Getpid(), labs.Add(1))
	l := &Lab{t: t, o: o, sw: id + "-sw"}
	t.Cleanup(l.remove)
	l.namespace(l.sw)
	l.batch(l.sw, "link add br0 type bridge", "link set br0 up", "addr add 192.168.77.254/24 dev br0")
	_ = l.try("ip", "netns", "exec", l.sw, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0")
	for n := 1; n <= 3; n++ {
		h := &Host{N: n, Name: fmt.Sprintf("%s-h%d", id, n), Pod: fmt.Sprintf("%s-p%d", id, n), Dir: t.TempDir(), lab: l}
		h.Netns = "/run/netns/" + h.Name
		l.Hosts = append(l.Hosts, h)
		h.build()
	}
	for _, h := range l.Hosts {
		h.Flannel()
		h.files()
		h.filter()
		h.AddPod()
	}
	return l
}

func (l *Lab) namespace(name string) {
	l.t.Helper()
	l.run("ip", "netns", "add", name)
	l.batch(name, "link set lo up")
}

func (l *Lab) remove() {
	names := []string{l.sw}
	for _, h := range l.Hosts {
		names = append(names, h.Name, h.Pod)
	}
	for _, name := range names {
		if _, err := os.Stat("/run/netns/" + name); err == nil {
			if err := l.try("ip", "netns", "del", name); err != nil {
				l.t.Errorf("the lab left a namespace: %v", err)
			}
		}
	}
}

func (l *Lab) try(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

func (l *Lab) run(name string, args ...string) {
	l.t.Helper()
	if err := l.try(name, args...); err != nil {
		l.t.Fatal(err)
	}
}

// batch runs lines of ip(8) in a namespace.
func (l *Lab) batch(ns string, lines ...string) {
	l.t.Helper()
	cmd := exec.Command("ip", "-n", ns, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("ip in %s: %v: %s\n%s", ns, err, out, strings.Join(lines, "\n"))
	}
}

// IP runs lines of ip(8) on the host.
func (h *Host) IP(lines ...string) { h.lab.t.Helper(); h.lab.batch(h.Name, lines...) }

// Bridge runs bridge(8) on the host.
func (h *Host) Bridge(line string) {
	h.lab.t.Helper()
	h.lab.run("bridge", append([]string{"-n", h.Name}, strings.Fields(line)...)...)
}

// BridgeBatch runs lines of bridge(8) on the host.
func (h *Host) BridgeBatch(lines ...string) {
	h.lab.t.Helper()
	cmd := exec.Command("bridge", "-n", h.Name, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		h.lab.t.Fatalf("bridge in %s: %v: %s", h.Name, err, out)
	}
}

// Run runs a command on the host.
func (h *Host) Run(line string) {
	h.lab.t.Helper()
	h.lab.run("ip", append([]string{"netns", "exec", h.Name}, strings.Fields(line)...)...)
}

// Sysctl sets a kernel setting of the host.
func (h *Host) Sysctl(set string) { h.lab.t.Helper(); h.Run("sysctl -qw " + set) }

// NFT runs nft(8) on the host with a script.
func (h *Host) NFT(script string) {
	h.lab.t.Helper()
	cmd := exec.Command("ip", "netns", "exec", h.Name, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.lab.t.Fatalf("nft in %s: %v: %s\n%s", h.Name, err, out, script)
	}
}

// PodIP is the address of the host's pod.
func (h *Host) PodIP() string { return fmt.Sprintf("10.244.%d.2", h.N) }

// UnderlayIP is the host's own address.
func (h *Host) UnderlayIP() string { return fmt.Sprintf("192.168.77.%d", h.N) }

// MAC is the host's VTEP's.
func (h *Host) MAC() string { return fmt.Sprintf("0a:00:00:00:77:%02x", h.N) }

// MAC6 is the host's IPv6 VTEP's.
func (h *Host) MAC6() string { return fmt.Sprintf("0a:00:00:00:78:%02x", h.N) }

// Subnet is the host's.
func (h *Host) Subnet() string { return fmt.Sprintf("10.244.%d.0/24", h.N) }

// Peers are the other hosts.
func (h *Host) Peers() []*Host {
	var out []*Host
	for _, x := range h.lab.Hosts {
		if x != h {
			out = append(out, x)
		}
	}
	return out
}

// MTU is FLANNEL_MTU.
func (l *Lab) MTU() int {
	switch l.o.Backend {
	case "host-gw":
		return 1500
	case "udp":
		return 1472
	}
	if l.o.IPv6 {
		return 1430
	}
	return 1450
}

func (h *Host) build() {
	l := h.lab
	l.namespace(h.Name)
	port := "port" + strconv.Itoa(h.N)
	l.batch(l.sw, fmt.Sprintf("link add %s type veth peer name eth0 netns %s", port, h.Name), "link set "+port+" master br0 up")
	l.batch(h.Name, "link set eth0 up", fmt.Sprintf("addr add %s/24 dev eth0", h.UnderlayIP()), "route add default via 192.168.77.254")
	if l.o.IPv6 {
		l.batch(h.Name, fmt.Sprintf("addr add fd77::%d/64 dev eth0 nodad", h.N))
	}
	h.Sysctl("net.ipv4.ip_forward=1")
	h.Sysctl("net.ipv6.conf.all.forwarding=1")
	h.Sysctl("net.bridge.bridge-nf-call-iptables=1")
	h.Sysctl("net.bridge.bridge-nf-call-ip6tables=1")
}

// Flannel makes the backend's device and the entries of every peer, as flanneld does at its start.
func (h *Host) Flannel() {
	switch h.lab.o.Backend {
	case "vxlan", "direct":
		h.AddDevice()
	case "udp":
		h.tunnel()
	}
	for _, p := range h.Peers() {
		h.AddPeer(p)
	}
}

// AddDevice makes flannel.1, as flanneld does.
func (h *Host) AddDevice() {
	h.IP(fmt.Sprintf("link add flannel.1 address %s mtu %d type vxlan id 1 local %s dev eth0 dstport 8472 nolearning", h.MAC(), h.lab.MTU(), h.UnderlayIP()),
		fmt.Sprintf("addr add 10.244.%d.0/32 dev flannel.1", h.N), "link set flannel.1 up")
	if h.lab.o.IPv6 {
		h.IP(fmt.Sprintf("link add flannel-v6.1 address %s mtu %d type vxlan id 1 local fd77::%d dev eth0 dstport 8472 nolearning", h.MAC6(), h.lab.MTU(), h.N),
			fmt.Sprintf("addr add fd44:0:0:%d::/128 dev flannel-v6.1 nodad", h.N), "link set flannel-v6.1 up")
	}
}

// AddPeer makes what leads to a peer.
func (h *Host) AddPeer(p *Host) {
	switch h.lab.o.Backend {
	case "vxlan":
		h.IP(fmt.Sprintf("neigh replace 10.244.%d.0 lladdr %s dev flannel.1 nud permanent", p.N, p.MAC()),
			fmt.Sprintf("route replace %s via 10.244.%d.0 dev flannel.1 onlink", p.Subnet(), p.N))
		h.Bridge(fmt.Sprintf("fdb replace %s dev flannel.1 dst %s self permanent", p.MAC(), p.UnderlayIP()))
		if h.lab.o.IPv6 {
			h.IP(fmt.Sprintf("neigh replace fd44:0:0:%d:: lladdr %s dev flannel-v6.1 nud permanent", p.N, p.MAC6()),
				fmt.Sprintf("route replace fd44:0:0:%d::/64 via fd44:0:0:%d:: dev flannel-v6.1 onlink", p.N, p.N))
			h.Bridge(fmt.Sprintf("fdb replace %s dev flannel-v6.1 dst fd77::%d self permanent", p.MAC6(), p.N))
		}
	case "direct", "host-gw":
		h.IP(fmt.Sprintf("route replace %s via %s dev eth0", p.Subnet(), p.UnderlayIP()))
	}
}

// AddPod makes the bridge, if it is not there, and a pod on it, as the CNI plugin bridge does.
func (h *Host) AddPod() {
	l := h.lab
	l.namespace(h.Pod)
	h.IP(fmt.Sprintf("link add cni0 mtu %d type bridge", l.MTU()), "link set cni0 up", fmt.Sprintf("addr add 10.244.%d.1/24 dev cni0", h.N),
		fmt.Sprintf("link add veth0000000%d mtu %d type veth peer name eth0 mtu %d netns %s", h.N, l.MTU(), l.MTU(), h.Pod),
		fmt.Sprintf("link set veth0000000%d master cni0 up", h.N))
	l.batch(h.Pod, "link set eth0 up", fmt.Sprintf("addr add %s/24 dev eth0", h.PodIP()), fmt.Sprintf("route add default via 10.244.%d.1", h.N))
	if l.o.IPv6 {
		h.IP(fmt.Sprintf("addr add fd44:0:0:%d::1/64 dev cni0 nodad", h.N))
		l.batch(h.Pod, fmt.Sprintf("addr add fd44:0:0:%d::2/64 dev eth0 nodad", h.N), fmt.Sprintf("route add default via fd44:0:0:%d::1", h.N))
	}
	h.Write(fmt.Sprintf("networks/cbr0/10.244.%d.2", h.N), "pod\neth0")
}

// Veth is the host's end of the pod's pair.
func (h *Host) Veth() string { return fmt.Sprintf("veth0000000%d", h.N) }
