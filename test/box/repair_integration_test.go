//go:build integration

package box

import (
	"fmt"
	"testing"
	"time"
)

// soon lets units be restarted within seconds.
const soon = "repair: {mode: %s, restarts: {restart-runtime: {after: 10s, spread: 1s, young: 1s, cooldown: 1m}, restart-kubelet: {after: 10s, spread: 1s, young: 1s, cooldown: 1m}}}\n"

const override = "/etc/nodeagent/config.d/90-test.yaml"

// runtimeNode is a node with the package and a containerd that is well; /run/before has the number of its process.
func runtimeNode(t *testing.T, name, deb, mode string) node {
	t.Helper()
	n := boot(t, name)
	n.copy("testdata/containerd.toml", "/etc/containerd/config.toml", 0o644)
	n.copy("testdata/10-box.conflist", "/etc/cni/net.d/10-box.conflist", 0o644)
	n.put(override, fmt.Appendf(nil, soon, mode), 0o640)
	n.sh("systemctl enable --now --quiet containerd.service; systemctl show -P MainPID containerd >/run/before; dpkg -i " + n.give(deb))
	if err := n.until("nodeagent check RuntimeResponsive && nodeagent check RuntimeUnit"); err != nil {
		t.Fatal(err)
	}
	return n
}

// plan waits until the plan says something.
func (n node) plan(what string) {
	n.t.Helper()
	if err := n.until("nodeagent repair plan -o json | grep -q '" + what + "'"); err != nil {
		n.t.Fatalf("the plan does not say %q: %v\n%s", what, err, n.story())
	}
}

func (n node) story() string {
	out, _ := n.try("nodeagent repair plan; nodeagent events --since 1h | tail; journalctl --no-pager -u nodeagent | tail -20")
	return out
}

const (
	untouched = `[ "$(systemctl show -P MainPID containerd)" = "$(cat /run/before)" ]`
	restarted = `[ "$(systemctl show -P MainPID containerd)" != "$(cat /run/before)" ] && [ "$(systemctl show -P MainPID containerd)" != 0 ] && nodeagent check RuntimeResponsive`
)

// set writes a drop-in of containerd's unit; empty takes it away.
func (n node) set(lines string) {
	n.t.Helper()
	const dir = "/etc/systemd/system/containerd.service.d"
	n.sh("rm -rf " + dir)
	if lines != "" {
		n.put(dir+"/test.conf", []byte("[Service]\n"+lines), 0o644)
	}
	n.sh("systemctl daemon-reload; systemctl reload nodeagent") // a reload looks at once
}

// TestRepair: a hung runtime is restarted by its unit, once KillMode spares the pods and a person has let the agent do it; before that the agent
// says that it would, and why not.
func TestRepair(t *testing.T) {
	t.Parallel()
	deb := thisTree(t).plain
	n := runtimeNode(t, "repair", deb, "dry-run")
	// Without D-Bus, and systemd's own socket that stands in for it, there is no hand on the unit.
	bad := boot(t, "norepair")
	bad.copy("testdata/containerd.toml", "/etc/containerd/config.toml", 0o644)
	bad.put(override, fmt.Appendf(nil, soon, "dry-run"), 0o640)
	bad.sh("systemctl enable --now --quiet containerd.service; dpkg -i " + bad.give(breakDeb(t, deb, broken{unitFile, `^UMask=`, "InaccessiblePaths=-/run/dbus -/run/systemd/private\nUMask="})))
	if err := bad.until("nodeagent check RuntimeResponsive"); err != nil {
		t.Fatal(err)
	}
	bad.sh("kill -STOP $(systemctl show -P MainPID containerd)")

	n.set("KillMode=control-group\n")
	if err := n.until("nodeagent check RuntimeUnit | grep KillMode"); err != nil {
		t.Fatalf("%v\n%s", err, n.story())
	}
	n.sh("kill -STOP $(cat /run/before)")
	n.plan("would kill every pod")
	n.set("KillMode=none\n")
	n.plan("would not help")
	n.set("")
	if err := n.until("nodeagent check RuntimeUnit"); err != nil {
		t.Fatalf("a KillMode that was put right is told of still: %v\n%s", err, n.story())
	}
	const would = "dry-run: would have been done"
	n.within(time.Minute).plan(would)
	n.sh(untouched + "; sed -i s/dry-run/on/ " + override + "; systemctl reload nodeagent")
	if err := n.within(time.Minute).until(restarted); err != nil {
		t.Errorf("%v\n%s", err, n.story())
	}
	if err := n.expect(`nodeagent events --since 1h | grep -q restart-runtime`); err != nil {
		t.Error(err)
	}
	if err := n.denied(); err != nil {
		t.Error(err)
	}
	if out, err := bad.try("nodeagent repair plan -o json | grep -q '" + would + "'"); err == nil {
		t.Errorf("a unit that can't reach systemd would have restarted the runtime:\n%s", out)
	}
	bad.plan("ask systemd")
}

