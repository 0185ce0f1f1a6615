package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"nodeagent/internal/api/client"
	"nodeagent/internal/staticpod/podlogs"
	"nodeagent/internal/view"
)

// stub is a daemon whose pods go through a list of states, one a question, and stay in the last.
type stub struct {
	mu    sync.Mutex
	pods  []view.Pod
	asked []string
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.pods[:1]
	if s.pods[0].Phase == "gone" {
		now = nil
	}
	switch r.URL.Path {
	case "/v1/pods":
		_ = json.NewEncoder(w).Encode(now)
	case "/v1/watch":
		if len(s.pods) == 1 && r.URL.Query().Get("after") != "0" { // nothing changes any more
			s.mu.Unlock()
			<-r.Context().Done()
			s.mu.Lock()
			return
		}
		if len(s.pods) > 1 {
			s.pods = s.pods[1:]
		}
		now = s.pods[:1]
		if s.pods[0].Phase == "gone" {
			now = nil
		}
		_ = json.NewEncoder(w).Encode(view.Watch{Seq: uint64(1000 - len(s.pods)), Status: view.Status{Pods: now}})
	default:
		s.asked = append(s.asked, r.Method+" "+r.URL.Path)
		_, _ = w.Write([]byte("{}"))
	}
}

func (s *stub) serve(t *testing.T) *client.Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: s}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() { server.Close(); wg.Wait() })
	c := client.New(path)
	t.Cleanup(c.Close)
	return c
}

func TestRestartAndWait(t *testing.T) {
	at := func(sandbox, phase string, ready bool) view.Pod {
		return view.Pod{Namespace: "default", Name: "web", Sandbox: sandbox, Phase: phase, Ready: ready}
	}
	old := at("s1", view.PhaseRunning, true)
	for _, c := range []struct {
		name    string
		states  []view.Pod
		timeout time.Duration
		said    string // without the times
		fails   string
	}{
		{name: "it comes back", states: []view.Pod{old, old, at("s1", view.PhaseStopping, false), at("", view.PhasePending, false), at("s2", view.PhaseNotReady, false), at("s2", view.PhaseRunning, true)},
			timeout: time.Minute, said: "restart of default/web is under way; Stopping; Pending; NotReady; default/web runs again and is ready after"},
		{name: "it ends well", states: []view.Pod{old, at("s2", view.PhaseSucceeded, false)}, timeout: time.Minute, said: "restart of default/web is under way; default/web runs again"},
		{name: "it fails", states: []view.Pod{old, at("s2", view.PhaseFailed, false)}, timeout: time.Minute, said: "restart of default/web is under way", fails: "default/web was started again and Failed"},
		{name: "it goes", states: []view.Pod{old, at("", "gone", false)}, timeout: time.Minute, said: "restart of default/web is under way", fails: "default/web is gone"},
		{name: "it hangs", states: []view.Pod{old, at("s1", view.PhaseStopping, false)}, timeout: 300 * time.Millisecond, said: "restart of default/web is under way; Stopping",
			fails: "default/web does not run again after 300ms: Stopping"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &stub{pods: c.states}
			var out bytes.Buffer
			err := restartAndWait(t.Context(), &out, s.serve(t), "web", c.timeout)
			if c.fails == "" && err != nil || c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)) {
				t.Errorf("error %v, want %q", err, c.fails)
			}
			if err != nil && codeOf(err) != exitProblem {
				t.Errorf("exit code %d", codeOf(err))
			}
			var said []string
			for l := range strings.Lines(out.String()) {
				said = append(said, strings.TrimSpace(l[len("15:04:05"):]))
			}
			if got := strings.Join(said, "; "); !strings.HasPrefix(got, c.said) || len(said) != strings.Count(c.said, ";")+1 {
				t.Errorf("said %q, want %q", got, c.said)
			}
			if got := strings.Join(s.asked, "; "); got != "POST /v1/pods/restart" {
				t.Errorf("asked for %q", got)
			}
		})
	}
}

