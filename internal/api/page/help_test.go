package page

import (
	"errors"
	"net/http"
	"net/netip"
	"time"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// start is the moment at which the test nodes are looked at.
var start = time.Now()

func ago(d time.Duration) time.Time { return start.Add(-d) }

func subject(name, status, reason, message, fix string) view.Subject {
	return view.Subject{Name: name, Status: status, Reason: reason, Message: message, Fix: fix, Since: ago(3 * time.Minute)}
}

func conditionOf(name, impact, status string, subjects ...view.Subject) view.Condition {
	return view.Condition{Name: name, Help: name + " does what it is there for.", Impact: impact, Status: status, Subjects: subjects}
}

func okay(name, message string) view.Subject { return subject(name, "ok", "", message, "") }

// healthy is a node with everything, and all of it well.
func healthy() view.Status {
	return view.Status{
		Node: "node1", Version: "0.1.0", Time: start, Since: ago(26 * time.Hour), Daemon: true, Status: "ok", Mode: "run",
		Runtime: view.Runtime{Name: "containerd", Version: "1.6.20~ds1"},
		Conditions: []view.Condition{
			conditionOf("RuntimeResponsive", "critical", "ok", okay("", "containerd 1.6.20~ds1 at unix:///run/containerd/containerd.sock")),
			conditionOf("StaticPods", "critical", "ok", okay("kube-system/etcd", ""), okay("monitoring/grafana", "")),
			conditionOf("FlannelDevice", "critical", "ok", okay("", "")),
			conditionOf("APIServer", "critical", "absent", subject("", "absent", "", "no manifest, no process and no unit of it", "")),
		},
		Pods: []view.Pod{
			{Namespace: "kube-system", Name: "etcd", Phase: view.PhaseRunning, Ready: true, Since: ago(26 * time.Hour), File: "etcd.yaml"},
			{Namespace: "monitoring", Name: "grafana", Phase: view.PhaseRunning, Ready: true, Since: ago(90 * time.Second), Restarts: 1, File: "grafana.yaml"},
		},
		Network: &view.Network{Backend: "vxlan", Subnets: []string{"10.244.1.0/24"}, Uplink: "eth0", Known: 2, Peers: []view.Peer{
			{Subnet: netip.MustParsePrefix("10.244.2.0/24"), Node: "node2", State: view.PeerUp, RTT: 420 * time.Microsecond, Probes: 20, PathMTU: 1450, Answered: ago(2 * time.Second)},
			{Subnet: netip.MustParsePrefix("10.244.3.0/24"), Node: "node3", State: view.PeerUp, RTT: 1310 * time.Microsecond, Probes: 20, PathMTU: 1450, Answered: ago(2 * time.Second)},
		}},
		VIP: &view.VIP{Named: true, Verdicts: []view.Verdict{{Policy: "default", Word: "ok", Since: ago(26 * time.Hour)}},
			Instances: []view.VRRPInstance{{Name: "VI_1", Interface: "eth0", VRID: 51, Priority: 100, State: "MASTER", Since: ago(26 * time.Hour), Tracked: true, VIPs: []view.VIPState{{Address: "192.0.2.10/24", Present: true}}}},
			Balancer:  &view.Balancer{Version: "2.6.12", Answered: true, Backends: []view.Backend{{Name: "apiserver", Status: "UP", Live: 3, Checked: 3, Sessions: 17}}}},
	}
}

// degraded has a fault of each kind, a mute, and maintenance.
func degraded() view.Status {
	s := healthy()
	s.Status = "failing"
	until := start.Add(47 * time.Minute)
	mute := view.Mute{Condition: "CgroupPressure", Until: until, Reason: "the disk is being changed", By: "root"}
	muted := subject("", "failing", "MemoryPressure", "tasks waited 31 % of the last minute for memory", "Find who takes it with `systemd-cgtop -m`.")
	muted.Muted = &mute
	s.Mutes = []view.Mute{mute}
	s.Maintenance = &view.Maintenance{Until: until, By: "root", Reason: "a new kernel"}
	s.Conditions = append(s.Conditions,
		conditionOf("StaticPodsRunning", "critical", "failing",
			subject("kube-system/etcd", "failing", "CrashLoop", "container etcd ended with exit code 1 for the 7th time; next start in 4m", "Read why it ended: `nodeagent pods describe etcd`."),
			subject("monitoring/prometheus-with-a-name-that-is-rather-long-for-a-narrow-screen", "failing", "CrashLoop", "container prometheus was killed for want of memory (limit 256Mi)", "Read why it ended: `nodeagent pods describe etcd`.")),
		conditionOf("FlannelPeers", "degraded", "failing", subject("10.244.3.0/24", "failing", "Unreachable", "node3 answers at 192.0.2.3, its pods do not", "Walk the way to it: `nodeagent net explain node3`.")),
		conditionOf("RuntimeReady", "critical", "unknown", subject("", "unknown", "RuntimeHung", "containerd has not answered for 12 s", "Restart it: `systemctl restart containerd`.")),
		conditionOf("NetworkReady", "critical", "unknown", subject("", "unknown", "RuntimeHung", "containerd has not answered for 12 s", "Restart it: `systemctl restart containerd`.")),
		conditionOf("CgroupPressure", "notice", "failing", muted),
	)
	s.Pods[0].Phase, s.Pods[0].Ready, s.Pods[0].Restarts, s.Pods[0].NextStart, s.Pods[0].Message = view.PhaseCrashLoop, false, 7, start.Add(4*time.Minute), "container etcd: exit code 1"
	s.Network.Peers[1].State, s.Network.Peers[1].Loss, s.Network.Peers[1].Message = view.PeerUnreachable, 1, "no answer to 20 probes"
	s.VIP.Verdicts[0] = view.Verdict{Policy: "default", Number: -254, Word: "fault", Causes: []string{"StaticPodsRunning kube-system/etcd"}, Since: ago(time.Minute)}
	s.VIP.Instances[0].State = "FAULT"
	s.VIP.Instances[0].VIPs[0].Present = false
	return s
}

// empty is a node at its first second: nothing was looked at, nothing is there.
func empty() view.Status {
	return view.Status{Node: "node9", Version: "0.1.0", Time: start, Since: ago(time.Second), Daemon: true, Status: "unknown", Mode: "companion", Conditions: []view.Condition{
		conditionOf("RuntimeResponsive", "critical", "unknown", subject("", "unknown", "NotLooked", "not looked at yet", "Wait for the first look.")),
		conditionOf("StaticPods", "critical", "unknown", subject("", "unknown", "NotLooked", "not looked at yet", "Wait for the first look.")),
	}}
}

func night() []event.Event {
	return []event.Event{
		{Seq: 1, Time: ago(5 * time.Hour), Kind: event.KindAgent, Reason: "Started", Message: "nodeagent 0.1.0 started, static pods: run"},
		{Seq: 2, Time: ago(9 * time.Minute), Kind: event.KindExit, Subject: "kube-system/etcd/etcd", Reason: "Error", Message: "container said: password=hunter2", Log: "password=hunter2", Fields: map[string]string{"exitCode": "1"}},
		{Seq: 3, Time: ago(3 * time.Minute), Kind: event.KindCondition, Subject: "StaticPodsRunning/kube-system/etcd", Reason: "CrashLoop", Message: "ok -> failing: container etcd ended with exit code 1"},
	}
}

var errDisk = errors.New("read /var/lib/nodeagent/events.jsonl: input/output error")

func pageOf(s view.Status, events []event.Event, err error) http.Handler {
	h, problem := New(Sources{Status: func() view.Status { return s }, Events: func(time.Time) ([]event.Event, error) { return events, err }})
	if problem != nil {
		panic(problem)
	}
	return h
}
