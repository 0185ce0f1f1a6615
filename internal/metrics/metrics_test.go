package metrics

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

var update = flag.Bool("update", false, "write the goldens in testdata")

var (
	hung     = &health.Reason{Name: "Hung", Fix: "Restart the runtime."}
	crash    = &health.Reason{Name: "CrashLoop", Fix: "Read the container's log."}
	respond  = &health.Condition{Name: "RuntimeResponsive", Help: "The runtime answers.", Impact: health.Critical, Reasons: []*health.Reason{hung}}
	network  = &health.Condition{Name: "NetworkReady", Help: "The CNI network is ready.", Impact: health.Critical, Reasons: []*health.Reason{hung}}
	podsRun  = &health.Condition{Name: "StaticPods", Help: "Every static pod runs.", Impact: health.Degraded, Max: 3, Reasons: []*health.Reason{crash}}
	vip      = &health.Condition{Name: "Keepalived", Help: "keepalived runs.", Impact: health.Notice}
	far      = time.Date(2126, 1, 2, 3, 4, 5, 0, time.UTC)
	reloaded = time.Date(2026, 11, 1, 2, 3, 4, 500e6, time.UTC)
)

func ok(subject string) health.Finding { return health.Finding{Subject: subject, Status: health.OK} }

// healthy, degraded and empty are the nodes of the goldens.
func healthy() Sources {
	b := health.NewBoard(nil, respond, network, podsRun, vip)
	b.Publish(health.Look{Of: respond, Findings: []health.Finding{ok("")}}, health.Look{Of: network, Findings: []health.Finding{ok("")}},
		health.Look{Of: podsRun, Findings: []health.Finding{ok("kube-system/etcd"), ok("kube-system/web")}},
		health.Look{Of: vip, Findings: []health.Finding{{Status: health.Absent}}})
	return Sources{
		Snapshot: b.Snapshot,
		Pods: func() []view.Pod {
			return []view.Pod{
				{Namespace: "kube-system", Name: "etcd", Phase: view.PhaseRunning, Ready: true, Usage: &view.Usage{CPUSeconds: 3600.25, WorkingSet: 90 << 20}, Containers: []view.Container{{Name: "etcd", State: "running"}}},
				{Namespace: "kube-system", Name: "web", Phase: view.PhaseRunning, Containers: []view.Container{
					{Name: "web", State: "running", Restarts: 2, LastExit: &view.Exit{Code: 137}}, {Name: "sidecar", State: "running"}}},
			}
		},
		Runtime: func() view.Runtime {
			return view.Runtime{Name: "containerd", Version: "1.6.20", API: "v1",
				Details: &view.RuntimeDetails{Containers: 31, Sandboxes: 12, Images: 20, Unit: "containerd.service", Handlers: []view.RuntimeHandler{{Handler: "runc", Runtime: "runc", Version: "1.1.5"}},
					ImageFs: []view.ImageFilesystem{{Path: "/var/lib/containerd", Bytes: 1 << 38, FreeBytes: 1 << 37, Inodes: 1 << 24, FreeInodes: 1 << 23}}},
				Canaries: []view.Canary{{Handler: "runc", Path: "cri", At: reloaded, OK: true, Steps: []view.CanaryStep{{Name: "sandbox", Seconds: 0.1}}}}}
		},
		VIP: func() view.VIP {
			return view.VIP{Named: true, Verdicts: []view.Verdict{{Policy: "vip", Word: "ok"}}, Counters: view.VIPCounters{Changes: 1, Answers: 12},
				Instances: []view.VRRPInstance{{Name: "VI_1", Priority: 100, State: "MASTER", Since: reloaded, Transitions: 1, VIPs: []view.VIPState{{Address: "10.0.0.100/24", Present: true}}}},
				Balancer:  &view.Balancer{Answered: true, Conns: 5, MaxConn: 4096, Backends: []view.Backend{{Name: "apis", Live: 3, Checked: 3}}}}
		},
		Repairs: func() view.RepairPlan {
			return view.RepairPlan{Mode: "dry-run", Repairs: []view.Repair{{Action: "restart-runtime", DayMost: 4}}}
		},
		Network: func() view.Network {
			return view.Network{Backend: "vxlan", Subnets: []string{"10.244.1.0/24"}, Known: 1, Looks: 9, Addresses: []view.Leases{{Network: "cbr0", IPv4: 12}},
				Peers: []view.Peer{{Subnet: netip.MustParsePrefix("10.244.2.0/24"), Node: "node2", State: view.PeerUp, RTT: 400 * time.Microsecond, Probes: 30, PathMTU: 1450}}}
		},
		Certificates: func() []view.Certificate {
			return []view.Certificate{{File: "/etc/kubernetes/pki/ca.crt", Name: "kubernetes", CA: true, NotAfter: far}, {File: "/etc/kubernetes/pki/apiserver.crt", Name: "kube-apiserver", NotAfter: reloaded}}
		},
		Components: func() view.Components {
			return view.Components{Etcd: &view.Etcd{HasLeader: true, IsLeader: true, DBSize: 64 << 20, DBQuota: 2 << 30, Fsync: 0.004}}
		},
		Roles:    func() []string { return []string{view.RoleControlPlane, view.RoleBalancer} },
		Mode:     func() string { return "run" },
		Reload:   func() (bool, time.Time) { return true, reloaded },
		Tasks:    func() map[string]uint64 { return map[string]uint64{"runtime": 0, "static pods": 0} },
		Version:  "1.2.3",
		Revision: "0123abc",
	}
}

