//go:build integration

package box

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"nodeagent/internal/lab/boxtest"
)

// step is something that happens to a package over its life. It starts on a node that never had it.
type step struct {
	name   string
	do     func(n boxtest.Node, deb string) error
	broken []boxtest.Broken // packages that it has to refuse
}

const (
	postinst = "DEBIAN/postinst"
	prerm    = "DEBIAN/prerm"
	postrm   = "DEBIAN/postrm"
)

// TestUpgrade, TestEnd and TestFirst take the .deb through its life on nodes that run static pods and keepalived, one each: they wait more than they
// work. The longest is first.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	n := lives(t, "upgrade")
	play(t, n, []step{
		{"upgrade", upgraded, []boxtest.Broken{boxtest.Break(boxtest.UnitFile, `^RuntimeDirectoryPreserve=.*`, ""), boxtest.Break(boxtest.UnitFile, `^KillMode=`, "ExecStopPost=+/bin/sh -c 'pkill -x workload'\nKillMode="),
			boxtest.Break("DEBIAN/conffiles", `.*config.yaml\n`, ""), boxtest.Break(boxtest.UnitFile, `^UMask=`, "ExecStartPre=/bin/sleep 9\nUMask=")}},
	})
}

func TestEnd(t *testing.T) {
	boxtest.Beside(t)
	n := lives(t, "end")
	play(t, n, []step{
		{"downgrade", downgraded, []boxtest.Broken{boxtest.Break(postinst, `nodeagent config check`, "true")}},
		{"remove", removed, []boxtest.Broken{boxtest.Break(prerm, ` /etc/keepalived `, " /etc/nothing "), boxtest.Break(prerm, `deb-systemd-invoke stop`, "true"), boxtest.Break(postrm, `^remove\)`, "remove) rm -rf /var/lib/nodeagent")}},
		{"hung", stuck, []boxtest.Broken{boxtest.Break(boxtest.UnitFile, `^TimeoutStopSec=.*`, "TimeoutStopSec=5min"), boxtest.Break(postrm, `systemctl reset-failed`, "true")}},
		{"purge", purged, []boxtest.Broken{boxtest.Break(postrm, `deb-systemd-helper purge`, "true"), boxtest.Break(postrm, `^	rm -f /etc/systemd`, "	true"), boxtest.Break(postrm, `groupdel`, "true"), boxtest.Break(postrm, `rm -rf --one-file-system /var/lib`, "true")}},
		{"purge spares", spared, []boxtest.Broken{boxtest.Break(postrm, `grep -q ' /var/lib/nodeagent/' /proc/self/mountinfo`, "false"), boxtest.Break(postrm, `for dir in .*`, "rm -rf /etc/nodeagent; for dir in x; do")}},
	})
}

func TestFirst(t *testing.T) {
	boxtest.Beside(t)
	n := lives(t, "first")
	play(t, n, []step{
		{"no systemd there", offline, []boxtest.Broken{boxtest.Break(postinst, `systemd-sysusers nodeagent.conf.*`, "systemd-sysusers nodeagent.conf")}},
		{"policy-rc.d", policy, []boxtest.Broken{boxtest.Break(postinst, `deb-systemd-invoke`, "systemctl")}},
		{"masked", masked, []boxtest.Broken{boxtest.Break(postinst, `deb-systemd-helper unmask`, "systemctl unmask")}},
		{"disabled", disabled, []boxtest.Broken{boxtest.Break(postinst, `if deb-systemd-helper --quiet was-enabled`, "if systemctl enable --now")}},
		{"refused upgrade", refused, []boxtest.Broken{boxtest.Break(postinst, `nodeagent config check`, "true")}},
	})
	t.Run("reboot", func(t *testing.T) { rebooted(n.In(t), boxtest.ThisTree(t).Plain) })
}

// lives is a node for a package to live on.
func lives(t *testing.T, how string) boxtest.Node {
	t.Helper()
	n := boxtest.Boot(t, "life"+how)
	n.Containerd()
	n.CNI()
	n.Flannel()
	n.Sh("systemctl start containerd.service && ctr --namespace k8s.io images import " + n.Give(boxtest.ImageArchive(t)))
	return n
}

