package component

import "nodeagent/internal/health"

const kubeletLogs = "`journalctl -u kubelet -n 100` tells why"

// Reasons of Kubelet.
var (
	kubeletDown         = &health.Reason{Name: "Down", Fix: kubeletLogs + ": most often swap, a cgroup driver that is not the runtime's, a configuration file, or an expired certificate. Pods that run go on running."}
	kubeletStopped      = &health.Reason{Name: "Stopped", Fix: "Somebody stopped or masked it: `systemctl start kubelet` (after `systemctl unmask kubelet`) if that is over. Pods that run go on running, and nothing is started or restarted."}
	kubeletNotListening = &health.Reason{Name: "NotListening", Fix: "It has just started, or waits for the runtime (condition RuntimeResponsive): " + kubeletLogs + "."}
	kubeletHung         = &health.Reason{Name: "Hung", Fix: "A process in state T wants `kill -CONT PID`, one in state D waits for a disk or NFS (`ps -eo pid,stat,wchan:32,args | grep ' D'`). `systemctl restart kubelet` stops no pod."}
	kubeletUnreachable  = &health.Reason{Name: "Unreachable", Fix: "See that the address is on an interface (`ip address`; healthzBindAddress in its configuration) and that no firewall rule drops the port (`nft list ruleset`)."}
	kubeletCheck        = &health.Reason{Name: "CheckFailed", Fix: "The message names the check. syncloop: its loop hangs, mostly on the runtime (condition RuntimeResponsive) or on a volume; " + kubeletLogs + ", and `systemctl restart kubelet` stops no pod."}
	kubeletRestarts     = &health.Reason{Name: "Restarts", Fix: "It starts, answers and ends again: " + kubeletLogs + "."}
	kubeletOdd          = &health.Reason{Name: "OddAnswer", Fix: "Something else may listen there: `ss -ltnp` shows which process has the port; compare with healthzPort in its configuration."}
)

// KubeletHealthy is about this node's kubelet.
var KubeletHealthy = &health.Condition{
	Name: "Kubelet", Help: "This node's kubelet runs, answers and is well.", Impact: health.Critical,
	Reasons: []*health.Reason{kubeletDown, kubeletStopped, kubeletNotListening, kubeletHung, kubeletUnreachable, kubeletCheck, kubeletRestarts, kubeletOdd, unread},
}

const proxyLogs = "`crictl ps -a --name kube-proxy` and `crictl logs ID` tell why"

// Reasons of KubeProxy.
var (
	proxyDown         = &health.Reason{Name: "Down", Fix: proxyLogs + "; `kubectl -n kube-system get pods -l k8s-app=kube-proxy -o wide` shows its pod. The rules that it made stay, and get old."}
	proxyNotListening = &health.Reason{Name: "NotListening", Fix: "It has just started, or serves its health elsewhere (healthzBindAddress in the ConfigMap kube-proxy): " + proxyLogs + "."}
	proxyHung         = &health.Reason{Name: "Hung", Fix: "A process in state T wants `kill -CONT PID`; else delete its pod: the rules stay until the next one takes them over."}
	proxyUnreachable  = &health.Reason{Name: "Unreachable", Fix: "See that the address is on an interface (`ip address`; healthzBindAddress in the ConfigMap kube-proxy) and that no firewall rule drops the port (`nft list ruleset`)."}
	proxyStale        = &health.Reason{Name: "NotSynced", Fix: "Services and endpoints have changed and its rules have not: " + proxyLogs + " (iptables lock, no apiserver, a rule that the kernel refuses)."}
	proxyLeaving      = &health.Reason{Name: "NotEligible", Fix: "The node has the taint ToBeDeletedByClusterAutoscaler or is being deleted: `kubectl describe node`."}
	proxyOdd          = &health.Reason{Name: "OddAnswer", Fix: "Something else may listen there: `ss -ltnp` shows which process has the port."}
)

var proxyReasons = reachReasons{down: proxyDown, notListening: proxyNotListening, hung: proxyHung, unreachable: proxyUnreachable, odd: proxyOdd}

// KubeProxy is about this node's kube-proxy.
var KubeProxy = &health.Condition{
	Name: "KubeProxy", Help: "This node's kube-proxy answers, and its rules are up to date.", Impact: health.Degraded,
	Reasons: []*health.Reason{proxyDown, proxyNotListening, proxyHung, proxyUnreachable, proxyStale, proxyLeaving, proxyOdd, unread},
}
