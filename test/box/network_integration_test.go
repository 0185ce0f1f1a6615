//go:build integration

package box

import (
	"testing"
	"time"
)

// networkChecks are what Flannel's and keepalived's suites (internal/netcheck, test/vip) promise, played against the installed unit, whose sandbox
// they don't have. Each finds it on a healthy node and leaves it healthy. What waits for an old flanneld is last.
var networkChecks = []check{
	{"flannel is judged", overlayJudged, broken{unitFile, `^CapabilityBoundingSet=.*`, "CapabilityBoundingSet=CAP_NET_ADMIN"}},
	{"VRRP is told and heard", vrrpSeen, broken{unitFile, `^RestrictAddressFamilies=.*`, "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK"}},
	{"VIP follows the verdict", vipFollows, broken{unitFile, `^UMask=`, "ReadOnlyPaths=/run/nodeagent\nUMask="}},
	{"flannel is mended", overlayMended, broken{unitFile, `^CapabilityBoundingSet=.*`, "CapabilityBoundingSet=CAP_NET_RAW"}},
}

// TestNetwork installs the .deb on a node with Flannel's devices, keepalived, and a neighbour that has both too.
func TestNetwork(t *testing.T) {
	t.Parallel()
	n := boot(t, "network")
	n.copy("testdata/containerd.toml", "/etc/containerd/config.toml", 0o644)
	n.flannel()
	n.sh("systemctl start containerd.service")
	n.vrrp()
	deb := thisTree(t).plain
	n.sh("dpkg -i " + n.give(deb))
	for _, c := range networkChecks {
		t.Run(c.name, func(t *testing.T) {
			n := n.in(t)
			n.settled()
			if err := c.do(n); err != nil {
				t.Fatalf("%v\n%s", err, n.sh("nodeagent vip; nodeagent net; nodeagent repair plan; journalctl --no-pager -u nodeagent.service -u keepalived.service -u rival.service | tail -40"))
			}
		})
	}
	if err := n.denied(); err != nil {
		t.Error(err)
	}
	for _, c := range networkChecks {
		t.Run("broken/"+c.name, func(t *testing.T) {
			n := n.in(t)
			n.sh("dpkg -P nodeagent; journalctl --rotate --vacuum-time=1s -q; dpkg -i " + n.give(breakDeb(t, deb, c.broken)))
			n.settled()
			n.patience = forTheWorse
			if err := c.do(n); err == nil {
				t.Errorf("nothing wrong is seen of a package with %s: %q", c.broken.file, c.broken.write)
			} else {
				t.Log(err)
			}
		})
	}
}

// flannel makes an overlay to the neighbour.
func (n node) flannel() {
	n.t.Helper()
	n.copy("testdata/flannel.sh", "/root/flannel.sh", 0o644)
	n.sh("mkdir -p /etc/cni/net.d; . /root/flannel.sh")
}

// vrrp lays keepalived's configuration, for this node and for its neighbour, and the policy that the verdict has: this node has no balancer and no
// apiserver.
func (n node) vrrp() {
	n.t.Helper()
	n.copy("testdata/keepalived.conf", "/etc/keepalived/keepalived.conf", 0o644)
	n.copy("testdata/rival.conf", "/etc/rival.conf", 0o644)
	n.put("/etc/nodeagent/config.d/80-vip.yaml", []byte("keepalive: {policies: {vip: {counts: {RuntimeResponsive: {weight: -60}}, rise: 100ms}}}\n"), 0o640)
}

// holds are the words for a node that has the VIP, and for its neighbour's that it has it.
const (
	holds      = `ip address show dev node0 | grep -q 192.0.2.100`
	rivalHolds = `ip -n peer address show dev wire | grep -q 192.0.2.100`
	startRival = `systemctl --quiet is-active rival || systemd-run --quiet --unit=rival --property=NetworkNamespacePath=/run/netns/peer /usr/sbin/keepalived --dont-fork --vrrp --use-file=/etc/rival.conf --pid=/run/rival.pid --vrrp_pid=/run/rival-vrrp.pid`
)

// settled puts Flannel's entries as flanneld does at its start, and starts keepalived on both nodes anew.
func (n node) settled() {
	n.t.Helper()
	n.sh(`ip link set flannel.1 up; ip neighbour replace 10.244.2.0 lladdr 0a:00:00:00:02:02 dev flannel.1 nud permanent; ip route replace 10.244.2.0/24 via 10.244.2.0 dev flannel.1 onlink
		` + startRival + `; systemctl restart keepalived`)
}

// overlayJudged: each kind of look at the overlay is allowed: dumps, probes, nftables' rules.
func overlayJudged(n node) error {
	return n.until(`for c in FlannelConfig FlannelDevice FlannelPeers FlannelReachable NetworkFilter NetworkSysctls; do nodeagent check $c || exit 1; done`)
}

// overlayMended: what is broken in the kernel is seen, and put back once a person has allowed it.
func overlayMended(n node) error {
	defer n.try("rm -f /etc/nodeagent/config.d/90-test.yaml; systemctl reload nodeagent")
	if err := n.until(`nodeagent check FlannelReachable 10.244.2.0/24`); err != nil { // a peer that never answered is left alone
		return err
	}
	n.sh("ip neighbour delete 10.244.2.0 dev flannel.1")
	// flanneld has to be half a minute old before anything of its is touched.
	if err := n.within(2 * n.patience).until(`nodeagent check FlannelPeers && exit 1 || [ $? = 1 ]; nodeagent repair plan -o json | grep -q 'dry-run: would have been done'`); err != nil {
		return err
	}
	n.sh("echo 'repair: {mode: on}' >/etc/nodeagent/config.d/90-test.yaml; systemctl reload nodeagent")
	const well = `ip neighbour show dev flannel.1 | grep -q '^10.244.2.0 .*PERMANENT'; ip route show dev flannel.1 | grep -q '^10.244.2.0/24 via'; nodeagent check FlannelPeers; nodeagent check FlannelDevice`
	if err := n.until(well); err != nil {
		return err
	}
	n.sh("ip link set flannel.1 down")
	return n.until(well + `; nodeagent check FlannelReachable`)
}

// vrrpSeen: what keepalived writes into the FIFO, and what is on the wire.
func vrrpSeen(n node) error {
	return n.until(holds + `; nodeagent check Keepalived; nodeagent check VRRP; nodeagent check VRRPWire; nodeagent vip | grep -q '^MASTER  *VI_1'`)
}

// vipFollows: keepalived reads the verdict in the file, and runs the check; the VIP goes to the neighbour and comes back, and the agent is told.
func vipFollows(n node) error {
	n = n.within(max(n.patience, 10*time.Second)) // a good one takes 4 s
	if err := n.until(holds + "; /usr/libexec/nodeagent/nodeagent-check vip"); err != nil {
		return err
	}
	n.sh("nodeagent maintenance start --for 1h --force")
	defer n.try("nodeagent maintenance stop")
	if err := n.until(rivalHolds + `; nodeagent vip | grep -q '^BACKUP  *VI_1'`); err != nil {
		return err
	}
	n.sh("nodeagent maintenance stop")
	if err := n.until(holds + `; nodeagent vip | grep -q '^MASTER  *VI_1'`); err != nil {
		return err
	}
	// A script that keepalived switched off counts as well.
	return n.expect("journalctl --no-pager -o cat -u keepalived >/run/said; not grep -i -e disabl -e unsafe /run/said")
}