// play takes the steps with the package, and each with every broken one too, which it has to refuse.
func play(t *testing.T, n boxtest.Node, steps []step) {
	t.Helper()
	deb := boxtest.ThisTree(t).Plain
	for _, s := range steps {
		s.play(t, n, deb)
	}
}

func (s step) play(t *testing.T, n boxtest.Node, deb string) {
	t.Run(s.name, func(t *testing.T) {
		n := n.In(t)
		fresh(n)
		if err := s.do(n, deb); err != nil {
			t.Fatalf("%v\n%s", err, n.Sh("journalctl --no-pager -u nodeagent.service | tail -30"))
		}
	})
	for i, b := range s.broken {
		t.Run(fmt.Sprintf("broken/%s/%d", s.name, i+1), func(t *testing.T) {
			n := n.In(t)
			n.Patience = boxtest.ForTheWorse
			fresh(n)
			if err := s.do(n, boxtest.BreakDeb(t, deb, b)); err == nil {
				t.Errorf("nothing wrong is seen of a package with %s: %q", b.File, b.Write)
			} else {
				t.Log(err)
			}
		})
	}
}

// fresh is a node that never had the package, whatever the step before left.
func fresh(n boxtest.Node) {
	n.T.Helper()
	n.Sh(`rm -f /usr/sbin/policy-rc.d; systemctl stop keepalived rival 2>/dev/null || true; umount /var/lib/nodeagent/mounted 2>/dev/null || true
		dpkg -s nodeagent >/dev/null 2>&1 && dpkg -P --force-all nodeagent || true
		systemctl --quiet is-active nodeagent && systemctl kill -s KILL nodeagent || true
		for c in $(ctr --namespace k8s.io tasks list --quiet); do ctr --namespace k8s.io tasks kill --signal KILL $c; done
		for dir in $(awk '$5 ~ "^/var/lib/nodeagent/" {print $5}' /proc/self/mountinfo); do umount -l $dir; done
		rm -rf /etc/nodeagent /var/lib/nodeagent /run/nodeagent /etc/keepalived /etc/systemd/system/nodeagent.service* /etc/systemd/system/*/nodeagent.service /var/lib/systemd/deb-systemd-helper-*/nodeagent*
		getent group nodeagent >/dev/null && groupdel nodeagent || true
		mkdir -p /etc/keepalived; systemctl daemon-reload; systemctl reset-failed`)
}

// install gives what dpkg said. An edited file stays, as with apt and nobody to ask.
func install(n boxtest.Node, deb string) (string, error) {
	return n.Try("dpkg --force-confold --force-downgrade -i " + n.Give(deb))
}

// offline: an image is made in a chroot, in which nothing runs, there is no /proc, and not all of systemd's programs.
func offline(n boxtest.Node, deb string) error {
	n.Sh(`rm -rf /root/image; mkdir -p /root/image/run /root/image/proc /root/image/dev; cp -a /bin /sbin /lib* /usr /etc /root/image/; mkdir -p /root/image/var/lib; cp -a /var/lib/dpkg /root/image/var/lib/
		mknod -m 666 /root/image/dev/null c 1 3; rm -f /root/image/usr/bin/systemd-sysusers /root/image/bin/systemd-sysusers`)
	defer n.Try("rm -rf /root/image")
	in := "/root/image"
	for range 2 { // the install, and an upgrade
		if _, err := n.Try("dpkg --root=" + in + " -i " + n.Give(deb) + " >/run/said 2>&1 || { cat /run/said; exit 1; }; not grep -i -e 'not run' -e 'fail' /run/said"); err != nil {
			return err
		}
	}
	if err := n.Expect("chroot " + in + " getent group nodeagent; [ -L " + in + "/etc/systemd/system/multi-user.target.wants/nodeagent.service ]"); err != nil {
		return err
	}
	return n.Expect("dpkg --root=" + in + " -P nodeagent >/run/said 2>&1; not [ -e " + in + "/etc/nodeagent ]; not [ -L " + in + "/etc/systemd/system/multi-user.target.wants/nodeagent.service ]")
}