func degraded() Sources {
	s := healthy()
	b := health.NewBoard(nil, respond, network, podsRun, vip)
	findings := []health.Finding{}
	for i := range 6 {
		findings = append(findings, ok(fmt.Sprintf("default/web-%d", i)))
	}
	findings[4] = health.Finding{Subject: "default/web-4", Status: health.Failing, Reason: crash, Message: "exit 1"}
	findings[5] = health.Finding{Subject: "default/web-5", Status: health.Failing, Reason: crash}
	b.Publish(health.Look{Of: respond, Findings: []health.Finding{{Status: health.Failing, Reason: hung}}}, health.Look{Of: podsRun, Findings: findings})
	b.Tune(map[string]health.Tuning{"Keepalived": {Disabled: true}})
	b.SetMutes([]health.Mute{{Condition: "StaticPods", Subject: "default/web-5", Until: far}, {Condition: "RuntimeResponsive", Until: far}})
	s.Snapshot = b.Snapshot
	s.Mutes = func() []view.Mute {
		return []view.Mute{{Condition: "StaticPods", Subject: "default/web-5", Until: far}, {Condition: "NetworkReady", Until: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}}
	}
	s.Pods = func() []view.Pod {
		return []view.Pod{
			{Namespace: "default", Name: "web-4", Phase: view.PhaseCrashLoop, NextStart: far, Containers: []view.Container{{Name: "web", State: "exited", Restarts: 9, LastExit: &view.Exit{Code: 1}}}},
			{Namespace: "default", Name: "web-5", Phase: view.PhaseBackOff, NextStart: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Containers: []view.Container{{Name: "web", State: "exited"}}},
			{Namespace: "default", Name: "old", Phase: view.PhaseStale, Usage: &view.Usage{CPUSeconds: 12.5, ThrottledSeconds: 0.25, WorkingSet: 48 << 20, MemoryLimit: 64 << 20, OOMKills: 3}, Containers: []view.Container{{Name: "old", State: "running"}}},
			{Namespace: "default", Name: "half", Phase: view.PhaseDuplicate, Containers: []view.Container{{Name: "a", State: "running"}, {Name: "b", State: "exited"}}},
			{Namespace: "default", Name: "dark", Phase: view.PhaseUnknown},
			{Namespace: "default", Name: "gone", Phase: view.PhaseMissing},
			{Namespace: "default", Name: "odd", Phase: "of a later version"},
		}
	}
	s.VIP = func() view.VIP {
		return view.VIP{Verdicts: []view.Verdict{{Policy: "vip", Number: -254, Word: "fault"}}, Malformed: 3, Maintenance: &view.Maintenance{Until: far},
			Instances: []view.VRRPInstance{{Name: "VI_1", Priority: 100, Effective: 1, State: "FAULT", Since: reloaded, Transitions: 7, VIPs: []view.VIPState{{Address: "10.0.0.100/24"}}}},
			Heard:     []view.VRRPPeer{{Instance: "VI_1", Live: true}, {Instance: "VI_1"}, {Live: true}},
			Balancer:  &view.Balancer{Conns: 5}}
	}
	s.Repairs = func() view.RepairPlan {
		return view.RepairPlan{Mode: "on", Repairs: []view.Repair{{Action: "restart-runtime", Day: 4, DayMost: 4, Done: 3, Failed: 1, Latched: reloaded}}}
	}
	s.Network = func() view.Network {
		return view.Network{Backend: "host-gw", Known: 2, Looks: 90, Overruns: 2, Addresses: []view.Leases{{Network: "cbr0", IPv4: 12, IPv6: 11}}, Peers: []view.Peer{
			{Subnet: netip.MustParsePrefix("10.244.2.0/24"), State: view.PeerUnreachable, Loss: 1, Probes: 30},
			{Subnet: netip.MustParsePrefix("10.244.3.0/24"), State: view.PeerUnknown}}}
	}
	s.Runtime = func() view.Runtime { return view.Runtime{} }
	s.Components = func() view.Components { return view.Components{Etcd: &view.Etcd{DBSize: 64 << 20, DBQuota: 2 << 30}} }
	s.Roles = func() []string { return nil }
	s.Mode = func() string { return "companion" }
	s.Reload = func() (bool, time.Time) { return false, reloaded }
	s.Tasks = func() map[string]uint64 { return map[string]uint64{"runtime": 3, "static pods": 0} }
	return s
}

