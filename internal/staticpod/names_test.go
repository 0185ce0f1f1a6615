package staticpod

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestDNSConfig(t *testing.T) {
	node := parseResolver("# comment\nnameserver 192.0.2.1\nnameserver 192.0.2.2\ndomain old.test\nsearch a.test b.test\noptions ndots:1 edns0\n; end\nbroken\n")
	two := "2"
	for _, test := range []struct {
		name                        string
		policy                      corev1.DNSPolicy
		config                      *corev1.PodDNSConfig
		none                        bool
		servers, searches, options_ string
	}{
		{name: "the node's own", policy: corev1.DNSClusterFirst, none: true},
		{name: "nothing but its own", policy: corev1.DNSNone, config: &corev1.PodDNSConfig{Nameservers: []string{"10.0.0.1"}}, servers: "10.0.0.1"},
		{name: "added to the node's", policy: corev1.DNSDefault,
			config:  &corev1.PodDNSConfig{Nameservers: []string{"192.0.2.2", "10.0.0.1", "10.0.0.2"}, Searches: []string{"c.test", "a.test"}, Options: []corev1.PodDNSConfigOption{{Name: "ndots", Value: &two}, {Name: "rotate"}}},
			servers: "192.0.2.1 192.0.2.2 10.0.0.1", searches: "a.test b.test c.test", options_: "edns0 ndots:2 rotate"},
		{name: "too much is cut", policy: corev1.DNSNone, config: &corev1.PodDNSConfig{Searches: slices.Repeat([]string{strings.Repeat("x", 100)}, 1)}, searches: strings.Repeat("x", 100)},
	} {
		got := dnsConfig(&corev1.PodSpec{DNSPolicy: test.policy, DNSConfig: test.config}, node)
		if (got == nil) != test.none {
			t.Errorf("%s: %v", test.name, got)
		}
		if s, d, o := strings.Join(got.GetServers(), " "), strings.Join(got.GetSearches(), " "), strings.Join(got.GetOptions(), " "); s != test.servers || d != test.searches || o != test.options_ {
			t.Errorf("%s: servers %q, searches %q, options %q", test.name, s, d, o)
		}
	}
}

// A pod with a network of its own can't reach systemd-resolved's stub; it gets the servers behind it, whether it has a dnsConfig or not.
func TestResolverOfTheNode(t *testing.T) {
	const plain, stub, behind = "nameserver 192.0.2.1\nsearch a.test\n", "nameserver 127.0.0.53\noptions edns0 trust-ad\n", "nameserver 192.0.2.7\n"
	for _, test := range []struct {
		name, own, behind string
		host              bool
		servers           string // of the sandbox; empty: the runtime copies the node's file
	}{
		{"plain", plain, "", false, ""},
		{"plain, and systemd-resolved has others", plain, behind, false, ""},
		{"the stub", stub, behind, false, "192.0.2.7"},
		{"the stub, in the host's network", stub, behind, true, ""},
		{"the stub, and nothing behind it", stub, "search a.test\n", false, ""},
		{"IPv6", "nameserver ::1\n", behind, false, "192.0.2.7"},
	} {
		s := &corev1.PodSpec{DNSPolicy: corev1.DNSClusterFirst, HostNetwork: test.host}
		got := dnsConfig(s, chooseResolver(test.own, test.behind, test.host))
		if servers := strings.Join(got.GetServers(), " "); servers != test.servers || (got == nil) != (test.servers == "") {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestHosts(t *testing.T) {
	s := &corev1.PodSpec{HostAliases: []corev1.HostAlias{{IP: "192.0.2.9", Hostnames: []string{"db", "db.test"}}}}
	got := string(hosts(s, nil, "web-node", []string{"10.0.0.9", "fd00::9", "not an address"}))
	for _, want := range []string{"127.0.0.1\tlocalhost\n", "10.0.0.9\tweb-node\n", "fd00::9\tweb-node\n", "192.0.2.9\tdb\tdb.test\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "not an") {
		t.Error("what is no address stands in it")
	}
	s.HostNetwork = true
	if got := string(hosts(s, []byte("192.0.2.1 gate"), "", nil)); !strings.Contains(got, "192.0.2.1 gate\n") || strings.Contains(got, "ip6-localnet") || !strings.Contains(got, "192.0.2.9\tdb") {
		t.Errorf("in the host's network:\n%s", got)
	}
}

func TestHostsMount(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pod")
	s, c := &corev1.PodSpec{}, &corev1.Container{}
	m, err := hostsMount(s, c, dir, "web", []string{"10.0.0.9"})
	check(t, err)
	before, err := os.Stat(m.HostPath)
	check(t, err)
	if m.ContainerPath != "/etc/hosts" || m.Readonly {
		t.Errorf("%+v", m)
	}
	if _, err := hostsMount(s, c, dir, "web", []string{"10.0.0.10"}); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(m.HostPath)
	check(t, err)
	if b, _ := os.ReadFile(m.HostPath); !strings.Contains(string(b), "10.0.0.10\tweb") || !os.SameFile(before, after) {
		t.Errorf("containers that run don't see the new address: %s", b)
	}
	own := &corev1.Container{VolumeMounts: []corev1.VolumeMount{{MountPath: "/etc/hosts/"}}}
	if m, err := hostsMount(s, own, dir, "web", nil); m != nil || err != nil {
		t.Errorf("over the container's own: %v %v", m, err)
	}
	s.HostNetwork = true
	if m, err := hostsMount(s, c, dir, "", nil); m != nil || err != nil {
		t.Errorf("in the host's network with nothing to add: %v %v", m, err)
	}
}
