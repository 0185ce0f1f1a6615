//go:build integration

package keepalive

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/keepalive/vrrplab"
	"nodeagent/internal/state"
)

// The test's own binary is the agent of the lab's nodes: a real process, to be killed and stopped.
const agentEnv = "NODEAGENT_VRRPLAB_AGENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(agentEnv); dir != "" {
		if err := labAgent(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func labPolicy() Policy {
	p := TwoTiers("vip", "HAProxy", "APIServer")
	p.Fall, p.Rise, p.FaultFor = 0, 500*time.Millisecond, 2*time.Second
	return p
}

// labAgent runs a Keepalive whose conditions are told by lines on stdin: "HAProxy failing Down", "APIServer ok".
func labAgent(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	folder, err := state.Open(filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	defer folder.Close()
	log, err := zap.NewDevelopment()
	if err != nil {
		return err
	}
	haproxy := &health.Condition{Name: "HAProxy", Reasons: []*health.Reason{{Name: "Down"}, {Name: "NoLiveBackend"}}}
	apiserver := &health.Condition{Name: "APIServer", Reasons: []*health.Reason{{Name: "Down"}}}
	board := health.NewBoard(nil, append(Conditions(), haproxy, apiserver)...)
	cfg := Config{Dir: filepath.Join(dir, "verdict"), FIFO: filepath.Join(dir, "vrrp.fifo"), Policies: []Policy{labPolicy()}, CheckFrequency: 2 * time.Second, PeerTimeout: time.Second}
	k := New(func() Config { return cfg }, Deps{Store: folder, Configured: func() Configured {
		return Configured{Path: "keepalived.conf", Found: true, Instances: []Instance{
			{Name: "VI_1", Interface: vrrplab.Interface, VRID: 77, VIPs: []netip.Prefix{vrrplab.VIP}, Verdicts: []string{"vip"}},
		}}
	}}, board, log)
	set := func(line string) { // of one goroutine, and before it starts of this one
		f := strings.Fields(line)
		if f[0] == "maintenance" {
			if f[1] == "start" {
				_, err = k.StartMaintenance(ctx, MaintenanceRequest{For: time.Hour, Force: true})
			} else {
				err = k.StopMaintenance(ctx)
			}
			if err != nil {
				log.Fatal("maintenance", zap.Error(err))
			}
			return
		}
		look := health.Look{Of: haproxy, Findings: []health.Finding{{Status: health.OK}}}
		if f[0] == "APIServer" {
			look.Of = apiserver
		}
		if f[1] == "failing" {
			look.Findings[0].Status = health.Failing
			for _, r := range look.Of.Reasons {
				if r.Name == f[2] {
					look.Findings[0].Reason = r
				}
			}
		}
		board.Publish(look)
	}
	for line := range strings.SplitSeq(os.Getenv("NODEAGENT_VRRPLAB_FIRST"), ",") {
		set(line)
	}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			set(lines.Text())
		}
	}()
	var tasks sync.WaitGroup
	for _, t := range k.Tasks() {
		tasks.Go(func() {
			if err := t.Run(ctx); ctx.Err() == nil {
				log.Fatal("a task ended", zap.Stringer("task", t), zap.Error(err))
			}
		})
	}
	go func() { // what the test waits for
		last := ""
		for _, t := range k.Tasks() {
			<-t.Ready()
		}
		_ = board.Watch(ctx, []*health.Condition{VRRP, Keepalived}, func(s health.Snapshot) {
			v, _ := s.Of("VRRP")
			p, _ := s.Of("Keepalived")
			if line := fmt.Sprintf("SEEN VRRP=%s/%s Keepalived=%s/%s", v.Worst().Status, v.Worst().ReasonName(), p.Worst().Status, p.Worst().ReasonName()); line != last {
				last = line
				fmt.Println(line)
			}
			for _, i := range k.View().Instances {
				fmt.Println("STATE", i.State)
			}
		})
	}()
	tasks.Wait()
	return nil
}

