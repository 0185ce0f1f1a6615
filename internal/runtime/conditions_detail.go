package runtime

import "nodeagent/internal/health"

// Reasons of the conditions about the runtime's details.
var (
	reasonCallHung = &health.Reason{Name: "Hung", Fix: "The runtime answers others but not this call: take evidence with `kill -USR1 $(pidof containerd)` (goroutines go to `journalctl -u containerd`), " +
		"look for processes in state D, then `systemctl restart containerd` (or crio)."}
	reasonCallDenied = &health.Reason{Name: "Denied", Fix: "Run the agent as root; if it is root already, look for SELinux or AppArmor denials with `journalctl -k -g 'denied|DENIED'`."}
	reasonCallSlow   = &health.Reason{Name: "Slow", Fix: "Look at the node's load (`cat /proc/pressure/io`, `uptime`) and at nodeagent_cri_request_duration_seconds for since when; " +
		"many exited containers (`crictl ps -a | wc -l`) make lists slow too."}
	reasonCallError = &health.Reason{Name: "Error", Fix: "The message is the runtime's own; see `journalctl -u containerd -n 100` (or crio)."}

	reasonSpaceLow     = &health.Reason{Name: "SpaceLow", Fix: "Free space: `crictl rmi --prune` removes images that no container uses; `df -h` and `du -xsh` show what else fills it. A kubelet evicts pods below its threshold."}
	reasonInodesLow    = &health.Reason{Name: "InodesLow", Fix: "Free inodes: `crictl rmi --prune` removes images that no container uses; `df -i` shows the file system. A kubelet evicts pods below its threshold."}
	reasonFsUnreadable = &health.Reason{Name: "Unreadable", Fix: "`stat -f PATH` by hand shows the error, or hangs with the disk or mount; see `dmesg`."}
	reasonFsNotTold    = &health.Reason{Name: "NotReported", Fix: "The runtime named no image file system; see RuntimeCalls for ImageFsInfo."}

	reasonPauseMissing = &health.Reason{Name: "Missing", Fix: "Pull it before a pod needs it: `crictl pull IMAGE`, or load it: `ctr -n k8s.io images import FILE`. " +
		"Where an image clean-up removed it, pin it (containerd: label io.cri-containerd.pinned=pinned)."}
	reasonPauseNotTold = &health.Reason{Name: "NotReported", Fix: "The runtime does not tell its pause image; `containerd config dump` or `crio config` shows it."}

	reasonDriverMismatch = &health.Reason{Name: "Mismatch", Fix: "Make both the same: systemd where systemd runs the node (SystemdCgroup = true for the handler in /etc/containerd/config.toml, cgroup_manager in crio.conf; " +
		"cgroupDriver in kubelet's config.yaml), then drain the node and restart both."}
	reasonDriverNotTold = &health.Reason{Name: "NotReported", Fix: "The runtime does not tell its cgroup driver; compare SystemdCgroup in `containerd config dump` with cgroupDriver of the kubelet by hand."}
	reasonCgroupV1      = &health.Reason{Name: "CgroupV1Refused", Fix: "Boot the node with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or set failCgroupV1: false in kubelet's config.yaml until then."}

	reasonPluginCRI         = &health.Reason{Name: "CRIPlugin", Fix: "Correct what the error names in /etc/containerd/config.toml (`containerd config dump` shows what is in force), then `systemctl restart containerd`."}
	reasonPluginSnapshotter = &health.Reason{Name: "Snapshotter", Fix: "The snapshotter that pods use does not work: see the error, `ctr plugins ls`, and the file system under /var/lib/containerd; then `systemctl restart containerd`."}
	reasonPluginOther       = &health.Reason{Name: "Plugin", Fix: "`ctr plugins ls` shows the plugin and `journalctl -u containerd` its error; a plugin that is not needed can be put into disabled_plugins of /etc/containerd/config.toml."}
	reasonPluginCNI         = &health.Reason{Name: "CNILoad", Fix: "Correct the file that the error names in the CNI folder (/etc/cni/net.d); the network's pod (Flannel, Calico, Cilium ...) writes it."}

	reasonShimLeaked  = &health.Reason{Name: "Leaked", Fix: "The shim belongs to no task: `ps -o pid,ppid,stat,args --ppid PID` shows what hangs on it; `kill PID` ends it, and `systemctl restart containerd` where it comes back."}
	reasonTaskDead    = &health.Reason{Name: "DeadTask", Fix: "The runtime calls it running and its process is gone: look for its shim (`ps -C containerd-shim-runc-v2 -o pid,stat,args | grep ID`), `kill -CONT` or `kill` that one; else `systemctl restart containerd` (or crio)."}
	reasonShimStopped = &health.Reason{Name: "ShimStopped", Fix: "A shim in state T hears nothing of its containers: `kill -CONT PID`, and find out who stopped it."}
	reasonProcUnread  = &health.Reason{Name: "Unreadable", Fix: "Run the agent as root, with /proc of the host."}

	reasonShimSkew    = &health.Reason{Name: "VersionSkew", Fix: "containerd was upgraded on disk and not restarted: `systemctl restart containerd`; pods live on if `systemctl show -p KillMode containerd` says process."}
	reasonShimMissing = &health.Reason{Name: "NotFound", Fix: "Install containerd's package again: its containerd-shim-runc-v2 is not on the PATH of the daemon, so that no pod can start."}
	reasonShimHung    = &health.Reason{Name: "Hung", Fix: "`containerd-shim-runc-v2 -v` did not answer: look for a hung disk under it (`dmesg`, processes in state D)."}
	reasonShimError   = &health.Reason{Name: "Error", Fix: "Run `containerd-shim-runc-v2 -v` by hand; install containerd's package again if it does not work."}

	reasonOCIMissing = &health.Reason{Name: "NotFound", Fix: "Install the OCI runtime that the handler names, or take the handler out of the runtime's configuration."}
	reasonOCIHung    = &health.Reason{Name: "Hung", Fix: "The OCI runtime does not come back: `ps -o pid,stat,wchan:32,args -p PID`. In state D it waits for a disk, NFS or the kernel's cgroups (see `dmesg`); " +
		"else `kill PID` lets the runtime report the error, and the pod is tried again."}
	reasonOCIError   = &health.Reason{Name: "Error", Fix: "Run the binary by hand with --version; install its package again if it does not work."}
	reasonOCIHybrid  = &health.Reason{Name: "HybridCgroups", Fix: "Boot the node with cgroup v2 (systemd.unified_cgroup_hierarchy=1), or leave every controller to cgroup v1, or use runc for these pods."}
	reasonOCITooOld  = &health.Reason{Name: "TooOld", Fix: "Upgrade crun (1.14.3 knows every version of the specification 1.x), or use runc for these pods."}
	reasonOCINotTold = &health.Reason{Name: "NotReported", Fix: "The runtime did not tell its handlers: see RuntimeCalls; on CRI-O `curl --unix-socket /run/crio/crio.sock http://localhost/config`."}

	reasonKillMode = &health.Reason{Name: "KillMode", Fix: "Set KillMode=process in a drop-in (`systemctl edit containerd` or crio, section [Service]) and `systemctl daemon-reload`; until then a restart of the runtime kills every pod."}
	reasonRestarts = &health.Reason{Name: "RestartsOften", Fix: "`journalctl -u containerd` (or crio) tells why it ends: a watchdog, the OOM killer (`journalctl -k -g oom`), a bad configuration."}
	reasonNoUnit   = &health.Reason{Name: "NotAsked", Fix: "systemd did not answer over D-Bus; see `systemctl status` and `busctl status org.freedesktop.systemd1`."}

	reasonInotify  = &health.Reason{Name: "InotifyUsedUp", Fix: "Raise fs.inotify.max_user_instances (`sysctl -w fs.inotify.max_user_instances=1024`, and a file in /etc/sysctl.d), or max_user_watches where no space is left; shims and log shippers use them up. Until then changes are found by looking."}
	reasonWatch    = &health.Reason{Name: "NotWatched", Fix: "The message says why the socket's folder can't be watched; until then changes are found by looking."}
	reasonNoEvents = &health.Reason{Name: "NoEvents", Fix: "On CRI-O set enable_pod_events = true in [crio.runtime] and restart crio; until then changes are found by looking, which is slower."}

	reasonReserved = &health.Reason{Name: "Reserved", Fix: "Remove what holds the name: `crictl ps -a` and `crictl pods` show it, `crictl rm ID` or `crictl rmp ID` removes an ended one. " +
		"If nothing holds it, the runtime still works on an earlier attempt or lost it: wait some minutes, then `systemctl restart containerd` (or crio)."}
)

