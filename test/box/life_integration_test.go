//go:build integration

package box

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// step is something that happens to a package over its life. It starts on a node that never had it.
type step struct {
	name   string
	do     func(n node, deb string) error
	broken []broken // packages that it has to refuse
}

const (
	postinst = "DEBIAN/postinst"
	prerm    = "DEBIAN/prerm"
	postrm   = "DEBIAN/postrm"
)

// lives are what happens to the package, on a node each: they wait more than they work.
var lives = map[string][]step{
	"first": {
		{"no systemd there", offline, []broken{{postinst, `systemd-sysusers nodeagent.conf.*`, "systemd-sysusers nodeagent.conf"}}},
		{"policy-rc.d", policy, []broken{{postinst, `deb-systemd-invoke`, "systemctl"}}},
		{"masked", masked, []broken{{postinst, `deb-systemd-helper unmask`, "systemctl unmask"}}},
		{"disabled", disabled, []broken{{postinst, `if deb-systemd-helper --quiet was-enabled`, "if systemctl enable --now"}}},
		{"refused upgrade", refused, []broken{{postinst, `nodeagent config check`, "true"}}},
	},
	"end": {
		{"downgrade", downgraded, []broken{{postinst, `nodeagent config check`, "true"}}},
		{"remove", removed, []broken{{prerm, ` /etc/keepalived `, " /etc/nothing "}, {prerm, `deb-systemd-invoke stop`, "true"}, {postrm, `^remove\)`, "remove) rm -rf /var/lib/nodeagent"}}},
		{"hung", stuck, []broken{{unitFile, `^TimeoutStopSec=.*`, "TimeoutStopSec=5min"}, {postrm, `systemctl reset-failed`, "true"}}},
		{"purge", purged, []broken{{postrm, `deb-systemd-helper purge`, "true"}, {postrm, `^	rm -f /etc/systemd`, "	true"}, {postrm, `groupdel`, "true"}, {postrm, `rm -rf --one-file-system /var/lib`, "true"}}},
		{"purge spares", spared, []broken{{postrm, `grep -q ' /var/lib/nodeagent/' /proc/self/mountinfo`, "false"}, {postrm, `for dir in .*`, "rm -rf /etc/nodeagent; for dir in x; do"}}},
	},
	"upgrade": {
		{"upgrade", upgraded, []broken{{unitFile, `^RuntimeDirectoryPreserve=.*`, ""}, {unitFile, `^KillMode=`, "ExecStopPost=+/bin/sh -c 'pkill -x workload'\nKillMode="},
			{"DEBIAN/conffiles", `.*config.yaml\n`, ""}, {unitFile, `^UMask=`, "ExecStartPre=/bin/sleep 9\nUMask="}}},
	},
}

// TestLife takes the .deb through its life on nodes that run static pods and keepalived.
func TestLife(t *testing.T) {
	t.Parallel()
	deb := thisTree(t).plain
	images := imageArchive(t)
	for name, steps := range lives {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := boot(t, "life"+name)
			n.copy("testdata/containerd.toml", "/etc/containerd/config.toml", 0o644)
			n.copy("testdata/10-box.conflist", "/etc/cni/net.d/10-box.conflist", 0o644)
			n.flannel()
			n.sh("systemctl start containerd.service && ctr --namespace k8s.io images import " + n.give(images))
			for _, s := range steps {
				s.play(n, t, deb)
			}
			if name == "first" {
				t.Run("reboot", func(t *testing.T) { rebooted(n.in(t), deb) })
			}
		})
	}
}

// play takes the step with the package, and with each broken one, which it has to refuse.
func (s step) play(n node, t *testing.T, deb string) {
	t.Run(s.name, func(t *testing.T) {
		n := n.in(t)
		n.fresh()
		if err := s.do(n, deb); err != nil {
			t.Fatalf("%v\n%s", err, n.sh("journalctl --no-pager -u nodeagent.service | tail -30"))
		}
	})
	for i, b := range s.broken {
		t.Run(fmt.Sprintf("broken/%s/%d", s.name, i+1), func(t *testing.T) {
			n := n.in(t)
			n.patience = forTheWorse
			n.fresh()
			if err := s.do(n, breakDeb(t, deb, b)); err == nil {
				t.Errorf("nothing wrong is seen of a package with %s: %q", b.file, b.write)
			} else {
				t.Log(err)
			}
		})
	}
}

