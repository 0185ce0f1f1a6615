//go:build integration

package box

import (
	"fmt"
	"testing"
	"time"

	"nodeagent/internal/lab/boxtest"
)

// soon lets units be restarted within seconds.
const soon = "repair: {mode: %s, restarts: {restart-runtime: {after: 10s, spread: 1s, young: 1s, cooldown: 1m}, restart-kubelet: {after: 10s, spread: 1s, young: 1s, cooldown: 1m}}}\n"

const override = "/etc/nodeagent/config.d/90-test.yaml"

// runtimeNode is a node with the package and a containerd that is well; /run/before has the number of its process.
func runtimeNode(t *testing.T, name, deb, mode string) boxtest.Node {
	t.Helper()
	n := boxtest.Boot(t, name)
	n.Containerd()
	n.CNI()
	n.Put(override, fmt.Appendf(nil, soon, mode), 0o640)
	n.Sh("systemctl enable --now --quiet containerd.service; systemctl show -P MainPID containerd >/run/before; dpkg -i " + n.Give(deb))
	if err := n.Until("nodeagent check RuntimeResponsive && nodeagent check RuntimeUnit"); err != nil {
		t.Fatal(err)
	}
	return n
}

// plan waits until the plan says something.
func plan(n boxtest.Node, what string) {
	n.T.Helper()
	if err := n.Until("nodeagent repair plan -o json | grep -q '" + what + "'"); err != nil {
		n.T.Fatalf("the plan does not say %q: %v\n%s", what, err, story(n))
	}
}

func story(n boxtest.Node) string {
	out, _ := n.Try("nodeagent repair plan; nodeagent events --since 1h | tail; journalctl --no-pager -u nodeagent | tail -20")
	return out
}

const (
	untouched = `[ "$(systemctl show -P MainPID containerd)" = "$(cat /run/before)" ]`
	restarted = `[ "$(systemctl show -P MainPID containerd)" != "$(cat /run/before)" ] && [ "$(systemctl show -P MainPID containerd)" != 0 ] && nodeagent check RuntimeResponsive`
)

// setUnit writes a drop-in of containerd's unit; empty takes it away.
func setUnit(n boxtest.Node, lines string) {
	n.T.Helper()
	const dir = "/etc/systemd/system/containerd.service.d"
	n.Sh("rm -rf " + dir)
	if lines != "" {
		n.Put(dir+"/test.conf", []byte("[Service]\n"+lines), 0o644)
	}
	n.Sh("systemctl daemon-reload; systemctl reload nodeagent") // a reload looks at once
}

// TestRepair: a hung runtime is restarted by its unit, once KillMode spares the pods and a person has let the agent do it; before that the agent
// says that it would, and why not.
func TestRepair(t *testing.T) {
	boxtest.Beside(t)
	deb := boxtest.ThisTree(t).Plain
	n := runtimeNode(t, "repair", deb, "dry-run")
	// Without D-Bus, and systemd's own socket that stands in for it, there is no hand on the unit.
	bad := boxtest.Boot(t, "norepair")
	bad.Containerd()
	bad.Put(override, fmt.Appendf(nil, soon, "dry-run"), 0o640)
	bad.Sh("systemctl enable --now --quiet containerd.service; dpkg -i " + bad.Give(boxtest.BreakDeb(t, deb, boxtest.Break(boxtest.UnitFile, `^UMask=`, "InaccessiblePaths=-/run/dbus -/run/systemd/private\nUMask="))))
	if err := bad.Until("nodeagent check RuntimeResponsive"); err != nil {
		t.Fatal(err)
	}
	bad.Sh("kill -STOP $(systemctl show -P MainPID containerd)")

	setUnit(n, "KillMode=control-group\n")
	if err := n.Until("nodeagent check RuntimeUnit | grep KillMode"); err != nil {
		t.Fatalf("%v\n%s", err, story(n))
	}
	n.Sh("kill -STOP $(cat /run/before)")
	plan(n, "would kill every pod")
	setUnit(n, "KillMode=none\n")
	plan(n, "would not help")
	setUnit(n, "")
	if err := n.Until("nodeagent check RuntimeUnit"); err != nil {
		t.Fatalf("a KillMode that was put right is told of still: %v\n%s", err, story(n))
	}
	const would = "dry-run: would have been done"
	plan(n.Within(time.Minute), would)
	n.Sh(untouched + "; sed -i s/dry-run/on/ " + override + "; systemctl reload nodeagent")
	if err := n.Within(time.Minute).Until(restarted); err != nil {
		t.Errorf("%v\n%s", err, story(n))
	}
	if err := n.Expect(`nodeagent events --since 1h | grep -q restart-runtime`); err != nil {
		t.Error(err)
	}
	if err := n.Denied(); err != nil {
		t.Error(err)
	}
	if out, err := bad.Try("nodeagent repair plan -o json | grep -q '" + would + "'"); err == nil {
		t.Errorf("a unit that can't reach systemd would have restarted the runtime:\n%s", out)
	}
	plan(bad, "ask systemd")
}

