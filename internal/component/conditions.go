package component

import "nodeagent/internal/health"

// Reasons of APIServer.
var (
	apiDown = &health.Reason{Name: "Down", Fix: "`crictl ps -a --name kube-apiserver` and `crictl logs ID` tell why it ended (most often: etcd does not answer, a certificate expired, or a flag is wrong); " +
		"with no container at all, see that kubelet runs and read `journalctl -u kubelet`."}
	apiNotListening = &health.Reason{Name: "NotListening", Fix: "It runs and does not serve yet: it waits for etcd, which `nodeagent status` shows, or has just started; `crictl logs` of the container tells."}
	apiHung         = &health.Reason{Name: "Hung", Fix: "It takes connections and does not answer. A process in state T wants `kill -CONT PID`, one in state D waits for a disk; " +
		"else look at CPU and memory of the node and at etcd, and restart it: move its manifest out of the folder and back."}
	apiUnreachable = &health.Reason{Name: "Unreachable", Fix: "No connection comes to be, and none is refused: see that the address is on an interface (`ip address`) and that no firewall rule drops the port (`nft list ruleset`)."}
	apiCheck       = &health.Reason{Name: "CheckFailed", Fix: "The message names the check of /livez that fails; `kubectl get --raw '/livez?verbose'` shows all. etcd: look at etcd first. poststarthook/...: it has not finished its start."}
	apiNotReady    = &health.Reason{Name: "NotReady", Fix: "It lives, and the message names the check of /readyz that fails. shutdown: it is being stopped. etcd-readiness: look at etcd. informer-sync or poststarthook/...: it starts; if that lasts, read `crictl logs`."}
	apiSlow        = &health.Reason{Name: "Slow", Fix: "See whether the node is short of CPU or memory (`top`), whether etcd's disk is slow (condition Etcd), and who sends the load (`kubectl get --raw /metrics | grep apiserver_current_inflight`)."}
	apiCertificate = &health.Reason{Name: "BadCertificate", Fix: "`kubeadm certs check-expiration` lists them; `kubeadm certs renew apiserver` makes a new one, and the apiserver takes it from the file within a minute. A foreign CA: compare /etc/kubernetes/pki/ca.crt with that of another control plane."}
	apiOdd         = &health.Reason{Name: "OddAnswer", Fix: "Something else may listen there: `ss -ltnp` shows which process has the port; compare with --secure-port of the manifest."}
)

// unread is a reason of each component: what would show it could not be read.
var unread = &health.Reason{Name: "Unread", Fix: "The message tells what could not be read and why: run the agent as root, or correct the file."}

// APIServer is about this node's own kube-apiserver.
var APIServer = &health.Condition{
	Name: "APIServer", Help: "This node's kube-apiserver, asked at its own port, is alive and ready.", Impact: health.Critical,
	Reasons: []*health.Reason{apiDown, apiNotListening, apiHung, apiUnreachable, apiCheck, apiNotReady, apiSlow, apiCertificate, apiOdd, unread},
}

// Conditions are what this package publishes, in the order in which they are shown.
func Conditions() []*health.Condition {
	return []*health.Condition{APIServer, Etcd, EtcdCluster, EtcdDisk, Scheduler, ControllerManager, KubeletHealthy, KubeProxy}
}
