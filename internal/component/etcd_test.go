package component

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/component/etcdapi"
	"nodeagent/internal/health"
)

// page is what an etcd serves as /metrics; fsync and commit are samples of 1 ms and of 60 ms.
type page struct {
	leader, leads      int
	quick, slow        int
	size, quota        int
	pending, committed int
	changes            int
	peers              map[string]int
}

func (p page) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# HELP etcd_server_has_leader Whether or not a leader exists.\n# TYPE etcd_server_has_leader gauge\netcd_server_has_leader %d\netcd_server_is_leader %d\n", p.leader, p.leads)
	fmt.Fprintf(&b, "etcd_server_leader_changes_seen_total %d\netcd_server_version{server_version=\"3.5.21\"} 1\netcd_server_id{server_id=\"a1\"} 1\n", p.changes)
	fmt.Fprintf(&b, "etcd_mvcc_db_total_size_in_bytes %d\netcd_mvcc_db_total_size_in_use_in_bytes %d\netcd_server_quota_backend_bytes %g\n", p.size, p.size/2, float64(p.quota))
	fmt.Fprintf(&b, "etcd_server_proposals_pending %d\netcd_server_proposals_committed_total %d\n", p.pending, p.committed)
	for _, name := range []string{"etcd_disk_wal_fsync_duration_seconds", "etcd_disk_backend_commit_duration_seconds"} {
		fmt.Fprintf(&b, "%s_bucket{le=\"0.001\"} %d\n%s_bucket{le=\"0.032\"} %d\n%s_bucket{le=\"0.064\"} %d\n%s_bucket{le=\"+Inf\"} %d\n%s_sum 1\n", name, p.quick, name, p.quick, name, p.quick+p.slow, name, p.quick+p.slow, name)
	}
	for id, up := range p.peers {
		fmt.Fprintf(&b, "etcd_network_active_peers{Local=\"a1\",Remote=\"%s\"} %d\n", id, up)
	}
	b.WriteString("etcd_server_has_leader{broken\ngo_goroutines 9\n")
	return b.String()
}

func well() page {
	return page{leader: 1, leads: 1, quick: 1000, size: 100 << 20, quota: 2 << 30, committed: 10}
}

// etcdNode is a node with an etcd that serves its metrics without TLS, and whose API is not reachable.
type etcdNode struct {
	*node
	s   *server
	l   *etcdLooker
	f   finder
	now time.Time
}

func newEtcdNode(t *testing.T) *etcdNode {
	n := &etcdNode{node: newNode(t), s: serve(t, nil, time.Time{}), l: &etcdLooker{}, now: time.Now()}
	n.manifest(nameEtcd, "--client-cert-auth=true", "--listen-client-urls=https://127.0.0.1:1,https://192.0.2.1:2379", "--listen-metrics-urls=http://127.0.0.1:"+n.s.port())
	return n
}

// see serves a page and looks, ten seconds after the look before.
func (n *etcdNode) see(p page) (member health.Finding, cluster, disk map[string]health.Finding) {
	n.s.set("/metrics", reply{status: 200, body: p.String()})
	return n.look()
}

func (n *etcdNode) look() (member health.Finding, cluster, disk map[string]health.Finding) {
	n.t.Helper()
	n.now = n.now.Add(10 * time.Second)
	looks := judgeEtcd(n.l.look(n.t.Context(), &n.f, n.cfg, n.now))
	n.l.was = wasOf(looks[2].Findings)
	return looks[0].Findings[0], bySubject(looks[1]), bySubject(looks[2])
}

func bySubject(l health.Look) map[string]health.Finding {
	out := map[string]health.Finding{}
	for _, f := range l.Findings {
		out[f.Subject] = f
	}
	return out
}