func empty() Sources {
	b := health.NewBoard(nil)
	return Sources{
		Snapshot: b.Snapshot, Pods: func() []view.Pod { return nil }, Runtime: func() view.Runtime { return view.Runtime{} }, Mode: func() string { return "off" },
		Reload: func() (bool, time.Time) { return false, time.Time{} }, Tasks: func() map[string]uint64 { return nil },
	}
}

// scrape asks the handler as Prometheus does.
func scrape(t testing.TB, m *Metrics, accept string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	b, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	elapsed = regexp.MustCompile(`(?m)^(nodeagent_collector_duration_seconds\{[^}]*\}) .*$`)
	build   = regexp.MustCompile(`(branch|goarch|goos|goversion|tags)="[^"]*"`)
)

// own is the part of a scrape that is the agent's own and the same on every machine. What the libraries add is held by its names.
func own(text string) string {
	var out []string
	for l := range strings.Lines(text) {
		if strings.Contains(l, "nodeagent_") {
			out = append(out, l)
		}
	}
	s := elapsed.ReplaceAllString(strings.Join(out, ""), "$1 0")
	return build.ReplaceAllString(s, `$1="-"`)
}

func TestGolden(t *testing.T) {
	for name, src := range map[string]Sources{"healthy": healthy(), "degraded": degraded(), "empty": empty()} {
		t.Run(name, func(t *testing.T) {
			src.OnError = func(err error) { t.Error(err) }
			m := New(src)
			if name == "degraded" {
				m.ObserveCRI("/runtime.v1.RuntimeService/Status", 3*time.Second, "DeadlineExceeded")
				m.ObserveCRI("/runtime.v1.RuntimeService/Status", 20*time.Millisecond, "OK")
				m.ObserveCRI("Invented", time.Second, "Code(99)")
				m.ObserveComponent("kube-apiserver", 3*time.Millisecond)
			}
			text := scrape(t, m, "")
			got := own(text)
			file := filepath.Join("testdata", name+".prom")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s differs; go test ./internal/metrics -update writes it anew\n%s", file, difference(string(want), got))
			}
			for _, family := range []string{"go_goroutines", "process_resident_memory_bytes", "process_cpu_seconds_total", "promhttp_metric_handler_requests_total"} {
				if !strings.Contains(text, "\n"+family) {
					t.Errorf("%s is missing", family)
				}
			}
			problems, err := testutil.GatherAndLint(m)
			if err != nil || len(problems) > 0 {
				t.Errorf("lint: %v %v", problems, err)
			}
		})
	}
}

