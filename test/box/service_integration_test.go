//go:build integration

package box

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// check is something that holds of an installed agent. It ends with the agent as it found it.
type check struct {
	name   string
	do     func(n node) error
	broken broken // a package that it has to refuse
}

const unitFile = "usr/lib/systemd/system/nodeagent.service"

// serviceChecks are of one installed agent, companion's profile.
var serviceChecks = []check{
	{"active", active, broken{"DEBIAN/postinst", `deb-systemd-invoke (start|restart)`, "true"}},
	{"unit is well formed", wellFormed, broken{unitFile, `^KillMode=mixed`, "KillMode=gently"}},
	{"exposure", exposure, broken{unitFile, `^CapabilityBoundingSet=.*`, ""}},
	{"files", files, broken{"usr/lib/tmpfiles.d/nodeagent.conf", `^f .*`, ""}},
	{"modes of folders", tightened, broken{"usr/lib/tmpfiles.d/nodeagent.conf", `^d /etc/nodeagent/config.d .*`, "d /etc/nodeagent/config.d 0755 root root"}},
	{"companion", companion, broken{unitFile, `^ProtectSystem=strict`, "InaccessiblePaths=-/etc/kubernetes"}},
	{"group", group, broken{unitFile, `^SupplementaryGroups=.*`, ""}},
	{"journal", journal, broken{unitFile, `^UMask=`, "StandardError=file:/run/log.txt\nUMask="}},
	{"reload", reload, broken{unitFile, `^ExecReload=.*`, "ExecReload=/bin/true"}},
	{"bad configuration later", badLater, broken{unitFile, `^StateDirectory=.*`, "StateDirectory=other"}},
	{"bad configuration first", badFirst, broken{unitFile, `^RestartPreventExitStatus=.*`, ""}},
	{"kill -9", killed, broken{unitFile, `^Restart=always`, "Restart=no"}},
	{"hung", hung, broken{unitFile, `^WatchdogSec=.*`, ""}},
	{"nothing denied", node.denied, broken{unitFile, `^UMask=`, "ExecStartPost=/bin/sh -c 'echo mount: permission denied >&2'\nUMask="}},
}

// TestService installs the .deb beside Debian's containerd and keepalived and plays what a node sees of the agent. Each check has a broken
// package that it must refuse.
func TestService(t *testing.T) {
	t.Parallel()
	n := boot(t, "service")
	kubeletsLeavings(n)
	n.copy("testdata/containerd.toml", "/etc/containerd/config.toml", 0o644)
	n.copy("testdata/10-box.conflist", "/etc/cni/net.d/10-box.conflist", 0o644)
	n.sh("systemctl start containerd.service; useradd --create-home ann; useradd --create-home bob")
	packages := thisTree(t)
	n.sh("dpkg -i " + n.give(packages.deb) + "; usermod -aG nodeagent ann")
	for _, c := range serviceChecks {
		t.Run(c.name, func(t *testing.T) {
			if err := c.do(n.in(t)); err != nil {
				t.Fatalf("%v\n%s", err, n.in(t).sh("journalctl --no-pager -u nodeagent.service | tail -20"))
			}
		})
	}
	for _, c := range serviceChecks {
		t.Run("broken/"+c.name, func(t *testing.T) {
			n := n.in(t)
			n.patience = forTheWorse
			n.sh("dpkg -P nodeagent && journalctl --rotate --vacuum-time=1s -q; dpkg -i " + n.give(breakDeb(t, packages.plain, c.broken)) + "; usermod -aG nodeagent ann")
			if err := c.do(n); err == nil {
				t.Errorf("nothing wrong is seen of a package with %s: %q", c.broken.file, c.broken.write)
			} else {
				t.Log(err)
			}
		})
	}
}

func active(n node) error {
	return n.until(`systemctl --quiet is-enabled nodeagent && systemctl --quiet is-active nodeagent && nodeagent status -o json | tr -d ' \n' | grep -q '"version":"9.9.9".*"daemon":true' && [ "$(cat /proc/$(systemctl show -P MainPID nodeagent)/comm)" = nodeagentd ]`)
}

