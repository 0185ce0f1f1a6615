//go:build integration

package component

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/health"
)

// member is a real etcd on a loopback address of its own, laid out as kubeadm does.
type member struct {
	*node
	name, ip string
	cluster  string
	extra    []string
	bare     bool // no listener of metrics
	args     []string
	before   func(*member) // it is started; may be nil
	cmd      *exec.Cmd
	out      *output
	l        *etcdLooker
	f        finder
	etcdCA   *pki
}

// output is what an etcd writes. ready is closed at its first line that says that it serves.
type output struct {
	mu    sync.Mutex
	text  bytes.Buffer
	ready chan struct{}
	ended chan struct{}
}

func (l *output) read(r io.Reader) {
	defer close(l.ended)
	var once sync.Once
	for s := bufio.NewScanner(r); s.Scan(); {
		l.mu.Lock()
		l.text.WriteString(s.Text() + "\n")
		l.mu.Unlock()
		if strings.Contains(s.Text(), "serving") && strings.Contains(s.Text(), "client requests") {
			once.Do(func() { close(l.ready) })
		}
	}
}

func (l *output) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newCluster starts members on 127.N.0.1 and up: each has the ports of kubeadm.
func newCluster(t testing.TB, size int, change func(*member)) []*member {
	t.Helper()
	if _, err := exec.LookPath("etcd"); err != nil {
		t.Fatalf("etcd is missing: sudo scripts/install-deps.sh test (%v)", err)
	}
	var peers []string
	all := make([]*member, size)
	for i := range all {
		ip := fmt.Sprintf("127.%d.%d.%d", 20+os.Getpid()%200, os.Getpid()/200%250, i+1)
		all[i] = &member{node: newNode(t), name: fmt.Sprintf("cp%d", i+1), ip: ip, l: &etcdLooker{}}
		peers = append(peers, fmt.Sprintf("%s=http://%s:2380", all[i].name, ip))
	}
	ca := newPKI(t, filepath.Join(all[0].cfg.PKI, "etcd"), "etcd-ca")
	for _, m := range all {
		m.cluster = strings.Join(peers, ",")
		m.cfg.Timeout = 2 * time.Second
		if change != nil {
			change(m)
		}
		m.layOut(ca)
		m.start()
	}
	for _, m := range all {
		m.await()
	}
	return all
}

// layOut writes what kubeadm would: certificates and the manifest.
func (m *member) layOut(ca *pki) {
	dir := filepath.Join(m.cfg.PKI, "etcd")
	text, err := os.ReadFile(filepath.Join(ca.dir, "ca.crt"))
	if err != nil {
		m.t.Fatal(err)
	}
	write(m.t, filepath.Join(dir, "ca.crt"), string(text))
	c, k := ca.issue(m.t, m.name, "", time.Now().Add(24*time.Hour), m.ip, "localhost")
	write(m.t, filepath.Join(dir, "server.crt"), string(c))
	write(m.t, filepath.Join(dir, "server.key"), string(k))
	c, k = ca.issue(m.t, "kube-etcd-healthcheck-client", "", time.Now().Add(24*time.Hour))
	write(m.t, filepath.Join(dir, "healthcheck-client.crt"), string(c))
	write(m.t, filepath.Join(dir, "healthcheck-client.key"), string(k))
	m.etcdCA, m.args = ca, m.flags()
	if m.before != nil {
		m.before(m)
	}
	m.manifest(nameEtcd, m.args...)
	stat, err := os.ReadFile("/proc/stat") // when this machine was booted
	if err != nil {
		m.t.Fatal(err)
	}
	write(m.t, filepath.Join(m.cfg.Proc, "stat"), string(stat))
}

func (m *member) flags() []string {
	dir := filepath.Join(m.cfg.PKI, "etcd")
	client := "https://" + m.ip + ":2379"
	a := []string{"--name=" + m.name, "--data-dir=" + filepath.Join(m.dir, "data"), "--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=http://" + m.ip + ":2380", "--initial-advertise-peer-urls=http://" + m.ip + ":2380", "--initial-cluster=" + m.cluster,
		"--client-cert-auth=true", "--cert-file=" + dir + "/server.crt", "--key-file=" + dir + "/server.key", "--trusted-ca-file=" + dir + "/ca.crt",
		"--heartbeat-interval=50", "--election-timeout=500"}
	if !m.bare {
		a = append(a, "--listen-metrics-urls=http://"+m.ip+":2381")
	}
	return append(a, m.extra...)
}

func (m *member) start() {
	m.t.Helper()
	m.cmd = exec.Command("etcd", m.args...)
	m.out = &output{ready: make(chan struct{}), ended: make(chan struct{})}
	r, w, err := os.Pipe()
	if err != nil {
		m.t.Fatal(err)
	}
	m.cmd.Stdout, m.cmd.Stderr = w, w
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	w.Close()
	go m.out.read(r)
	m.t.Cleanup(m.kill)
	// This etcd alone is in the node's /proc.
	link := filepath.Join(m.cfg.Proc, fmt.Sprint(m.cmd.Process.Pid))
	if err := os.Symlink(fmt.Sprintf("/proc/%d", m.cmd.Process.Pid), link); err != nil {
		m.t.Fatal(err)
	}
}