func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var out []string
	for _, l := range w {
		if !slices.Contains(g, l) {
			out = append(out, "-"+l)
		}
	}
	for _, l := range g {
		if !slices.Contains(w, l) {
			out = append(out, "+"+l)
		}
	}
	return strings.Join(out, "\n")
}

func series(text string) int {
	n := 0
	for l := range strings.Lines(text) {
		if !strings.HasPrefix(l, "#") && strings.TrimSpace(l) != "" {
			n++
		}
	}
	return n
}

func TestSeriesBudget(t *testing.T) {
	// A node of the field: about 130 series beside what Go, the process and the handler say of themselves.
	s := healthy()
	s.OnError = func(err error) { t.Error(err) }
	m := New(s)
	for _, method := range slices.Collect(maps.Keys(criKinds())) {
		m.ObserveCRI(method, time.Millisecond, "OK")
	}
	all := scrape(t, m, "")
	if n := series(all); n > 400 {
		t.Errorf("a healthy node that made every call once has %d series", n)
	}
	m = New(s)
	for _, method := range []string{"Version", "Status", "ListPodSandbox", "ListContainers"} {
		m.ObserveCRI(method, time.Millisecond, "OK")
	}
	text := scrape(t, m, "")
	if n, total := series(own(text)), series(text); n > 180 || total > 230 {
		t.Errorf("a healthy node has %d series of its own and %d in all", n, total)
	} else {
		t.Logf("a healthy node: %d series of its own, %d in all, %d bytes", n, total, len(text))
	}

	count := func(n int) int {
		s := empty()
		s.Pods = func() []view.Pod { return crowd(n) }
		return series(own(scrape(t, New(s), "")))
	}
	none := count(0)
	if per := count(1) - none; per > 12 {
		t.Errorf("a pod has %d series", per)
	}
	if most, more := count(maxPods), count(5000); more != most+1 {
		t.Errorf("%d pods have %d series, 5000 have %d, want one more", maxPods, most, more)
	}
	s = empty()
	s.Pods = func() []view.Pod {
		p := crowd(1)
		for i := range 1000 {
			p[0].Containers = append(p[0].Containers, view.Container{Name: fmt.Sprint("c", i), LastExit: &view.Exit{}})
		}
		return p
	}
	if n := series(own(scrape(t, New(s), ""))) - none; n > 9+2*maxContainers {
		t.Errorf("a pod of 1001 containers has %d series", n)
	}
}

// crowd are n pods with one container each, all of whose series there are.
func crowd(n int) []view.Pod {
	var out []view.Pod
	for i := range n {
		out = append(out, view.Pod{Namespace: "default", Name: fmt.Sprintf("pod-%04d", i), Phase: view.PhaseBackOff, NextStart: far,
			Usage:      &view.Usage{CPUSeconds: 1, WorkingSet: 1, MemoryLimit: 1},
			Containers: []view.Container{{Name: "main", State: "exited", Restarts: i, LastExit: &view.Exit{Code: 1}}}})
	}
	return out
}

