package snippet

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/keepalive/lint"
)

var update = flag.Bool("update", false, "write the goldens anew")

func vip() VIP {
	return VIP{Interface: "eth0", VRID: 77, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.100/24")}}
}

func balancer() Balancer {
	return Balancer{Servers: []Server{{"node1", netip.MustParseAddrPort("10.0.0.11:6443")}, {"node2", netip.MustParseAddrPort("10.0.0.12:6443")}}}
}

func text(t *testing.T, write func(*strings.Builder) error) string {
	t.Helper()
	var b strings.Builder
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s (go test -update writes it anew):\n%s", name, got)
	}
}

func unicast() VIP {
	v := vip()
	v.Source, v.Peers, v.Priority = netip.MustParseAddr("10.0.0.11"), []netip.Addr{netip.MustParseAddr("10.0.0.12"), netip.MustParseAddr("10.0.0.13")}, 90
	v.Addresses = append(v.Addresses, netip.MustParsePrefix("10.0.0.101/32"))
	v.Instance, v.Policy, v.Weight, v.Terminate = "API", "api", -80, 30
	return v
}

func TestGoldens(t *testing.T) {
	golden(t, "multicast.conf", text(t, func(b *strings.Builder) error { return vip().Keepalived(b) }))
	golden(t, "unicast.conf", text(t, func(b *strings.Builder) error { return unicast().Keepalived(b) }))
	golden(t, "haproxy.cfg", text(t, func(b *strings.Builder) error { return balancer().HAProxy(b) }))
	full := balancer()
	full.Servers = append(full.Servers, Server{"node3", netip.MustParseAddrPort("[fd00::13]:6443")})
	full.Bind, full.Port, full.CA, full.Check, full.User = netip.MustParseAddr("10.0.0.100"), 6443, "/etc/kubernetes/pki/ca.crt", "/livez", "-"
	golden(t, "haproxy-vip.cfg", text(t, func(b *strings.Builder) error { return full.HAProxy(b) }))
}