func (m *member) await() {
	m.t.Helper()
	select {
	case <-m.out.ready:
	case <-m.out.ended:
		m.t.Fatalf("etcd ended:\n%s", m.out)
	case <-time.After(30 * time.Second):
		m.t.Fatalf("etcd serves nothing:\n%s", m.out)
	}
}

// kill ends it, and waits until it is gone.
func (m *member) kill() {
	if m.cmd == nil {
		return
	}
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
	<-m.out.ended
	_ = os.Remove(filepath.Join(m.cfg.Proc, fmt.Sprint(m.cmd.Process.Pid)))
	m.cmd = nil
}

func (m *member) signal(s syscall.Signal) {
	m.t.Helper()
	if err := m.cmd.Process.Signal(s); err != nil {
		m.t.Fatal(err)
	}
}

// see looks afresh, the API too.
func (m *member) see() (etcd health.Finding, cluster, disk map[string]health.Finding) {
	m.t.Helper()
	m.l.told.at = time.Time{}
	looks := judgeEtcd(m.l.look(m.t.Context(), &m.f, m.cfg, time.Now()))
	return looks[0].Findings[0], bySubject(looks[1]), bySubject(looks[2])
}

// until looks until a condition holds: a cluster needs its time to find out that a member is gone.
func (m *member) until(what string, holds func(etcd health.Finding, cluster map[string]health.Finding) bool) {
	m.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(30 * time.Second)
	for {
		etcd, cluster, _ := m.see()
		if holds(etcd, cluster) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			m.t.Fatalf("%s: not within 30s; last seen %v %v %q, %v", what, etcd.Status, name(etcd.Reason), etcd.Message, cluster)
		}
	}
}

func (m *member) is(status health.Status, r *health.Reason) func(health.Finding, map[string]health.Finding) bool {
	return func(f health.Finding, _ map[string]health.Finding) bool { return f.Status == status && f.Reason == r }
}

// TestEtcdReal: one member, with its listener of metrics and without; it is stopped, goes on, is killed and comes back, and logs nothing of our looks.
func TestEtcdReal(t *testing.T) {
	for _, bare := range []bool{false, true} {
		t.Run(fmt.Sprintf("bare=%v", bare), func(t *testing.T) {
			m := newCluster(t, 1, func(m *member) { m.bare = bare })[0]
			m.until("well", m.is(health.OK, nil))
			before := len(m.out.String())
			for range 20 {
				f, cluster, disk := m.see()
				want(t, f, health.OK, nil, "the leader; the only member")
				want(t, cluster["cp1"], health.OK, nil, "")
				want(t, disk["size"], health.OK, nil, "of 2.0 GiB")
			}
			if more := m.out.String()[before:]; more != "" {
				t.Errorf("our looks made it write\n%s", more)
			}
			if s := m.l.told.status; s.Version == "" || s.Member != s.Leader || s.DBSize <= 0 || s.Applied == 0 || s.RaftIndex < s.Applied || s.Term == 0 {
				t.Errorf("the API told %+v", s)
			}
			m.signal(syscall.SIGSTOP)
			if _, err := syscall.Wait4(m.cmd.Process.Pid, nil, syscall.WUNTRACED, nil); err != nil { // the signal takes its time
				t.Fatal(err)
			}
			f, _, _ := m.see()
			want(t, f, health.Failing, etcdHung, "which is stopped (state T)")
			m.signal(syscall.SIGCONT)
			m.until("goes on", m.is(health.OK, nil))
			m.kill()
			f, _, _ = m.see()
			want(t, f, health.Failing, etcdDown, "etcd does not run")
			m.start()
			m.await()
			m.until("came back", m.is(health.OK, nil))
		})
	}
}

// TestEtcdRealCluster: of three members one goes, then two, then they come back.
func TestEtcdRealCluster(t *testing.T) {
	all := newCluster(t, 3, nil)
	m := all[0]
	m.until("well", func(f health.Finding, cluster map[string]health.Finding) bool {
		return f.Status == health.OK && strings.Contains(f.Message, "3 of 3 voters") && cluster["cp2"].Status == health.OK && cluster["cp3"].Status == health.OK
	})
	all[2].kill()
	m.until("one is away", func(f health.Finding, cluster map[string]health.Finding) bool {
		return f.Status == health.OK && strings.Contains(f.Message, "one less, and nothing can be written") && cluster["cp3"].Reason == memberAway && cluster["cp2"].Status == health.OK
	})
	all[1].kill()
	m.until("quorum is lost", func(f health.Finding, cluster map[string]health.Finding) bool {
		return f.Reason == etcdNoLeader && strings.Contains(f.Message, "1 of 3 voters") && cluster["cp2"].Reason == memberAway
	})
	for _, x := range all[1:] {
		x.start()
	}
	m.until("all are back", func(f health.Finding, cluster map[string]health.Finding) bool {
		return f.Status == health.OK && strings.Contains(f.Message, "3 of 3 voters") && cluster["cp2"].Status == health.OK && cluster["cp3"].Status == health.OK
	})
}

