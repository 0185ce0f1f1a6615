//go:build integration

package netcheck

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"nodeagent/internal/health"
	"nodeagent/internal/netcheck/netlab"
)

// runNetworkd starts systemd-networkd on a host, with a /run below the host's folder, and ends it with the function that it gives.
func runNetworkd(t *testing.T, h *netlab.Host) (stop func()) {
	t.Helper()
	who, err := user.Lookup("systemd-network")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(who.Uid)
	gid, _ := strconv.Atoi(who.Gid)
	run := filepath.Join(h.Dir, "run")
	for _, dir := range []string{"systemd/netif", "systemd/netif/links", "systemd/netif/leases", "systemd/netif/lldp"} {
		if err := os.MkdirAll(filepath.Join(run, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(filepath.Join(run, dir), uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	// With a /sys that can be written it would wait for udev, which nobody runs here.
	cmd := exec.Command("ip", "netns", "exec", h.Name, "sh", "-c", `mount --bind "$0" /run && mount -o remount,ro /sys && exec /lib/systemd/systemd-networkd`, run)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	}
}

// TestNetworkd lets a real systemd-networkd take Flannel's devices, and then not, by the lines of docs/flannel.md.
func TestNetworkd(t *testing.T) {
	lab := netlab.New(t, netlab.Options{Backend: "vxlan"})
	h := lab.Hosts[0]
	h.Write("sys/fs/cgroup/system.slice/systemd-networkd.service/cgroup.events", "populated 1\n")
	h.Write("run/systemd/network/10-all.network", "[Match]\nName=*\n[Network]\nLinkLocalAddressing=no\n")
	n := start(t, h, nil)
	comes := func(what string, ok func(health.Entry) bool) {
		t.Helper()
		if !poll(func() bool {
			n.c.Wake()
			st, _ := n.board.Snapshot().Of(FlannelConflicts.Name)
			return ok(st.Entry(networkd))
		}) {
			t.Errorf("%s did not come to be; the board shows:\n%s", what, show(n.board.Snapshot(), true))
		}
	}
	stop := runNetworkd(t, h)
	comes("the warning", func(e health.Entry) bool {
		return e.ReasonName() == managed.Name && strings.Contains(e.Message, "cni0, flannel.1, pods' veths") && e.Evidence[len(e.Evidence)-1].Value == "/run/systemd/network/10-all.network"
	})
	stop()
	h.Write("run/systemd/network/01-flannel.network", "[Match]\nName=flannel* cni* veth*\n\n[Link]\nUnmanaged=yes\n")
	stop = runNetworkd(t, h)
	defer stop()
	comes("the end of the warning", func(e health.Entry) bool { return e.Status == health.OK })
}