func TestEtcdMember(t *testing.T) {
	n := newEtcdNode(t)
	steps := []struct {
		name    string
		change  func(*page)
		status  health.Status
		reason  *health.Reason
		message string
	}{
		{"well", func(*page) {}, health.OK, nil, "the leader"},
		{"no leader", func(p *page) { p.leader, p.leads, p.peers = 0, 0, map[string]int{"b2": 0, "c3": 1} }, health.Failing, etcdNoLeader, "it sees 1 other members"},
		{"well again", func(p *page) { p.leads = 0 }, health.OK, nil, "a follower"},
		{"proposals wait", func(p *page) { p.pending = 5 }, health.OK, nil, ""},
		{"and wait", func(p *page) { p.pending = 5 }, health.OK, nil, ""},
		{"and wait again", func(p *page) { p.pending = 6 }, health.Failing, etcdStalled, "6 proposals wait"},
		{"and are committed", func(p *page) { p.pending, p.committed = 6, 11 }, health.OK, nil, ""},
	}
	for _, s := range steps {
		p := well()
		s.change(&p)
		f, _, _ := n.see(p)
		t.Run(s.name, func(t *testing.T) { want(t, f, s.status, s.reason, s.message) })
	}
	n.s.set("/metrics", reply{status: 200, body: "go_goroutines 3\n"})
	f, _, disk := n.look()
	want(t, f, health.Failing, etcdOdd, "is of no etcd")
	want(t, disk[""], health.Unknown, unread, "see condition Etcd")
	n.s.set("/metrics", reply{status: 200, wait: time.Minute})
	f, _, _ = n.look()
	want(t, f, health.Failing, etcdHung, "no answer to /metrics within")
	n.s.Close()
	f, _, _ = n.look()
	want(t, f, health.Failing, etcdDown, "its manifest is "+n.cfg.Manifests[0])
}

// TestEtcdDisk: a disk that becomes slow is told of, although its whole past was quick; and it is well again below etcd's own limits.
func TestEtcdDisk(t *testing.T) {
	n := newEtcdNode(t)
	p := well()
	_, _, disk := n.see(p)
	want(t, disk["fsync"], health.OK, nil, "99 % take up to 1ms (1000 since its start)")
	want(t, disk["size"], health.OK, nil, "100 MiB of 2.0 GiB, 50 MiB of it in use")
	for range 6 {
		p.quick, p.slow = p.quick+99, p.slow+10
		_, _, disk = n.see(p)
	}
	want(t, disk["fsync"], health.Failing, slowFsync, "1 % take longer than 60.5ms (654 within 1m0s); etcd asks for 10ms")
	want(t, disk["commit"], health.Failing, slowCommit, "etcd asks for 25ms")
	for range 31 {
		p.quick += 100
		_, _, disk = n.see(p)
	}
	want(t, disk["fsync"], health.OK, nil, "within 5m0s")
	p.size = 1700 << 20
	_, _, disk = n.see(p)
	want(t, disk["size"], health.Failing, nearQuota, "1.7 GiB of 2.0 GiB")
	p.size = 1600 << 20
	_, _, disk = n.see(p)
	want(t, disk["size"], health.Failing, nearQuota, "") // still above what is good
	p.size = 1500 << 20
	_, _, disk = n.see(p)
	want(t, disk["size"], health.OK, nil, "")
	p.quick, p.slow = 30, 10 // it started anew
	_, _, disk = n.see(p)
	want(t, disk["fsync"], health.OK, nil, "40 since its start, too few")
}

func TestEtcdLeaderChanges(t *testing.T) {
	n := newEtcdNode(t)
	p := well()
	for i := range 5 {
		p.changes = 7 + i
		_, cluster, _ := n.see(p)
		reason, status := (*health.Reason)(nil), health.OK
		if i == 4 {
			reason, status = leaderFlaps, health.Failing
		}
		want(t, cluster["leader"], status, reason, "")
	}
	n.now = n.now.Add(changesWindow)
	_, cluster, _ := n.see(p)
	want(t, cluster["leader"], health.OK, nil, "")
	want(t, cluster["members"], health.Unknown, membersUnknown, "healthcheck-client.crt: no such file")
}

// TestEtcdMembers judges what the API tells beside what the metrics do.
func TestEtcdMembers(t *testing.T) {
	member := func(id uint64, name string) etcdapi.Member {
		return etcdapi.Member{ID: id, Name: name, PeerURLs: []string{"https://" + name + ":2380"}}
	}
	told := etcdTold{status: etcdapi.Status{Member: 0xa1}, members: []etcdapi.Member{member(0xa1, "cp1"), member(0xb2, "cp2"), member(0xc3, "cp3"), {ID: 0xd4, PeerURLs: []string{"https://new:2380"}, IsLearner: true}}}
	s := etcdSeen{found: found{manifest: &declared{}}, api: told, metrics: parseEtcdPage(page{leader: 1, peers: map[string]int{"b2": 1, "c3": 0}}.String()), page: answer{outcome: answered, status: 200}}
	s.place, _ = etcdAt(flags{})
	looks := judgeEtcd(s)
	want(t, looks[0].Findings[0], health.OK, nil, "it sees 2 of 3 voters, itself among them, and 2 make a quorum: one less, and nothing can be written")
	cluster := bySubject(looks[1])
	want(t, cluster["cp1"], health.OK, nil, "")
	want(t, cluster["cp2"], health.OK, nil, "")
	want(t, cluster["cp3"], health.Failing, memberAway, "cp1 has no connection to it at https://cp3:2380; it sees 2 of 3")
	want(t, cluster["d4"], health.Failing, memberNew, "https://new:2380")
	s.api.status.Errors = []string{"memberID:161 alarm:NOSPACE "}
	want(t, judgeEtcd(s)[0].Findings[0], health.Failing, etcdNoSpace, "alarm NOSPACE is on")
	s.api.status.Errors = []string{"memberID:161 alarm:CORRUPT "}
	want(t, judgeEtcd(s)[0].Findings[0], health.Failing, etcdCorrupt, "alarm CORRUPT is on")
}