func TestSubjectsAreBounded(t *testing.T) {
	b := health.NewBoard(nil, podsRun)
	look := health.Look{Of: podsRun}
	for i := range 5000 {
		look.Findings = append(look.Findings, health.Finding{Subject: fmt.Sprintf("default/pod-%d", i), Status: health.Unknown})
	}
	look.Findings[2500] = health.Finding{Subject: "default/pod-2500", Status: health.Failing, Reason: crash}
	b.Publish(look)
	s := empty()
	s.Snapshot = b.Snapshot
	text := scrape(t, New(s), "")
	if n := strings.Count(text, "\nnodeagent_condition{"); n != podsRun.Max {
		t.Errorf("%d series for 5000 subjects and a bound of %d", n, podsRun.Max)
	}
	for _, want := range []string{
		`nodeagent_condition_subjects_dropped{condition="StaticPods"} 4997`,
		`nodeagent_condition{condition="StaticPods",reason="CrashLoop",subject="default/pod-2500"} 0`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
}

// Subjects that are well share a series, which says nothing of one that is not, and is not there where the node itself is a subject.
func TestSubjectsThatAreWellShareASeries(t *testing.T) {
	gone := func(subject string) health.Finding { return health.Finding{Subject: subject, Status: health.Absent} }
	bad := func(subject string) health.Finding {
		return health.Finding{Subject: subject, Status: health.Failing, Reason: crash}
	}
	for name, x := range map[string]struct {
		findings []health.Finding
		want     []string
	}{
		"well":          {[]health.Finding{ok("a"), gone("b")}, []string{`reason="",subject=""} 1`}},
		"absent":        {[]health.Finding{gone("a"), gone("b")}, []string{`reason="",subject=""} 2`}},
		"one fails":     {[]health.Finding{ok("a"), bad("b")}, []string{`reason="",subject=""} 1`, `reason="CrashLoop",subject="b"} 0`}},
		"all fail":      {[]health.Finding{bad("b")}, []string{`reason="CrashLoop",subject="b"} 0`}},
		"the node":      {[]health.Finding{ok("")}, []string{`reason="",subject=""} 1`}},
		"node and more": {[]health.Finding{ok("a"), bad("")}, []string{`reason="CrashLoop",subject=""} 0`}},
	} {
		b := health.NewBoard(nil, podsRun)
		b.Publish(health.Look{Of: podsRun, Findings: x.findings})
		s := empty()
		s.Snapshot = b.Snapshot
		var got []string
		for l := range strings.Lines(scrape(t, New(s), "")) {
			if after, is := strings.CutPrefix(strings.TrimSpace(l), `nodeagent_condition{condition="StaticPods",`); is {
				got = append(got, after)
			}
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}

// What is worst is kept where pods are left out.
func TestPodsThatRunAreLeftOutFirst(t *testing.T) {
	s := empty()
	s.Pods = func() []view.Pod {
		var all []view.Pod
		for i := range 300 {
			all = append(all, view.Pod{Namespace: "a", Name: fmt.Sprint("up", i), Phase: view.PhaseRunning})
		}
		return append(all, view.Pod{Namespace: "z", Name: "down", Phase: view.PhaseFailed}, view.Pod{Namespace: "z", Name: "dark", Phase: view.PhaseUnknown})
	}
	text := scrape(t, New(s), "")
	for _, want := range []string{
		`nodeagent_static_pod_running{namespace="z",pod="down"} 0`, `nodeagent_static_pod_running{namespace="z",pod="dark"} -1`,
		`nodeagent_static_pods_dropped 192`, `nodeagent_static_pods{phase="Running"} 300`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("missing: %s", want)
		}
	}
}

func TestHostileLabels(t *testing.T) {
	long := strings.Repeat("é", 5000)
	names := []string{"", "quote\"s", "back\\slash", "new\nline", "bad\xff\xfeutf8", long, "{}", "\x00", "a,b=\"c\"", "twice", "twice"}
	b := health.NewBoard(nil, &health.Condition{Name: "C", Max: 100, Impact: health.Critical})
	st, _ := b.Snapshot().Of("C")
	look := health.Look{Of: st.Condition}
	s := empty()
	var list []view.Pod
	for _, n := range names {
		look.Findings = append(look.Findings, health.Finding{Subject: n, Status: health.Failing})
		list = append(list, view.Pod{Namespace: n, Name: n, Phase: n, Containers: []view.Container{{Name: n}, {Name: n}}})
	}
	b.Publish(look)
	s.Snapshot, s.Version, s.Revision = b.Snapshot, long, "\xff"
	s.Pods = func() []view.Pod { return list }
	s.Runtime = func() view.Runtime { return view.Runtime{Name: "\xff", Version: long, API: "\n"} }
	s.Mode = func() string { return "\xffx" }
	s.Tasks = func() map[string]uint64 { return map[string]uint64{"\xff": 1, "\xfe": 2} } // one name once they are clean
	s.OnError = func(err error) { t.Error(err) }
	m := New(s)
	m.ObserveCRI("/\xff", 0, "\xff")
	for _, accept := range []string{"", "application/openmetrics-text; version=1.0.0"} {
		text := scrape(t, m, accept)
		for l := range strings.Lines(text) {
			if len(l) > 3*labelLength+512 {
				t.Errorf("a line of %d bytes", len(l))
			}
		}
		if n := strings.Count(text, "\nnodeagent_condition{"); n != len(names)-1 {
			t.Errorf("%d subjects shown of %d", n, len(names)-1)
		}
	}
	if _, err := m.Gather(); err != nil {
		t.Error(err)
	}
}

// A part that breaks is said and costs nothing else, and none of it is shown.
func TestAPartThatPanics(t *testing.T) {
	s := healthy()
	good := s.Pods
	broken := true
	s.Pods = func() []view.Pod {
		if broken {
			panic("boom")
		}
		return good()
	}
	var told []error
	s.OnError = func(err error) { told = append(told, err) }
	m := New(s)
	for range 3 {
		text := scrape(t, m, "")
		if !strings.Contains(text, `nodeagent_collector_success{collector="static_pods"} 0`) || strings.Contains(text, "nodeagent_static_pod") ||
			!strings.Contains(text, `nodeagent_collector_success{collector="conditions"} 1`) || !strings.Contains(text, "nodeagent_status 1") {
			t.Fatalf("got\n%s", own(text))
		}
	}
	if len(told) != 1 || !strings.Contains(told[0].Error(), "static_pods") {
		t.Errorf("told %v, want it once", errors.Join(told...))
	}
	broken = false
	if text := scrape(t, m, ""); !strings.Contains(text, `nodeagent_collector_success{collector="static_pods"} 1`) {
		t.Error("it does not come back")
	}
	broken = true
	scrape(t, m, "")
	if len(told) != 2 {
		t.Errorf("told %d times, want it again after it was well", len(told))
	}
}

func TestOpenMetricsAndGzip(t *testing.T) {
	m := New(healthy())
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text; version=1.0.0")
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, r)
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "application/openmetrics-text") {
		t.Errorf("content type %s", got)
	}
	if got := w.Header().Get("Content-Encoding"); got != "gzip" {
		t.Errorf("content encoding %q", got)
	}
	if text := scrape(t, m, "application/openmetrics-text; version=1.0.0"); !strings.HasSuffix(text, "# EOF\n") {
		t.Error("no end of the exposition")
	}
}

