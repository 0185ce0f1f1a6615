package runtime

import "nodeagent/internal/health"

// Reasons of the conditions of this package.
var (
	reasonHung = &health.Reason{Name: "Hung", Fix: "Take evidence first: `kill -USR1 $(pidof containerd)` makes containerd write its goroutines to `journalctl -u containerd`; " +
		"a process in state T wants `kill -CONT PID`, one in state D (`ps -eo pid,stat,wchan:32,args | grep ' D'`) waits for a disk or NFS. " +
		"Then `systemctl restart containerd` (or crio); pods live on if `systemctl show -p KillMode containerd` says process."}
	reasonDead = &health.Reason{Name: "Dead", Fix: "`systemctl status containerd` (or crio, k3s) and `journalctl -u containerd -n 100` tell why it ended; " +
		"`systemctl start containerd` starts it. Pods that ran go on running."}
	reasonDenied = &health.Reason{Name: "Denied", Fix: "Run the agent as root, or as a member of the group that `ls -l` shows for the socket; " +
		"if it is root already, look for SELinux or AppArmor denials with `journalctl -k -g 'denied|DENIED'`."}
	reasonNotFound = &health.Reason{Name: "NotFound", Fix: "Start the runtime (`systemctl start containerd` or `systemctl start crio`), or install one; " +
		"if its socket is elsewhere, set containerRuntimeEndpoint: unix:///PATH in /etc/nodeagent/config.yaml."}
	reasonDockerOnly = &health.Reason{Name: "DockerOnly", Fix: "dockershim was removed in Kubernetes 1.24: use containerd or CRI-O, or cri-dockerd."}
	reasonInvalid    = &health.Reason{Name: "InvalidEndpoint", Fix: "Write the endpoint as a unix socket, such as unix:///run/containerd/containerd.sock, " +
		"in containerRuntimeEndpoint of the agent's or kubelet's configuration."}
	reasonNoCRI = &health.Reason{Name: "NoCRI", Fix: "Take cri out of disabled_plugins in /etc/containerd/config.toml and run `systemctl restart containerd`; " +
		"if it is not there, `ctr plugins ls | grep cri` shows the plugin's error. containerd before 1.6 has no CRI v1: upgrade it."}
	reasonError = &health.Reason{Name: "Error", Fix: "The message is the runtime's own; see `journalctl -u containerd -n 100` (or crio), " +
		"and `crictl info` for the same question asked by hand."}

	reasonNotReady = &health.Reason{Name: "NotReady", Fix: "The message is the runtime's own; see `crictl info` and `journalctl -u containerd -n 100` (or crio)."}
	reasonNoCNI    = &health.Reason{Name: "CNINotInitialized", Fix: "`ls /etc/cni/net.d` must show a .conflist, which the network's pod (Flannel, Calico, Cilium ...) writes: look at that pod first. " +
		"If a file is there and the plugins are in /opt/cni/bin, the runtime may have lost sight of the folder: `systemctl restart containerd` (or crio)."}
	reasonCNIFolder = &health.Reason{Name: "CNIFolderReplaced", Fix: "The folder was removed and made again, and the runtime watches the one that is gone: `systemctl restart containerd` (or crio); " +
		"pods live on if `systemctl show -p KillMode containerd` says process. If it stays, the file is not one that the runtime takes: see condition RuntimePlugins."}
	reasonNotReported  = &health.Reason{Name: "NotReported", Fix: "The runtime's Status does not tell; `crictl info` shows what it does. Upgrade the runtime."}
	reasonUnresponsive = &health.Reason{Name: "RuntimeUnresponsive", Fix: "See RuntimeResponsive: it tells what is wrong with the runtime."}
)

// RuntimeResponsive says whether the runtime answers at all.
var RuntimeResponsive = &health.Condition{
	Name:   "RuntimeResponsive",
	Help:   "The CRI runtime answers Version and Status in time.",
	Impact: health.Critical,
	Reasons: []*health.Reason{
		reasonHung, reasonDead, reasonDenied, reasonNotFound, reasonDockerOnly, reasonInvalid, reasonNoCRI, reasonError,
	},
}

// RuntimeReady is the runtime's own word for whether it can run containers.
var RuntimeReady = &health.Condition{
	Name:    "RuntimeReady",
	Help:    "The CRI runtime says that it can run containers.",
	Impact:  health.Critical,
	Reasons: []*health.Reason{reasonNotReady, reasonNotReported, reasonUnresponsive},
}

// NetworkReady is the runtime's own word for whether it can give pods a network.
var NetworkReady = &health.Condition{
	Name:    "NetworkReady",
	Help:    "The CRI runtime says that it can give pods a network (CNI).",
	Impact:  health.Critical,
	Reasons: []*health.Reason{reasonNoCNI, reasonCNIFolder, reasonNotReady, reasonNotReported, reasonUnresponsive},
}

// Conditions are what this package publishes.
func Conditions() []*health.Condition {
	return append([]*health.Condition{RuntimeResponsive, RuntimeReady, NetworkReady}, append(details(), RuntimeCanary)...)
}