// Where a daemon tells of no sandbox, other containers are the sign.
func TestRestartedByContainers(t *testing.T) {
	pod := func(ids ...string) view.Pod {
		p := view.Pod{Phase: view.PhaseRunning, Ready: true}
		for _, id := range ids {
			p.Containers = append(p.Containers, view.Container{ID: id})
		}
		return p
	}
	for _, c := range []struct {
		before, now view.Pod
		want        bool
	}{
		{pod("a", "b"), pod("a", "b"), false},
		{pod("a", "b"), pod("c", "b"), false},
		{pod("a", "b"), pod("c", ""), false},
		{pod("a", "b"), pod("c", "d"), true},
		{pod("a"), pod(), false},
	} {
		if got, _ := restarted(c.before, c.now); got != c.want {
			t.Errorf("%v to %v: %v", c.before.Containers, c.now.Containers, got)
		}
	}
}

func TestFindPod(t *testing.T) {
	pods := []view.Pod{{Namespace: "default", Name: "web"}, {Namespace: "kube-system", Name: "etcd"}, {Namespace: "kube-system", Name: "web"}, {Name: "bad.yaml"}}
	for name, want := range map[string]string{
		"etcd": "kube-system/etcd", "default/web": "default/web", "bad.yaml": "bad.yaml",
		"web":          "there are several pods web: say one of default/web, kube-system/web",
		"default/etcd": "no static pod default/etcd here: there are bad.yaml, default/web, kube-system/etcd, kube-system/web",
	} {
		p, err := findPod(pods, name)
		if err != nil && err.Error() != want || err == nil && podName(p) != want {
			t.Errorf("%s: %s, %v; want %s", name, podName(p), err, want)
		}
	}
}

func TestPickLogs(t *testing.T) {
	log := func(ns, name string, containers ...string) podlogs.PodLog {
		p := podlogs.PodLog{Namespace: ns, Name: name}
		for _, c := range containers {
			p.Containers = append(p.Containers, podlogs.ContainerLog{Name: c})
		}
		return p
	}
	all := []podlogs.PodLog{log("default", "web-node1", "a", "b"), log("default", "web-2-node1", "a"), log("default", "web-node1"), log("kube-system", "etcd-oldname", "etcd"),
		log("kube-system", "db-node1"), log("other", "db-node1")}
	for _, c := range []struct{ asked, want string }{
		{"web", "default/web-node1"}, {"default/web", "default/web-node1"}, {"web-node1", "default/web-node1"}, {"etcd", "kube-system/etcd-oldname"},
		{"other/db", "other/db-node1"}, {"db", "there are logs of several pods db: say one of kube-system/db-node1, other/db-node1"},
		{"other/web", "no logs of a pod other/web in /logs: there are logs of other/db-node1"},
	} {
		p, err := pickPod(all, c.asked, "Node1", "/logs")
		if err != nil && err.Error() != c.want || err == nil && p.Namespace+"/"+p.Name != c.want {
			t.Errorf("%s: %s/%s, %v; want %s", c.asked, p.Namespace, p.Name, err, c.want)
		}
	}
	for _, c := range []struct {
		of         podlogs.PodLog
		name, want string
	}{
		{all[0], "b", "b"}, {all[1], "", "a"}, {all[0], "", "default/web-node1 has several containers: say which with -c: a, b"},
		{all[0], "c", "default/web-node1 has no container c: it has a, b"}, {all[2], "", "no container of default/web-node1 has written a log yet: see `nodeagent pods describe`"},
	} {
		got, err := pickContainer(c.of, c.name)
		if err != nil && err.Error() != c.want || err == nil && got.Name != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got.Name, err, c.want)
		}
	}
}

func TestForRoot(t *testing.T) {
	if err := refuseUnless(0, "x"); err != nil {
		t.Error(err)
	}
	var refused *view.Error
	if err := refuseUnless(1000, "log lines may hold secrets"); !errors.As(err, &refused) || refused.Problem != "log lines may hold secrets: this needs root; you are uid 1000" || refused.Fix != "run it with sudo" {
		t.Error(err)
	}
}