// fresh is a node that never had the package, whatever the step before left.
func (n node) fresh() {
	n.t.Helper()
	n.sh(`rm -f /usr/sbin/policy-rc.d; systemctl stop keepalived rival 2>/dev/null || true; umount /var/lib/nodeagent/mounted 2>/dev/null || true
		dpkg -s nodeagent >/dev/null 2>&1 && dpkg -P --force-all nodeagent || true
		systemctl --quiet is-active nodeagent && systemctl kill -s KILL nodeagent || true
		for c in $(ctr --namespace k8s.io tasks list --quiet); do ctr --namespace k8s.io tasks kill --signal KILL $c; done
		for dir in $(awk '$5 ~ "^/var/lib/nodeagent/" {print $5}' /proc/self/mountinfo); do umount -l $dir; done
		rm -rf /etc/nodeagent /var/lib/nodeagent /run/nodeagent /etc/keepalived /etc/systemd/system/nodeagent.service* /etc/systemd/system/*/nodeagent.service /var/lib/systemd/deb-systemd-helper-*/nodeagent*
		getent group nodeagent >/dev/null && groupdel nodeagent || true
		mkdir -p /etc/keepalived; systemctl daemon-reload; systemctl reset-failed`)
}

// install gives what dpkg said. An edited file stays, as with apt and nobody to ask.
func (n node) install(deb string) (string, error) {
	return n.try("dpkg --force-confold --force-downgrade -i " + n.give(deb))
}

func (n node) expect(script string) error {
	_, err := n.try(script)
	return err
}

// offline: an image is made in a chroot, in which nothing runs, there is no /proc, and not all of systemd's programs.
func offline(n node, deb string) error {
	n.sh(`rm -rf /root/image; mkdir -p /root/image/run /root/image/proc /root/image/dev; cp -a /bin /sbin /lib* /usr /etc /root/image/; mkdir -p /root/image/var/lib; cp -a /var/lib/dpkg /root/image/var/lib/
		mknod -m 666 /root/image/dev/null c 1 3; rm -f /root/image/usr/bin/systemd-sysusers /root/image/bin/systemd-sysusers`)
	defer n.try("rm -rf /root/image")
	in := "/root/image"
	for range 2 { // the install, and an upgrade
		if _, err := n.try("dpkg --root=" + in + " -i " + n.give(deb) + " >/run/said 2>&1 || { cat /run/said; exit 1; }; not grep -i -e 'not run' -e 'fail' /run/said"); err != nil {
			return err
		}
	}
	if err := n.expect("chroot " + in + " getent group nodeagent; [ -L " + in + "/etc/systemd/system/multi-user.target.wants/nodeagent.service ]"); err != nil {
		return err
	}
	return n.expect("dpkg --root=" + in + " -P nodeagent >/run/said 2>&1; not [ -e " + in + "/etc/nodeagent ]; not [ -L " + in + "/etc/systemd/system/multi-user.target.wants/nodeagent.service ]")
}

// policy: an administrator's "start nothing" holds, and the unit is enabled for the next boot.
func policy(n node, deb string) error {
	n.sh(`printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d`)
	if _, err := n.install(deb); err != nil {
		return err
	}
	return n.expect("systemctl --quiet is-enabled nodeagent; not systemctl --quiet is-active nodeagent")
}

func masked(n node, deb string) error {
	n.sh("systemctl mask nodeagent.service")
	for range 2 { // the install, and an upgrade
		if _, err := n.install(deb); err != nil {
			return err
		}
		if err := n.expect(`[ "$(systemctl is-enabled nodeagent)" = masked ]; not systemctl --quiet is-active nodeagent`); err != nil {
			return err
		}
	}
	return nil
}

func disabled(n node, deb string) error {
	if _, err := n.install(deb); err != nil {
		return err
	}
	n.sh("systemctl disable --now nodeagent.service")
	if _, err := n.install(deb); err != nil {
		return err
	}
	return n.expect(`[ "$(systemctl is-enabled nodeagent)" = disabled ]; not systemctl --quiet is-active nodeagent`)
}

// keeps installs a package over a running agent and wants the old process to run on, with the reason said.
func (n node) keeps(deb, why string) error {
	before := n.sh("systemctl show -P MainPID nodeagent")
	said, err := n.install(deb)
	if err != nil {
		return err
	}
	if !strings.Contains(said, "THE OLD AGENT RUNS ON") || !strings.Contains(said, why) {
		return fmt.Errorf("it does not say %q: %s", why, said)
	}
	if err := n.expect("systemctl --quiet is-active nodeagent"); err != nil {
		return err
	}
	if now := n.sh("systemctl show -P MainPID nodeagent"); now != before {
		return fmt.Errorf("the process was %s and is %s", before, now)
	}
	return nil
}

func refused(n node, deb string) error {
	if _, err := n.install(deb); err != nil {
		return err
	}
	n.sh("echo 'noSuchKey: 1' >/etc/nodeagent/config.d/90-test.yaml")
	return n.keeps(deb, "noSuchKey")
}

// downgraded: an older agent that meets the state of a newer one changes nothing of it, and ends with 78.
func downgraded(n node, deb string) error {
	if _, err := n.install(deb); err != nil {
		return err
	}
	older := breakDeb(n.t, deb, broken{"DEBIAN/control", `^Version: .*`, "Version: 0.0.2-1"})
	n.sh(`echo '{"version":2,"data":{"of":"tomorrow"}}' >/var/lib/nodeagent/future.json`)
	if err := n.keeps(older, "future.json has version 2, this agent reads 1"); err != nil {
		return err
	}
	const sums = `cd /var/lib/nodeagent && find . -type f ! -name lock -exec sha256sum {} + | sort`
	n.sh("systemctl stop nodeagent")
	before := n.sh(sums)
	if _, err := n.try("systemctl start nodeagent"); err == nil {
		return errors.New("the older agent started over a newer one's state")
	}
	if now := n.sh(sums); now != before {
		return fmt.Errorf("the state was\n%s\nand is\n%s", before, now)
	}
	return n.expect(`[ "$(systemctl show -P ExecMainStatus nodeagent)" = 78 ]`)
}

