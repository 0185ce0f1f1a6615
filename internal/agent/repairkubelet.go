package agent

import (
	"fmt"
	"time"

	"nodeagent/internal/component"
	"nodeagent/internal/health"
	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/repair"
	"nodeagent/internal/staticpod/conditions"
)

// restartKubelet is for a kubelet that is proven stuck while a pod of its folder waits for it. A restart stops no pod.
var restartKubelet = &repair.Action{
	Name: "restart-kubelet", Help: "restarts a kubelet that is stuck while a static pod of its folder waits to be started",
	After: 3 * time.Minute, Asked: 10, Forget: 30 * time.Second, Cooldown: 30 * time.Minute, Hour: 1, Day: 3, Jitter: time.Minute,
}

const kubeletUnit = "kubelet.service"

// kubeletStuck wants it where a valid manifest has no sandbox and the kubelet does not answer its health check. A kubelet that can't reach its
// apiserver is not stuck but waits, and a restart makes it worse: it is named and left alone (kubernetes#99602, kubernetes#105543).
func kubeletStuck(s health.Snapshot) repair.Want {
	kubelet, reason := failingAs(s, component.KubeletHealthy.Name, "Hung", "CheckFailed")
	if kubelet == "" {
		return repair.Want{}
	}
	pod := waitingPod(s)
	if pod == "" {
		return repair.Want{}
	}
	w := repair.Want{Unit: kubeletUnit, Why: fmt.Sprintf("%s waits for its kubelet, which is %s: %s", pod, reason, kubelet)}
	if _, why := failingAs(s, haproxy.HAProxy.Name, "KubeletDeadlock", "NoLiveBackend"); why != "" {
		w.Against = "its balancer has no live apiserver: restarted, the kubelet would wait for ever and start no static pod (kubernetes#99602); bring back one apiserver first"
	}
	return w
}

// failingAs gives the message and the reason of an entry that fails for one of these reasons and is not muted.
func failingAs(s health.Snapshot, condition string, reasons ...string) (message, reason string) {
	state, _ := s.Of(condition)
	for _, e := range state.Entries {
		if e.Status != health.Failing || e.Mute != nil {
			continue
		}
		for _, r := range reasons {
			if e.ReasonName() == r {
				return e.Message, r
			}
		}
	}
	return "", ""
}

// waitingPod is a static pod whose manifest is there and whose kubelet has made no sandbox for it.
func waitingPod(s health.Snapshot) string {
	state, _ := s.Of(conditions.StaticPods.Name)
	for _, e := range state.Entries {
		if e.Status == health.Failing && e.Mute == nil && (e.Reason == conditions.PodMissing || e.Reason == conditions.PodNotStarted) {
			return e.Subject
		}
	}
	return ""
}
