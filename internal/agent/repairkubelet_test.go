package agent

import (
	"strings"
	"testing"
	"time"

	"nodeagent/internal/component"
	"nodeagent/internal/health"
	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/staticpod/conditions"
)

func TestKubeletStuck(t *testing.T) {
	reason := func(c *health.Condition, name string) *health.Reason {
		for _, r := range c.Reasons {
			if r.Name == name {
				return r
			}
		}
		t.Fatalf("%s has no reason %s", c.Name, name)
		return nil
	}
	for _, c := range []struct {
		name, kubelet, pod, balancer string
		wanted                       bool
		against                      string
	}{
		{"all is well", "", "", "", false, ""},
		{"hung, and a pod waits", "Hung", "NotStarted", "", true, ""},
		{"its check fails, and a pod is missing", "CheckFailed", "Missing", "", true, ""},
		{"hung, and nothing waits", "Hung", "", "", false, ""},
		{"a pod waits, and the kubelet is well: it pulls an image", "", "NotStarted", "", false, ""},
		{"stopped by hand", "Stopped", "NotStarted", "", false, ""},
		{"down: systemd starts it", "Down", "NotStarted", "", false, ""},
		{"a pod crashes", "Hung", "CrashLooping", "", false, ""},
		{"behind a balancer with none alive", "Hung", "NotStarted", "KubeletDeadlock", true, "kubernetes#99602"},
		{"no backend is alive", "Hung", "NotStarted", "NoLiveBackend", true, "kubernetes#99602"},
		{"another trouble of the balancer", "Hung", "NotStarted", "SocketDenied", true, ""},
	} {
		board := health.NewBoard(nil, component.KubeletHealthy, conditions.StaticPods, haproxy.HAProxy)
		say := func(of *health.Condition, subject, name string) {
			f := health.Finding{Subject: subject, Status: health.OK}
			if name != "" {
				f.Status, f.Reason, f.Message = health.Failing, reason(of, name), "x"
			}
			board.Publish(health.Look{Of: of, Findings: []health.Finding{f}})
		}
		say(component.KubeletHealthy, "", c.kubelet)
		say(conditions.StaticPods, "kube-system/etcd", c.pod)
		say(haproxy.HAProxy, "", c.balancer)
		w := kubeletStuck(board.Snapshot())
		if (w.Why != "") != c.wanted || (w.Against == "") != (c.against == "") || !strings.Contains(w.Against, c.against) {
			t.Errorf("%s: %+v", c.name, w)
		}
		board.SetMutes([]health.Mute{{Condition: component.KubeletHealthy.Name, Until: time.Now().Add(time.Hour)}})
		if w := kubeletStuck(board.Snapshot()); w.Why != "" {
			t.Errorf("%s: wanted though it is muted: %+v", c.name, w)
		}
	}
}
