package fleet

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"nodeagent/internal/agent"
	"nodeagent/internal/health"
	"nodeagent/internal/metrics"
	"nodeagent/internal/view"
)

// Fault is one thing that is wrong with a node.
type Fault string

// The faults, each of one part of a node.
const (
	PodCrashes       Fault = "a pod crashes"
	PodUnknown       Fault = "a pod can't be seen"
	RuntimeHangs     Fault = "the runtime hangs"
	CanaryFails      Fault = "the canary fails"
	DiskFills        Fault = "the disk of the images fills"
	PeerLost         Fault = "a peer is not reached"
	PeerUnknown      Fault = "a peer can't be probed"
	Unfit            Fault = "the node is unfit for the VIP"
	ServerDown       Fault = "a server of the balancer is down"
	BalancerDead     Fault = "the balancer does not answer"
	CertificateEnded Fault = "a certificate ended"
	ConfigRefused    Fault = "the configuration is refused"
	TaskPanics       Fault = "a task of the agent panics"
	RepairsUsedUp    Fault = "the repairs are used up"
	Maintenance      Fault = "maintenance"
	Muted            Fault = "what fails is muted"
	Down             Fault = "the agent does not answer"
)

// Faults are all of them.
var Faults = []Fault{PodCrashes, PodUnknown, RuntimeHangs, CanaryFails, DiskFills, PeerLost, PeerUnknown, Unfit, ServerDown, BalancerDead, CertificateEnded, ConfigRefused,
	TaskPanics, RepairsUsedUp, Maintenance, Muted, Down}

// fails is what a fault does to the conditions: these fail, or are unknown.
var fails = map[Fault]struct {
	condition string
	status    health.Status
}{
	PodCrashes: {"StaticPods", health.Failing}, RuntimeHangs: {"RuntimeResponsive", health.Failing}, CanaryFails: {"RuntimeCanary", health.Failing},
	DiskFills: {"ImageFilesystem", health.Failing}, PeerLost: {"FlannelReachable", health.Failing}, Unfit: {"VIPVerdict", health.Failing},
	ServerDown: {"HAProxyServers", health.Failing}, BalancerDead: {"HAProxy", health.Unknown}, CertificateEnded: {"Certificates", health.Failing},
	ConfigRefused: {"AgentConfig", health.Failing}, TaskPanics: {"AgentTasks", health.Failing}, RepairsUsedUp: {"RepairsLatched", health.Failing}, PodUnknown: {"StaticPods", health.Unknown},
}

// Node is one simulated node.
type Node struct {
	Name    string
	number  int
	begun   time.Time
	board   *health.Board
	all     []*health.Condition
	metrics http.Handler
	observe func(call string, took time.Duration, code string)
	answer  func(component string, took time.Duration)
	probe   func(rtt time.Duration)

	mu     sync.Mutex
	faults map[Fault]bool
	mutes  []view.Mute
}

// NewNode makes the node of a number, which is well. Number 0 holds the VIP.
func NewNode(number int, version string) *Node {
	n := &Node{Name: fmt.Sprintf("node%d", number), number: number, begun: time.Now(), all: agent.Conditions("run"), faults: map[Fault]bool{}}
	n.board = health.NewBoard(nil, n.all...)
	m := metrics.New(metrics.Sources{
		Snapshot: n.board.Snapshot, Mutes: n.muted, Pods: n.pods, Runtime: n.runtime, Network: n.network, VIP: n.vip, Repairs: n.repairs, Certificates: n.certificates,
		Mode: func() string { return "run" }, Reload: n.reload, Tasks: n.tasks, Version: version, Revision: "0000000",
	})
	n.metrics, n.observe, n.answer, n.probe = m.Handler(), m.ObserveCRI, m.ObserveComponent, m.ObservePeer
	n.publish()
	return n
}

// Set begins or ends a fault.
func (n *Node) Set(f Fault, on bool) {
	n.mu.Lock()
	n.faults[f] = on
	n.mutes = nil
	if n.faults[Muted] {
		n.mutes = []view.Mute{{Condition: "StaticPods", Until: time.Now().Add(time.Hour), Reason: "it is known", By: "root"}}
	}
	n.mu.Unlock()
	n.publish()
}

