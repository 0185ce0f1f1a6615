//go:build integration

package netcheck

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/netcheck/netlab"
)

// permits is a ledger that allows everything, or nothing, and remembers what it was asked.
type permits struct {
	mu   sync.Mutex
	on   bool
	done []string
}

func (p *permits) ask(action, target, _ string) (bool, string, time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.on, "dry-run", time.Time{}
}

func (p *permits) over(action, target, _ string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, fmt.Sprintf("%s %s %v", action, target, err))
}

func (p *permits) set(on bool) { p.mu.Lock(); p.on = on; p.mu.Unlock() }

func (p *permits) took() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.done
	p.done = nil
	return d
}

// flanneld is a process of that name, which does nothing.
func flanneld(t testing.TB, h *netlab.Host) {
	t.Helper()
	sleep, err := os.ReadFile("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "flanneld")
	if err := os.WriteFile(path, sleep, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", h.Name, path, "3600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
}

func mending(t *testing.T, h *netlab.Host) (*node, *permits) { return mendingWith(t, h, nil) }

// mendingWith is mending with annotations; nil: none.
func mendingWith(t *testing.T, h *netlab.Host, annotations func(context.Context) ([]Node, error)) (*node, *permits) {
	t.Helper()
	p := &permits{on: true}
	n := start(t, h, func(c *Config, d *Deps) {
		c.young = time.Nanosecond
		d.Permit, d.Done, d.Nodes = p.ask, p.over, annotations
	})
	n.healthy()
	// Each peer has answered, so that its entries may be put back.
	n.wait("probes of every peer", func(health.Snapshot) bool {
		answered := map[string]bool{}
		for _, a := range n.c.answered() {
			answered[a.String()] = true
		}
		for _, x := range n.c.seen.Load().peers {
			if !answered[x.Subnet.String()] {
				return false
			}
		}
		return true
	})
	return n, p
}

// mendableBreak is what the agent puts right by itself, with the kind of the act.
type mendableBreak struct {
	name, kind string
	do         func(h *netlab.Host)
}

// mends breaks one thing, and sees the agent put it right: health, the acts, and the pods' traffic.
func (b mendableBreak) mends(n *node, p *permits) {
	n.t.Helper()
	b.do(n.h)
	if !poll(func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(p.done) > 0 }) {
		n.t.Errorf("%s: nothing is mended:\n%s", b.name, show(n.board.Snapshot(), false))
	}
	n.healthy()
	for _, d := range p.took() {
		if !strings.HasPrefix(d, b.kind+" ") || !strings.HasSuffix(d, " <nil>") {
			n.t.Errorf("%s: %s", b.name, d)
		}
	}
	for _, o := range n.h.Peers() {
		if !n.h.ReachesWithin(o, 2*time.Second) { // the kernel takes note of a bridge's carrier once a second
			n.t.Errorf("%s: mended, and pods of %s are not reached", b.name, o.Name)
		}
	}
}

var mendable = []mendableBreak{
	{"route deleted", MendPeer, func(h *netlab.Host) { h.IP("route del 10.244.2.0/24") }},
	{"neighbour deleted", MendPeer, func(h *netlab.Host) { h.IP("neigh del 10.244.2.0 dev flannel.1") }},
	{"FDB entry deleted", MendPeer, func(h *netlab.Host) { h.Bridge("fdb del 0a:00:00:00:77:02 dev flannel.1 dst 192.168.77.2 self") }},
	{"flannel.1 down", MendDevice, func(h *netlab.Host) { h.IP("link set flannel.1 down") }},
	{"flannel.1 made again, empty", MendDevice, func(h *netlab.Host) { h.IP("link del flannel.1"); h.AddDevice() }},
	{"address deleted", MendDevice, func(h *netlab.Host) { h.IP("addr del 10.244.1.0/32 dev flannel.1") }},
	{"MTU of flannel.1", MendDevice, func(h *netlab.Host) { h.IP("link set flannel.1 mtu 1400") }},
	{"cni0 down", MendBridge, func(h *netlab.Host) { h.IP("link set cni0 down") }},
	{"cni0 address deleted", MendBridge, func(h *netlab.Host) { h.IP("addr del 10.244.1.1/24 dev cni0") }},
	{"MTU of cni0", MendBridge, func(h *netlab.Host) { h.IP("link set cni0 mtu 1400") }},
	{"veth without master", MendBridge, func(h *netlab.Host) { h.IP("link set " + h.Veth() + " nomaster") }},
	{"ip_forward off", MendSysctl, func(h *netlab.Host) { h.Sysctl("net.ipv4.ip_forward=0") }},
}

// TestMends breaks what flanneld does not put right, and sees the agent do it: the pods' traffic flows again.
func TestMends(t *testing.T) {
	lab := netlab.New(t, netlab.Options{Backend: "vxlan"})
	flanneld(t, lab.Hosts[0])
	n, p := mending(t, lab.Hosts[0])
	for _, b := range mendable {
		b.mends(n, p)
	}
	// A peer that left has left: nothing of it is put back.
	n.h.RemovePeer(n.h.Peers()[1])
	n.wait("two peers", func(health.Snapshot) bool { v, _ := n.c.Flannel.Get(); return v.Known == len(lab.Hosts)-2 })
	n.healthy()
	if d := p.took(); len(d) > 0 {
		t.Errorf("a peer left, and was brought back: %v", d)
	}
}

// TestMendsInDryRun: nothing is done, and the finding says what would be.
func TestMendsInDryRun(t *testing.T) {
	lab := netlab.New(t, netlab.Options{Backend: "vxlan"})
	flanneld(t, lab.Hosts[0])
	n, p := mending(t, lab.Hosts[0])
	p.set(false)
	n.h.IP("route del 10.244.2.0/24")
	n.wait("the note", func(s health.Snapshot) bool {
		st, _ := s.Of(FlannelPeers.Name)
		for _, e := range st.Entry("10.244.2.0/24").Evidence {
			if e.Key == noteKey && e.Value == "dry-run: ip route add 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink" {
				return true
			}
		}
		return false
	})
	if d := p.took(); len(d) > 0 {
		t.Errorf("dry-run did %v", d)
	}
	p.set(true)
	n.c.Wake()
	n.healthy()
}

func noteOf(s health.Snapshot, c *health.Condition, subject string) string {
	st, _ := s.Of(c.Name)
	for _, e := range st.Entry(subject).Evidence {
		if e.Key == noteKey {
			return e.Value
		}
	}
	return ""
}

// TestNoMendsWithoutFlanneld: who writes all of it at its start must be seen to run.
func TestNoMendsWithoutFlanneld(t *testing.T) {
	lab := netlab.New(t, netlab.Options{Backend: "vxlan"})
	flanneld(t, lab.Hosts[1]) // another node's
	n, p := mending(t, lab.Hosts[0])
	n.h.IP("neigh del 10.244.2.0 dev flannel.1")
	n.wait("the note", func(s health.Snapshot) bool {
		return strings.HasPrefix(noteOf(s, FlannelPeers, "10.244.2.0/24"), "flanneld does not run")
	})
	if d := p.took(); len(d) > 0 {
		t.Errorf("did %v", d)
	}
}
