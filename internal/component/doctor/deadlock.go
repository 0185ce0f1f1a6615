package doctor

import (
	"slices"

	"nodeagent/internal/view"
)

// Deadlock is a known way in which parts of a node wait for each other. None of them comes back by itself.
type Deadlock struct {
	Name    string `json:"name"`
	Issue   string `json:"issue"`   // where it is described
	Message string `json:"message"` // what waits for what
	Fix     string `json:"fix"`

	step string // what is missing because of it; empty: nothing yet
}

// deadlock finds one in the conditions.
func deadlock(s view.Status) *Deadlock {
	if fails(s, "RuntimeResponsive") || fails(s, "Kubelet") { // then that is why no pod starts
		return nil
	}
	away := fails(s, "APIServer")
	switch {
	case away && notStarted(s) && (says(s, "HAProxy", "KubeletDeadlock") || says(s, "HAProxy", "NoLiveBackend")):
		return &Deadlock{
			Name: "balancer and kubelet", Issue: "kubernetes#99602", step: stepKubelet,
			Message: "Kubelet asks for its pods through a balancer that has no live apiserver behind it: its connections are taken and never answered, " +
				"so it starts no static pod, and the apiserver is one of them.",
			Fix: "`systemctl stop haproxy` for a minute: the connections are then refused, kubelet goes on without its apiserver and starts etcd and the apiserver; then start haproxy again. " +
				"For good, let kubelet.conf name this node's own apiserver (server: https://127.0.0.1:6443 or the node's address).",
		}
	case says(s, "HAProxy", "KubeletDeadlock"):
		return &Deadlock{
			Name: "balancer and kubelet, at its next restart", Issue: "kubernetes#99602",
			Message: "Kubelet reaches its apiserver only through a balancer that has no live one behind it. It runs on; one that restarts now starts no static pod.",
			Fix:     fixOf(s, "HAProxy", "KubeletDeadlock"),
		}
	case away && stale(s):
		return &Deadlock{
			Name: "a kubelet that never saw its apiserver", Issue: "kubernetes#105543", step: stepKubelet,
			Message: "A kubelet that has not reached an apiserver since its start replaces and removes no static pod: the old content of a manifest runs on, " +
				"and the apiserver that it waits for may be the very pod that must be replaced.",
			Fix: "`crictl pods --name NAME` and `crictl rmp -f ID` of the old pod: kubelet then starts the new one. Or let kubelet reach another apiserver until it has done so.",
		}
	}
	return nil
}

// notStarted tells of a control plane's pod that kubelet has not begun with.
func notStarted(s view.Status) bool { return control(s, "Missing", "NotStarted") }

// stale tells of a control plane's pod that kubelet would have to replace or remove.
func stale(s view.Status) bool { return control(s, "Stale", "NoManifest") }

func control(s view.Status, reasons ...string) bool {
	return slices.ContainsFunc(subjects(s, "StaticPods"), func(x view.Subject) bool {
		step := StepOf("StaticPods", x.Name)
		return (step == stepEtcd || step == stepAPIServer) && x.Status == failing && slices.Contains(reasons, x.Reason)
	})
}

func subjects(s view.Status, condition string) []view.Subject {
	for _, c := range s.Conditions {
		if c.Name == condition && !c.Disabled {
			return c.Subjects
		}
	}
	return nil
}

// says tells whether a subject of the condition fails for the reason.
func says(s view.Status, condition, reason string) bool {
	return slices.ContainsFunc(subjects(s, condition), func(x view.Subject) bool { return x.Status == failing && x.Reason == reason })
}

func fails(s view.Status, condition string) bool {
	return slices.ContainsFunc(subjects(s, condition), func(x view.Subject) bool { return x.Status == failing })
}

func fixOf(s view.Status, condition, reason string) string {
	for _, x := range subjects(s, condition) {
		if x.Reason == reason {
			return x.Fix
		}
	}
	return ""
}