func (n *Node) has(f Fault) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.faults[f]
}

func (n *Node) muted() []view.Mute {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mutes
}

// publish gives every condition its finding: the node itself, or one subject.
func (n *Node) publish() {
	wrong := map[string]health.Status{}
	for f, x := range fails {
		if n.has(f) {
			wrong[x.condition] = x.status
		}
	}
	var looks []health.Look
	for _, c := range n.all {
		f := health.Finding{Status: health.OK}
		if c.Max > 0 {
			f.Subject = "one"
		}
		if s, ok := wrong[c.Name]; ok {
			f.Status, f.Reason, f.Message = s, c.Reasons[0], "made to fail"
		}
		looks = append(looks, health.Look{Of: c, Findings: []health.Finding{f}})
	}
	n.board.Publish(looks...)
	var mutes []health.Mute
	for _, m := range n.muted() {
		mutes = append(mutes, health.Mute(m))
	}
	n.board.SetMutes(mutes)
}

// ServeHTTP is a scrape. What counts by itself on a node counts here with the scrapes.
func (n *Node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n.has(Down) {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	took, code := 2*time.Millisecond, "OK"
	if n.has(RuntimeHangs) {
		took, code = 3*time.Second, "DeadlineExceeded"
	}
	for _, method := range []string{"Version", "Status", "ListContainers", "ListPodSandbox"} {
		n.observe(method, took, code)
	}
	n.answer("kube-apiserver", 3*time.Millisecond)
	n.probe(400 * time.Microsecond)
	n.metrics.ServeHTTP(w, r)
}

// since the node's start, in seconds: what counters are made of.
func (n *Node) since() float64 { return time.Since(n.begun).Seconds() }

func (n *Node) reload() (bool, time.Time) { return !n.has(ConfigRefused), n.begun }

func (n *Node) tasks() map[string]uint64 {
	out := map[string]uint64{"runtime": 0, "static pods": 0}
	if n.has(TaskPanics) {
		out["runtime"] = 1 + uint64(n.since())
	}
	return out
}

func (n *Node) certificates() []view.Certificate {
	ends := n.begun.Add(300 * 24 * time.Hour)
	if n.has(CertificateEnded) {
		ends = n.begun.Add(-time.Hour)
	}
	return []view.Certificate{{File: "/etc/kubernetes/pki/apiserver.crt", Name: "kube-apiserver", NotAfter: ends}, {File: "/etc/kubernetes/pki/ca.crt", Name: "kubernetes", CA: true, NotAfter: n.begun.Add(3000 * 24 * time.Hour)}}
}

func (n *Node) repairs() view.RepairPlan {
	r := view.Repair{Action: "restart-runtime", HourMost: 2, DayMost: 4}
	if n.has(RepairsUsedUp) {
		r.Day, r.Done, r.Failed, r.Latched = 4, 3+uint64(n.since()), 1, n.begun
	}
	return view.RepairPlan{Mode: "on", Repairs: []view.Repair{r}}
}

func (n *Node) network() view.Network {
	peer := func(i int) view.Peer {
		return view.Peer{Subnet: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(n.number + i), 0}), 24), Node: fmt.Sprintf("node%d", n.number+i), State: view.PeerUp,
			RTT: time.Duration(300+i) * time.Microsecond, Probes: 30, PathMTU: 1450, Answered: time.Now()}
	}
	lost := peer(1)
	switch {
	case n.has(PeerLost):
		lost.State, lost.Loss, lost.RTT = view.PeerUnreachable, 1, 40*time.Millisecond
	case n.has(PeerUnknown):
		lost.State, lost.Probes = view.PeerUnknown, 0
	}
	return view.Network{Backend: "vxlan", Subnets: []string{fmt.Sprintf("10.244.%d.0/24", n.number%250)}, MTU: 1450, Known: 2, Peers: []view.Peer{lost, peer(2)},
		Addresses: []view.Leases{{Network: "cbr0", IPv4: 12}}, Looks: uint64(n.since()), Overruns: uint64(n.since() / 60)}
}
