package boxtest

// Flannel makes an overlay to the neighbour.
func (n Node) Flannel() {
	n.T.Helper()
	n.lay("flannel.sh", "/root/flannel.sh")
	n.Sh("mkdir -p /etc/cni/net.d; . /root/flannel.sh")
}

// VRRP lays keepalived's configuration, for this node and for its neighbour, and the policy that the verdict has: this node has no balancer and no
// apiserver.
func (n Node) VRRP() {
	n.T.Helper()
	n.lay("keepalived.conf", "/etc/keepalived/keepalived.conf")
	n.lay("rival.conf", "/etc/rival.conf")
	n.Put("/etc/nodeagent/config.d/80-vip.yaml", []byte("keepalive: {policies: {vip: {counts: {RuntimeResponsive: {weight: -60}}, rise: 100ms}}}\n"), 0o640)
}

// Holds and RivalHolds are the words for a node that has the VIP, and for its neighbour's that it has it.
const (
	Holds      = `ip address show dev node0 | grep -q 192.0.2.100`
	RivalHolds = `ip -n peer address show dev wire | grep -q 192.0.2.100`
	startRival = `systemctl --quiet is-active rival || systemd-run --quiet --unit=rival --property=NetworkNamespacePath=/run/netns/peer /usr/sbin/keepalived --dont-fork --vrrp --use-file=/etc/rival.conf --pid=/run/rival.pid --vrrp_pid=/run/rival-vrrp.pid`
)

// Settle puts Flannel's entries as flanneld does at its start, and starts keepalived on both nodes anew.
func (n Node) Settle() {
	n.T.Helper()
	n.Sh(`ip link set flannel.1 up; ip neighbour replace 10.244.2.0 lladdr 0a:00:00:00:02:02 dev flannel.1 nud permanent; ip route replace 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
		` + startRival + `; systemctl restart keepalived`)
}
