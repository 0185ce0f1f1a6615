package component

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
)

// TestKubelet breaks it in each way, and mends it.
func TestKubelet(t *testing.T) {
	s := serve(t, nil, time.Time{})
	at := strings.TrimPrefix(s.URL, "http://")
	n := newNode(t)
	n.process(7, "S", "/usr/bin/kubelet")
	running := Kubelet{Here: true, Address: at, PID: 7, Program: "kubelet", NodeName: "n1"}
	gone := Kubelet{Here: true, Address: "127.0.0.1:1", NodeName: "n1"}
	active := Unit{Name: "kubelet.service", ActiveState: "active", FileState: "enabled"}
	ok := reply{status: 200, body: "ok"}
	for _, c := range []struct {
		name    string
		kubelet Kubelet
		unit    Unit
		reply   reply
		status  health.Status
		reason  *health.Reason
		message string
	}{
		{"well", running, active, ok, health.OK, nil, "well at " + at + ", as node n1"},
		{"a check fails", running, active, reply{status: 500, body: "[+]ping ok\n[-]syncloop failed: reason withheld\n"}, health.Failing, kubeletCheck, "/healthz: syncloop"},
		{"no check is named", running, active, reply{status: 500}, health.Failing, kubeletOdd, "HTTP status 500"},
		{"hung", running, active, reply{status: 200, wait: time.Minute}, health.Failing, kubeletHung, "kubelet (kubelet, pid 7) at " + at + ": no answer"},
		{"starts", Kubelet{Here: true, Address: "127.0.0.1:1", PID: 7, Program: "kubelet"}, active, ok, health.Failing, kubeletNotListening, "runs, and nothing listens on 127.0.0.1:1"},
		{"ended", gone, Unit{Name: "kubelet.service", ActiveState: "activating", FileState: "enabled"}, ok, health.Failing, kubeletDown, "kubelet.service is activating"},
		{"ends again and again", gone, Unit{Name: "kubelet.service", ActiveState: "activating", Ended: "exit code 1", Restarts: 23}, ok, health.Failing, kubeletDown,
			"no kubelet runs: kubelet.service is activating, its process ended with exit code 1, 23 automatic restarts so far; its last error: swap is on"},
		{"stopped", gone, Unit{Name: "kubelet.service", ActiveState: "inactive", FileState: "enabled"}, ok, health.Failing, kubeletStopped, "somebody stopped it"},
		{"masked", gone, Unit{Name: "kubelet.service", ActiveState: "failed", FileState: "masked"}, ok, health.Failing, kubeletStopped, "(masked)"},
		{"ended just now", Kubelet{Here: true, Address: "127.0.0.1:1", PID: 8, Program: "kubelet"}, Unit{Name: "kubelet.service", ActiveState: "failed", FileState: "enabled"}, ok, health.Failing, kubeletDown, "kubelet.service is failed"},
		{"elsewhere", Kubelet{Here: true, Address: "192.0.2.1:10248", PID: 7, Program: "kubelet"}, active, ok, health.Failing, kubeletUnreachable, "no interface of this node has the address"},
		{"well again", running, active, ok, health.OK, nil, "well at"},
		{"no systemd", gone, Unit{}, ok, health.Failing, kubeletDown, "no kubelet runs"},
		{"switched off", Kubelet{Here: true, PID: 7, Program: "kubelet"}, active, ok, health.Unknown, unread, "healthzPort: 0"},
		{"not here", Kubelet{Looked: "no kubelet is installed"}, Unit{}, ok, health.Absent, nil, "no kubelet is installed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.set("/healthz", c.reply)
			deps := Deps{Kubelet: func() Kubelet { return c.kubelet }, Unit: func(context.Context, int, string) (Unit, error) { return c.unit, nil }}
			deps.LastError = func(context.Context, string) (string, error) { return "swap is on", nil }
			l := kubeletLooker{version: programVersion{paths: []string{"/nowhere"}}}
			want(t, judgeKubelet(l.look(t.Context(), deps, n.cfg, time.Now())), c.status, c.reason, c.message)
		})
	}
}

