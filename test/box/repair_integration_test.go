//go:build integration

package box

import (
	"testing"
	"time"
)

// TestRepair: a hung runtime is restarted by its unit, once a person has let the agent do it, and before that the agent says that it would. The
// runtime has to be two minutes old for that, which is what this test waits for.
func TestRepair(t *testing.T) {
	t.Parallel()
	n := hungRuntime(t, "repair", thisTree(t).deb)
	// Without D-Bus, and the socket of systemd itself that stands in for it, there is no hand on the unit.
	bad := hungRuntime(t, "norepair", breakDeb(t, thisTree(t).deb, broken{unitFile, `^UMask=`, "InaccessiblePaths=-/run/dbus -/run/systemd/private\nUMask="}))
	const would = `nodeagent repair plan -o json | grep -q 'dry-run: would have been done'`
	if err := n.within(4 * time.Minute).until(would); err != nil {
		t.Fatalf("%v\n%s", err, n.sh("nodeagent repair plan"))
	}
	n.sh(`[ "$(systemctl show -P MainPID containerd)" = "$(cat /run/before)" ]; echo 'repair: {mode: on}' >/etc/nodeagent/config.d/90-test.yaml; systemctl reload nodeagent`)
	if err := n.within(time.Minute).until(`[ "$(systemctl show -P MainPID containerd)" != "$(cat /run/before)" ] && nodeagent check RuntimeResponsive`); err != nil {
		t.Errorf("%v\n%s", err, n.sh("nodeagent repair plan; nodeagent events --since 1h | tail; journalctl --no-pager -u nodeagent | tail -20"))
	}
	if err := n.expect(`nodeagent events --since 1h | grep -q restart-runtime`); err != nil {
		t.Error(err)
	}
	if err := n.denied(); err != nil {
		t.Error(err)
	}
	if out, err := bad.try(would); err == nil {
		t.Errorf("a unit that can't reach systemd would have restarted the runtime:\n%s", out)
	}
}

// hungRuntime is a node with the package and a containerd that is stopped in the middle of its work.
func hungRuntime(t *testing.T, name, deb string) node {
	t.Helper()
	n := boot(t, name)
	n.copy("testdata/containerd.toml", "/etc/containerd/config.toml", 0o644)
	n.copy("testdata/10-box.conflist", "/etc/cni/net.d/10-box.conflist", 0o644)
	n.sh("systemctl enable --now --quiet containerd.service; dpkg -i " + n.give(deb))
	if err := n.until("nodeagent check RuntimeResponsive"); err != nil {
		t.Fatal(err)
	}
	n.sh("systemctl show -P MainPID containerd >/run/before; kill -STOP $(cat /run/before)")
	return n
}
