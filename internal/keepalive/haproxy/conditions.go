package haproxy

import "nodeagent/internal/health"

// Reasons of the conditions of this package.
var (
	reasonDown = &health.Reason{Name: "Down", Fix: "`systemctl status haproxy` and `journalctl -u haproxy -n 50` tell why it ended, `haproxy -c -f /etc/haproxy/haproxy.cfg` whether its " +
		"configuration is good; `systemctl restart haproxy` starts it. Where it is a static pod, see `nodeagent status`."}
	reasonNotListening = &health.Reason{Name: "NotListening", Fix: "The running HAProxy does not listen on every port of its configuration: `haproxy -c -f FILE`, then `systemctl reload haproxy`; " +
		"`ss -ltnp` shows who holds a port. An address that this node lacks needs net.ipv4.ip_nonlocal_bind=1."}
	reasonHung = &health.Reason{Name: "Hung", Fix: "It takes connections and does not answer: `ps -o pid,stat,wchan:32 -C haproxy` (T wants `kill -CONT PID`, D waits for the kernel), " +
		"then `systemctl restart haproxy`."}
	reasonNoLiveBackend = &health.Reason{Name: "NoLiveBackend", Fix: "Every server of the backend fails HAProxy's check: look at the apiservers first (`nodeagent status`, `crictl ps -a --name kube-apiserver`), " +
		"then at the network between this node and them. The evidence has each server's last check."}
	reasonDeadlock = &health.Reason{Name: "KubeletDeadlock", Fix: "The kubelet here reaches its apiserver only through this balancer, which has no live one; if it restarts now it waits for ever and starts no static pods " +
		"(kubernetes#99602). Don't restart it. Bring back one apiserver, or set `server:` in /etc/kubernetes/kubelet.conf to a live apiserver's own address and only then restart the kubelet."}
	reasonSocketDenied = &health.Reason{Name: "SocketDenied", Fix: "Run the agent as root or in the socket's group, and give the socket at least `level user`: `stats socket PATH mode 660 level user` in the global section."}
	reasonSocketError  = &health.Reason{Name: "SocketError", Fix: "The message is the runtime socket's own. `echo 'show info' | socat - UNIX-CONNECT:PATH` asks the same by hand."}
	reasonForeign      = &health.Reason{Name: "PortHeldByAnother", Fix: "No HAProxy was seen and yet its ports are listened on: `ss -ltnp` shows by whom. If it is another balancer, take away haproxy.cfg " +
		"or set conditions.HAProxy.enabled to false."}
	reasonUnreadable = &health.Reason{Name: "Unreadable", Fix: "Give the agent what the message names: root, CAP_SYS_PTRACE for processes of pods, CAP_DAC_READ_SEARCH for the configuration."}

	reasonServerDown = &health.Reason{Name: "ServerDown", Fix: "This server fails HAProxy's check: see it on its own node. The evidence has the check's result."}
	reasonNotChecked = &health.Reason{Name: "NotChecked", Fix: "HAProxy sends it connections whether it lives or not: add `check` to its server line (see `nodeagent vip config`)."}
	reasonNoSocket   = &health.Reason{Name: "NoSocket", Fix: "Add `stats socket /run/haproxy/admin.sock mode 660 level user` to the global section of haproxy.cfg and reload, so that servers can be seen."}
)

// HAProxy is the balancer of this node. Its subject "" is HAProxy itself, the others are backends whose servers it checks. Only the reason
// Down says that it is positively dead.
var HAProxy = &health.Condition{
	Name:   "HAProxy",
	Help:   "HAProxy runs, listens on its ports and has a live server in each checked backend.",
	Impact: health.Critical,
	Max:    20,
	Reasons: []*health.Reason{
		reasonDown, reasonNotListening, reasonHung, reasonNoLiveBackend, reasonDeadlock, reasonSocketDenied, reasonSocketError, reasonForeign, reasonUnreadable,
	},
}

// Servers are the servers behind the balancer, one subject each (backend/server). It is no matter of this node's fitness: a dead
// apiserver is down in the balancer of every node.
var Servers = &health.Condition{
	Name:    "HAProxyServers",
	Help:    "Every server behind HAProxy passes its check.",
	Impact:  health.Notice,
	Max:     50,
	Reasons: []*health.Reason{reasonServerDown, reasonNotChecked, reasonNoSocket, reasonDown, reasonHung, reasonSocketDenied, reasonSocketError, reasonForeign, reasonUnreadable},
}

// Conditions are what this package publishes.
func Conditions() []*health.Condition { return []*health.Condition{HAProxy, Servers} }
