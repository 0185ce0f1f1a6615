package fleet

import (
	"compress/gzip"
	"fmt"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/agent"
	"nodeagent/internal/health"
	"nodeagent/internal/metrics"
	"nodeagent/internal/view"
)

// Budgets of series and bytes. Each is a promise to whoever pays for Prometheus.
const (
	seriesOfANode     = 250 // in companion mode, everything there is detected, no pods of ours
	seriesOfAPod      = 12
	seriesOfAPeer     = 4
	seriesOfAnVRRP    = 8
	bytesOfTwentyPods = 20_000 // gzip
)

// parts of a node that a test leaves out or makes more of.
type parts struct {
	pods  int
	peers int
	vrrp  int
}

// scrape is the text of a companion node with everything detected.
func scrape(t *testing.T, p parts, encoding string) string {
	t.Helper()
	n := NewNode(0, "0.1.0")
	conditions := agent.Conditions("companion")
	board := health.NewBoard(nil, conditions...)
	for _, c := range conditions {
		findings := []health.Finding{{Status: health.OK}}
		switch {
		case p.pods == 0 && (c.Name == "StaticPods" || c.Name == "Manifests"):
			findings[0].Status = health.Absent
		case c.Max > 0: // as many as it shows
			findings = nil
			for i := range c.Max {
				findings = append(findings, health.Finding{Subject: fmt.Sprint("subject ", i), Status: health.OK})
			}
		}
		board.Publish(health.Look{Of: c, Findings: findings})
	}
	m := metrics.New(metrics.Sources{
		Snapshot: board.Snapshot, Mutes: n.muted, Runtime: n.runtime, Repairs: n.repairs, Certificates: kubeadm, Components: components, Roles: roles, Tasks: tasks, Version: "0.1.0", Revision: "0000000",
		Mode: func() string { return "companion" }, Reload: n.reload,
		Pods: func() []view.Pod { return many(n.pods(), p.pods) },
		Network: func() view.Network {
			v := n.network()
			v.Peers = many(v.Peers, p.peers)
			return v
		},
		VIP: func() view.VIP {
			v := n.vip()
			v.Instances = many(v.Instances, p.vrrp)
			return v
		},
	})
	for _, method := range []string{"Version", "Status", "RuntimeConfig", "ListPodSandbox", "PodSandboxStatus", "ListContainers", "ContainerStatus", "ListImages", "ImageStatus", "ImageFsInfo"} {
		m.ObserveCRI(method, 0, "OK")
	}
	for _, name := range []string{"kubelet", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kube-proxy", "etcd"} {
		m.ObserveComponent(name, time.Millisecond)
	}
	m.ObservePeer(time.Millisecond)
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	return w.Body.String()
}

// kubeadm makes these on a control-plane node with an etcd of its own.
func kubeadm() []view.Certificate {
	var out []view.Certificate
	for _, name := range []string{"apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client", "ca", "front-proxy-ca", "etcd/ca", "etcd/server", "etcd/peer",
		"etcd/healthcheck-client", "admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf", "kubelet.conf", "kubelet-client-current"} {
		out = append(out, view.Certificate{File: "/etc/kubernetes/pki/" + name, NotAfter: time.Now().Add(time.Hour), CA: strings.HasSuffix(name, "ca")})
	}
	return out
}

func components() view.Components {
	return view.Components{Etcd: &view.Etcd{HasLeader: true, IsLeader: true, DBSize: 64 << 20, DBQuota: 2 << 30, Fsync: 0.004}}
}

func roles() []string { return []string{view.RoleControlPlane, view.RoleBalancer} }

// tasks are as many as a companion on such a node runs.
func tasks() map[string]uint64 {
	out := map[string]uint64{}
	for i := range 30 {
		out[fmt.Sprint("task ", i)] = 0
	}
	return out
}

// many makes as many of a list as are wanted, by repeating the first under names of their own.
func many[T any](list []T, n int) []T {
	out := make([]T, 0, n)
	for i := range n {
		x := list[0]
		switch y := any(&x).(type) {
		case *view.Pod:
			y.Name = strings.Repeat("p", i+1)
			y.Containers[0].LastExit = &view.Exit{Code: 1}
		case *view.Peer:
			y.Subnet = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(i), 0}), 24)
		case *view.VRRPInstance:
			y.Name = strings.Repeat("V", i+1)
		}
		out = append(out, x)
	}
	return out
}

func seriesIn(text string) int {
	n := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "#") {
			n++
		}
	}
	return n
}

func TestSeriesBudget(t *testing.T) {
	base := seriesIn(scrape(t, parts{}, ""))
	whole := seriesIn(scrape(t, parts{peers: 2, vrrp: 1}, ""))
	t.Logf("a companion node: %d series with two peers and one VRRP instance, %d without", whole, base)
	if whole >= seriesOfANode {
		t.Errorf("a companion node with everything detected has %d series: want fewer than %d", whole, seriesOfANode)
	}
	for what, x := range map[string]struct {
		p, less parts
		most    int
	}{
		"pod":           {parts{pods: 3}, parts{pods: 2}, seriesOfAPod},
		"peer":          {parts{peers: 3}, parts{peers: 2}, seriesOfAPeer},
		"VRRP instance": {parts{vrrp: 3}, parts{vrrp: 2}, seriesOfAnVRRP},
	} {
		if n := seriesIn(scrape(t, x.p, "")) - seriesIn(scrape(t, x.less, "")); n > x.most || n < 1 {
			t.Errorf("one %s more is %d series: want at most %d", what, n, x.most)
		}
	}
}

// A scrape of twenty pods is small on the wire.
func TestBytesOfAScrape(t *testing.T) {
	zipped := scrape(t, parts{pods: 20, peers: 10, vrrp: 2}, "gzip")
	if _, err := gzip.NewReader(strings.NewReader(zipped)); err != nil {
		t.Fatalf("the answer is not gzip: %v", err)
	}
	t.Logf("twenty pods, ten peers: %d bytes", len(zipped))
	if len(zipped) > bytesOfTwentyPods {
		t.Errorf("a scrape of twenty pods is %d bytes of gzip: want %d at most", len(zipped), bytesOfTwentyPods)
	}
}
