package doctor

import (
	"strings"
	"testing"

	"nodeagent/internal/view"
)

// node makes a status of lines "Condition[/subject] status[/Reason] [impact]". The line "through" is a kubelet that goes through a balancer, of which
// "blind" tells nothing.
func node(lines ...string) view.Status {
	s := view.Status{Node: "node1"}
	at := map[string]int{}
	for _, l := range lines {
		if l == "through" || l == "blind" {
			s.VIP = &view.VIP{Balancer: &view.Balancer{Kubelet: "through", Answered: l != "blind"}}
			continue
		}
		f := strings.Fields(l)
		name, subject, _ := strings.Cut(f[0], "/")
		status, reason, _ := strings.Cut(f[1], "/")
		impact := "critical"
		if len(f) > 2 {
			impact = f[2]
		}
		x := view.Subject{Name: subject, Status: status, Reason: reason, Message: name + " is " + status, Fix: "Mend " + name + "."}
		if impact == "muted" {
			impact, x.Muted = "critical", &view.Mute{Condition: name}
		}
		i, known := at[name]
		if !known {
			i = len(s.Conditions)
			at[name] = i
			s.Conditions = append(s.Conditions, view.Condition{Name: name, Impact: impact})
		}
		s.Conditions[i].Subjects = append(s.Conditions[i].Subjects, x)
	}
	return s
}