// TestEtcdRealFull fills the database until etcd takes no more, and makes room again; and alarms, a certificate and a member that has not started come and go.
func TestEtcdRealFull(t *testing.T) {
	m := newCluster(t, 1, func(m *member) { m.extra = []string{"--quota-backend-bytes=1048576"} })[0]
	m.until("well", m.is(health.OK, nil))
	post := m.gateway()
	alarm := func(action, kind string) {
		if status, text := post("/v3/maintenance/alarm", fmt.Sprintf(`{"action":%q,"memberID":"%d","alarm":%q}`, action, m.l.told.status.Member, kind)); status != http.StatusOK {
			t.Fatalf("%s of %s: %d %s", action, kind, status, text)
		}
	}

	_, text := post("/v3/cluster/member/add", `{"peerURLs":["http://127.0.0.1:1"],"isLearner":true}`)
	var added struct {
		Member struct{ ID string } `json:"member"`
	}
	if err := json.Unmarshal([]byte(text), &added); err != nil || added.Member.ID == "" {
		t.Fatalf("add a member: %v, %s", err, text)
	}
	m.until("a member is added", func(f health.Finding, cluster map[string]health.Finding) bool {
		return f.Status == health.OK && len(cluster) == 3 && slices.ContainsFunc(slices.Collect(maps.Values(cluster)), func(f health.Finding) bool { return f.Reason == memberNew })
	})
	post("/v3/cluster/member/remove", fmt.Sprintf(`{"ID":%q}`, added.Member.ID))
	m.until("it is removed", func(_ health.Finding, cluster map[string]health.Finding) bool { return len(cluster) == 2 })

	value := base64.StdEncoding.EncodeToString(make([]byte, 200<<10))
	key := base64.StdEncoding.EncodeToString([]byte("x"))
	for range 20 {
		if status, _ := post("/v3/kv/put", fmt.Sprintf(`{"key":"%s","value":"%s"}`, key, value)); status != http.StatusOK {
			break
		}
	}
	m.until("full", m.is(health.Failing, etcdNoSpace))
	_, _, disk := m.see()
	want(t, disk["size"], health.Failing, nearQuota, "")
	_, text = post("/v3/kv/range", fmt.Sprintf(`{"key":"%s","keys_only":true}`, key))
	var at struct {
		Header struct{ Revision string } `json:"header"`
	}
	if err := json.Unmarshal([]byte(text), &at); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if status, text := post("/v3/kv/compaction", fmt.Sprintf(`{"revision":%q,"physical":true}`, at.Header.Revision)); status != http.StatusOK {
		t.Fatalf("compact: %d %s", status, text)
	}
	if status, text := post("/v3/maintenance/defragment", "{}"); status != http.StatusOK {
		t.Fatalf("defragment: %d %s", status, text)
	}
	alarm("DEACTIVATE", "NOSPACE")
	m.until("room again", m.is(health.OK, nil))
	_, _, disk = m.see()
	want(t, disk["size"], health.OK, nil, "")

	alarm("ACTIVATE", "CORRUPT")
	m.until("corrupt", m.is(health.Failing, etcdCorrupt))
	alarm("DEACTIVATE", "CORRUPT")
	m.until("well again", m.is(health.OK, nil))

	// It reads its certificate at each handshake.
	pair := func(ca *pki) {
		c, k := ca.issue(t, m.name, "", time.Now().Add(time.Hour), m.ip, "localhost")
		write(t, filepath.Join(m.cfg.PKI, "etcd/server.crt"), string(c))
		write(t, filepath.Join(m.cfg.PKI, "etcd/server.key"), string(k))
	}
	pair(newPKI(t, filepath.Join(m.dir, "other"), "another"))
	m.until("a certificate of another CA", m.is(health.Failing, etcdCertificate))
	pair(m.etcdCA)
	m.until("the right one", m.is(health.OK, nil))
}

// gateway asks its API by JSON, with the certificate of kubeadm's health checks.
func (m *member) gateway() func(path, body string) (status int, text string) {
	m.t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(m.cfg.PKI, "etcd/healthcheck-client.crt"), filepath.Join(m.cfg.PKI, "etcd/healthcheck-client.key"))
	if err != nil {
		m.t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true}}, Timeout: 10 * time.Second}
	m.t.Cleanup(client.CloseIdleConnections)
	return func(path, body string) (int, string) {
		m.t.Helper()
		resp, err := client.Post("https://"+m.ip+":2379"+path, "application/json", strings.NewReader(body))
		if err != nil {
			m.t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			m.t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
}