// node is a lab's node with an agent and a keepalived.
type node struct {
	*vrrplab.Node
	agent, keepalived *vrrplab.Process
	starts            int
}

func (n *node) startAgent(t testing.TB, comm string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(n.Dir, comm)
	if _, err := os.Lstat(link); err != nil {
		if err := os.Symlink(exe, link); err != nil {
			t.Fatal(err)
		}
	}
	n.starts++
	n.agent = vrrplab.Start(t, n.Node, filepath.Join(n.Dir, fmt.Sprintf("agent-%d.log", n.starts)), link,
		[]string{agentEnv + "=" + n.Dir, "NODEAGENT_VRRPLAB_FIRST=HAProxy ok,APIServer ok"})
}

func (n *node) tell(t testing.TB, line string) {
	t.Helper()
	if _, err := fmt.Fprintln(n.agent.Stdin, line); err != nil {
		t.Fatal(err)
	}
}

func (n *node) verdict() string { return filepath.Join(n.Dir, "verdict", "vip") }

// await waits until the verdict file holds a number.
func (n *node) await(t testing.TB, number int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("%s: verdict %d", n.Name, number), func() bool {
		got, err := readNumber(filepath.Join(n.Dir, "verdict"), "vip")
		return err == nil && got == number
	})
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(15 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it did not come", what)
		}
	}
}

// pair is a lab whose nodes have priorities 100, 90, 80, an agent and a keepalived that tracks its file and its process.
func pair(t testing.TB, name string, n, version int, advert float64) (*vrrplab.Lab, []*node, *vrrplab.Timeline) {
	t.Helper()
	lab := vrrplab.New(t, name, n)
	var nodes []*node
	for i, ln := range lab.Nodes {
		x := &node{Node: ln}
		nodes = append(nodes, x)
		comm := fmt.Sprintf("nka%s%d", name, i)
		x.startAgent(t, comm)
		x.await(t, 0)
		x.keepalived = ln.Keepalived(conf(x, comm, version, advert, 100-10*i), true)
	}
	tl := lab.Record(t)
	tl.Until(t, "0", time.Second, 15*time.Second)
	return lab, nodes, tl
}

// conf is the documented default: the verdict by track_file with weight 1, the agent's death by track_process with a weight.
func conf(n *node, comm string, version int, advert float64, priority int) string {
	return vrrplab.Conf{
		Version: version, Advert: advert, Priority: priority, Namespace: n.Name, FIFO: filepath.Join(n.Dir, "vrrp.fifo"),
		Blocks: fmt.Sprintf(`track_file verdict {
    file "%s"
    weight 1
    init_file -60
}
vrrp_track_process agent {
    process %s
    weight -60
    terminate_delay %v
}`, n.verdict(), comm, terminateDelay),
		Instance: "    track_file {\n        verdict\n    }\n    track_process {\n        agent\n    }\n",
	}.String()
}

const terminateDelay = 2.0

// step is one thing that happens to a lab of three, whose VIP is on node 0 before and after.
type step struct {
	name string
	do   func(t *testing.T)
	want string // the nodes that have the VIP then; "one": any one of them
	undo func(t *testing.T)
}

