//go:build integration

package profiles

import (
	"testing"
	"time"

	"nodeagent/internal/lab/boxtest"
)

// networkChecks are what Flannel's and keepalived's suites (internal/netcheck, test/vip) promise, played against the installed unit, whose sandbox
// they don't have. Each finds it on a healthy node and leaves it healthy. What waits for an old flanneld is last.
var networkChecks = []boxtest.Check{
	boxtest.NewCheck("flannel is judged", overlayJudged, boxtest.Break(boxtest.UnitFile, `^CapabilityBoundingSet=.*`, "CapabilityBoundingSet=CAP_NET_ADMIN")),
	boxtest.NewCheck("VRRP is told and heard", vrrpSeen, boxtest.Break(boxtest.UnitFile, `^RestrictAddressFamilies=.*`, "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK")),
	boxtest.NewCheck("VIP follows the verdict", vipFollows, boxtest.Break(boxtest.UnitFile, `^UMask=`, "ReadOnlyPaths=/run/nodeagent\nUMask=")),
	boxtest.NewCheck("flannel is mended", overlayMended, boxtest.Break(boxtest.UnitFile, `^CapabilityBoundingSet=.*`, "CapabilityBoundingSet=CAP_NET_RAW")),
}

// TestNetwork installs the .deb on a node with Flannel's devices, keepalived, and a neighbour that has both too.
func TestNetwork(t *testing.T) {
	t.Parallel()
	n := boxtest.Boot(t, "network")
	n.Containerd()
	n.Flannel()
	n.Sh("systemctl start containerd.service")
	n.VRRP()
	deb := boxtest.ThisTree(t).Plain
	n.Sh("dpkg -i " + n.Give(deb))
	for _, c := range networkChecks {
		t.Run(c.Name, func(t *testing.T) {
			n := n.In(t)
			n.Settle()
			if err := c.Do(n); err != nil {
				t.Fatalf("%v\n%s", err, n.Sh("nodeagent vip; nodeagent net; nodeagent repair plan; journalctl --no-pager -u nodeagent.service -u keepalived.service -u rival.service | tail -40"))
			}
		})
	}
	if err := n.Denied(); err != nil {
		t.Error(err)
	}
	for _, c := range networkChecks {
		t.Run("broken/"+c.Name, func(t *testing.T) {
			n := n.In(t)
			n.Sh("dpkg -P nodeagent; journalctl --rotate --vacuum-time=1s -q; dpkg -i " + n.Give(boxtest.BreakDeb(t, deb, c.Broken)))
			n.Settle()
			n.Patience = boxtest.ForTheWorse
			if err := c.Do(n); err == nil {
				t.Errorf("nothing wrong is seen of a package with %s: %q", c.Broken.File, c.Broken.Write)
			} else {
				t.Log(err)
			}
		})
	}
}

// overlayJudged: each kind of look at the overlay is allowed: dumps, probes, nftables' rules.
func overlayJudged(n boxtest.Node) error {
	return n.Until(`for c in FlannelConfig FlannelDevice FlannelPeers FlannelReachable NetworkFilter NetworkSysctls; do nodeagent check $c || exit 1; done`)
}

// overlayMended: what is broken in the kernel is seen, and put back once a person has allowed it.
func overlayMended(n boxtest.Node) error {
	defer n.Try("rm -f /etc/nodeagent/config.d/90-test.yaml; systemctl reload nodeagent")
	if err := n.Until(`nodeagent check FlannelReachable 10.244.2.0/24`); err != nil { // a peer that never answered is left alone
		return err
	}
	n.Sh("ip neighbour delete 10.244.2.0 dev flannel.1")
	// flanneld has to be half a minute old before anything of its is touched.
	if err := n.Within(2 * n.Patience).Until(`nodeagent check FlannelPeers && exit 1 || [ $? = 1 ]; nodeagent repair plan -o json | grep -q 'dry-run: would have been done'`); err != nil {
		return err
	}
	n.Sh("echo 'repair: {mode: on}' >/etc/nodeagent/config.d/90-test.yaml; systemctl reload nodeagent")
	const well = `ip neighbour show dev flannel.1 | grep -q '^10.244.2.0 .*PERMANENT'; ip route show dev flannel.1 | grep -q '^10.244.2.0/24 via'; nodeagent check FlannelPeers; nodeagent check FlannelDevice`
	if err := n.Until(well); err != nil {
		return err
	}
	n.Sh("ip link set flannel.1 down")
	return n.Until(well + `; nodeagent check FlannelReachable`)
}

// vrrpSeen: what keepalived writes into the FIFO, and what is on the wire.
func vrrpSeen(n boxtest.Node) error {
	return n.Until(boxtest.Holds + `; nodeagent check Keepalived; nodeagent check VRRP; nodeagent check VRRPWire; nodeagent vip | grep -q '^MASTER  *VI_1'`)
}

// vipFollows: keepalived reads the verdict in the file, and runs the check; the VIP goes to the neighbour and comes back, and the agent is told.
func vipFollows(n boxtest.Node) error {
	n = n.Within(max(n.Patience, 10*time.Second)) // a good one takes 4 s
	if err := n.Until(boxtest.Holds + "; /usr/libexec/nodeagent/nodeagent-check vip"); err != nil {
		return err
	}
	n.Sh("nodeagent maintenance start --for 1h --force")
	defer n.Try("nodeagent maintenance stop")
	if err := n.Until(boxtest.RivalHolds + `; nodeagent vip | grep -q '^BACKUP  *VI_1'`); err != nil {
		return err
	}
	n.Sh("nodeagent maintenance stop")
	if err := n.Until(boxtest.Holds + `; nodeagent vip | grep -q '^MASTER  *VI_1'`); err != nil {
		return err
	}
	// A script that keepalived switched off counts as well.
	return n.Expect("journalctl --no-pager -o cat -u keepalived >/run/said; not grep -i -e disabl -e unsafe /run/said")
}
