//go:build integration && bench

package keepalive

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/keepalive/vrrplab"
)

// TestTable measures the table of docs/keepalived.md: go test -tags integration,bench -run TestTable -v ./internal/keepalive
func TestTable(t *testing.T) {
	for _, tc := range []struct {
		version int
		advert  float64
	}{{2, 1}, {3, 1}, {3, 0.2}} {
		t.Run(fmt.Sprintf("VRRPv%d, adverts each %v s", tc.version, tc.advert), func(t *testing.T) {
			lab, nodes, tl := pair(t, "tb", 2, tc.version, tc.advert)
			whole := t
			both := func(s syscall.Signal) {
				for _, pid := range children(t, nodes[0].keepalived.PID()) {
					_ = syscall.Kill(pid, s)
				}
				nodes[0].keepalived.Signal(s)
			}
			restart := func() {
				nodes[0].keepalived = nodes[0].Keepalived(conf(nodes[0], "nkatb0", tc.version, tc.advert, 100), true)
			}
			agent := func() {
				nodes[0].startAgent(whole, "nkatb0")
				nodes[0].await(whole, 0)
			}
			for _, s := range []struct {
				name     string
				do, undo func()
				want     string
			}{
				{"apiserver fails (weight)", func() { nodes[0].tell(t, "APIServer failing Down") }, func() { nodes[0].tell(t, "APIServer ok") }, "1"},
				{"balancer dead (FAULT)", func() { nodes[0].tell(t, "HAProxy failing Down") }, func() { nodes[0].tell(t, "HAProxy ok") }, "1"},
				{"agent killed", func() { nodes[0].agent.Kill() }, agent, "1"},
				{"keepalived stopped", func() { nodes[0].keepalived.Stop() }, restart, "1"},
				{"keepalived parent killed", func() { nodes[0].keepalived.Kill() }, restart, "1"},
				{"keepalived and child killed", func() { both(syscall.SIGKILL) }, restart, "0 1"},
				{"keepalived SIGSTOP", func() { both(syscall.SIGSTOP) }, func() { both(syscall.SIGCONT) }, "0 1"},
				{"VIP deleted by hand", func() { nodes[0].IP("addr", "del", vrrplab.VIP.String(), "dev", vrrplab.Interface) }, func() {}, "0"},
				{"multicast cut", func() { lab.Multicast(false) }, func() { lab.Multicast(true) }, "0 1"},
			} {
				begin := time.Now()
				s.do()
				tl.Until(t, s.want, 500*time.Millisecond, 20*time.Second)
				to := strings.Fields(s.want)
				t.Logf("MEASURED v%d/%v | %s | %v", tc.version, tc.advert, s.name, tl.Since(begin, to[len(to)-1]))
				begin = time.Now()
				s.undo()
				tl.Until(t, "0", 2*time.Second, 20*time.Second)
				t.Logf("MEASURED v%d/%v | back from: %s | %v", tc.version, tc.advert, s.name, tl.Since(begin, "0"))
			}
		})
	}
}

// TestTrackProcess finds out what keepalived makes of the agent's process.
func TestTrackProcess(t *testing.T) {
	lab := vrrplab.New(t, "tp", 1)
	n := &node{Node: lab.Nodes[0]}
	verdicts := filepath.Join(n.Dir, "verdict")
	if err := os.MkdirAll(verdicts, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(n.verdict(), []byte("0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	n.keepalived = n.Node.Keepalived(conf(n, "nkatp0", 3, 0.2, 100), true)
	effective := func() string {
		var last string
		for line := range strings.Lines(n.keepalived.Log()) {
			if _, what, ok := strings.Cut(line, "(VI_1) "); ok && (strings.Contains(what, "effective priority") || strings.Contains(what, "FAULT")) {
				last = strings.TrimSpace(what)
			}
		}
		return last
	}
	wait := func(what string, d time.Duration) {
		time.Sleep(d)
		t.Logf("MEASURED %s: %s", what, effective())
	}
	wait("started with no agent, file 0", 3*time.Second)
	n.startAgent(t, "nkatp0")
	n.await(t, 0)
	wait("agent started", time.Second)
	second := vrrplab.Start(t, n.Node, filepath.Join(n.Dir, "second.log"), filepath.Join(n.Dir, "nkatp0"), []string{agentEnv + "=" + t.TempDir(), "NODEAGENT_VRRPLAB_FIRST=HAProxy ok"})
	time.Sleep(500 * time.Millisecond)
	n.agent.Kill()
	wait("agent killed, a second process of its name runs", 3*time.Second)
	second.Kill()
	wait("both gone", 3*time.Second)
	n.startAgent(t, "nkatp0")
	n.await(t, 0)
	wait("agent back", time.Second)
	n.agent.Signal(syscall.SIGSTOP)
	wait("agent stopped by SIGSTOP", 3*time.Second)
	n.agent.Kill()
	wait("agent killed", 3*time.Second)
	// A process that names itself after it was started, as a daemon run by an older unit may.
	if err := os.WriteFile(n.verdict(), []byte("-30"), 0o644); err != nil { // and a file with no end of line, as tmpfiles.d writes it
		t.Fatal(err)
	}
	wait("file -30 with no end of line, no agent", time.Second)
	named := vrrplab.Start(t, n.Node, filepath.Join(n.Dir, "named.log"), "/bin/bash", nil, "-c", "sleep 1; printf nkatp0 > /proc/self/comm; read")
	wait("a process took the name after its start", 3*time.Second)
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", named.PID())); err != nil || string(b) != "nkatp0\n" {
		t.Errorf("its name is %q, %v", b, err)
	}
	named.Kill()
	wait("it ended", 3*time.Second)
	t.Log(n.keepalived.Log())
}
