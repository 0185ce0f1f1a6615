package agent

import (
	"strings"
	"testing"
	"time"

	"nodeagent/internal/component"
	"nodeagent/internal/config"
	"nodeagent/internal/health"
	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/runtime"
	"nodeagent/internal/staticpod/conditions"
)

// reasonOf finds a reason of a condition by its name.
func reasonOf(t *testing.T, c *health.Condition, name string) *health.Reason {
	t.Helper()
	for _, r := range c.Reasons {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("%s has no reason %s", c.Name, name)
	return nil
}

// stuckNode is a node whose kubelet hangs while a pod waits, with a runtime and a balancer that are well.
func stuckNode(t *testing.T) (*health.Board, func(of *health.Condition, subject, reason, message string)) {
	t.Helper()
	board := health.NewBoard(nil, component.KubeletHealthy, component.APIServer, conditions.StaticPods, haproxy.HAProxy, runtime.RuntimeResponsive)
	say := func(of *health.Condition, subject, name, message string) {
		f := health.Finding{Subject: subject, Status: health.OK, Message: message}
		switch name {
		case "":
		case "absent":
			f.Status = health.Absent
		case "SocketDenied", "SocketError", "Unreadable", "PortHeldByAnother":
			f.Status, f.Reason = health.Unknown, reasonOf(t, of, name)
		default:
			f.Status, f.Reason = health.Failing, reasonOf(t, of, name)
		}
		board.Publish(health.Look{Of: of, Findings: []health.Finding{f}})
	}
	say(component.KubeletHealthy, "", "Hung", "no answer")
	say(component.APIServer, "", "", "")
	say(conditions.StaticPods, "kube-system/etcd", "Missing", "no sandbox")
	say(haproxy.HAProxy, "", "", "it runs")
	say(runtime.RuntimeResponsive, "", "", "")
	return board, say
}

// live is a balancer that is seen to have a live apiserver.
func live() haproxy.View {
	return haproxy.View{At: time.Unix(1, 0), PIDs: []int{7}, Answered: true, Backends: []haproxy.Backend{
		{Name: "apis", Status: "UP", Live: 1, Checked: 3, Servers: make([]haproxy.Server, 3)}, {Name: "stats", Status: "UP"},
	}}
}

func TestKubeletStuck(t *testing.T) {
	for _, c := range []struct {
		name, kubelet, message, pod string
		wanted                      bool
		silent                      bool
	}{
		{"all is well", "", "", "", false, false},
		{"hung, and a pod is missing: its journal tells more", "Hung", "x", "Missing", true, true},
		{"its loop stands still by its own word", "CheckFailed", "/healthz: syncloop", "Missing", true, false},
		{"another check fails", "CheckFailed", "/healthz: ping", "Missing", true, true},
		{"hung, and nothing waits", "Hung", "x", "", false, false},
		{"hung, and a pod has its sandbox, and pulls", "Hung", "x", "NotStarted", false, false},
		{"a pod waits, and the kubelet is well", "", "", "Missing", false, false},
		{"stopped by hand", "Stopped", "x", "Missing", false, false},
		{"down: systemd starts it", "Down", "x", "Missing", false, false},
		{"a pod crashes", "Hung", "x", "CrashLooping", false, false},
	} {
		board, say := stuckNode(t)
		say(component.KubeletHealthy, "", c.kubelet, c.message)
		say(conditions.StaticPods, "kube-system/etcd", c.pod, "x")
		w := kubeletStuck(board.Snapshot(), live())
		if (w.Why != "") != c.wanted || w.Against != "" || w.Silent != c.silent {
			t.Errorf("%s: %+v", c.name, w)
		}
		board.SetMutes([]health.Mute{{Condition: component.KubeletHealthy.Name, Until: time.Now().Add(time.Hour)}})
		if w := kubeletStuck(board.Snapshot(), live()); w.Why != "" {
			t.Errorf("%s: wanted though it is muted: %+v", c.name, w)
		}
	}
}

// TestKubeletBarred: whatever a kubelet may wait for bars its restart, also if it is not seen, and also if nobody wants to hear of it.
func TestKubeletBarred(t *testing.T) {
	blind := func(v *haproxy.View) { v.Answered, v.Backends = false, nil }
	for _, c := range []struct {
		name     string
		runtime  string // reason of RuntimeResponsive
		balancer string // reason of HAProxy itself
		backend  string // reason of a backend
		view     func(*haproxy.View)
		stale    bool
		want     string // what bars; empty: nothing
	}{
		{name: "nothing"},
		{name: "no balancer", balancer: "absent", view: func(v *haproxy.View) { *v = haproxy.View{At: v.At} }},
		{name: "the balancer is down: it refuses", balancer: "Down", view: blind},
		{name: "no live backend", backend: "NoLiveBackend", view: func(v *haproxy.View) { v.Backends[0].Status, v.Backends[0].Live = "DOWN", 0 }, want: "no server of backend apis is live"},
		{name: "the deadlock", backend: "KubeletDeadlock", view: func(v *haproxy.View) { v.Backends[0].Status, v.Backends[0].Live = "DOWN", 0 }, want: "kubernetes#99602"},
		{name: "another backend has none, and the kubelet's is live", view: func(v *haproxy.View) {
			v.Backends[0].Kubelet = true
			v.Backends = append(v.Backends, haproxy.Backend{Name: "web", Status: "DOWN", Checked: 1, Servers: make([]haproxy.Server, 1)})
		}},
		{name: "hung", balancer: "Hung", view: blind, want: "can't be seen"},
		{name: "its socket is denied", balancer: "SocketDenied", view: blind, want: "can't be seen"},
		{name: "its socket fails", balancer: "SocketError", view: blind, want: "can't be seen"},
		{name: "another has its ports", balancer: "PortHeldByAnother", view: blind, want: "can't be seen"},
		{name: "it has no socket", view: blind, want: "can't be seen"},
		{name: "it has no socket, and the kubelet goes past it", view: func(v *haproxy.View) { blind(v); v.Kubelet = haproxy.Past }},
		{name: "no server is checked", view: func(v *haproxy.View) { v.Backends[0].Live, v.Backends[0].Checked = 0, 0 }, want: "no server of backend apis is checked"},
		{name: "a hung runtime", runtime: "Hung", want: "the runtime comes first"},
		{name: "a dead runtime", runtime: "Dead", want: "the runtime comes first"},
		{name: "a pod is to be replaced, and there is no apiserver", stale: true, want: "kubernetes#105543"},
	} {
		board, say := stuckNode(t)
		say(runtime.RuntimeResponsive, "", c.runtime, "x")
		findings := []health.Finding{{Status: health.OK}}
		if c.balancer != "" {
			say(haproxy.HAProxy, "", c.balancer, "x")
		} else {
			if c.backend != "" {
				findings = append(findings, health.Finding{Subject: "apis", Status: health.Failing, Reason: reasonOf(t, haproxy.HAProxy, c.backend), Message: "x"})
			}
			board.Publish(health.Look{Of: haproxy.HAProxy, Findings: findings})
		}
		if c.stale {
			say(component.APIServer, "", "Down", "x")
			board.Publish(health.Look{Of: conditions.StaticPods, Findings: []health.Finding{{Subject: "kube-system/etcd", Status: health.Failing, Reason: conditions.PodMissing},
				{Subject: "kube-system/kube-apiserver", Status: health.Failing, Reason: conditions.PodStale}}})
		}
		v := live()
		if c.view != nil {
			c.view(&v)
		}
		for _, muted := range []bool{false, true} {
			if muted {
				until := time.Now().Add(time.Hour)
				board.SetMutes([]health.Mute{{Condition: haproxy.HAProxy.Name, Until: until}, {Condition: runtime.RuntimeResponsive.Name, Until: until}, {Condition: component.APIServer.Name, Until: until}})
			}
			w := kubeletStuck(board.Snapshot(), v)
			if w.Why == "" || (w.Against == "") != (c.want == "") || !strings.Contains(w.Against, c.want) {
				t.Errorf("%s, muted %v: %+v", c.name, muted, w)
			}
		}
	}
	// Before the first look, and where a condition is switched off, nothing is known.
	board, _ := stuckNode(t)
	for _, name := range []string{haproxy.HAProxy.Name, runtime.RuntimeResponsive.Name} {
		board.Tune(map[string]health.Tuning{name: {Disabled: true}})
		if w := kubeletStuck(board.Snapshot(), live()); w.Against == "" {
			t.Errorf("%s is switched off, and nothing bars a restart", name)
		}
	}
	empty := health.NewBoard(nil, haproxy.HAProxy)
	if balancerBars(empty.Snapshot(), haproxy.View{}) == "" {
		t.Error("nothing bars a restart before the first look at the balancer")
	}
}

// TestRestartNames: the configuration knows every restart by its name, and no other.
func TestRestartNames(t *testing.T) {
	for _, a := range repairActions() {
		_, err := config.Parse([]config.SourceFile{{Path: "c.yaml", Data: []byte("repair: {restarts: {" + a.Name + ": {after: 5m}}}")}}, config.Options{})
		if restart := a == restartRuntime || a == restartKubelet; restart != (err == nil) {
			t.Errorf("%s: %v", a.Name, err)
		}
	}
}