// removed: what a person made and what the agent knows stay, and who depends on it is told.
func removed(n node, deb string) error {
	if _, err := n.install(deb); err != nil {
		return err
	}
	n.sh(`echo 'syncFrequency: 30s' >>/etc/nodeagent/config.yaml; echo '# later' >/etc/nodeagent/manifests/web.yaml
		nodeagent vip config --interface node0 --vrid 77 --vip 192.0.2.100/24 >/etc/keepalived/keepalived.conf`)
	said, err := n.try("dpkg -r nodeagent")
	if err != nil {
		return err
	}
	for _, want := range []string{"WARNING: keepalived", "/etc/keepalived/keepalived.conf", "WARNING: static pods"} {
		if !strings.Contains(said, want) {
			return fmt.Errorf("it does not say %q: %s", want, said)
		}
	}
	return n.expect("not systemctl --quiet is-active nodeagent; not [ -e /usr/bin/nodeagent ]; grep -q 30s /etc/nodeagent/config.yaml; [ -e /etc/nodeagent/manifests/web.yaml ]; [ -e /var/lib/nodeagent/instance.json ]")
}

// hang holds the agent so that no signal but SIGKILL moves it, gives its unit a short time to stop in, and keeps the number of its process.
const hang = `d=/etc/systemd/system/nodeagent.service.d; mkdir -p $d; printf '[Service]\nTimeoutStopSec=2\n' >$d/short.conf; systemctl daemon-reload
	rm -f /run/held; systemctl show -P MainPID nodeagent >/run/before; systemd-run --quiet --collect perl /root/hang.pl $(cat /run/before); until [ -e /run/held ]; do sleep 0.1; done
	`

// stuck: an agent that hangs is replaced and removed within its unit's time to stop, and the pod and the VIP do not notice.
func stuck(n node, deb string) error {
	n.copy("testdata/hang.pl", "/root/hang.pl", 0o644)
	if _, err := n.install(deb); err != nil {
		return err
	}
	if err := n.expect(`[ "$(systemctl show -P TimeoutStopUSec nodeagent)" = 10s ]; nodeagent setup run`); err != nil {
		return err
	}
	n.put("/etc/nodeagent/manifests/web.yaml", []byte(manifest), 0o600)
	n.vrrp()
	n.sh("systemctl restart nodeagent keepalived")
	if err := n.within(patience).until(runs + " && " + holds); err != nil {
		return err
	}
	before := n.sh(containers)
	for _, do := range []string{"dpkg -i " + n.give(deb) + "; nodeagent status -o json | tr -d ' \n' | grep -q '\"daemon\":true'", "dpkg -r nodeagent; not systemctl --quiet is-failed nodeagent"} {
		if err := n.expect(hang + "timeout 40 " + do + "; not [ -e /proc/$(cat /run/before) ]"); err != nil {
			return err
		}
	}
	if now := n.sh(containers); now != before {
		return fmt.Errorf("the containers were\n%s\nand are\n%s", before, now)
	}
	return n.expect(holds)
}

// purged: nothing of a package that was used is left.
func purged(n node, deb string) error {
	if _, err := n.install(deb); err != nil {
		return err
	}
	if err := n.expect("nodeagent setup run && nodeagent mute NetworkReady && dpkg -P nodeagent"); err != nil {
		return err
	}
	left, err := n.try(`find / -xdev -path /host -prune -o -path /var/log -prune -o -path /tmp -prune -o -name '*nodeagent*' -print; find /run -path /run/systemd/propagate -prune -o -name '*nodeagent*' -print | grep -v -e invocation: -e /journal || true
		getent group nodeagent || true`)
	if err == nil && left != "" {
		err = fmt.Errorf("purge left:\n%s", left)
	}
	return err
}

// spared: what is a person's is not purged, nor what is mounted for a pod.
func spared(n node, deb string) error {
	if _, err := n.install(deb); err != nil {
		return err
	}
	n.sh(`echo '# mine' >/etc/nodeagent/manifests/web.yaml; mkdir -p /srv/data /var/lib/nodeagent/mounted; echo precious >/srv/data/file; mount --bind /srv/data /var/lib/nodeagent/mounted`)
	if _, err := n.try("dpkg -P nodeagent"); err != nil {
		return err
	}
	return n.expect("[ -e /etc/nodeagent/manifests/web.yaml ]; [ -e /srv/data/file ]; not [ -e /etc/nodeagent/config.yaml ]")
}
