//go:build integration

package box

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"nodeagent/internal/lab/boxtest"
)

// serviceChecks are of one installed agent, companion's profile.
var serviceChecks = []boxtest.Check{
	boxtest.NewCheck("active", active, boxtest.Break("DEBIAN/postinst", `deb-systemd-invoke (start|restart)`, "true")),
	boxtest.NewCheck("unit is well formed", wellFormed, boxtest.Break(boxtest.UnitFile, `^KillMode=mixed`, "KillMode=gently")),
	boxtest.NewCheck("exposure", exposure, boxtest.Break(boxtest.UnitFile, `^CapabilityBoundingSet=.*`, "")),
	boxtest.NewCheck("files", files, boxtest.Break("usr/lib/tmpfiles.d/nodeagent.conf", `^f .*`, "")),
	boxtest.NewCheck("modes of folders", tightened, boxtest.Break("usr/lib/tmpfiles.d/nodeagent.conf", `^d /etc/nodeagent/config.d .*`, "d /etc/nodeagent/config.d 0755 root root")),
	boxtest.NewCheck("companion", companion, boxtest.Break(boxtest.UnitFile, `^ProtectSystem=strict`, "InaccessiblePaths=-/etc/kubernetes")),
	boxtest.NewCheck("group", group, boxtest.Break(boxtest.UnitFile, `^SupplementaryGroups=.*`, "")),
	boxtest.NewCheck("journal", journal, boxtest.Break(boxtest.UnitFile, `^UMask=`, "StandardError=file:/run/log.txt\nUMask=")),
	boxtest.NewCheck("reload", reload, boxtest.Break(boxtest.UnitFile, `^ExecReload=.*`, "ExecReload=/bin/true")),
	boxtest.NewCheck("bad configuration later", badLater, boxtest.Break(boxtest.UnitFile, `^StateDirectory=.*`, "StateDirectory=other")),
	boxtest.NewCheck("bad configuration first", badFirst, boxtest.Break(boxtest.UnitFile, `^RestartPreventExitStatus=.*`, "")),
	boxtest.NewCheck("kill -9", killed, boxtest.Break(boxtest.UnitFile, `^Restart=always`, "Restart=no")),
	boxtest.NewCheck("hung", hung, boxtest.Break(boxtest.UnitFile, `^WatchdogSec=.*`, "")),
	boxtest.NewCheck("nothing denied", boxtest.Node.Denied, boxtest.Break(boxtest.UnitFile, `^UMask=`, "ExecStartPost=/bin/sh -c 'echo mount: permission denied >&2'\nUMask=")),
}

// TestService installs the .deb beside Debian's containerd and keepalived and plays what a node sees of the agent. Each check has a broken
// package that it must refuse.
func TestService(t *testing.T) {
	boxtest.Beside(t)
	n := boxtest.Boot(t, "service")
	kubeletsLeavings(n)
	n.Containerd()
	n.CNI()
	n.Sh("systemctl start containerd.service; useradd --create-home ann; useradd --create-home bob")
	packages := boxtest.ThisTree(t)
	n.Sh("dpkg -i " + n.Give(packages.Deb) + "; usermod -aG nodeagent ann")
	for _, c := range serviceChecks {
		t.Run(c.Name, func(t *testing.T) {
			if err := c.Do(n.In(t)); err != nil {
				t.Fatalf("%v\n%s", err, n.In(t).Sh("journalctl --no-pager -u nodeagent.service | tail -20"))
			}
		})
	}
	for _, c := range serviceChecks {
		t.Run("broken/"+c.Name, func(t *testing.T) {
			n := n.In(t)
			n.Patience = boxtest.ForTheWorse
			n.Sh("dpkg -P nodeagent && journalctl --rotate --vacuum-time=1s -q; dpkg -i " + n.Give(boxtest.BreakDeb(t, packages.Plain, c.Broken)) + "; usermod -aG nodeagent ann")
			if err := c.Do(n); err == nil {
				t.Errorf("nothing wrong is seen of a package with %s: %q", c.Broken.File, c.Broken.Write)
			} else {
				t.Log(err)
			}
		})
	}
}