// TestRepairDead: what a person decided of a unit stays, with the reason in the plan; a runtime that died and that nobody brings back is started;
// one that restarts too often is told of.
func TestRepairDead(t *testing.T) {
	t.Parallel()
	n := runtimeNode(t, "dead", thisTree(t).plain, "on")
	n.sh("systemctl stop containerd")
	n.plan("is inactive")
	n.sh("systemctl disable --quiet containerd")
	n.plan("is disabled")
	n.sh("systemctl mask --quiet containerd")
	n.plan("is masked")
	n.sh(`[ "$(systemctl show -P ActiveState containerd)" = inactive ]; systemctl unmask --quiet containerd; systemctl enable --now --quiet containerd`)
	if err := n.until("nodeagent check RuntimeResponsive"); err != nil {
		t.Fatal(err)
	}

	n.set("Restart=always\nRestartSec=100ms\nStartLimitIntervalSec=0\n")
	for range 5 {
		if err := n.until(`systemctl show -P MainPID containerd >/run/before; systemctl kill --kill-who=main --signal=KILL containerd`); err != nil { // between two lives it has no main process
			t.Fatal(err)
		}
		if err := n.until(`[ "$(systemctl show -P ActiveState containerd)" = active ] && [ "$(systemctl show -P MainPID containerd)" != 0 ] && [ "$(systemctl show -P MainPID containerd)" != "$(cat /run/before)" ]`); err != nil {
			t.Fatal(err)
		}
	}
	n.sh("systemctl reload nodeagent")
	if err := n.within(time.Minute).until("nodeagent check RuntimeUnit | grep Restarts"); err != nil { // the details are looked at every half minute
		t.Fatalf("%v\n%s", err, n.story())
	}
	n.set("Restart=no\n")
	n.sh("systemctl restart containerd; systemctl reload nodeagent")
	if err := n.until("nodeagent check RuntimeUnit && nodeagent check RuntimeResponsive"); err != nil {
		t.Fatalf("a person has restarted it, and its restarts count still: %v\n%s", err, n.story())
	}

	n.sh("systemctl show -P MainPID containerd >/run/before; systemctl kill --kill-who=main --signal=KILL containerd")
	if err := n.within(time.Minute).until(restarted); err != nil {
		t.Errorf("%v\n%s", err, n.story())
	}
	if err := n.denied(); err != nil {
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
	n := boot(t, "kubelet")
	kubeletsLeavings(n)
	n.put("/var/lib/kubelet/config.yaml", []byte("apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nstaticPodPath: /etc/kubernetes/manifests\nfileCheckFrequency: 1s\n"), 0o644)
	n.put("/etc/kubernetes/kubelet.conf", []byte("apiVersion: v1\nkind: Config\nclusters: [{name: c, cluster: {server: 'https://127.0.0.1:8443'}}]\ncontexts: [{name: c, context: {cluster: c}}]\ncurrent-context: c\n"), 0o600)
	n.put("/usr/lib/standin.pl", []byte(standIn), 0o644)
	n.put("/etc/systemd/system/kubelet.service", []byte(standInUnit), 0o644)
	n.put("/etc/haproxy/haproxy.cfg", []byte(noLiveBackend), 0o644)
	n.copy("testdata/containerd.toml", "/etc/containerd/config.toml", 0o644)
	n.put(override, fmt.Appendf(nil, soon, "on"), 0o640)
	n.sh("cp /usr/bin/perl /usr/bin/kubelet; systemctl daemon-reload; systemctl enable --now --quiet kubelet haproxy containerd; systemctl show -P MainPID kubelet >/run/before; dpkg -i " + n.give(thisTree(t).plain))
	const same = `[ "$(systemctl show -P MainPID kubelet)" = "$(cat /run/before)" ]`

	n = n.within(time.Minute)
	n.plan("kubernetes#99602")
	// It would have been done by now: after 10 s, or 15 s if asking is late.
	since := `nodeagent repair plan -o json | tr -d ' \n' | sed 's/.*"target":"kubelet.service"[^}]*"since":"\([^"]*\)".*/\1/'`
	if err := n.until(`[ $(($(date +%s) - $(date +%s -d "$(` + since + `)"))) -ge 20 ]`); err != nil {
		t.Fatalf("%v\n%s", err, n.story())
	}
	n.sh(same + "; systemctl stop haproxy")
	n.plan("it wrote to its journal")
	n.sh(same + "; touch /run/quiet")
	if err := n.until(`[ "$(systemctl show -P MainPID kubelet)" != "$(cat /run/before)" ] && nodeagent check Kubelet && nodeagent events --since 1h | grep -q restart-kubelet`); err != nil {
		t.Errorf("%v\n%s", err, n.story())
	}
	// One that ends again and again is told with its own last words.
	n.put("/etc/systemd/system/kubelet.service.d/50-ends.conf", []byte(ends), 0o644)
	n.sh("systemctl daemon-reload; systemctl restart kubelet || true")
	if err := n.until(`nodeagent status -o json | grep -q 'its process ended with exit code 3, [1-9].* its last error: .*swap is on'`); err != nil {
		t.Errorf("%v\n%s", err, n.sh("nodeagent status || true"))
	}
	if err := n.denied(); err != nil {
		t.Error(err)
	}
}