// TestKubeletLastWords: the journal is read once for each end, and again after a look that failed.
func TestKubeletLastWords(t *testing.T) {
	var asked int
	var fails error
	deps := Deps{LastError: func(context.Context, string) (string, error) { asked++; return fmt.Sprint("words ", asked), fails }}
	unit := Unit{Name: "kubelet.service", Restarts: 1}
	deps.Unit = func(context.Context, int, string) (Unit, error) { return unit, nil }
	var l kubeletLooker
	now := time.Unix(1000, 0)
	look := func(k Kubelet, after time.Duration, want string) {
		t.Helper()
		now = now.Add(after)
		if l.ask(t.Context(), deps, k, false, now); l.words != want {
			t.Errorf("%q, want %q", l.words, want)
		}
	}
	look(Kubelet{}, 0, "words 1")
	look(Kubelet{}, unitEveryFail, "words 1")
	unit.Restarts++
	fails = errors.New("deadline")
	look(Kubelet{}, unitEveryFail, "words 2")
	look(Kubelet{}, time.Second, "words 2")
	fails = nil
	look(Kubelet{}, unitEveryFail, "words 3")
	look(Kubelet{}, unitEveryFail, "words 3")
	look(Kubelet{PID: 7}, unitEveryFail, "") // one that runs has no last words
}

// TestKubeletRestarts: a kubelet that is started again and again is failing although it answers in between, for as long as the window lasts.
func TestKubeletRestarts(t *testing.T) {
	s := serve(t, nil, time.Time{})
	s.set("/healthz", reply{status: 200})
	unit := Unit{Name: "kubelet.service", ActiveState: "active"}
	var fails error
	deps := Deps{Kubelet: func() Kubelet { return Kubelet{Here: true, PID: 1, Address: strings.TrimPrefix(s.URL, "http://")} },
		Unit: func(context.Context, int, string) (Unit, error) { return unit, fails }}
	l := kubeletLooker{version: programVersion{paths: []string{"/nowhere"}}}
	now := time.Now()
	see := func() health.Finding {
		now = now.Add(unitEvery)
		return judgeKubelet(l.look(t.Context(), deps, Config{Timeout: time.Second, Proc: "/proc"}, now))
	}
	unit.Restarts = 90 // long ago
	want(t, see(), health.OK, nil, "")
	for range restartsMany {
		unit.Restarts++
		f := see()
		if unit.Restarts < 95 {
			want(t, f, health.OK, nil, "")
		} else {
			want(t, f, health.Failing, kubeletRestarts, "started again 5 times within 20m0s")
		}
	}
	fails = errors.New("no bus")
	if f := see(); !strings.Contains(fmt.Sprint(f.Evidence), "no bus") {
		t.Errorf("evidence %v does not tell that systemd was not asked", f.Evidence)
	}
	fails = nil
	now = now.Add(restartWindow)
	see()
	want(t, see(), health.OK, nil, "")
	unit.Restarts = 0 // started by hand
	want(t, see(), health.OK, nil, "")
}