func active(n boxtest.Node) error {
	return n.Until(`systemctl --quiet is-enabled nodeagent && systemctl --quiet is-active nodeagent && nodeagent status -o json | tr -d ' \n' | grep -q '"version":"9.9.9".*"daemon":true' && [ "$(cat /proc/$(systemctl show -P MainPID nodeagent)/comm)" = nodeagentd ]`)
}

func wellFormed(n boxtest.Node) error {
	out, err := n.Try("SYSTEMD_LOG_TARGET=console systemd-analyze verify --man=no nodeagent.service")
	if err == nil && out != "" {
		err = errors.New(out)
	}
	return err
}

// exposure is companion's, without any IP allow list: --threshold takes tenths.
func exposure(n boxtest.Node) error {
	out, err := n.Try("systemd-analyze security --no-pager --threshold=25 nodeagent.service")
	n.T.Log(out[strings.LastIndex(out, "\n")+1:])
	return err
}

// files: the verdict is unfit before the first look, and whatever keepalived runs is root's on its whole path.
func files(n boxtest.Node) error {
	_, err := n.Try(`[ "$(stat -c %a:%U:%G /etc/nodeagent/config.yaml)" = 640:root:root ]
		systemctl stop nodeagent; rm /run/nodeagent/verdict/vip; systemd-tmpfiles --create nodeagent.conf; cat /run/nodeagent/verdict/vip | grep -qx -- -60; systemctl start nodeagent
		p=/usr/libexec/nodeagent/nodeagent-check; while [ $p != / ]; do stat -c %U:%G:%a $p | grep -q '^root:root:755$'; p=$(dirname $p); done
		/usr/libexec/nodeagent/nodeagent-check vip | grep -q "^unfit "`)
	return err
}

// tightened: a folder that a person closed stays closed over a boot, and the agent reads what is in it.
func tightened(n boxtest.Node) error {
	defer n.Try("chmod 0755 /etc/nodeagent/config.d; chgrp root /etc/nodeagent/config.d")
	_, err := n.Try(`chmod 0750 /etc/nodeagent/config.d; chgrp nodeagent /etc/nodeagent/config.d; systemd-tmpfiles --create nodeagent.conf
		[ "$(stat -c %a:%G /etc/nodeagent/config.d)" = 750:nodeagent ]; nodeagent config check`)
	return err
}

// kubeletsLeavings is a node of kubeadm's whose kubelet is not there now.
func kubeletsLeavings(n boxtest.Node) {
	n.Put("/var/lib/kubelet/config.yaml", []byte("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nstaticPodPath: /etc/kubernetes/manifests\n"), 0o644)
	n.Put("/etc/kubernetes/manifests/etcd.yaml", []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: etcd, namespace: kube-system}\nspec:\n  hostNetwork: true\n  containers: [{name: etcd, image: etcd:1}]\n"), 0o600)
}

// companion: the agent says what is missing, and starts nothing.
func companion(n boxtest.Node) error {
	if err := n.Until(`nodeagent status | grep -q 'mode companion' && nodeagent check Manifests etcd.yaml && nodeagent check RuntimeResponsive && nodeagent check StaticPods | grep -q -e NotStarted -e Missing`); err != nil {
		return err
	}
	_, err := n.Try(`[ -z "$(ctr --namespace k8s.io containers list --quiet)" ] && [ "$(ls /etc/kubernetes/manifests)" = etcd.yaml ]`)
	return err
}

// group: a member looks and does not act, others do neither.
func group(n boxtest.Node) error {
	if _, err := n.Try(`runuser -u ann -- nodeagent status -o json | tr -d ' \n' | grep -q '"daemon":true'; runuser -u ann -- nodeagent events --since 1h >/dev/null`); err != nil {
		return err
	}
	for _, who := range []string{"ann -- nodeagent mute NetworkReady", "ann -- nodeagent reload", "bob -- nodeagent events", "bob -- nodeagent mute NetworkReady"} {
		if out, err := n.Try("runuser -u " + who); err == nil {
			return fmt.Errorf("%s was let in:\n%s", who, out)
		}
	}
	return nil
}

