//go:build integration

package netcheck

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
	"nodeagent/internal/netcheck/netlab"
)

// plugin runs the CNI plugin bridge for a container on the host, as containerd does for Flannel's delegate.
func plugin(t *testing.T, h *netlab.Host, command, pod string) {
	t.Helper()
	cmd := exec.Command("ip", "netns", "exec", h.Name, "/usr/lib/cni/bridge")
	cmd.Env = append(os.Environ(), "CNI_COMMAND="+command, "CNI_CONTAINERID="+pod, "CNI_NETNS=/run/netns/"+pod, "CNI_IFNAME=eth0", "CNI_PATH=/usr/lib/cni")
	cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"cniVersion":"0.3.1","name":"cbr0","type":"bridge","bridge":"cni0","mtu":1450,"isDefaultGateway":true,"hairpinMode":true,"ipMasq":false,
		"ipam":{"type":"host-local","dataDir":%q,"subnet":"10.244.1.0/24","routes":[{"dst":"10.244.0.0/16"}]}}`, h.Dir+"/networks"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("CNI %s %s: %v: %s", command, pod, err, out)
	}
}

// TestLife plays what a node lives through with nothing wrong: nothing may be found, however short, and nothing mended. It plays 4 rounds, or
// NODEAGENT_TEST_LIFE (a duration, such as 10m) of them.
func TestLife(t *testing.T) {
	lab := netlab.New(t, netlab.Options{Backend: "vxlan"})
	flanneld(t, lab.Hosts[0])
	n, mended := mending(t, lab.Hosts[0])
	var until time.Time
	if d, err := time.ParseDuration(os.Getenv("NODEAGENT_TEST_LIFE")); err == nil {
		until = time.Now().Add(d)
	}
	h, p := n.h, n.h.Peers()[0]
	peers := func(want int) {
		t.Helper()
		if !waitView(n, want) {
			t.Fatalf("the checker does not see %d peers", want)
		}
	}
	pod := fmt.Sprintf("%s-cni", h.Pod)
	if out, err := exec.Command("ip", "netns", "add", pod).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", pod).Run() })
	h.IP("link del cni0", "link del "+h.Veth()) // the node is drained, and its next pod makes the bridge anew
	for round := 0; round < 4 || time.Now().Before(until); round++ {
		plugin(t, h, "ADD", pod)
		h.RemovePeer(p) // a node leaves
		peers(1)
		h.AddPeer(p) // and joins
		peers(2)
		plugin(t, h, "DEL", pod)
		h.IP("link del cni0")
		for _, mac := range []string{"0a:00:00:00:77:55", p.MAC()} { // flanneld of a peer with an etcd manager restarts, twice
			old := macOfPeer(n, "10.244.2.0/24")
			h.Bridge("fdb replace " + mac + " dev flannel.1 dst 192.168.77.2 self permanent")
			h.IP("neigh replace 10.244.2.0 lladdr " + mac + " dev flannel.1 nud permanent")
			if old != mac {
				h.Bridge("fdb del " + old + " dev flannel.1 dst 192.168.77.2 self")
			}
			p.IP("link set flannel.1 address " + mac)
			remake(p)
			if !waitMAC(n, mac) {
				t.Fatalf("the checker does not see the MAC %s", mac)
			}
		}
		remake(h) // flanneld here restarts and sets everything again
	}
	n.healthy()
	if d := mended.took(); len(d) > 0 {
		t.Errorf("mended in a healthy node: %v", d)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.seen {
		if !strings.HasPrefix(s, "FlannelReachable/") { // the peer did not answer while its MAC changed, which is true
			t.Errorf("found in a healthy node: %s", s)
		}
	}
}

func poll(ok func() bool) bool {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); runtime.Gosched() {
		if ok() {
			return true
		}
	}
	return false
}

func waitView(n *node, peers int) bool {
	return poll(func() bool { v, _ := n.c.Flannel.Get(); return v.Known == peers })
}

func macOfPeer(n *node, subnet string) string {
	for _, p := range n.c.seen.Load().peers {
		if p.Subnet.String() == subnet {
			return p.MAC
		}
	}
	return ""
}

func waitMAC(n *node, mac string) bool {
	return poll(func() bool { return macOfPeer(n, "10.244.2.0/24") == mac })
}

// TestBurst: ten thousand events make a few looks, and what they led to is seen.
func TestBurst(t *testing.T) {
	n := begin(t, netlab.Options{Backend: "vxlan", Filter: "nft"}, "")
	before, _ := n.c.Flannel.Get()
	var lines []string
	for i := range 5000 {
		lines = append(lines, fmt.Sprintf("route add 172.20.%d.%d/32 dev eth0", i/256, i%256))
	}
	for i := range 5000 {
		lines = append(lines, fmt.Sprintf("route del 172.20.%d.%d/32 dev eth0", i/256, i%256))
	}
	began := time.Now()
	n.h.IP(append(lines, "route del 10.244.2.0/24")...)
	took := time.Since(began)
	n.finds("FlannelPeers", "10.244.2.0/24", "RouteMissing")
	after, _ := n.c.Flannel.Get()
	t.Logf("10,000 events in %v: %d looks, %d sockets opened anew", took, after.Looks-before.Looks, after.Overruns)
	if looks := after.Looks - before.Looks; looks > uint64(20+took/paceLeast) {
		t.Errorf("a burst of 10,000 events in %v made %d looks", took, looks)
	}
	remake(n.h)
	n.healthy()
}

// TestOverrun: a socket whose reader was too slow is opened anew, and wakes.
func TestOverrun(t *testing.T) {
	lab := netlab.New(t, netlab.Options{Backend: "vxlan", Filter: "none"})
	h := lab.Hosts[0]
	var overruns, wakes atomic.Uint64
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	l := &listener{
		name: "rtnetlink", protocol: unix.NETLINK_ROUTE, groups: groups, netns: func() string { return h.Netns }, overruns: &overruns,
		wake: func() { wakes.Add(1) }, broke: func(err error) { t.Error(err) }, fine: func() {},
		hear: func(uint16, []byte) bool {
			select {
			case held <- struct{}{}:
			default:
			}
			<-hold
			return true
		},
	}
	ended := make(chan struct{})
	ctx := t.Context()
	go func() { defer close(ended); l.run(ctx) }()
	if !poll(func() bool { return wakes.Load() > 0 }) {
		t.Fatal("the listener does not begin")
	}
	var lines []string
	for i := range 8000 {
		lines = append(lines, fmt.Sprintf("route add 172.20.%d.%d/32 dev eth0", i/256, i%256))
	}
	h.IP(lines...)
	<-held
	before := wakes.Load()
	close(hold)
	if !poll(func() bool { return overruns.Load() > 0 && wakes.Load() > before+1 }) {
		t.Errorf("8,000 unread events: %d overruns, %d wakes", overruns.Load(), wakes.Load()-before)
	}
}

// TestWithoutPrivilege drops every capability of one thread: what may be read without is judged, and the rest is Unknown.
func TestWithoutPrivilege(t *testing.T) {
	lab := netlab.New(t, netlab.Options{Backend: "vxlan"})
	h := lab.Hosts[0]
	h.IP("route del 10.244.2.0/24")
	board := health.NewBoard(nil, Conditions()...)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		done <- func() error {
			ns, err := os.Open(h.Netns)
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var none [2]unix.CapUserData
			if err := unix.Capset(&header, &none[0]); err != nil {
				return err
			}
			cfg := configOf(h)
			cfg.Netns = ""
			_, looks := Look(t.Context(), cfg, Deps{})
			board.Publish(looks...)
			return nil
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		condition, subject, reason string
		status                     health.Status
	}{
		{"FlannelPeers", "10.244.2.0/24", "RouteMissing", health.Failing},
		{"FlannelPeers", "10.244.3.0/24", "", health.OK},
		{"FlannelDevice", "flannel.1", "", health.OK},
		{"NetworkSysctls", "net.ipv4.ip_forward", "", health.OK},
		{"NetworkFilter", "", "Unread", health.Unknown},
		{"FlannelReachable", "", "NotAllowed", health.Unknown},
	} {
		st, _ := board.Snapshot().Of(want.condition)
		if e := st.Entry(want.subject); e.Status != want.status || e.ReasonName() != want.reason {
			t.Errorf("%s/%s without privilege: %v %s %q, want %v %s", want.condition, want.subject, e.Status, e.ReasonName(), e.Message, want.status, want.reason)
		}
	}
}

// TestBackendChange: Flannel is set to another backend and restarted on every node. What the old one had is no loss, and nothing of it is put back.
func TestBackendChange(t *testing.T) {
	lab := netlab.New(t, netlab.Options{Backend: "vxlan"})
	flanneld(t, lab.Hosts[0])
	n, mended := mending(t, lab.Hosts[0])
	for _, h := range lab.Hosts {
		lines := []string{"link del flannel.1"}
		for _, p := range h.Peers() {
			lines = append(lines, fmt.Sprintf("route replace %s via %s dev eth0", p.Subnet(), p.UnderlayIP()))
		}
		h.IP(lines...)
		h.Write("flannel/subnet.env", strings.ReplaceAll(h.Read("flannel/subnet.env"), "FLANNEL_MTU=1450", "FLANNEL_MTU=1500"))
	}
	n.wait("backend host-gw", func(health.Snapshot) bool { v, _ := n.c.Flannel.Get(); return v.Backend == HostGW })
	n.healthy()
	for _, d := range mended.took() {
		if !strings.HasPrefix(d, MendBridge+" cni0 ") { // the bridge takes the new MTU, which is right
			t.Errorf("mended after a change of the backend: %s", d)
		}
	}
	for _, p := range n.h.Peers() {
		if !n.h.Reaches(p) {
			t.Errorf("pods of %s are not reached", p.Name)
		}
	}
}