// TestProgramVersion asks a program once, and none that others than root may change.
func TestProgramVersion(t *testing.T) {
	dir := t.TempDir() // below /tmp, which everybody may write, with the sticky bit
	program, count := filepath.Join(dir, "kubelet"), filepath.Join(dir, "count")
	write(t, program, "#!/bin/sh\necho x >>"+count+"\necho Kubernetes v1.34.1\n")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	told, runs := "v1.34.1", 1
	if os.Geteuid() != 0 {
		told, runs = "", 0 // it is a person's, who may change it
	}
	v := programVersion{paths: []string{filepath.Join(dir, "other"), program}}
	for range 3 {
		if got := v.of(t.Context(), time.Now()); got != told {
			t.Errorf("got %q, want %q", got, told)
		}
	}
	if b, _ := os.ReadFile(count); len(b) != 2*runs {
		t.Errorf("it was run %d times, want %d", len(b)/2, runs)
	}
	if err := os.Chmod(program, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(program, time.Now(), time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	if got := v.of(t.Context(), time.Now()); got != "" {
		t.Errorf("a program that anybody may change told %q", got)
	}
}

// TestKubeProxy breaks it in each way, and mends it.
func TestKubeProxy(t *testing.T) {
	n := newNode(t)
	want(t, lookAt(t, n, KubeProxy), health.Absent, nil, "no process has its name")
	s := serve(t, nil, time.Time{})
	n.process(7, "S", "/usr/local/bin/kube-proxy", "--healthz-bind-address=0.0.0.0:"+s.port(), "--metrics-bind-address=127.0.0.1:"+s.port())
	body := func(eligible bool) string {
		return fmt.Sprintf(`{"lastUpdated": "2026-11-27 15:00:00.123456789 +0100 CET m=+12.5","currentTime": "2026-11-27 15:00:10 +0100 CET", "nodeEligible": %v}`, eligible)
	}
	s.set("/proxyMode", reply{status: 200, body: "nftables\n"})
	for _, c := range []struct {
		reply   reply
		status  health.Status
		reason  *health.Reason
		message string
	}{
		{reply{status: 200, body: body(true)}, health.OK, nil, "mode nftables, well at 127.0.0.1:" + s.port() + ", last synced at 2026-11-27T14:00:00Z"},
		{reply{status: 503, body: body(true)}, health.Failing, proxyStale, "its rules are behind, last synced at 2026-11-27T14:00:00Z"},
		{reply{status: 503, body: body(false)}, health.Failing, proxyLeaving, "not eligible"},
		{reply{status: 404}, health.Failing, proxyOdd, "HTTP status 404"},
		{reply{status: 200, wait: time.Minute}, health.Failing, proxyHung, "no answer to /healthz"},
		{reply{status: 200, body: "{}"}, health.OK, nil, "well at"},
		{reply{status: 200, body: `{"lastUpdated": "2026-11-27 15:00:10 +0100 CET m=+12.5","currentTime": "2026-11-27 15:00:10 +0100 CET m=+12.5", "nodeEligible": true}`},
			health.OK, nil, "mode nftables, well at 127.0.0.1:" + s.port()}, // it says what time it is
		{reply{status: 200, body: families("15:00:10", "14:59:00", true, true)}, health.OK, nil, ", last synced at 2026-11-27T14:59:00Z"},
		{reply{status: 503, body: families("15:00:10", "14:00:00", true, false)}, health.Failing, proxyStale, "its rules of IPv6 are behind, last synced at 2026-11-27T14:00:00Z"},
		{reply{status: 503, body: strings.Replace(families("14:50:00", "14:00:00", false, false), `"nodeEligible":true`, `"nodeEligible":false`, 1)}, health.Failing, proxyStale, "its rules of IPv4 and of IPv6 are behind"},
		{reply{status: 503, body: strings.Replace(families("15:00:00", "15:00:00", true, true), `"nodeEligible":true`, `"nodeEligible":false`, 1)}, health.Failing, proxyLeaving, "not eligible"},
	} {
		s.set("/healthz", c.reply)
		f := lookAt(t, n, KubeProxy)
		want(t, f, c.status, c.reason, c.message)
		if strings.Contains(f.Message, "15:00:10Z") || strings.Contains(f.Message, "14:00:10Z") {
			t.Errorf("the time of the answer is told as that of its rules: %s", f.Message)
		}
	}
	s.Close()
	want(t, lookAt(t, n, KubeProxy), health.Failing, proxyNotListening, "kube-proxy (pid 7) runs")
}

// families is a body of kube-proxy's /healthz since 1.34, at 15:00:10 UTC.
func families(v4, v6 string, v4Healthy, v6Healthy bool) string {
	const at = "2026-11-27T15:00:10.5Z"
	return fmt.Sprintf(`{"lastUpdated":"%s","currentTime":"%s","nodeEligible":true,"healthy":%v,"status":{"IPv4":{"lastUpdated":"2026-11-27T%sZ","healthy":%v},"IPv6":{"lastUpdated":"2026-11-27T%sZ","healthy":%v}}}`,
		at, at, v4Healthy && v6Healthy, v4, v4Healthy, v6, v6Healthy)
}

// TestKubeProxyModes: each is told, one that is not known is not, and a kube-proxy that is started anew in another mode is asked again.
func TestKubeProxyModes(t *testing.T) {
	n := newNode(t)
	s := serve(t, nil, time.Time{})
	s.set("/healthz", reply{status: 200, body: "{}"})
	var l proxyLooker
	for i, mode := range []string{"iptables", "ipvs", "nftables", "kernelspace", ""} {
		s.set("/proxyMode", reply{status: 200, body: mode})
		n.process(7+i, "S", nameProxy, "--healthz-bind-address=127.0.0.1:"+s.port(), "--metrics-bind-address=127.0.0.1:"+s.port())
		var f finder
		message := "mode " + mode + ", well"
		if i > 2 {
			message = "well at"
		}
		for range 2 {
			seen := judgeProxy(l.look(t.Context(), &f, n.cfg))
			want(t, seen, health.OK, nil, message)
			if i > 2 && strings.Contains(seen.Message, "mode") {
				t.Errorf("a mode that is none: %s", seen.Message)
			}
		}
		if err := os.RemoveAll(filepath.Join(n.cfg.Proc, fmt.Sprint(7+i))); err != nil {
			t.Fatal(err)
		}
	}
}

// TestKubeProxySilent: one that tells its health to nobody is unknown while it runs, one that is said to listen elsewhere by a file that can't be
// read is too, and each is down when it is gone.
func TestKubeProxySilent(t *testing.T) {
	n := newNode(t)
	n.process(7, "S", nameProxy, "--healthz-bind-address=")
	c := newChecker(func() Config { return n.cfg }, Deps{})
	see := func() health.Finding { return c.proxy(t.Context(), n.cfg)[0].Findings[0] }
	want(t, see(), health.Unknown, unread, "kube-proxy (pid 7) tells its health to nobody: --healthz-bind-address is empty")
	write(t, filepath.Join(n.cfg.Proc, "7/stat"), "7 (kube-proxy) Z 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 9 0 1000 1 1")
	want(t, see(), health.Failing, proxyDown, "kube-proxy does not run: it ran until")

	place := proxyPlace{healthz: "127.0.0.1:10256", unread: "it can't be read"}
	s := proxySeen{found: found{process: &process{pid: 7}}, place: place, healthz: answer{outcome: refused}}
	want(t, judgeProxy(s), health.Unknown, unread, "nothing listens on 127.0.0.1:10256, which is its default: where it does is not known: it can't be read")
	s.healthz = answer{outcome: answered, status: 200}
	want(t, judgeProxy(s), health.OK, nil, "well at")
	s.found, s.healthz = found{manifest: &declared{file: "p.yaml"}}, answer{outcome: refused}
	want(t, judgeProxy(s), health.Failing, proxyDown, "its manifest is p.yaml")
}

// TestProcessOfAnybody: a person's process is no component by its name, unless a manifest has one; nor does it say whom to trust.
func TestProcessOfAnybody(t *testing.T) {
	n := newNode(t)
	n.process(7, "S", nameAPIServer, "--client-ca-file=/home/eve/ca.crt")
	write(t, filepath.Join(n.cfg.Proc, "7/status"), "Name:\tkube-apiserver\nUid:\t1000\t0\t0\t0\n")
	var f finder
	if got := f.find(n.cfg, nameAPIServer); got.there() {
		t.Errorf("a person's process is %v", got.process)
	}
	write(t, filepath.Join(n.cfg.Proc, "7/status"), "Name:\tkube-apiserver\nUid:\t101\t101\t101\t101\n")
	f = finder{}
	if got := f.find(n.cfg, nameAPIServer); got.process == nil || got.trusted() != nil {
		t.Errorf("a service's process: %v, trusted %v", got.process, got.trusted())
	}
	n.manifest(nameAPIServer, "--client-ca-file=/etc/ca.crt")
	write(t, filepath.Join(n.cfg.Proc, "7/status"), "Name:\tkube-apiserver\nUid:\t2000001\t0\t0\t0\n")
	f = finder{}
	if got := f.find(n.cfg, nameAPIServer); got.process == nil || got.trusted()["client-ca-file"] != "/etc/ca.crt" {
		t.Errorf("the manifest's process: %v, trusted %v", got.process, got.trusted())
	}
}
