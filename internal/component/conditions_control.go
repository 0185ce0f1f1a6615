package component

import "nodeagent/internal/health"

// newControllerReasons are the reasons of a scheduler or controller-manager.
func newControllerReasons(program string) controllerReasons {
	logs := "`crictl ps -a --name " + program + "` and `crictl logs ID` tell why"
	return controllerReasons{
		reachReasons: reachReasons{
			down:         &health.Reason{Name: "Down", Fix: logs + "; with no container at all, see that kubelet runs and read `journalctl -u kubelet`."},
			notListening: &health.Reason{Name: "NotListening", Fix: "It has just started, or can't get its port: " + logs + "."},
			hung:         &health.Reason{Name: "Hung", Fix: "A process in state T wants `kill -CONT PID`, one in state D waits for a disk; else restart it: move its manifest out of the folder and back."},
			unreachable:  &health.Reason{Name: "Unreachable", Fix: "See that the address is on an interface (`ip address`) and that no firewall rule drops the port (`nft list ruleset`)."},
			odd:          &health.Reason{Name: "OddAnswer", Fix: "Something else may listen there: `ss -ltnp` shows which process has the port; compare with --secure-port of the manifest."},
		},
		check: &health.Reason{Name: "CheckFailed", Fix: "The message names the check that fails. leaderElection: it can't renew its lease, so look at the apiserver it talks to; else " + logs + "."},
	}
}

func (r controllerReasons) all() []*health.Reason {
	return []*health.Reason{r.down, r.notListening, r.hung, r.unreachable, r.check, r.odd, unread}
}

var (
	schedulerReasons = newControllerReasons(nameScheduler)
	managerReasons   = newControllerReasons(nameController)
)

// Scheduler is about this node's own kube-scheduler.
var Scheduler = &health.Condition{
	Name: "Scheduler", Help: "This node's kube-scheduler answers and is well.", Impact: health.Degraded, Reasons: schedulerReasons.all(),
}

// ControllerManager is about this node's own kube-controller-manager.
var ControllerManager = &health.Condition{
	Name: "ControllerManager", Help: "This node's kube-controller-manager answers and is well.", Impact: health.Degraded, Reasons: managerReasons.all(),
}