// TestLintFindsNothing: what we write is what we preach, on a node where nothing else of ours is yet.
func TestLintFindsNothing(t *testing.T) {
	for name, v := range map[string]VIP{"multicast": vip(), "unicast": unicast()} {
		root := t.TempDir()
		if err := os.WriteFile(filepath.Join(root, "k.conf"), []byte(text(t, func(b *strings.Builder) error { return v.Keepalived(b) })), 0o600); err != nil {
			t.Fatal(err)
		}
		peer := v.filled()
		peer.Priority -= 10
		peer.Source, peer.Peers = netip.Addr{}, nil
		if err := os.WriteFile(filepath.Join(root, "peer.conf"), []byte(text(t, func(b *strings.Builder) error { return peer.Keepalived(b) })), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := lint.File("/k.conf", lint.Options{Root: root, Version: "2.2.7", Verdicts: []string{v.filled().Policy}, Others: []string{"/peer.conf"}})
		if err != nil || len(got) != 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestOwnParserReadsTheBalancer(t *testing.T) {
	f := haproxy.ParseFile(text(t, func(b *strings.Builder) error { return balancer().HAProxy(b) }))
	if len(f.Binds) != 1 || f.Binds[0].String() != "*:8443" || !slices.Equal(f.Sockets, []string{"/run/haproxy/admin.sock"}) ||
		!slices.Equal(f.Routes, []haproxy.Route{{Frontend: "apiserver", Backend: "apiservers"}}) || len(f.Unsure) != 0 {
		t.Errorf("got %+v", f)
	}
}

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(*VIP){
		"vrid 51":        func(v *VIP) { v.VRID = 51 },
		"vrid: choose":   func(v *VIP) { v.VRID = 0 },
		"vrid 256":       func(v *VIP) { v.VRID = 256 },
		"interface:":     func(v *VIP) { v.Interface = "" },
		"interface \"":   func(v *VIP) { v.Interface = "eth0 {" },
		"priority 255":   func(v *VIP) { v.Priority = 255 },
		"address: name":  func(v *VIP) { v.Addresses = nil },
		"one family":     func(v *VIP) { v.Addresses = append(v.Addresses, netip.MustParsePrefix("fd00::1/64")) },
		"stands twice":   func(v *VIP) { v.Addresses = append(v.Addresses, v.Addresses[0]) },
		"can't be a VIP": func(v *VIP) { v.Addresses[0] = netip.MustParsePrefix("224.0.0.18/32") },
		"source: name":   func(v *VIP) { v.Peers = []netip.Addr{netip.MustParseAddr("10.0.0.12")} },
		"peers: name":    func(v *VIP) { v.Source = netip.MustParseAddr("10.0.0.11") },
		"own address":    func(v *VIP) { v.Source = netip.MustParseAddr("10.0.0.11"); v.Peers = []netip.Addr{v.Source} },
		"is the VIP": func(v *VIP) {
			v.Source = netip.MustParseAddr("10.0.0.11")
			v.Peers = []netip.Addr{v.Addresses[0].Addr()}
		},
		"policy":           func(v *VIP) { v.Policy = "../x" },
		"fifo":             func(v *VIP) { v.FIFO = "/run/a b" },
		"verdict folder":   func(v *VIP) { v.VerdictDir = "run" },
		"weight -1":        func(v *VIP) { v.Weight = -1 },
		"comm":             func(v *VIP) { v.Comm = "a-name-of-sixteen" },
		"terminate":        func(v *VIP) { v.Terminate = -1 },
		"instance \"a b\"": func(v *VIP) { v.Instance = "a b" },
	} {
		v := vip()
		change(&v)
		if err := v.Keepalived(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for want, change := range map[string]func(*Balancer){
		"servers: name":   func(b *Balancer) { b.Servers = nil },
		"stands twice":    func(b *Balancer) { b.Servers[1].Name = "node1" },
		"another one has": func(b *Balancer) { b.Servers[1].Addr = b.Servers[0].Addr },
		"write address":   func(b *Balancer) { b.Servers[0].Addr = netip.AddrPort{} },
		"server \"a b\"":  func(b *Balancer) { b.Servers[0].Name = "a b" },
		"the apiserver's": func(b *Balancer) { b.Port = 6443 },
		"balancer itself": func(b *Balancer) { b.Bind, b.Port = netip.MustParseAddr("10.0.0.11"), 6443 },
		"check \"/\"":     func(b *Balancer) { b.Check = "/" },
		"ca \"x\"":        func(b *Balancer) { b.CA = "x" },
		"socket":          func(b *Balancer) { b.Socket = "/" + strings.Repeat("x", 200) },
		"user":            func(b *Balancer) { b.User = "a\nb" },
	} {
		b := balancer()
		change(&b)
		if err := b.HAProxy(nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// FuzzNoInjection: no input makes a line of its own.
func FuzzNoInjection(f *testing.F) {
	lines := func(s string) int { return strings.Count(s, "\n") }
	f.Add("VI_1", "eth0", "vip", "/run/x", "nodeagent")
	f.Add("a\nb", "e {", "a#", "/run/\"", "x y")
	f.Fuzz(func(t *testing.T, instance, iface, policy, fifo, comm string) {
		var want, got strings.Builder
		if err := vip().Keepalived(&want); err != nil {
			t.Fatal(err)
		}
		v := vip()
		v.Instance, v.Interface, v.Policy, v.FIFO, v.Comm = instance, iface, policy, fifo, comm
		if v.Keepalived(&got) != nil {
			return
		}
		if lines(got.String()) != lines(want.String()) || strings.Count(got.String(), "{") != strings.Count(want.String(), "{") {
			t.Fatalf("%+v makes\n%s", v, fmt.Sprint(got.String()))
		}
	})
}