func detail(name, help string, impact health.Impact, most int, reasons ...*health.Reason) *health.Condition {
	return &health.Condition{Name: name, Help: help, Impact: impact, Max: most, Reasons: reasons}
}

// The conditions about the runtime's details. Their only writer is the detail task.
var (
	RuntimeCalls = detail("RuntimeCalls", "Each question to the CRI runtime is answered soon: its status, lists, images.", health.Degraded, 8,
		reasonCallHung, reasonCallDenied, reasonCallSlow, reasonCallError, reasonUnresponsive)
	ImageFilesystem = detail("ImageFilesystem", "The file system of images and containers has free space and inodes.", health.Degraded, 4,
		reasonSpaceLow, reasonInodesLow, reasonFsUnreadable, reasonFsNotTold, reasonUnresponsive)
	PauseImage = detail("PauseImage", "The image that every sandbox is made of is on the node.", health.Degraded, 1,
		reasonPauseMissing, reasonPauseNotTold, reasonUnresponsive)
	CgroupDriver = detail("CgroupDriver", "Kubelet and runtime use the same cgroup driver, and the kubelet takes this node's cgroups.", health.Critical, 1,
		reasonDriverMismatch, reasonDriverNotTold, reasonCgroupV1, reasonUnresponsive)
	RuntimePlugins = detail("RuntimePlugins", "containerd's plugins work: CRI, snapshotter, CNI configuration.", health.Degraded, 16,
		reasonPluginCRI, reasonPluginSnapshotter, reasonPluginCNI, reasonPluginOther, reasonCallError, reasonUnresponsive)
	RuntimeTasks = detail("RuntimeTasks", "What the runtime calls running has a process, and every shim a task.", health.Degraded, 16,
		reasonTaskDead, reasonShimLeaked, reasonShimStopped, reasonProcUnread, reasonUnresponsive)
	ShimVersion = detail("ShimVersion", "containerd's shim on disk is of the version of the daemon that runs.", health.Degraded, 1,
		reasonShimSkew, reasonShimMissing, reasonShimHung, reasonShimError, reasonUnresponsive)
	OCIRuntimes = detail("OCIRuntimes", "The OCI runtime of each handler is there, answers, and takes this node.", health.Degraded, 16,
		reasonOCIHung, reasonOCIMissing, reasonOCIHybrid, reasonOCITooOld, reasonOCIError, reasonOCINotTold, reasonUnresponsive)
	RuntimeUnit = detail("RuntimeUnit", "The runtime's systemd unit leaves pods alone when it restarts, and seldom restarts.", health.Degraded, 1,
		reasonRestarts, reasonKillMode, reasonNoUnit)
	RuntimeWatch = detail("RuntimeWatch", "Changes of the runtime are heard of at once: its socket is watched and it sends events.", health.Notice, 2,
		reasonInotify, reasonWatch, reasonNoEvents, reasonUnresponsive)
	PodNames = detail("PodNames", "The runtime gives new sandboxes and containers the names they need.", health.Degraded, 16,
		reasonReserved)
)

// details are the conditions of the detail task.
func details() []*health.Condition {
	return []*health.Condition{RuntimeCalls, ImageFilesystem, PauseImage, CgroupDriver, RuntimePlugins, RuntimeTasks, ShimVersion, OCIRuntimes, RuntimeUnit, RuntimeWatch, PodNames}
}