// policy: an administrator's "start nothing" holds, and the unit is enabled for the next boot.
func policy(n boxtest.Node, deb string) error {
	n.Sh(`printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d`)
	if _, err := install(n, deb); err != nil {
		return err
	}
	return n.Expect("systemctl --quiet is-enabled nodeagent; not systemctl --quiet is-active nodeagent")
}

func masked(n boxtest.Node, deb string) error {
	n.Sh("systemctl mask nodeagent.service")
	for range 2 { // the install, and an upgrade
		if _, err := install(n, deb); err != nil {
			return err
		}
		if err := n.Expect(`[ "$(systemctl is-enabled nodeagent)" = masked ]; not systemctl --quiet is-active nodeagent`); err != nil {
			return err
		}
	}
	return nil
}

func disabled(n boxtest.Node, deb string) error {
	if _, err := install(n, deb); err != nil {
		return err
	}
	n.Sh("systemctl disable --now nodeagent.service")
	if _, err := install(n, deb); err != nil {
		return err
	}
	return n.Expect(`[ "$(systemctl is-enabled nodeagent)" = disabled ]; not systemctl --quiet is-active nodeagent`)
}

// keeps installs a package over a running agent and wants the old process to run on, with the reason said.
func keeps(n boxtest.Node, deb, why string) error {
	before := n.Sh("systemctl show -P MainPID nodeagent")
	said, err := install(n, deb)
	if err != nil {
		return err
	}
	if !strings.Contains(said, "THE OLD AGENT RUNS ON") || !strings.Contains(said, why) {
		return fmt.Errorf("it does not say %q: %s", why, said)
	}
	if err := n.Expect("systemctl --quiet is-active nodeagent"); err != nil {
		return err
	}
	if now := n.Sh("systemctl show -P MainPID nodeagent"); now != before {
		return fmt.Errorf("the process was %s and is %s", before, now)
	}
	return nil
}

func refused(n boxtest.Node, deb string) error {
	if _, err := install(n, deb); err != nil {
		return err
	}
	n.Sh("echo 'noSuchKey: 1' >/etc/nodeagent/config.d/90-test.yaml")
	return keeps(n, deb, "noSuchKey")
}

// downgraded: an older agent that meets the state of a newer one changes nothing of it, and ends with 78.
func downgraded(n boxtest.Node, deb string) error {
	if _, err := install(n, deb); err != nil {
		return err
	}
	older := boxtest.BreakDeb(n.T, deb, boxtest.Break("DEBIAN/control", `^Version: .*`, "Version: 0.0.2-1"))
	n.Sh(`echo '{"version":2,"data":{"of":"tomorrow"}}' >/var/lib/nodeagent/future.json`)
	if err := keeps(n, older, "future.json has version 2, this agent reads 1"); err != nil {
		return err
	}
	const sums = `cd /var/lib/nodeagent && find . -type f ! -name lock -exec sha256sum {} + | sort`
	n.Sh("systemctl stop nodeagent")
	before := n.Sh(sums)
	if _, err := n.Try("systemctl start nodeagent"); err == nil {
		return errors.New("the older agent started over a newer one's state")
	}
	if now := n.Sh(sums); now != before {
		return fmt.Errorf("the state was\n%s\nand is\n%s", before, now)
	}
	return n.Expect(`[ "$(systemctl show -P ExecMainStatus nodeagent)" = 78 ]`)
}

