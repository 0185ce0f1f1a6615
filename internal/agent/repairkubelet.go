package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/component"
	"nodeagent/internal/health"
	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/repair"
	"nodeagent/internal/runtime"
	"nodeagent/internal/staticpod/conditions"
)

// restartKubelet is for a kubelet that is proven stuck while a pod of its folder waits for it. A restart stops no pod.
var restartKubelet = &repair.Action{
	Name: "restart-kubelet", Help: "restarts a kubelet that is stuck while a static pod of its folder waits to be started",
	After: 3 * time.Minute, Asked: 3, Forget: 30 * time.Second, Cooldown: 30 * time.Minute, Hour: 1, Day: 3, Jitter: time.Minute,
}

// kubeletUnit is where a kubelet is looked for whose process is not seen.
const kubeletUnit = "kubelet.service"

// syncloop is the check of a kubelet's healthz that fails once its loop has not come round for two minutes (k/k pkg/kubelet/kubelet.go, SyncLoopHealthCheck).
const syncloop = "syncloop"

func (a *agent) kubeletStuck(facts *facts) func(health.Snapshot) repair.Want {
	return func(s health.Snapshot) repair.Want {
		balancer, _ := a.vip.balancer.View.Get()
		w := kubeletStuck(s, balancer)
		if w.Why == "" || w.Against != "" {
			return w
		}
		if p := facts.get().Running; p != nil {
			w.PID = p.PID
			if p.Name != kubeletName {
				w.Against = fmt.Sprintf("the kubelet is part of %s: restarting that would take the runtime and what else it runs along", p.Name)
			}
		}
		return w
	}
}

const kubeletName = "kubelet"

// kubeletStuck wants it where a valid manifest has no sandbox and the kubelet is proven stuck: by its own word that its loop stands still, or by
// neither answering nor writing. A kubelet that waits for somebody else is not stuck, and a restart makes it worse: who it waits for is named.
func kubeletStuck(s health.Snapshot, balancer haproxy.View) repair.Want {
	kubelet, reason := failingAs(s, component.KubeletHealthy.Name, "Hung", "CheckFailed")
	if kubelet == "" {
		return repair.Want{}
	}
	pod := waitingPod(s)
	if pod == "" {
		return repair.Want{}
	}
	w := repair.Want{Unit: kubeletUnit, Why: fmt.Sprintf("%s waits for its kubelet, which is %s: %s", pod, reason, kubelet), Silent: true}
	if reason == "CheckFailed" && strings.Contains(kubelet, syncloop) {
		w.Silent = false
	}
	w.Against = cmp.Or(runtimeBars(s), balancerBars(s, balancer), sourceBars(s))
	return w
}

// runtimeBars says why a kubelet is not restarted for the runtime's sake; empty: it may be. A kubelet hangs on a runtime that hangs, and its
// restart would only make it wait for the runtime from the start.
func runtimeBars(s health.Snapshot) string {
	state, _ := s.Of(runtime.RuntimeResponsive.Name)
	for _, e := range state.Entries { // a mute says that nobody wants to hear of it, not that it is well
		if e.Status != health.OK {
			return fmt.Sprintf("the runtime comes first: %s is %s %s", runtime.RuntimeResponsive.Name, e.Status, e.ReasonName())
		}
	}
	if len(state.Entries) == 0 {
		return "whether the runtime answers is not known: " + runtime.RuntimeResponsive.Name + " is switched off"
	}
	return ""
}

// kubernetes99602 is what a restarted kubelet would do.
const kubernetes99602 = "restarted behind a balancer with no live apiserver, the kubelet would wait for ever and start no static pod (kubernetes#99602)"

// balancerBars says why a kubelet is not restarted for the balancer's sake; empty: it may be. Only a balancer that is seen to have a live server,
// that refuses connections because it is down, or that the kubelet goes past lets it; what is not seen bars. Mutes are no matter here.
func balancerBars(s health.Snapshot, v haproxy.View) string {
	state, _ := s.Of(haproxy.HAProxy.Name)
	self := state.Entry("")
	switch {
	case self.Status == health.Absent, self.Status == health.Failing && self.ReasonName() == "Down", v.Kubelet == haproxy.Past && self.Status != health.Unknown:
		return ""
	case state.Disabled && !v.At.IsZero() && len(v.PIDs) == 0 && !v.Answered:
		return ""
	case state.Disabled:
		return "whether its balancer has a live apiserver is not known, since " + haproxy.HAProxy.Name + " is switched off: " + kubernetes99602
	case self.Status == health.Unknown, !v.Answered:
		return fmt.Sprintf("whether its balancer has a live apiserver can't be seen (%s): %s", self.Message, kubernetes99602)
	}
	known := slices.ContainsFunc(v.Backends, func(b haproxy.Backend) bool { return b.Kubelet })
	for _, b := range v.Backends {
		switch {
		case known && !b.Kubelet, len(b.Servers) == 0:
		case b.Live == 0 && b.Checked > 0, strings.HasPrefix(b.Status, "DOWN"):
			return fmt.Sprintf("no server of backend %s is live; bring back one apiserver first: %s", b.Name, kubernetes99602)
		case b.Checked == 0:
			return fmt.Sprintf("no server of backend %s is checked, so whether one is live is not known: %s", b.Name, kubernetes99602)
		}
	}
	return ""
}

// sourceBars says why a kubelet is not restarted while a pod has to be replaced or removed and there is no apiserver: one that has reached none since its
// start does neither (kubernetes#105543).
func sourceBars(s health.Snapshot) string {
	api, _ := s.Of(component.APIServer.Name)
	if !slices.ContainsFunc(api.Entries, func(e health.Entry) bool { return e.Status == health.Failing }) {
		return ""
	}
	pods, _ := s.Of(conditions.StaticPods.Name)
	for _, e := range pods.Entries {
		if e.Status == health.Failing && (e.Reason == conditions.PodStale || e.Reason == conditions.PodNoManifest) {
			return fmt.Sprintf("%s has to be replaced or removed, and a kubelet that has reached no apiserver since its start does neither (kubernetes#105543)", e.Subject)
		}
	}
	return ""
}

// failingAs gives the message and the reason of an entry that fails for one of these reasons and is not muted.
func failingAs(s health.Snapshot, condition string, reasons ...string) (message, reason string) {
	state, _ := s.Of(condition)
	for _, e := range state.Entries {
		if e.Status == health.Failing && e.Mute == nil && slices.Contains(reasons, e.ReasonName()) {
			return e.Message, e.ReasonName()
		}
	}
	return "", ""
}

// waitingPod is a static pod whose manifest is there and for which its kubelet has made no sandbox for longer than it takes to read the folder.
func waitingPod(s health.Snapshot) string {
	state, _ := s.Of(conditions.StaticPods.Name)
	for _, e := range state.Entries {
		if e.Status == health.Failing && e.Mute == nil && e.Reason == conditions.PodMissing {
			return e.Subject
		}
	}
	return ""
}
