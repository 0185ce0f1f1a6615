package machine

import "nodeagent/internal/health"

var (
	reasonUnsynchronised = &health.Reason{Name: "NotSynchronised", Fix: "Start a time service (`systemctl enable --now chrony` or systemd-timesyncd) and see that it reaches a server: `chronyc sources` or `timedatectl timesync-status`. " +
		"Certificates, leases and etcd need one time on all nodes."}
	reasonSourceLost  = &health.Reason{Name: "SourceLost", Fix: "The time service has not set the clock for hours: `chronyc sources` or `timedatectl timesync-status` shows which server does not answer (UDP port 123)."}
	reasonOffset      = &health.Reason{Name: "OffsetLarge", Fix: "The clock is being pulled right, slowly: `chronyc tracking` shows how far it is off. `chronyc makestep` sets it at once; stop etcd's pod before a large step."}
	reasonClockUnread = &health.Reason{Name: "NotAllowed", Fix: "Neither the kernel nor systemd-timedated told of the clock: let D-Bus start it (`timedatectl` shows what it says), or allow the unit the system call adjtimex."}

	reasonInotifyUsedUp = &health.Reason{Name: "UsedUp", Fix: "Raise fs.inotify.max_user_instances (`sysctl -w fs.inotify.max_user_instances=1024`, and a file in /etc/sysctl.d): a kubelet, a runtime or a shim that starts now fails with \"too many open files\"."}
	reasonInotifyFew    = &health.Reason{Name: "FewLeft", Fix: "Raise fs.inotify.max_user_instances before the last one is taken (`sysctl -w fs.inotify.max_user_instances=1024`, and a file in /etc/sysctl.d)."}
	reasonInotifyUnread = &health.Reason{Name: "NotAsked", Fix: "The message says why no inotify instance could be made for the test."}

	reasonReadOnly = &health.Reason{Name: "ReadOnly", Fix: "The kernel made it read-only after an error: `dmesg -T | grep -i -e ext4 -e xfs -e I/O` names the disk. Save what can be read, replace the disk or `fsck` it from a rescue system, then reboot."}
	reasonSpace    = &health.Reason{Name: "SpaceLow", Fix: "`du -xh --max-depth=2 PATH | sort -h | tail` shows what takes it. Old logs: `journalctl --vacuum-size=500M`; old images: `crictl rmi --prune`; etcd: compact and defragment. Below 10 % a kubelet evicts pods."}
	reasonInodes   = &health.Reason{Name: "InodesLow", Fix: "`du -x --inodes --max-depth=2 PATH | sort -n | tail` shows which folder has so many files. With no inode left nothing can be created, though there is space."}
	reasonHung     = &health.Reason{Name: "NoAnswer", Fix: "The file system does not answer: a dead network mount (`findmnt -T PATH`), or a disk that hangs (`dmesg -T`). What waits for it can't be killed until it answers."}
	reasonUnread   = &health.Reason{Name: "Unreadable", Fix: "The message says what could not be read: see that the agent runs as root and its unit lets it see the path."}

	reasonSysctl   = &health.Reason{Name: "Setting", Fix: "Set it now (`sysctl -w NAME=VALUE`) and for the next boot (a file in /etc/sysctl.d); find who sets it otherwise with `grep -r NAME /etc/sysctl.conf /etc/sysctl.d /usr/lib/sysctl.d /run/sysctl.d`."}
	reasonModule   = &health.Reason{Name: "ModuleMissing", Fix: "Load it (`modprobe NAME`) and name it in /etc/modules-load.d. If modprobe does not find it, the kernel that runs is not the one that is installed (`uname -r`, `ls /lib/modules`): reboot."}
	reasonModules  = &health.Reason{Name: "ModulesGone", Fix: "The running kernel's package was removed by an upgrade: reboot into the installed kernel before a module is needed that is not loaded."}
	reasonSwapOn   = &health.Reason{Name: "SwapOn", Fix: "`swapoff -a`, and take swap out of /etc/fstab (`systemctl list-units --type swap` shows units and zram); or set failSwapOn: false in kubelet's config.yaml if swap is wanted."}
	reasonNoSwaps  = &health.Reason{Name: "NotRead", Fix: "The message says why /proc/swaps could not be read."}
	clockCondition = &health.Condition{
		Name: "Clock", Help: "The clock is set by a time service and near the true time.", Impact: health.Degraded,
		Reasons: []*health.Reason{reasonUnsynchronised, reasonSourceLost, reasonOffset, reasonClockUnread},
	}
	inotifyCondition = &health.Condition{
		Name: "Inotify", Help: "There are inotify instances left for what starts next.", Impact: health.Degraded,
		Reasons: []*health.Reason{reasonInotifyUsedUp, reasonInotifyFew, reasonInotifyUnread},
	}
	filesystemsCondition = &health.Condition{
		Name: "Filesystems", Help: "The file systems of etcd, kubelet, logs and the agent take writes and have free space and inodes.", Impact: health.Degraded, Max: 8,
		Reasons: []*health.Reason{reasonReadOnly, reasonSpace, reasonInodes, reasonHung, reasonUnread},
	}
	kernelCondition = &health.Condition{
		Name: "Kernel", Help: "The kernel has the settings and modules that this node's parts need.", Impact: health.Degraded, Max: 16,
		Reasons: []*health.Reason{reasonSysctl, reasonModule, reasonModules, reasonUnread},
	}
	swapCondition = &health.Condition{
		Name: "Swap", Help: "There is no swap where kubelet forbids it.", Impact: health.Degraded,
		Reasons: []*health.Reason{reasonSwapOn, reasonNoSwaps},
	}
)

// Conditions of the machine, in the order in which they are shown.
func Conditions() []*health.Condition {
	return []*health.Condition{clockCondition, filesystemsCondition, inotifyCondition, kernelCondition, swapCondition}
}

func failing(r *health.Reason, message string, evidence ...health.Pair) health.Finding {
	return health.Finding{Status: health.Failing, Reason: r, Message: message, Evidence: evidence}
}

func unknown(r *health.Reason, err error) health.Finding {
	return health.Finding{Status: health.Unknown, Reason: r, Message: err.Error()}
}

func fine(message string, evidence ...health.Pair) health.Finding {
	return health.Finding{Status: health.OK, Message: message, Evidence: evidence}
}