// journal: lines have fields and levels of their own.
func journal(n boxtest.Node) error {
	return n.Until(`journalctl --no-pager -o json _SYSTEMD_UNIT=nodeagent.service VERSION=9.9.9 MODE=companion PRIORITY=6 | grep -q started`)
}

// reload: the same process has the new value, and refuses a bad one out loud.
func reload(n boxtest.Node) error {
	_, err := n.Try(`
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
func badLater(n boxtest.Node) error {
	defer n.Try("rm -f /etc/nodeagent/config.d/90-test.yaml; systemctl reset-failed nodeagent; systemctl restart nodeagent")
	if _, err := n.Try(`echo 'metrics: {listen: "127.0.0.1:10099"}' >/etc/nodeagent/config.d/90-test.yaml; systemctl restart nodeagent; rm -rf /etc/nodeagent/config.d/90-test.yaml
		echo 'metrics: {listen: 7}' >/etc/nodeagent/config.d/90-test.yaml; systemctl restart nodeagent`); err != nil {
		return err
	}
	return n.Until(`nodeagent status -o json | grep -q LastAccepted && nodeagent config print --running | grep -q 10099 && [ -e /var/lib/nodeagent/config.json ]`)
}

// badFirst: with nothing to run with it ends with 78, once.
func badFirst(n boxtest.Node) error {
	defer n.Try("rm -f /etc/nodeagent/config.d/90-test.yaml; systemctl reset-failed nodeagent; systemctl start nodeagent")
	n.Try(`systemctl stop nodeagent; rm -rf /var/lib/nodeagent; echo 'metrics: {listen: 7}' >/etc/nodeagent/config.d/90-test.yaml; systemctl start nodeagent`) // it can't
	return n.Until(`[ "$(systemctl show -P NRestarts nodeagent)" = 0 ] || exit 3
		[ "$(systemctl show -P ActiveState nodeagent)/$(systemctl show -P ExecMainStatus nodeagent)" = failed/78 ] && journalctl --no-pager -u nodeagent | grep -q '90-test.yaml:1:19: metrics.listen'`)
}

// again waits until systemd has started the agent anew after it ended by itself.
const again = `[ "$(systemctl show -P ActiveState nodeagent)" != failed ] || exit 3; [ "$(systemctl show -P MainPID nodeagent)" != "$(cat /run/before)" ] && nodeagent status -o json | tr -d ' \n' | grep -q '"daemon":true'`

// killed: another process within moments, on the same folders.
func killed(n boxtest.Node) error {
	if _, err := n.Try("systemctl show -P MainPID nodeagent >/run/before; nodeagent mute NetworkReady --for 1h; systemctl kill --signal=KILL nodeagent"); err != nil {
		return err
	}
	if err := n.Until(again); err != nil {
		return err
	}
	_, err := n.Try("nodeagent unmute NetworkReady && [ -e /run/nodeagent/verdict/vip ]")
	return err
}

// hung: the watchdog ends an agent that makes no progress, within the bound that the unit states. The test shortens it.
func hung(n boxtest.Node) error {
	if out, err := n.Try("systemctl show -P WatchdogUSec nodeagent"); err != nil || out != "30s" {
		return fmt.Errorf("the bound for a hung agent is %q, %w", out, errors.Join(err, errors.New("want 30s")))
	}
	defer n.Try("rm -rf /etc/systemd/system/nodeagent.service.d; systemctl daemon-reload; systemctl restart nodeagent")
	n.Put("/etc/systemd/system/nodeagent.service.d/short.conf", []byte("[Service]\nWatchdogSec=1\n"), 0o644)
	if _, err := n.Try("systemctl daemon-reload; systemctl restart nodeagent; systemctl show -P MainPID nodeagent >/run/before; kill -STOP $(cat /run/before)"); err != nil {
		return err
	}
	if err := n.Until(again); err != nil {
		return err
	}
	out, err := n.Try("journalctl --no-pager -u nodeagent.service")
	if err == nil && !strings.Contains(out, "Watchdog timeout") {
		err = errors.New("the journal does not say that it was the watchdog")
	}
	return err
}
