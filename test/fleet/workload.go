package fleet

import (
	"fmt"
	"time"

	"nodeagent/internal/view"
)

// podsOfANode have an etcd and a few more, as a control-plane node has.
const podsOfANode = 5

func (n *Node) pods() []view.Pod {
	var out []view.Pod
	for i := range podsOfANode {
		s := n.since()
		p := view.Pod{Namespace: "kube-system", Name: fmt.Sprintf("pod%d", i), Phase: view.PhaseRunning, Ready: true,
			Usage:      &view.Usage{At: time.Now(), CPUSeconds: s * 0.1, ThrottledSeconds: s * 0.01, WorkingSet: 90 << 20, MemoryLimit: 256 << 20},
			Containers: []view.Container{{Name: "main", State: "running", Ready: true}}}
		if i == 0 {
			switch {
			case n.has(PodCrashes):
				p.Phase, p.Ready, p.NextStart = view.PhaseCrashLoop, false, time.Now().Add(time.Minute)
				p.Containers[0] = view.Container{Name: "main", State: "exited", Restarts: 3 + int(s), LastExit: &view.Exit{Code: 137, Reason: "OOMKilled"}}
				p.Usage.OOMKills = 3 + uint64(s)
			case n.has(PodUnknown):
				p.Phase, p.Ready = view.PhaseUnknown, false
				p.Containers[0].State = "unknown"
			}
		}
		out = append(out, p)
	}
	return out
}

func (n *Node) runtime() view.Runtime {
	d := &view.RuntimeDetails{At: time.Now(), Containers: 31, Sandboxes: 12, Images: 20, Unit: "containerd.service",
		Handlers: []view.RuntimeHandler{{Handler: "runc", Runtime: "runc", Version: "1.1.5"}, {Handler: "crun", Runtime: "crun", Version: "1.8.1"}},
		ImageFs:  []view.ImageFilesystem{{Path: "/var/lib/containerd", Bytes: 1 << 38, FreeBytes: 1 << 37, Inodes: 1 << 24, FreeInodes: 1 << 23}}}
	if n.has(DiskFills) {
		d.ImageFs[0].FreeBytes, d.ImageFs[0].FreeInodes = 1<<30, 1<<10
	}
	out := view.Runtime{Name: "containerd", Version: "1.6.20", API: "v1", Details: d}
	for handler, slower := range map[string]float64{"runc": 1, "crun": 0.6} {
		c := view.Canary{Handler: handler, Path: "cri", At: time.Now(), OK: !n.has(CanaryFails)}
		for i, step := range []string{"sandbox", "create", "start", "exec", "stop", "remove"} {
			c.Steps = append(c.Steps, view.CanaryStep{Name: step, Seconds: slower * 0.02 * float64(i+1)})
		}
		out.Canaries = append(out.Canaries, c)
	}
	return out
}

func (n *Node) vip() view.VIP {
	state, number, word := "BACKUP", 0, "ok"
	if n.number == 0 {
		state = "MASTER"
	}
	if n.has(Unfit) {
		state, number, word = "FAULT", -254, "fault"
	}
	since := n.begun
	held := state == "MASTER"
	v := view.VIP{Named: true, Verdicts: []view.Verdict{{Policy: "default", Number: number, Word: word, Since: since}}, Keepalived: []int{1},
		Instances: []view.VRRPInstance{{Name: "VI_1", Interface: "eth0", VRID: 51, Priority: 100, Effective: 100 + min(number, 0)/3, State: state, Since: since, Tracked: true,
			VIPs: []view.VIPState{{Address: "192.0.2.10/24", Present: held}}}},
		Counters: view.VIPCounters{Answers: uint64(n.since())},
		Balancer: &view.Balancer{Version: "2.6", Answered: !n.has(BalancerDead), Conns: 17, MaxConn: 4096, Backends: []view.Backend{{Name: "apiserver", Status: "UP", Live: 3, Checked: 3}}}}
	if n.has(Unfit) {
		v.Instances[0].Transitions, v.Counters.Changes, v.Counters.Rewrites = 1+uint64(n.since()), 1+uint64(n.since()), 1+uint64(n.since())
		v.Counters.BadNotices, v.Malformed = uint64(n.since()), uint64(n.since())
	}
	if state == "BACKUP" {
		v.Heard = []view.VRRPPeer{{Interface: "eth0", VRID: 51, Instance: "VI_1", Live: true, Last: time.Now()}}
	}
	if n.has(ServerDown) {
		v.Balancer.Backends[0].Live, v.Balancer.Backends[0].Queue = 2, 9
	}
	if n.has(Maintenance) {
		v.Maintenance = &view.Maintenance{Since: since, Until: time.Now().Add(time.Hour), By: "root"}
	}
	return v
}