// TestFailures plays what may go wrong on three nodes. The verdicts, the agents and keepalived are the documented configuration.
func TestFailures(t *testing.T) {
	t.Parallel() // it waits most of the time
	lab, nodes, tl := pair(t, "f", 3, 3, 0.1)
	all := func(line string, number int) func(*testing.T) {
		return func(t *testing.T) {
			for _, n := range nodes {
				n.tell(t, line)
			}
			for _, n := range nodes {
				n.await(t, number)
			}
		}
	}
	zero := func(line string) func(*testing.T) { return func(t *testing.T) { nodes[0].tell(t, line) } }
	whole := t // what a step starts lives on
	start := func(t *testing.T, i int) {
		t.Helper()
		nodes[i].startAgent(whole, fmt.Sprintf("nkaf%d", i))
		nodes[i].await(t, 0)
	}
	said := func(t *testing.T, n *node, what string) {
		t.Helper()
		waitFor(t, n.Name+" says "+what, func() bool { return strings.Contains(n.agent.Log(), what) })
	}
	keepalived := func(s syscall.Signal) {
		for _, pid := range children(t, nodes[0].keepalived.PID()) {
			_ = syscall.Kill(pid, s)
		}
		nodes[0].keepalived.Signal(s)
	}
	startKeepalived := func(t *testing.T) {
		nodes[0].keepalived = nodes[0].Keepalived(conf(nodes[0], "nkaf0", 3, 0.1, 100), true)
	}
	for _, s := range []step{
		{"apiserver fails", zero("APIServer failing Down"), "1", zero("APIServer ok")},
		{"balancer dead", zero("HAProxy failing Down"), "1", zero("HAProxy ok")},
		{"maintenance", zero("maintenance start"), "1", zero("maintenance stop")},
		{"apiserver fails on every node", all("APIServer failing Down", DefaultWeight), "one", all("APIServer ok", 0)},
		{"no live backend on every node", all("HAProxy failing NoLiveBackend", DefaultBalancerWeight), "one", all("HAProxy ok", 0)},
		{"balancer dead on every node", func(t *testing.T) {
			all("HAProxy failing Down", Fault)(t)
			tl.Until(t, "", 500*time.Millisecond, 5*time.Second)
			all("HAProxy failing Down", Least)(t) // FAULT is over
		}, "one", all("HAProxy ok", 0)},
		{"agent killed", func(*testing.T) { nodes[0].agent.Kill() }, "1", func(t *testing.T) { start(t, 0) }},
		{"agent upgraded", func(t *testing.T) {
			begin := time.Now()
			nodes[0].agent.Stop()
			start(t, 0)
			time.Sleep(time.Duration((terminateDelay + 1) * float64(time.Second))) // long enough for keepalived to have noticed
			if most, least := tl.Most(begin); most != 1 || least != 1 || lab.Holders() != "0" {
				t.Errorf("the VIP moved:\n%s", tl)
			}
		}, "0", func(*testing.T) {}},
		{"agents dead on every node", func(t *testing.T) {
			for _, n := range nodes {
				n.agent.Kill()
			}
			time.Sleep(time.Duration((terminateDelay + 1) * float64(time.Second)))
		}, "one", func(t *testing.T) {
			for i := range nodes {
				start(t, i)
			}
		}},
		{"VIP deleted by hand", func(t *testing.T) { nodes[0].IP("addr", "del", vrrplab.VIP.String(), "dev", vrrplab.Interface) }, "0", func(*testing.T) {}},
		{"keepalived killed", func(t *testing.T) {
			nodes[0].keepalived.Kill()
			said(t, nodes[0], "Keepalived=failing/Down")
		}, "1", startKeepalived},
		{"keepalived stopped by SIGSTOP", func(t *testing.T) {
			keepalived(syscall.SIGSTOP)
			said(t, nodes[0], "Keepalived=failing/Stopped")
		}, "0 1", func(*testing.T) { keepalived(syscall.SIGCONT) }},
		{"keepalived and its child killed", func(t *testing.T) {
			keepalived(syscall.SIGKILL)
			said(t, nodes[0], "VRRP=failing/VIPWithoutKeepalived")
		}, "0 1", startKeepalived},
		{"the switch drops multicast", func(*testing.T) { lab.Multicast(false) }, "0 1 2", func(*testing.T) { lab.Multicast(true) }},
	} {
		ok := t.Run(s.name, func(t *testing.T) {
			begin := time.Now()
			s.do(t)
			if s.want == "one" {
				tl.UntilOne(t, time.Second, 15*time.Second) // longer than a backup waits for its master
			} else {
				tl.Until(t, s.want, 300*time.Millisecond, 15*time.Second)
			}
			if to := strings.Fields(s.want); len(to) > 0 {
				t.Logf("MEASURED %s: %v", s.name, tl.Since(begin, to[len(to)-1]))
			}
			s.undo(t)
			tl.Until(t, "0", 500*time.Millisecond, 15*time.Second)
		})
		if !ok {
			break
		}
	}
	for _, state := range []string{"STATE MASTER", "STATE BACKUP", "STATE STOP"} {
		if !strings.Contains(nodes[0].agent.Log(), state) {
			t.Errorf("the agent never said %s", state)
		}
	}
}