// removed: what a person made and what the agent knows stay, and who depends on it is told.
func removed(n boxtest.Node, deb string) error {
	if _, err := install(n, deb); err != nil {
		return err
	}
	n.Sh(`echo 'syncFrequency: 30s' >>/etc/nodeagent/config.yaml; echo '# later' >/etc/nodeagent/manifests/web.yaml
		nodeagent vip config --interface node0 --vrid 77 --vip 192.0.2.100/24 >/etc/keepalived/keepalived.conf`)
	said, err := n.Try("dpkg -r nodeagent")
	if err != nil {
		return err
	}
	for _, want := range []string{"WARNING: keepalived", "/etc/keepalived/keepalived.conf", "WARNING: static pods"} {
		if !strings.Contains(said, want) {
			return fmt.Errorf("it does not say %q: %s", want, said)
		}
	}
	return n.Expect("not systemctl --quiet is-active nodeagent; not [ -e /usr/bin/nodeagent ]; grep -q 30s /etc/nodeagent/config.yaml; [ -e /etc/nodeagent/manifests/web.yaml ]; [ -e /var/lib/nodeagent/instance.json ]")
}

// hang holds the agent so that no signal but SIGKILL moves it, gives its unit a short time to stop in, and keeps the number of its process.
const hang = `d=/etc/systemd/system/nodeagent.service.d; mkdir -p $d; printf '[Service]\nTimeoutStopSec=2\n' >$d/short.conf; systemctl daemon-reload
	rm -f /run/held; systemctl show -P MainPID nodeagent >/run/before; systemd-run --quiet --collect perl /root/hang.pl $(cat /run/before); until [ -e /run/held ]; do sleep 0.1; done
	`

// stuck: an agent that hangs is replaced and removed within its unit's time to stop, and the pod and the VIP do not notice.
func stuck(n boxtest.Node, deb string) error {
	n.Copy("testdata/hang.pl", "/root/hang.pl", 0o644)
	if _, err := install(n, deb); err != nil {
		return err
	}
	if err := n.Expect(`[ "$(systemctl show -P TimeoutStopUSec nodeagent)" = 10s ]; nodeagent setup run`); err != nil {
		return err
	}
	n.Put("/etc/nodeagent/manifests/web.yaml", []byte(manifest), 0o600)
	n.VRRP()
	n.Sh("systemctl restart nodeagent keepalived")
	if err := n.Within(boxtest.Patience).Until(runs + " && " + boxtest.Holds); err != nil {
		return err
	}
	before := n.Sh(containers)
	for _, do := range []string{"dpkg -i " + n.Give(deb) + "; nodeagent status -o json | tr -d ' \n' | grep -q '\"daemon\":true'", "dpkg -r nodeagent; not systemctl --quiet is-failed nodeagent"} {
		if err := n.Expect(hang + "timeout 40 " + do + "; not [ -e /proc/$(cat /run/before) ]"); err != nil {
			return err
		}
	}
	if now := n.Sh(containers); now != before {
		return fmt.Errorf("the containers were\n%s\nand are\n%s", before, now)
	}
	return n.Expect(boxtest.Holds)
}

// purged: nothing of a package that was used is left.
func purged(n boxtest.Node, deb string) error {
	if _, err := install(n, deb); err != nil {
		return err
	}
	if err := n.Expect("nodeagent setup run && nodeagent mute NetworkReady && dpkg -P nodeagent"); err != nil {
		return err
	}
	left, err := n.Try(`find / -xdev -path /host -prune -o -path /var/log -prune -o -path /tmp -prune -o -name '*nodeagent*' -print; find /run -path /run/systemd/propagate -prune -o -name '*nodeagent*' -print | grep -v -e invocation: -e /journal || true
		getent group nodeagent || true`)
	if err == nil && left != "" {
		err = fmt.Errorf("purge left:\n%s", left)
	}
	return err
}

// spared: what is a person's is not purged, nor what is mounted for a pod.
func spared(n boxtest.Node, deb string) error {
	if _, err := install(n, deb); err != nil {
		return err
	}
	n.Sh(`echo '# mine' >/etc/nodeagent/manifests/web.yaml; mkdir -p /srv/data /var/lib/nodeagent/mounted; echo precious >/srv/data/file; mount --bind /srv/data /var/lib/nodeagent/mounted`)
	if _, err := n.Try("dpkg -P nodeagent"); err != nil {
		return err
	}
	return n.Expect("[ -e /etc/nodeagent/manifests/web.yaml ]; [ -e /srv/data/file ]; not [ -e /etc/nodeagent/config.yaml ]")
}