func wellFormed(n node) error {
	out, err := n.try("SYSTEMD_LOG_TARGET=console systemd-analyze verify --man=no nodeagent.service")
	if err == nil && out != "" {
		err = errors.New(out)
	}
	return err
}

// exposure is companion's, without any IP allow list: --threshold takes tenths.
func exposure(n node) error {
	out, err := n.try("systemd-analyze security --no-pager --threshold=25 nodeagent.service")
	n.t.Log(out[strings.LastIndex(out, "\n")+1:])
	return err
}

// files: the verdict is unfit before the first look, and whatever keepalived runs is root's on its whole path.
func files(n node) error {
	_, err := n.try(`[ "$(stat -c %a:%U:%G /etc/nodeagent/config.yaml)" = 640:root:root ]
		systemctl stop nodeagent; rm /run/nodeagent/verdict/vip; systemd-tmpfiles --create nodeagent.conf; cat /run/nodeagent/verdict/vip | grep -qx -- -60; systemctl start nodeagent
		p=/usr/libexec/nodeagent/nodeagent-check; while [ $p != / ]; do stat -c %U:%G:%a $p | grep -q '^root:root:755$'; p=$(dirname $p); done
		/usr/libexec/nodeagent/nodeagent-check vip | grep -q "^unfit "`)
	return err
}

// tightened: a folder that a person closed stays closed over a boot, and the agent reads what is in it.
func tightened(n node) error {
	defer n.try("chmod 0755 /etc/nodeagent/config.d; chgrp root /etc/nodeagent/config.d")
	_, err := n.try(`chmod 0750 /etc/nodeagent/config.d; chgrp nodeagent /etc/nodeagent/config.d; systemd-tmpfiles --create nodeagent.conf
		[ "$(stat -c %a:%G /etc/nodeagent/config.d)" = 750:nodeagent ]; nodeagent config check`)
	return err
}

// kubeletsLeavings is a node of kubeadm's whose kubelet is not there now.
func kubeletsLeavings(n node) {
	n.put("/var/lib/kubelet/config.yaml", []byte("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nstaticPodPath: /etc/kubernetes/manifests\n"), 0o644)
	n.put("/etc/kubernetes/manifests/etcd.yaml", []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: etcd, namespace: kube-system}\nspec:\n  hostNetwork: true\n  containers: [{name: etcd, image: etcd:1}]\n"), 0o600)
}

// companion: the agent says what is missing, and starts nothing.
func companion(n node) error {
	if err := n.until(`nodeagent status | grep -q 'mode companion' && nodeagent check Manifests etcd.yaml && nodeagent check RuntimeResponsive && nodeagent check StaticPods | grep -q -e NotStarted -e Missing`); err != nil {
		return err
	}
	_, err := n.try(`[ -z "$(ctr --namespace k8s.io containers list --quiet)" ] && [ "$(ls /etc/kubernetes/manifests)" = etcd.yaml ]`)
	return err
}

// group: a member looks and does not act, others do neither.
func group(n node) error {
	if _, err := n.try(`runuser -u ann -- nodeagent status -o json | tr -d ' \n' | grep -q '"daemon":true'; runuser -u ann -- nodeagent events --since 1h >/dev/null`); err != nil {
		return err
	}
	for _, who := range []string{"ann -- nodeagent mute NetworkReady", "ann -- nodeagent reload", "bob -- nodeagent events", "bob -- nodeagent mute NetworkReady"} {
		if out, err := n.try("runuser -u " + who); err == nil {
			return fmt.Errorf("%s was let in:\n%s", who, out)
		}
	}
	return nil
}

// journal: lines have fields and levels of their own.
func journal(n node) error {
	return n.until(`journalctl --no-pager -o json _SYSTEMD_UNIT=nodeagent.service VERSION=9.9.9 MODE=companion PRIORITY=6 | grep -q started`)
}