// children are the processes whose parent is pid.
func children(t testing.TB, pid int) []int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, f := range strings.Fields(string(b)) {
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

// TestCheckScript is the second way: keepalived, in a pod here, runs nodeagent-check, which sees a hung agent by its beat.
func TestCheckScript(t *testing.T) {
	t.Parallel()
	nodes, tl := scripted(t, "cs", 3, 0.2, "    track_script {\n        fit\n    }\n")
	begin := time.Now()
	nodes[0].tell(t, "APIServer failing Down")
	tl.Until(t, "1", 500*time.Millisecond, 10*time.Second)
	t.Logf("MEASURED script: verdict by weight: %v", tl.Since(begin, "1"))
	nodes[0].tell(t, "APIServer ok")
	tl.Until(t, "0", 500*time.Millisecond, 10*time.Second)
	begin = time.Now()
	nodes[0].agent.Signal(syscall.SIGSTOP)
	tl.Until(t, "1", 500*time.Millisecond, 20*time.Second)
	t.Logf("MEASURED script: agent hung: %v", tl.Since(begin, "1"))
	nodes[0].agent.Signal(syscall.SIGCONT)
	tl.Until(t, "0", 500*time.Millisecond, 10*time.Second)
}

// TestPod: keepalived in a pod sees verdicts through a mount of their folder, also those that are renamed into place after it started.
func TestPod(t *testing.T) {
	t.Parallel()
	nodes, tl := scripted(t, "pd", 3, 0.2, "    track_file {\n        verdict\n    }\n")
	for _, bad := range []string{"APIServer failing Down", "HAProxy failing Down"} {
		nodes[0].tell(t, bad)
		tl.Until(t, "1", 500*time.Millisecond, 10*time.Second)
		nodes[0].tell(t, strings.Fields(bad)[0]+" ok")
		tl.Until(t, "0", 500*time.Millisecond, 10*time.Second)
	}
}

// scripted is a pair whose keepalived runs in a pod, with nodeagent-check each second or the verdict's file, as tracked says.
func scripted(t testing.TB, name string, version int, advert float64, tracked string) ([]*node, *vrrplab.Timeline) {
	t.Helper()
	check := filepath.Join(t.TempDir(), "nodeagent-check")
	if out, err := exec.Command("go", "build", "-o", check, "nodeagent/cmd/nodeagent-check").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	lab := vrrplab.New(t, name, 2)
	var nodes []*node
	for i, ln := range lab.Nodes {
		x := &node{Node: ln}
		nodes = append(nodes, x)
		x.startAgent(t, fmt.Sprintf("nka%s%d", name, i))
		x.await(t, 0)
		at := filepath.Join(ln.Dir, "mounted")
		x.keepalived = ln.KeepalivedPod(vrrplab.Conf{
			Version: version, Advert: advert, Priority: 100 - 10*i,
			Blocks: fmt.Sprintf("track_file verdict {\n    file %[1]s\n    weight 1\n}\nvrrp_script fit {\n    script \"%[2]s %[1]s\"\n"+
				"    user root\n    interval 1\n    timeout 1\n    fall 2\n    rise 2\n    weight -60\n}\n", filepath.Join(at, "vip"), check),
			Instance: tracked,
		}.String(), filepath.Dir(x.verdict()), at)
	}
	tl := lab.Record(t)
	tl.Until(t, "0", time.Second, 15*time.Second)
	return nodes, tl
}