// TestRepairDead: what a person decided of a unit stays, with the reason in the plan; a runtime that died and that nobody brings back is started;
// one that restarts too often is told of.
func TestRepairDead(t *testing.T) {
	t.Parallel()
	n := runtimeNode(t, "dead", boxtest.ThisTree(t).Plain, "on")
	n.Sh("systemctl stop containerd")
	plan(n, "is inactive")
	n.Sh("systemctl disable --quiet containerd")
	plan(n, "is disabled")
	n.Sh("systemctl mask --quiet containerd")
	plan(n, "is masked")
	n.Sh(`[ "$(systemctl show -P ActiveState containerd)" = inactive ]; systemctl unmask --quiet containerd; systemctl enable --now --quiet containerd`)
	if err := n.Until("nodeagent check RuntimeResponsive"); err != nil {
		t.Fatal(err)
	}

	setUnit(n, "Restart=always\nRestartSec=100ms\nStartLimitIntervalSec=0\n")
	for range 5 {
		if err := n.Until(`systemctl show -P MainPID containerd >/run/before; systemctl kill --kill-who=main --signal=KILL containerd`); err != nil { // between two lives it has no main process
			t.Fatal(err)
		}
		if err := n.Until(`[ "$(systemctl show -P ActiveState containerd)" = active ] && [ "$(systemctl show -P MainPID containerd)" != 0 ] && [ "$(systemctl show -P MainPID containerd)" != "$(cat /run/before)" ]`); err != nil {
			t.Fatal(err)
		}
	}
	n.Sh("systemctl reload nodeagent")
	if err := n.Within(time.Minute).Until("nodeagent check RuntimeUnit | grep Restarts"); err != nil { // the details are looked at every half minute
		t.Fatalf("%v\n%s", err, story(n))
	}
	setUnit(n, "Restart=no\n")
	n.Sh("systemctl restart containerd; systemctl reload nodeagent")
	if err := n.Until("nodeagent check RuntimeUnit && nodeagent check RuntimeResponsive"); err != nil {
		t.Fatalf("a person has restarted it, and its restarts count still: %v\n%s", err, story(n))
	}

	n.Sh("systemctl show -P MainPID containerd >/run/before; systemctl kill --kill-who=main --signal=KILL containerd")
	if err := n.Within(time.Minute).Until(restarted); err != nil {
		t.Errorf("%v\n%s", err, story(n))
	}
	if err := n.Denied(); err != nil {
		t.Error(err)
	}
}

// standIn is a kubelet as far as its agent sees: a process of that name whose healthz is not answered in its first life. It writes a line a second
// until /run/quiet is there.
const standIn = `use IO::Socket::INET;
$| = 1;
my $stuck = !-e "/run/life"; open my $f, ">", "/run/life";
my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:10248", Listen => 50, ReuseAddr => 1) or die;
if ($stuck) { while (1) { print "I do nothing\n" unless -e "/run/quiet"; sleep 1 } }
while (my $c = $s->accept) { sysread $c, my $b, 4096; print $c "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"; close $c }
`