// reload: the same process has the new value, and refuses a bad one out loud.
func reload(n node) error {
	_, err := n.try(`
		f=/etc/nodeagent/config.d/90-test.yaml; p=$(systemctl show -P MainPID nodeagent)
		echo 'log: {level: debug}' >$f; systemctl reload nodeagent
		nodeagent config print --running | grep -q 'level: debug'
		echo 'log: {levell: debug}' >$f; not systemctl reload nodeagent
		nodeagent config print --running | grep -q 'level: debug'
		rm $f; systemctl reload nodeagent
		nodeagent config print --running | grep -q 'level: info'
		[ $p = $(systemctl show -P MainPID nodeagent) ]`)
	return err
}

// badLater: an agent that ran before runs on with what it accepted last.
func badLater(n node) error {
	defer n.try("rm -f /etc/nodeagent/config.d/90-test.yaml; systemctl reset-failed nodeagent; systemctl restart nodeagent")
	if _, err := n.try(`echo 'metrics: {listen: "127.0.0.1:10099"}' >/etc/nodeagent/config.d/90-test.yaml; systemctl restart nodeagent; rm -rf /etc/nodeagent/config.d/90-test.yaml
		echo 'metrics: {listen: 7}' >/etc/nodeagent/config.d/90-test.yaml; systemctl restart nodeagent`); err != nil {
		return err
	}
	return n.until(`nodeagent status -o json | grep -q LastAccepted && nodeagent config print --running | grep -q 10099 && [ -e /var/lib/nodeagent/config.json ]`)
}

// badFirst: with nothing to run with it ends with 78, once.
func badFirst(n node) error {
	defer n.try("rm -f /etc/nodeagent/config.d/90-test.yaml; systemctl reset-failed nodeagent; systemctl start nodeagent")
	n.try(`systemctl stop nodeagent; rm -rf /var/lib/nodeagent; echo 'metrics: {listen: 7}' >/etc/nodeagent/config.d/90-test.yaml; systemctl start nodeagent`) // it can't
	return n.until(`[ "$(systemctl show -P NRestarts nodeagent)" = 0 ] || exit 3
		[ "$(systemctl show -P ActiveState nodeagent)/$(systemctl show -P ExecMainStatus nodeagent)" = failed/78 ] && journalctl --no-pager -u nodeagent | grep -q '90-test.yaml:1:19: metrics.listen'`)
}

// again waits until systemd has started the agent anew after it ended by itself.
const again = `[ "$(systemctl show -P ActiveState nodeagent)" != failed ] || exit 3; [ "$(systemctl show -P MainPID nodeagent)" != "$(cat /run/before)" ] && nodeagent status -o json | tr -d ' \n' | grep -q '"daemon":true'`

// killed: another process within moments, on the same folders.
func killed(n node) error {
	if _, err := n.try("systemctl show -P MainPID nodeagent >/run/before; nodeagent mute NetworkReady --for 1h; systemctl kill --signal=KILL nodeagent"); err != nil {
		return err
	}
	if err := n.until(again); err != nil {
		return err
	}
	_, err := n.try("nodeagent unmute NetworkReady && [ -e /run/nodeagent/verdict/vip ]")
	return err
}

// hung: the watchdog ends an agent that makes no progress, within the bound that the unit states. The test shortens it.
func hung(n node) error {
	if out, err := n.try("systemctl show -P WatchdogUSec nodeagent"); err != nil || out != "30s" {
		return fmt.Errorf("the bound for a hung agent is %q, %w", out, errors.Join(err, errors.New("want 30s")))
	}
	defer n.try("rm -rf /etc/systemd/system/nodeagent.service.d; systemctl daemon-reload; systemctl restart nodeagent")
	n.put("/etc/systemd/system/nodeagent.service.d/short.conf", []byte("[Service]\nWatchdogSec=1\n"), 0o644)
	if _, err := n.try("systemctl daemon-reload; systemctl restart nodeagent; systemctl show -P MainPID nodeagent >/run/before; kill -STOP $(cat /run/before)"); err != nil {
		return err
	}
	if err := n.until(again); err != nil {
		return err
	}
	out, err := n.try("journalctl --no-pager -u nodeagent.service")
	if err == nil && !strings.Contains(out, "Watchdog timeout") {
		err = errors.New("the journal does not say that it was the watchdog")
	}
	return err
}