func TestEtcdAbsent(t *testing.T) {
	n := newEtcdNode(t)
	n.cfg.Manifests = []string{filepath.Join(n.dir, "none")}
	f, cluster, disk := n.look()
	for _, f := range []health.Finding{f, cluster[""], disk[""]} {
		want(t, f, health.Absent, nil, "no manifest in")
	}
}

// TestEtcdPlace: where an etcd is asked, by its flags, its file or its environment.
func TestEtcdPlace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "etcd.yaml")
	write(t, file, "listen-client-urls: https://10.0.0.1:2379\nquota-backend-bytes: 4096\nclient-transport-security: {trusted-ca-file: /ca.crt}\ninitial-cluster-token: s3cr3t\n")
	environ := "PATH=/bin\x00ETCD_LISTEN_CLIENT_URLS=http://10.0.0.1:2379,http://127.0.0.1:2379\x00ETCD_INITIAL_CLUSTER_TOKEN=s3cr3t\x00"
	for _, c := range []struct {
		name            string
		flags           []string
		environ         string
		client, metrics string
		ca              string
	}{
		{"kubeadm", []string{"--listen-client-urls=https://10.0.0.1:2379,https://127.0.0.1:2379", "--listen-metrics-urls=http://127.0.0.1:2381", "--trusted-ca-file=/pki/ca.crt"}, "", "https://127.0.0.1:2379", "http://127.0.0.1:2381", "/pki/ca.crt"},
		{"all addresses", []string{"--listen-client-urls", "https://[::]:2379"}, "", "https://127.0.0.1:2379", "", ""},
		{"file", []string{"--config-file=" + file}, "", "https://10.0.0.1:2379", "", "/ca.crt"},
		{"environment", nil, environ, "http://127.0.0.1:2379", "", ""},
		{"nothing said", nil, "PATH=/bin\x00", "http://127.0.0.1:2379", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			if c.environ != "" {
				write(t, filepath.Join(n.cfg.Proc, "9/environ"), c.environ)
			}
			f := found{process: &process{pid: 9, flags: parseFlags(c.flags)}}
			fl, err := etcdFlags(n.cfg, f)
			if err != nil {
				t.Fatal(err)
			}
			p, err := etcdAt(fl)
			metrics := ""
			if p.metrics != nil {
				metrics = p.metrics.String()
			}
			if err != nil || p.client.String() != c.client || metrics != c.metrics || p.ca != c.ca {
				t.Errorf("client %s, metrics %s, CA %s, %v; want %s, %s, %s", p.client, metrics, p.ca, err, c.client, c.metrics, c.ca)
			}
			if strings.Contains(fmt.Sprint(fl), "s3cr3t") {
				t.Errorf("the token is kept: %v", fl)
			}
		})
	}
	n := newNode(t)
	n.process(9, "S", "etcd")
	f, _, _ := (&etcdNode{node: n, l: &etcdLooker{}}).look()
	want(t, f, health.Unknown, unread, "its environment can't be read")
}

func TestPercentile(t *testing.T) {
	bounds := []float64{1, 2, 4, math.Inf(1)}
	for _, c := range []struct {
		counts []float64
		want   float64
	}{{nil, 0}, {[]float64{0, 0, 0, 0}, 0}, {[]float64{100, 100, 100, 100}, 0.99}, {[]float64{98, 100, 100, 100}, 1.5}, {[]float64{0, 0, 0, 5}, math.Inf(1)}} {
		if got := percentile(bounds, c.counts, 0.99); got != c.want {
			t.Errorf("percentile of %v is %v, want %v", c.counts, got, c.want)
		}
	}
}

func FuzzEtcdPage(f *testing.F) {
	f.Add(well().String())
	f.Add("etcd_disk_wal_fsync_duration_seconds_bucket{le=\"x\"} 1\netcd_server_has_leader")
	f.Fuzz(func(t *testing.T, text string) {
		var l latency
		l.take(parseEtcdPage(text).fsync, time.Now())
		l.take(parseEtcdPage(text).commit, time.Now())
	})
}