func TestCRIHistogramIsNativeToo(t *testing.T) {
	m := New(empty())
	m.ObserveCRI("Version", 30*time.Millisecond, "OK")
	families, err := m.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "nodeagent_cri_request_duration_seconds" {
			h := f.GetMetric()[0].GetHistogram()
			if h.Schema == nil || len(h.GetPositiveSpan()) == 0 || len(h.GetBucket()) != 4 {
				t.Errorf("got %v", h)
			}
			return
		}
	}
	t.Error("no histogram")
}

// Every phase of the view is known here.
func TestPhasesAreTheViews(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "view", "view.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Phase") {
			s, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, s)
		}
		return true
	})
	got := phases()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("metrics know %v, the view has %v", got, want)
	}
}

// Scrapes beside one another, and beside writers, are safe.
func TestScrapesAtOnce(t *testing.T) {
	m := New(healthy())
	done := make(chan string)
	for range 4 {
		go func() {
			for range 10 {
				m.ObserveCRI("Version", time.Millisecond, "Unavailable")
			}
			done <- scrape(t, m, "")
		}()
	}
	for range 4 {
		<-done
	}
	if text := scrape(t, m, ""); !strings.Contains(text, `nodeagent_cri_request_errors_total{code="Unavailable"} 40`) {
		t.Errorf("got\n%s", own(text))
	}
}

func BenchmarkScrape20Pods(b *testing.B) {
	s := healthy()
	s.Pods = func() []view.Pod { return crowd(20) }
	m := New(s)
	for _, method := range []string{"Version", "Status", "ListPodSandbox", "ListContainers"} {
		m.ObserveCRI(method, time.Millisecond, "OK")
	}
	h := m.Handler()
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	b.ReportMetric(float64(series(scrape(b, m, ""))), "series")
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