const standInUnit = `[Service]
ExecStart=/usr/bin/kubelet /usr/lib/standin.pl
Restart=always
[Install]
WantedBy=multi-user.target
`

const noLiveBackend = `global
	stats socket /run/haproxy/admin.sock mode 660 level user
defaults
	mode tcp
	timeout connect 1s
	timeout client 1m
	timeout server 1m
frontend api
	bind *:8443
	default_backend apis
backend apis
	server one 127.0.0.1:6443 check inter 500ms fall 1
`

// ends is a kubelet that says why it ends, as klog writes it.
const ends = `[Service]
ExecStart=
ExecStart=/bin/sh -c 'echo "E1128 01:33:51.136446     617 run.go:72] \"command failed\" err=\"swap is on\"" >&2; exit 3'
Restart=always
RestartSec=1
`

// TestRepairKubelet: a kubelet that does not answer is not restarted behind a balancer with no live apiserver, nor while it writes; only once neither
// is so, and then for real.
func TestRepairKubelet(t *testing.T) {
	t.Parallel()
	n := boxtest.Boot(t, "kubelet")
	kubeletsLeavings(n)
	n.Put("/var/lib/kubelet/config.yaml", []byte("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nstaticPodPath: /etc/kubernetes/manifests\nfileCheckFrequency: 1s\n"), 0o644)
	n.Put("/etc/kubernetes/kubelet.conf", []byte("apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:8443'}}]\ncontexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n"), 0o600)
	n.Put("/usr/lib/standin.pl", []byte(standIn), 0o644)
	n.Put("/etc/systemd/system/kubelet.service", []byte(standInUnit), 0o644)
	n.Put("/etc/haproxy/haproxy.cfg", []byte(noLiveBackend), 0o644)
	n.Containerd()
	n.Put(override, fmt.Appendf(nil, soon, "on"), 0o640)
	n.Sh("cp /usr/bin/perl /usr/bin/kubelet; systemctl daemon-reload; systemctl enable --now --quiet kubelet haproxy containerd; systemctl show -P MainPID kubelet >/run/before; dpkg -i " + n.Give(boxtest.ThisTree(t).Plain))
	const same = `[ "$(systemctl show -P MainPID kubelet)" = "$(cat /run/before)" ]`

	n = n.Within(time.Minute)
	plan(n, "kubernetes#99602")
	// It would have been done by now: after 10 s, or 15 s if asking is late.
	since := `nodeagent repair plan -o json | tr -d ' \n' | sed 's/.*"target":"kubelet.service"[^}]*"since":"\([^"]*\)".*/\1/'`
	if err := n.Until(`[ $(($(date +%s) - $(date +%s -d "$(` + since + `)"))) -ge 20 ]`); err != nil {
		t.Fatalf("%v\n%s", err, story(n))
	}
	n.Sh(same + "; systemctl stop haproxy")
	plan(n, "it wrote to its journal")
	n.Sh(same + "; touch /run/quiet")
	if err := n.Until(`[ "$(systemctl show -P MainPID kubelet)" != "$(cat /run/before)" ] && nodeagent check Kubelet && nodeagent events --since 1h | grep -q restart-kubelet`); err != nil {
		t.Errorf("%v\n%s", err, story(n))
	}
	// One that ends again and again is told with its own last words.
	n.Put("/etc/systemd/system/kubelet.service.d/50-ends.conf", []byte(ends), 0o644)
	n.Sh("systemctl daemon-reload; systemctl restart kubelet || true")
	if err := n.Until(`nodeagent status -o json | grep -q 'its process ended with exit code 3, [1-9].* its last error: .*swap is on'`); err != nil {
		t.Errorf("%v\n%s", err, n.Sh("nodeagent status || true"))
	}
	if err := n.Denied(); err != nil {
		t.Error(err)
	}
}
