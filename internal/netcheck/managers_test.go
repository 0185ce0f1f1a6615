package netcheck

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
)

// tree writes files below a folder of the test; a name that ends in a slash is a folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if dir == path {
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	nmRuns        = "sys/fs/cgroup/system.slice/NetworkManager.service/"
	networkdRuns  = "sys/fs/cgroup/system.slice/systemd-networkd.service/"
	firewalldRuns = "sys/fs/cgroup/systemd/system.slice/firewalld.service/" // cgroup v1
)

func TestManagers(t *testing.T) {
	// What systemd-networkd 252 wrote for a device that a file with Name=* took, and for one with Unmanaged=yes.
	const held = "# This is private data. Do not parse.\nADMIN_STATE=configured\nOPER_STATE=routable\nNETWORK_FILE=/etc/systemd/network/10-all.network\nDNS=\n"
	const free = "# This is private data. Do not parse.\nADMIN_STATE=unmanaged\nOPER_STATE=routable\n"
	direct := func(n *Network) {
		for i := range n.Routes[1:] {
			n.Routes[i+1].Link, n.Routes[i+1].Gateway, n.Routes[i+1].OnLink = 2, n.FDB[i].Dst, false
		}
		n.Neighbours, n.FDB = nil, nil
	}
	for _, c := range []struct {
		name   string
		files  map[string]string
		change func(*Network)
		want   string // Subject Reason; empty: all is well
		says   string // in its message or evidence
	}{
		{name: "none runs", files: map[string]string{"run/NetworkManager/devices/3": "[device]\nmanaged=true\n", "etc/firewalld/zones/public.xml": "<zone/>"}},
		{name: "NetworkManager has flannel.1 and a pod's veth", files: map[string]string{nmRuns: "", "run/NetworkManager/devices/3": "[device]\nmanaged=true\n", "run/NetworkManager/devices/5": "[device]\nmanaged=true\n"},
			want: "NetworkManager Managed", says: "flannel.1, pods' veths"},
		{name: "NetworkManager has the uplink alone", files: map[string]string{nmRuns: "", "run/NetworkManager/devices/2": "[device]\nmanaged=true\n", "run/NetworkManager/devices/3": "[device]\nmanaged=false\n"}},
		{name: "networkd has cni0", files: map[string]string{networkdRuns: "", "run/systemd/netif/links/3": free, "run/systemd/netif/links/4": held}, want: "systemd-networkd Managed", says: "/etc/systemd/network/10-all.network"},
		{name: "networkd has the uplink", files: map[string]string{networkdRuns: "", "run/systemd/netif/links/2": held, "run/systemd/netif/links/3": free}},
		{name: "networkd has the uplink, with routes over it", files: map[string]string{networkdRuns: "", "run/systemd/netif/links/2": held}, change: direct, want: "systemd-networkd ForeignRoutes", says: "eth0"},
		{name: "networkd keeps foreign routes", files: map[string]string{networkdRuns: "", "run/systemd/netif/links/2": held, "etc/systemd/networkd.conf": "[Network]\n#ManageForeignRoutes=yes\nManageForeignRoutes=yes\n",
			"etc/systemd/networkd.conf.d/flannel.conf": "[Network]\nManageForeignRoutes = no\n"}, change: direct},
		{name: "a drop-in is hidden by another of its name", files: map[string]string{networkdRuns: "", "run/systemd/netif/links/2": held, "usr/lib/systemd/networkd.conf.d/flannel.conf": "[Network]\nManageForeignRoutes=no\n",
			"etc/systemd/networkd.conf.d/flannel.conf": ""}, change: direct, want: "systemd-networkd ForeignRoutes"},
		{name: "firewalld as installed, before it forwarded within a zone", files: map[string]string{firewalldRuns: "", "usr/lib/firewalld/zones/public.xml": `<zone><short>Public</short></zone>`}, want: "firewalld ZoneDrops", says: "cni0 and flannel.1"},
		{name: "firewalld forwards within the default zone", files: map[string]string{firewalldRuns: "", "usr/lib/firewalld/zones/public.xml": `<zone><short>Public</short><forward/></zone>`}},
		{name: "a zone of /etc hides that of /usr/lib", files: map[string]string{firewalldRuns: "", "usr/lib/firewalld/zones/public.xml": `<zone><forward/></zone>`, "etc/firewalld/zones/public.xml": `<zone/>`}, want: "firewalld ZoneDrops"},
		{name: "Flannel's network is trusted", files: map[string]string{firewalldRuns: "", "etc/firewalld/zones/trusted.xml": `<zone target="ACCEPT"><source address="10.0.0.0/8"/></zone>`}},
		{name: "another network is trusted", files: map[string]string{firewalldRuns: "", "etc/firewalld/zones/trusted.xml": `<zone target="ACCEPT"><source address="10.244.1.0/24"/><source ipset="x"/></zone>`}, want: "firewalld ZoneDrops"},
		{name: "both devices are trusted", files: map[string]string{firewalldRuns: "", "etc/firewalld/zones/trusted.xml": `<zone target="ACCEPT"><interface name="cni0"/><interface name="flannel.1"/></zone>`}},
		{name: "one device is trusted", files: map[string]string{firewalldRuns: "", "etc/firewalld/zones/trusted.xml": `<zone target="ACCEPT"><interface name="cni0"/></zone>`}, want: "firewalld ZoneDrops"},
		{name: "firewalld has rules of another kind", files: map[string]string{firewalldRuns: "", "etc/firewalld/policies/pods.xml": "<policy/>"}},
		{name: "firewalld flushes", files: map[string]string{firewalldRuns: "", "etc/firewalld/firewalld.conf": "DefaultZone=trusted\nFirewallBackend=iptables\n", "usr/lib/firewalld/zones/trusted.xml": `<zone target="ACCEPT"/>`}, want: "firewalld FlushesRules"},
		{name: "firewalld flushes its own", files: map[string]string{firewalldRuns: "", "etc/firewalld/firewalld.conf": "DefaultZone=trusted\nFirewallBackend=iptables\nFlushAllOnReload=no\n", "usr/lib/firewalld/zones/trusted.xml": `<zone target="ACCEPT"/>`}},
		{name: "a zone that can't be read", files: map[string]string{firewalldRuns: "", "etc/firewalld/zones/trusted.xml": `<zone target="ACCEPT`}, want: "managers Unread", says: "trusted.xml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := sample()
			if c.change != nil {
				c.change(&n)
			}
			readManagers(Config{root: tree(t, c.files)}, &n)
			p := paint(&n)
			v := verdicts{}
			judgeManagers(v, &n, p)
			var bad []health.Finding
			for _, f := range v[FlannelConflicts] {
				if f.Status != health.OK {
					bad = append(bad, f)
				}
			}
			switch {
			case len(v[FlannelConflicts]) == 0:
				t.Fatal("nothing is said")
			case c.want == "" && len(bad) > 0:
				t.Fatalf("found %+v", bad)
			case c.want == "":
				return
			case len(bad) != 1 || bad[0].Subject+" "+bad[0].Reason.Name != c.want:
				t.Fatalf("found %+v, want %s", bad, c.want)
			}
			if !strings.Contains(bad[0].Message, c.says) && !slices.ContainsFunc(bad[0].Evidence, func(p health.Pair) bool { return p.Value == c.says }) {
				t.Errorf("%q with %v does not say %q", bad[0].Message, bad[0].Evidence, c.says)
			}
		})
	}
}

// TestManagersAreOfFlannelsNodes: where there is no Flannel they are not even looked for.
func TestManagersAreOfFlannelsNodes(t *testing.T) {
	v := judge(Config{}, Network{Routes: []Route{{Table: unix.RT_TABLE_MAIN}}})
	if f := v[FlannelConflicts]; len(f) != 1 || f[0].Status != health.Absent {
		t.Errorf("%+v", f)
	}
}

func FuzzManagersFiles(f *testing.F) {
	f.Add([]byte(`<zone target="ACCEPT"><interface name="cni0"/><source address="10.0.0.0/8"/><forward/></zone>`))
	f.Add([]byte("[Network]\nManageForeignRoutes = no\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := parseZone(b)
		w := Firewall{Zones: []Zone{z}}
		n := sample()
		if w.lets(paint(&n).sides[0].network, "cni0", "flannel.1") && err != nil {
			t.Error("a zone that can't be read lets packets pass")
		}
		for key, value := range parseSettings(string(b)) {
			if key != strings.TrimSpace(key) || value != strings.TrimSpace(value) {
				t.Errorf("%q=%q", key, value)
			}
		}
	})
}
