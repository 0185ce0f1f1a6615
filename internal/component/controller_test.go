package component

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

func lookAt(t *testing.T, n *node, c *health.Condition) health.Finding {
	t.Helper()
	_, looks := Look(t.Context(), n.cfg, Deps{})
	for _, l := range looks {
		if l.Of == c {
			return l.Findings[0]
		}
	}
	t.Fatalf("no look at %s", c.Name)
	return health.Finding{}
}

// TestControllers breaks the scheduler and the controller-manager in each way, and mends them.
func TestControllers(t *testing.T) {
	for _, k := range []controller{scheduler, controllerManager} {
		t.Run(k.program, func(t *testing.T) {
			n := newNode(t)
			want(t, lookAt(t, n, k.of), health.Absent, nil, "no process has its name")
			self := newPKI(t, filepath.Join(n.dir, "self"), "a CA of its own, as kubeadm leaves it")
			s := serve(t, self, time.Now().Add(time.Hour), "localhost")
			n.manifest(k.program, "--bind-address=127.0.0.1", "--secure-port="+s.port(), "--leader-elect=true")
			for _, c := range []struct {
				reply   reply
				status  health.Status
				reason  *health.Reason
				message string
			}{
				{reply{status: 200, body: "ok"}, health.OK, nil, "well at 127.0.0.1:" + s.port()},
				{reply{status: 500, body: "[+]ping ok\n[-]leaderElection failed: reason withheld\nhealthz check failed\n"}, health.Failing, k.reasons.check, "/healthz: leaderElection"},
				{reply{status: 403}, health.OK, nil, "alive at"},
				{reply{status: 404}, health.Failing, k.reasons.odd, "HTTP status 404"},
				{reply{status: 200, wait: time.Minute}, health.Failing, k.reasons.hung, "no answer to /healthz"},
				{reply{status: 200, body: "ok"}, health.OK, nil, "well"},
			} {
				s.set("/healthz", c.reply)
				want(t, lookAt(t, n, k.of), c.status, c.reason, c.message)
			}
			if l := s.log(); l != "" || len(s.credentials()) > 0 {
				t.Errorf("the server logged %q and was given %q", l, s.credentials())
			}
			s.Close()
			want(t, lookAt(t, n, k.of), health.Failing, k.reasons.down, k.program+" does not run: nothing listens")
			n.process(9, "S", k.program, "--secure-port="+s.port())
			want(t, lookAt(t, n, k.of), health.Failing, k.reasons.notListening, k.program+" (pid 9) runs")
			n.process(9, "S", k.program, "--secure-port=0")
			want(t, lookAt(t, n, k.of), health.Unknown, unread, "(pid 9) tells its health to nobody: --secure-port is 0")
		})
	}
}

// TestManifestForms: how a program may stand in a manifest.
func TestManifestForms(t *testing.T) {
	pod := func(container string) string {
		return "kind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - " + container + "\n"
	}
	for name, c := range map[string]struct {
		text string
		port string // of the scheduler that is found; empty: none is
	}{
		"command":                    {pod(`{name: a, command: [kube-scheduler, --secure-port=1]}`), "1"},
		"path and args":              {pod(`{name: a, command: [/usr/local/bin/kube-scheduler], args: [--secure-port, "2"]}`), "2"},
		"image's own":                {pod(`{name: a, image: "registry.invalid:5000/kube-scheduler:v1@sha256:0", args: ["--secure-port=3"]}`), "3"},
		"line for sh":                {pod(`{name: a, command: [/bin/sh, -c, "exec /usr/bin/kube-scheduler --v=2 --secure-port=4 >>/log 2>&1"]}`), "4"},
		"second document":            {pod(`{name: a, image: pause}`) + "---\n" + pod(`{name: a, command: [kube-scheduler, --secure-port=5]}`), "5"},
		"the last wins":              {pod(`{name: a, command: [kube-scheduler, --secure-port=1, --secure-port=6]}`), "6"},
		"JSON":                       {`{"kind":"Pod","metadata":{"name":"p"},"spec":{"containers":[{"name":"a","command":["kube-scheduler","--secure-port=7"]}]}}`, "7"},
		"its image, another command": {pod(`{name: a, image: kube-scheduler, command: [sleep, "1"]}`), ""},
		"a flag that names it":       {pod(`{name: a, command: [x, --name=kube-scheduler]}`), ""},
		"no Pod":                     {"kind: ConfigMap\ndata: {a: kube-scheduler}\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseManifest("f.yaml", []byte(c.text), programs)
			d, ok := got[nameScheduler]
			if err != nil || ok != (c.port != "") || d.flags["secure-port"] != c.port {
				t.Errorf("got %v, %v, want port %q", got, err, c.port)
			}
		})
	}
}

// TestLost: a process without a manifest that goes is missed for a while, and then counts as taken away.
func TestLost(t *testing.T) {
	var m memory
	at := time.Unix(1e9, 0)
	runs := found{process: &process{pid: 5, flags: flags{"a": "b"}}}
	if l := m.miss("x", runs, at); l != nil {
		t.Errorf("what runs is missed: %v", l)
	}
	l := m.miss("x", found{}, at)
	if l == nil || l.pid != 5 || l.flags["a"] != "b" {
		t.Fatalf("missed %v", l)
	}
	if m.miss("x", found{}, at.Add(lostFor)) == nil {
		t.Error("it is not missed long enough")
	}
	if l := m.miss("x", found{}, at.Add(lostFor+1)); l != nil {
		t.Error("it is missed for ever")
	}
	m.miss("x", runs, at)
	m.miss("x", found{}, at)
	m.miss("x", runs, at)
	if l := m.miss("x", found{manifest: &declared{}}, at); l != nil {
		t.Error("what has a manifest is missed")
	}
}

// TestLostComesBack: one that is missed is looked for each second, not with the next walk over /proc.
func TestLostComesBack(t *testing.T) {
	n := newNode(t)
	n.process(7, "S", nameProxy)
	var f finder
	f.find(n.cfg, nameProxy)
	if err := os.RemoveAll(filepath.Join(n.cfg.Proc, "7")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := f.find(n.cfg, nameProxy); got.process != nil || got.lost == nil {
			t.Fatalf("found %+v", got)
		}
	}
	n.process(8, "S", nameProxy)
	f.processes.at = time.Now().Add(-2 * rescan)
	if got := f.find(n.cfg, nameProxy); got.process == nil || got.process.pid != 8 {
		t.Errorf("found %+v", got)
	}
}

func TestEvidence(t *testing.T) {
	n := newNode(t)
	n.manifest(nameScheduler)
	n.process(9, "D", nameScheduler)
	f := finder{pods: func() []view.Pod {
		return []view.Pod{{Name: "other"}, {Name: "kube-scheduler-cp1", File: n.cfg.Manifests[0] + "/kube-scheduler.yaml", Phase: view.PhaseRunning, Containers: []view.Container{{Restarts: 2}, {Restarts: 1}}}}
	}}
	var got []string
	for _, p := range f.find(n.cfg, nameScheduler).evidence() {
		got = append(got, p.Key+" "+p.Value)
	}
	want := "manifest " + n.cfg.Manifests[0] + "/kube-scheduler.yaml, pid 9, pod Running, 3 restarts, runs since 2026-01-01T00:00:10Z"
	if strings.Join(got, ", ") != want {
		t.Errorf("got %s\nwant %s", strings.Join(got, ", "), want)
	}
}
