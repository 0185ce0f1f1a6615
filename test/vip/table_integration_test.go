//go:build integration && bench

package vip

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/keepalive/vrrplab"
	"nodeagent/internal/view"
)

// documented is for the table in docs/keepalived.md.
var documented = tempo{3, 1, "{}", "{}"}

// TestTable measures the whole way of the table in docs/keepalived.md with every default: make vip-table
func TestTable(t *testing.T) {
	l := newLab(t, "vt", 2, documented, false)
	first, second := l.nodes[0], l.nodes[1]
	fits := func() { first.await(0) }
	l.play(t, []step{
		{"apiserver killed", func(*testing.T) { first.apiserver.Kill() }, "1", func(*testing.T) { first.startAPIServer(); fits() }},
		{"apiserver answers 500", func(*testing.T) { first.answers("500 0s") }, "1", func(*testing.T) { first.answers("200 0s"); fits() }},
		{"apiserver hangs", func(*testing.T) { first.apiserver.Signal(syscall.SIGSTOP) }, "1", func(*testing.T) { first.apiserver.Signal(syscall.SIGCONT); fits() }},
		{"apiserver slow", func(*testing.T) { first.answers("200 1200ms") }, "1", func(*testing.T) { first.answers("200 0s"); fits() }},
		{"HAProxy killed", func(*testing.T) { first.balancer.Kill() }, "1", func(*testing.T) { first.startBalancer(); fits() }},
		{"HAProxy hung", func(*testing.T) { first.balancer.Signal(syscall.SIGSTOP) }, "1", func(*testing.T) { first.balancer.Signal(syscall.SIGCONT); fits() }},
		{"maintenance", func(*testing.T) { first.must("maintenance", "start", "--for", "10m") }, "1", func(*testing.T) { first.must("maintenance", "stop") }},
		{"agent killed", func(*testing.T) { first.agent.Kill() }, "1", func(*testing.T) { first.startAgent(); fits() }},
		{"keepalived stopped", func(*testing.T) { first.keepalived.Stop() }, "1", func(*testing.T) { first.startKeepalived() }},
		{"keepalived and its child killed", func(*testing.T) { first.both(syscall.SIGKILL); first.says("VRRP", "VIPWithoutKeepalived") }, "0 1", func(*testing.T) { first.startKeepalived() }},
		{"keepalived hung", func(*testing.T) {
			first.both(syscall.SIGSTOP)
			first.says("Keepalived", "Stopped")
			second.says("VRRPWire", "DuplicateVIP")
		}, "0 1", func(*testing.T) { first.both(syscall.SIGCONT) }},
		{"multicast cut", func(*testing.T) { l.Multicast(false); first.says("VRRPWire", "DuplicateVIP") }, "0 1", func(*testing.T) { l.Multicast(true) }},
		{"VIP deleted by hand", func(*testing.T) { first.IP("addr", "del", vrrplab.VIP.String(), "dev", vrrplab.Interface) }, "0", nothing},
	}, 40*time.Second)
}

// TestClash: somebody else on the network has our VRID, for another address and with a higher priority.
func TestClash(t *testing.T) {
	l := newLab(t, "vc", 3, documented, false)
	foreign := l.nodes[2]
	foreign.keepalived.Stop()
	begin := time.Now()
	text := strings.Replace(foreign.conf(), vrrplab.VIP.String(), netip.MustParsePrefix("10.77.0.200/24").String(), 1)
	text = strings.Replace(text, "priority 80", "priority 200", 1)
	foreign.keepalived = foreign.Keepalived("net_namespace "+foreign.Name+"\n"+text, true)
	waitFor(t, "the foreign master", func() bool { return strings.Contains(foreign.keepalived.Log(), "Entering MASTER STATE") })
	master := time.Now()
	l.nodes[0].says("VRRPWire", "ForeignVRID")
	t.Logf("MEASURED VRID clash, said %v after its first advert", time.Since(master).Round(time.Millisecond))
	l.tl.Until(t, "0", 5*time.Second, 20*time.Second)
	t.Logf("MEASURED VRID clash: %v", l.tl.Since(begin, "0"))
}

// soak is how long TestSoak looks.
const soak = 5 * time.Minute

// TestSoak has every core busy: no verdict changes, and the VIP stays where it is.
func TestSoak(t *testing.T) {
	l := newLab(t, "vs", 3, documented, false)
	changes := func(n *node) (out uint64) {
		var v view.VIP
		if err := json.Unmarshal([]byte(n.must("vip", "-o", "json")), &v); err != nil {
			t.Fatal(err)
		}
		return v.Counters.Changes
	}
	var before []uint64
	for _, n := range l.nodes {
		before = append(before, changes(n))
	}
	ctx, stop := context.WithTimeout(context.Background(), soak)
	defer stop()
	since := time.Now()
	for range runtime.NumCPU() {
		busy := exec.CommandContext(ctx, "/bin/sh", "-c", "while :; do :; done")
		if err := busy.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = busy.Wait() }()
	}
	<-ctx.Done()
	l.stays(t, since)
	for i, n := range l.nodes {
		if got := changes(n) - before[i]; got != 0 {
			t.Errorf("%s changed its verdict %d times:\n%s", n.Name, got, n.must("vip"))
		}
	}
	t.Logf("MEASURED soak of %v with %d busy loops: %v", soak, runtime.NumCPU(), l.tl.Since(since, "0"))
}

// both signals keepalived and its child.
func (n *node) both(s syscall.Signal) {
	n.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", n.keepalived.PID()))
	if err != nil {
		n.t.Fatal(err)
	}
	for _, f := range strings.Fields(string(b)) {
		if pid, err := strconv.Atoi(f); err == nil {
			_ = syscall.Kill(pid, s)
		}
	}
	n.keepalived.Signal(s)
}
