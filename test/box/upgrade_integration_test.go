//go:build integration

package box

import (
	"fmt"

	"nodeagent/internal/lab/boxtest"
)

// manifest of a pod that runs until somebody ends it.
const manifest = `apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  hostNetwork: true
  containers:
  - name: sleep
    image: ` + boxtest.Sleeper + `
    imagePullPolicy: IfNotPresent
    volumeMounts: [{name: cache, mountPath: /cache}]
  volumes: [{name: cache, emptyDir: {medium: Memory}}]
`

// runs waits for the pod's container.
const runs = `nodeagent pods | grep -q 'web.*Running' && ctr --namespace k8s.io tasks list | grep -c RUNNING | grep -qx 2`

// containers are those that run, with their processes.
const containers = `ctr --namespace k8s.io tasks list | sort`

// upgraded: from an older agent to this one with a pod running, the VIP held against a neighbour that wants it, and a repair done. No container is
// restarted, keepalived sees nothing, and what the old agent knew and spent the new one knows.
func upgraded(n boxtest.Node, deb string) error {
	if _, err := install(n, boxtest.OlderTree(n.T).Plain); err != nil {
		return err
	}
	// As the older package's install.md has it.
	n.Sh(`mkdir -p /etc/systemd/system/nodeagent.service.d; cp /usr/share/nodeagent/profiles/run.conf /etc/systemd/system/nodeagent.service.d/run.conf
		printf 'staticPods:\n  mode: run\n' >/etc/nodeagent/config.d/run.yaml; echo 'syncFrequency: 30s' >>/etc/nodeagent/config.yaml
		systemctl daemon-reload; systemctl restart nodeagent; nodeagent mute NetworkReady --for 1h`)
	n.Put("/etc/nodeagent/manifests/web.yaml", []byte(manifest), 0o600)
	n.VRRP()
	n.Sh(`echo 'repair: {mode: on}' >/etc/nodeagent/config.d/70-repair.yaml; systemctl restart nodeagent; journalctl --rotate --vacuum-time=1s -q`)
	n.Settle()
	const repaired = `nodeagent repair plan | grep '^[a-z]* *flannel-peer' | grep -o '[0-9]* of .*'`
	if err := n.Within(boxtest.Patience).Until(`nodeagent check FlannelReachable 10.244.2.0/24`); err != nil {
		return err
	}
	n.Sh("ip neighbour delete 10.244.2.0 dev flannel.1")
	if err := n.Within(2 * boxtest.Patience).Until(runs + ` && ` + boxtest.Holds + ` && /usr/libexec/nodeagent/nodeagent-check vip && ` + repaired + ` | grep -q '^1 of'`); err != nil {
		return err
	}
	// That older agent puts nothing in the place of an entry that the kernel has failed to resolve meanwhile; this one would, at the cost of one more.
	n.Sh("ip neighbour replace 10.244.2.0 lladdr 0a:00:00:00:02:02 dev flannel.1 nud permanent")
	// Of both nodes: the neighbour would take the VIP at the first lower priority.
	const seen = `journalctl --no-pager -o cat -u keepalived -u rival | grep -c -e 'Entering' -e 'effective priority' || true`
	tasks, transitions, budget := n.Sh(containers), n.Sh(seen), n.Sh(repaired)
	n.Sh("touch /run/nodeagent/kept") // with it the verdict: a file that is gone would read as fit, whatever the node is
	if _, err := install(n, deb); err != nil {
		return err
	}
	if err := n.Within(boxtest.Patience).Until(`nodeagent status -o json | tr -d ' \n' | grep -q '"version":"9.9.9".*"daemon":true' && nodeagent check RuntimeResponsive && /usr/libexec/nodeagent/nodeagent-check vip && ` + runs); err != nil {
		return err
	}
	if now := n.Sh(containers); now != tasks {
		return fmt.Errorf("the containers were\n%s\nand are\n%s", tasks, now)
	}
	if now := n.Sh(seen); now != transitions {
		return fmt.Errorf("keepalived saw %s changes before and %s now:\n%s", transitions, now, n.Sh("journalctl --no-pager -u keepalived -u rival | tail"))
	}
	if now := n.Sh(repaired); now != budget {
		return fmt.Errorf("of the budget of repairs %s was used, and now %s", budget, now)
	}
	return n.Expect(boxtest.Holds + `; [ -e /run/nodeagent/kept ]; grep -q 'syncFrequency: 30s' /etc/nodeagent/config.yaml; nodeagent unmute NetworkReady; ! nodeagent setup run --dry-run | grep -q nothing`)
}

// rebooted: all of it comes back by itself, and until the agent has looked the node is unfit.
func rebooted(n boxtest.Node, deb string) {
	fresh(n)
	if _, err := install(n, deb); err != nil {
		n.T.Fatal(err)
	}
	n.Sh("nodeagent setup run; systemctl enable --quiet containerd keepalived; nodeagent mute NetworkReady --for 1h")
	n.Put("/etc/nodeagent/manifests/web.yaml", []byte(manifest), 0o600)
	n.Sh(`nodeagent vip config --interface node0 --vrid 77 --vip 192.0.2.100/24 --priority 100 >/etc/keepalived/keepalived.conf`)
	if err := n.Until(runs); err != nil {
		n.T.Fatal(err)
	}
	if err := n.Reboot(n.T.Context()); err != nil {
		n.T.Fatal(err)
	}
	n.Wire()
	// containerd's root is new after a reboot of a box.
	n.Sh("ctr --namespace k8s.io images import /host/images.tar; systemctl restart keepalived")
	if err := n.Until(runs); err != nil {
		n.T.Errorf("%v\n%s", err, n.Sh("nodeagent pods; journalctl --no-pager -u nodeagent | tail -30"))
	}
	// The unit is ordered before keepalived, so that this holds whatever the boot's order was.
	if err := n.Expect(`systemctl --quiet is-active nodeagent keepalived; nodeagent unmute NetworkReady; [ -s /run/nodeagent/verdict/vip ]
		a=$(systemctl show -P ActiveEnterTimestampMonotonic nodeagent); b=$(journalctl -b -o json --no-pager -u keepalived | head -1 | grep -o '__MONOTONIC_TIMESTAMP":"[0-9]*' | grep -o '[0-9]*$'); [ $a -le $b ]`); err != nil {
		n.T.Error(err)
	}
	if err := n.Denied(); err != nil {
		n.T.Error(err)
	}
}
