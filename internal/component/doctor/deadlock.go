package doctor

import (
	"fmt"
	"slices"
	"strings"

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

// letGo ends the first of them, whatever is behind the balancer.
const letGo = "`systemctl stop haproxy` for a minute (where it is a pod: `crictl stopp ID` of it): the connections are then refused, kubelet goes on without its " +
	"apiserver and starts etcd and the apiserver (`crictl ps` shows them); then `systemctl start haproxy`. " + forGood

const forGood = "For good, let kubelet.conf name this node's own apiserver (server: https://127.0.0.1:6443 or the node's address)."

// deadlock finds one in the conditions.
func deadlock(s view.Status) *Deadlock {
	if fails(s, "RuntimeResponsive") { // then that is why no pod starts
		return nil
	}
	away := fails(s, "APIServer")
	switch {
	case fails(s, "Kubelet") && says(s, "HAProxy", "KubeletDeadlock"):
		return &Deadlock{
			Name: "balancer and kubelet, once it starts", Issue: "kubernetes#99602",
			Message: "Kubelet reaches its apiserver only through a balancer that has no live one behind it: started now, it waits for ever and starts no static pod.",
			Fix:     "`systemctl stop haproxy` before you start kubelet; once `crictl ps` shows etcd and the apiserver, `systemctl start haproxy`. " + forGood,
		}
	case fails(s, "Kubelet"): // then that is why no pod starts
		return nil
	case away && notStarted(s) && (says(s, "HAProxy", "KubeletDeadlock") || says(s, "HAProxy", "NoLiveBackend")):
		return &Deadlock{
			Name: "balancer and kubelet", Issue: "kubernetes#99602", step: stepKubelet,
			Message: "Kubelet asks for its pods through a balancer that has no live apiserver behind it: its connections are taken and never answered, " +
				"so it starts no static pod, and the apiserver is one of them.",
			Fix: letGo,
		}
	case away && notStarted(s) && blind(s):
		return &Deadlock{
			Name: "balancer and kubelet, as it seems", Issue: "kubernetes#99602", step: stepKubelet,
			Message: "Kubelet asks for its pods through HAProxy and has not begun with this node's control plane. Whether an apiserver lives behind HAProxy can't be seen " +
				"(it has no runtime socket that is reached); where none does, its connections are taken and never answered, and kubelet starts no static pod.",
			Fix: letGo,
		}
	case says(s, "HAProxy", "KubeletDeadlock"):
		return &Deadlock{
			Name: "balancer and kubelet, at its next restart", Issue: "kubernetes#99602",
			Message: "Kubelet reaches its apiserver only through a balancer that has no live one behind it. It runs on; one that restarts now starts no static pod.",
			Fix:     fixOf(s, "HAProxy", "KubeletDeadlock"),
		}
	case away && stale(s) != "":
		pod := stale(s)
		return &Deadlock{
			Name: "a kubelet that never saw its apiserver", Issue: "kubernetes#105543", step: stepKubelet,
			Message: "A kubelet that has not reached an apiserver since its start replaces and removes no static pod: the old content of a manifest runs on, " +
				"and the apiserver that it waits for may be the very pod that must be replaced.",
			Fix: fmt.Sprintf("`crictl pods --name %s` shows the old pod, `crictl rmp -f ID` takes it away: kubelet then starts the new one. Or let kubelet reach another apiserver until it has done so.", pod),
		}
	}
	return nil
}

// blind tells of a kubelet that goes through an HAProxy which runs and does not tell what is behind it.
func blind(s view.Status) bool {
	return s.VIP != nil && s.VIP.Balancer != nil && s.VIP.Balancer.Kubelet == "through" && !s.VIP.Balancer.Answered && !fails(s, "HAProxy")
}

// notStarted tells of a control plane's pod that kubelet has not begun with.
func notStarted(s view.Status) bool { return control(s, "Missing", "NotStarted") != "" }

// stale is the name of a control plane's pod that kubelet would have to replace or remove; empty: none.
func stale(s view.Status) string { return control(s, "Stale", "NoManifest") }

// control is the first of the control plane's pods that fails for one of the reasons.
func control(s view.Status, reasons ...string) string {
	for _, x := range subjects(s, "StaticPods") {
		step := StepOf("StaticPods", x.Name)
		if (step == stepEtcd || step == stepAPIServer) && x.Status == failing && slices.Contains(reasons, x.Reason) {
			_, pod, _ := strings.Cut(x.Name, "/")
			return pod
		}
	}
	return ""
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
