package component

import "nodeagent/internal/health"

const etcdLogs = "`crictl ps -a --name etcd` and `crictl logs ID` (or `journalctl -u etcd`) tell why"

// Reasons of Etcd.
var (
	etcdDown         = &health.Reason{Name: "Down", Fix: etcdLogs + ": a full disk, a changed address, a broken database. With no container at all, see that kubelet runs and read `journalctl -u kubelet`."}
	etcdNotListening = &health.Reason{Name: "NotListening", Fix: "It has just started and reads its log, which takes long on a slow disk, or can't get its port: " + etcdLogs + "."}
	etcdHung         = &health.Reason{Name: "Hung", Fix: "A process in state T wants `kill -CONT PID`, one in state D waits for its disk: `dmesg` and `iostat -x 1` show which. Else restart it: move its manifest out of the folder and back."}
	etcdUnreachable  = &health.Reason{Name: "Unreachable", Fix: "See that the address is on an interface (`ip address`) and that no firewall rule drops the port (`nft list ruleset`)."}
	etcdOdd          = &health.Reason{Name: "OddAnswer", Fix: "Something else may listen there: `ss -ltnp` shows which process has the port; compare with --listen-metrics-urls and --listen-client-urls of its manifest."}
	etcdNoLeader     = &health.Reason{Name: "NoLeader", Fix: "Nothing can be written until more than half of the members see each other: bring the others back (EtcdCluster names them) and see that port 2380 is open between the nodes. If they are lost for good: `etcdctl snapshot save`, then a new cluster with --force-new-cluster."}
	etcdStalled      = &health.Reason{Name: "Stalled", Fix: "It has a leader and commits nothing: its disk hangs or is far too slow (condition EtcdDisk, `iostat -x 1`), or the others do not answer (EtcdCluster)."}
	etcdNoSpace      = &health.Reason{Name: "NoSpace", Fix: "The database is at its quota and takes no writes: `etcdctl compact REVISION`, `etcdctl defrag`, then `etcdctl alarm disarm`; see what fills it (events?), and raise --quota-backend-bytes (up to 8 GiB) if it is right so."}
	etcdCorrupt      = &health.Reason{Name: "Corrupt", Fix: "A member's data differs from the others': `etcdctl alarm list` names it. Take a snapshot of a good one, remove the bad member, empty its data folder, and add it again."}
	etcdCertificate  = &health.Reason{Name: "BadCertificate", Fix: "`kubeadm certs check-expiration` lists them; `kubeadm certs renew etcd-server etcd-healthcheck-client` makes new ones; then restart etcd. A foreign CA: compare /etc/kubernetes/pki/etcd/ca.crt with that of another control plane."}
)

// Etcd is about this node's own member.
var Etcd = &health.Condition{
	Name: "Etcd", Help: "This node's etcd member answers, has a leader, and takes writes.", Impact: health.Critical,
	Reasons: []*health.Reason{etcdDown, etcdNotListening, etcdHung, etcdUnreachable, etcdNoLeader, etcdStalled, etcdNoSpace, etcdCorrupt, etcdCertificate, etcdOdd, unread},
}

// Reasons of EtcdCluster.
var (
	memberAway     = &health.Reason{Name: "MemberAway", Fix: "Look at etcd on that node (`nodeagent status` there), and at port 2380 between the two. If it is gone for good: `etcdctl member remove ID`, before a new one is added."}
	memberNew      = &health.Reason{Name: "NotStarted", Fix: "It was added and has never started: start etcd there with --initial-cluster-state=existing, or `etcdctl member remove ID`."}
	leaderFlaps    = &health.Reason{Name: "LeaderChanges", Fix: "Heartbeats come too late: look at the disks (condition EtcdDisk on each member), at CPU, and at the network between the members; over long distances raise --heartbeat-interval and --election-timeout."}
	membersUnknown = &health.Reason{Name: "MembersUnknown", Fix: "The message tells why the member was not asked: the agent needs /etc/kubernetes/pki/etcd/healthcheck-client.crt and .key, which kubeadm makes, and the right to read them."}
)

// EtcdCluster is one subject a member, as this node's member sees them, and one for the leader.
var EtcdCluster = &health.Condition{
	Name: "EtcdCluster", Help: "This node's etcd member sees every other member, and the leader stays.", Impact: health.Degraded, Max: 16,
	Reasons: []*health.Reason{memberAway, memberNew, leaderFlaps, membersUnknown, unread},
}

// Reasons of EtcdDisk.
var (
	slowFsync  = &health.Reason{Name: "SlowFsync", Fix: "The disk under etcd's data folder is slow: `iostat -x 1` shows who else uses it; give etcd a disk of its own, an SSD with power-loss protection. Elections and lost leases follow if it gets worse."}
	slowCommit = &health.Reason{Name: "SlowCommit", Fix: "Writing the database is slow: as SlowFsync; a database that has much free space in it wants `etcdctl defrag`, one member after the other."}
	nearQuota  = &health.Reason{Name: "NearQuota", Fix: "At the quota the cluster takes no more writes: see that the apiserver compacts (--etcd-compaction-interval), `etcdctl defrag` one member after the other if much is free in it, or raise --quota-backend-bytes (up to 8 GiB)."}
)

// EtcdDisk is an early warning: subjects fsync, commit and size.
var EtcdDisk = &health.Condition{
	Name: "EtcdDisk", Help: "etcd's disk is fast enough, and its database is far from its quota.", Impact: health.Degraded, Max: 3,
	Reasons: []*health.Reason{slowFsync, slowCommit, nearQuota, unread},
}