func TestFirstThingMissing(t *testing.T) {
	well := []string{"Clock ok degraded", "RuntimeResponsive ok", "Etcd ok", "APIServer ok", "VRRP ok", "NetworkReady ok"}
	for _, tt := range []struct {
		name  string
		lines []string
		want  string // first: status; the steps after it
	}{
		{"all well", well, ": ok;"},
		{"a worker without a control plane", []string{"RuntimeResponsive ok", "Etcd absent", "APIServer absent"}, ": ok;"},
		{"everything down", []string{"Clock failing/NotSynchronised degraded", "RuntimeResponsive failing/Dead", "NetworkReady unknown/RuntimeUnresponsive", "Etcd failing/Down", "APIServer failing/Down", "HAProxy failing/NoLiveBackend"},
			"runtime: failing; etcd apiserver VIP CNI"},
		{"the clock is what is wrong", []string{"Clock failing/NotSynchronised degraded", "Certificates/x failing/NotYetValid degraded", "Etcd failing/Down", "APIServer failing/Down"}, "time: failing; certificates etcd apiserver"},
		{"the clock alone", append([]string{"Clock failing/NotSynchronised degraded"}, well[1:]...), "time: failing;"},
		{"swap under kubelet", []string{"Swap failing/SwapOn degraded", "RuntimeResponsive ok", "StaticPods/kube-system/etcd failing/NotStarted", "Etcd failing/Down", "APIServer failing/Down"}, "machine: failing; etcd apiserver"},
		{"a certificate that ends in a week is not why", []string{"Certificates/x failing/ExpiresVerySoon degraded", "Etcd failing/Down", "APIServer failing/NotListening"}, "etcd: failing; apiserver"},
		{"an expired one is", []string{"Certificates/x failing/Expired degraded", "Etcd failing/BadCertificate", "APIServer failing/NotListening"}, "certificates: failing; etcd apiserver"},
		{"not known", []string{"RuntimeResponsive unknown/NotLooked", "Etcd ok"}, "runtime: unknown;"},
		{"failing counts before unknown", []string{"RuntimeResponsive unknown/NotLooked", "Etcd failing/Down"}, "etcd: failing;"},
		{"a muted one counts for nothing", []string{"Etcd failing/Down muted", "APIServer failing/Down"}, "apiserver: failing;"},
		{"a notice counts for nothing", []string{"RuntimeWatch failing/NoEvents notice", "Etcd ok"}, ": ok;"},
		{"what a dead apiserver does not show", []string{"CertificatesInUse/kube-apiserver unknown/NoHandshake degraded", "RuntimeResponsive ok", "Etcd ok", "APIServer failing/Down"}, "apiserver: failing;"},
		{"what a live one does not show", []string{"CertificatesInUse/kube-apiserver unknown/NoHandshake degraded", "RuntimeResponsive ok", "APIServer ok"}, "certificates: unknown;"},
		{"a pod of the network", []string{"RuntimeResponsive ok", "StaticPods/kube-system/kube-flannel-x failing/CrashLooping"}, "CNI: failing;"},
		{"a pod of somebody", []string{"RuntimeResponsive ok", "StaticPods/default/web failing/CrashLooping"}, "pods: failing;"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Examine(node(tt.lines...))
			var after []string
			for _, s := range r.Steps {
				if s.After {
					after = append(after, s.Name)
				}
			}
			got := strings.TrimSpace(r.First + ": " + r.Status + "; " + strings.Join(after, " "))
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestDeadlocks(t *testing.T) {
	pods := "StaticPods/kube-system/kube-apiserver failing/"
	for _, tt := range []struct {
		name  string
		lines []string
		issue string
		first string
	}{
		{"behind a balancer with none alive", []string{"RuntimeResponsive ok", "StaticPods/kube-system/etcd failing/NotStarted", "Etcd failing/Down", "APIServer failing/Down", "HAProxy failing/NoLiveBackend"}, "kubernetes#99602", "kubelet"},
		{"as HAProxy's own condition names it", []string{"RuntimeResponsive ok", pods + "Missing", "APIServer failing/Down", "HAProxy failing/KubeletDeadlock"}, "kubernetes#99602", "kubelet"},
		{"behind a balancer that does not tell", []string{"blind", "RuntimeResponsive ok", "Kubelet ok", "HAProxy ok", "StaticPods/kube-system/etcd failing/NotStarted", "Etcd failing/Down", "APIServer failing/Down"}, "kubernetes#99602", "kubelet"},
		{"behind one with a live apiserver", []string{"through", "RuntimeResponsive ok", "HAProxy ok", "StaticPods/kube-system/etcd failing/NotStarted", "Etcd failing/Down", "APIServer failing/Down"}, "", "etcd"},
		{"behind one that is down", []string{"blind", "RuntimeResponsive ok", "HAProxy failing/Down", "StaticPods/kube-system/etcd failing/NotStarted", "Etcd failing/Down", "APIServer failing/Down"}, "", "etcd"},
		{"behind one that does not tell, with pods that started", []string{"blind", "RuntimeResponsive ok", "HAProxy ok", "StaticPods/kube-system/etcd failing/CrashLooping", "APIServer failing/Down"}, "", "etcd"},
		{"behind one that does not tell, with an apiserver", []string{"blind", "RuntimeResponsive ok", "HAProxy ok", "StaticPods/kube-system/etcd failing/NotStarted", "APIServer ok"}, "", "etcd"},
		{"before kubelet is started again", []string{"RuntimeResponsive ok", "Kubelet failing/Stopped", pods + "Missing", "APIServer failing/Down", "HAProxy failing/KubeletDeadlock"}, "kubernetes#99602", "kubelet"},
		{"none where a dead kubelet has a live apiserver", []string{"RuntimeResponsive ok", "Kubelet failing/Down", pods + "Missing", "APIServer failing/Down", "HAProxy ok"}, "", "kubelet"},
		{"only at kubelet's next restart", []string{"RuntimeResponsive ok", "Etcd failing/NoLeader", "APIServer failing/NotReady", "HAProxy failing/KubeletDeadlock"}, "kubernetes#99602", "etcd"},
		{"none where the pods have started", []string{"Etcd failing/Down", "APIServer failing/Down", "HAProxy failing/NoLiveBackend"}, "", "etcd"},
		{"none where the runtime can't start them", []string{"RuntimeResponsive failing/Hung", "APIServer failing/Down", pods + "NotStarted", "HAProxy failing/NoLiveBackend"}, "", "runtime"},
		{"an old pod that is not replaced", []string{"RuntimeResponsive ok", "APIServer failing/Down", pods + "Stale"}, "kubernetes#105543", "kubelet"},
		{"stale with an apiserver", []string{"RuntimeResponsive ok", "APIServer ok", pods + "Stale"}, "", "apiserver"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Examine(node(tt.lines...))
			issue := ""
			if r.Deadlock != nil {
				issue = r.Deadlock.Issue
				if r.Deadlock.Fix == "" {
					t.Error("nothing to do is said")
				}
			}
			if issue != tt.issue || r.First != tt.first {
				t.Errorf("got %q, first %q, want %q, first %q", issue, r.First, tt.issue, tt.first)
			}
		})
	}
}
