package component

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"nodeagent/internal/health"
)

// TestWhereAPIServerIsAsked: at its own address, whatever it binds, and never at another host's.
func TestWhereAPIServerIsAsked(t *testing.T) {
	local := map[netip.Addr]bool{netip.MustParseAddr("10.0.0.5"): true, netip.MustParseAddr("fd00::5"): true}
	for _, c := range []struct{ flags, want string }{
		{"", "127.0.0.1:6443"},
		{"--bind-address=0.0.0.0", "127.0.0.1:6443"},
		{"--bind-address=:: --secure-port=8443", "127.0.0.1:8443"},
		{"--bind-address=::ffff:0.0.0.0", "127.0.0.1:6443"},
		{"--bind-address=10.0.0.5 --advertise-address=10.0.0.9", "10.0.0.5:6443"},
		{"--bind-address=fd00::5", "[fd00::5]:6443"},
		{"--bind-address=127.0.0.1 --advertise-address=10.0.0.5", "127.0.0.1:6443"},
		{"--advertise-address=10.0.0.5", "10.0.0.5:6443"},
		{"--bind-address=:: --advertise-address=fd00::5", "[fd00::5]:6443"},
		{"--bind-address=:: --advertise-address=fd00::9", "127.0.0.1:6443"},
		{"--advertise-address=10.0.0.9", "127.0.0.1:6443"},
		{"--bind-address=nonsense", "127.0.0.1:6443"},
	} {
		p := apiserverPlace(parseFlags(strings.Fields(c.flags)), local)
		if p.address != c.want || strings.HasSuffix(c.flags, "9") && !strings.HasPrefix(c.flags, "--bind-address=10") && p.note == "" {
			t.Errorf("%q: %s %q, want %s", c.flags, p.address, p.note, c.want)
		}
	}
}

func TestWhereControllersAreAsked(t *testing.T) {
	for flags, want := range map[string]string{
		"":                           "127.0.0.1:10259",
		"--bind-address=0.0.0.0":     "127.0.0.1:10259",
		"--bind-address ::":          "127.0.0.1:10259",
		"--bind-address=::1":         "[::1]:10259",
		"--bind-address=192.0.2.5":   "192.0.2.5:10259",
		"--secure-port=443":          "127.0.0.1:443",
		"--secure-port=0":            "",
		"--secure-port= --profiling": "127.0.0.1:10259",
	} {
		if got := controllerAddress(parseFlags(strings.Fields(flags)), "10259"); got != want {
			t.Errorf("%q: %q, want %q", flags, got, want)
		}
	}
}

// TestWhereKubeProxyIsAsked: by its flags where it has no configuration file, else by that alone, which is in a ConfigMap of its pod.
func TestWhereKubeProxyIsAsked(t *testing.T) {
	const pod, volume = "3f1c0c1e-1111-4222-8333-abcdefabcdef", "pods/3f1c0c1e-1111-4222-8333-abcdefabcdef/volumes/kubernetes.io~configmap/kube-proxy/config.conf"
	systemd := "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + strings.ReplaceAll(pod, "-", "_") + ".slice/cri-containerd-0.scope\n"
	for _, c := range []struct {
		name, flags, cgroup, config string // config is in the pod's volume; empty: there is none
		healthz, metrics, unread    string
	}{
		{name: "nothing said", healthz: "127.0.0.1:10256", metrics: "127.0.0.1:10249"},
		{name: "every address", flags: "--healthz-bind-address=0.0.0.0:10256 --metrics-bind-address=0.0.0.0:10249", healthz: "127.0.0.1:10256", metrics: "127.0.0.1:10249"},
		{name: "every address of both families", flags: "--healthz-bind-address=[::]:10256 --metrics-bind-address=[::]:9", healthz: "127.0.0.1:10256", metrics: "127.0.0.1:9"},
		{name: "an address of an old one", flags: "--healthz-bind-address=:: --metrics-bind-address=192.0.2.1", healthz: "127.0.0.1:10256", metrics: "192.0.2.1:10249"},
		{name: "moved", flags: "--healthz-bind-address=192.0.2.1:77", healthz: "192.0.2.1:77", metrics: "127.0.0.1:10249"},
		{name: "switched off", flags: "--healthz-bind-address=", healthz: "", metrics: "127.0.0.1:10249"},
		{name: "switched off by its port", flags: "--healthz-port=0", healthz: "", metrics: "127.0.0.1:10249"},
		{name: "port beside an address", flags: "--healthz-bind-address=192.0.2.1 --healthz-port 77 --metrics-port 78", healthz: "192.0.2.1:77", metrics: "127.0.0.1:78"},
		{name: "kubeadm", flags: "--config=/var/lib/kube-proxy/config.conf", cgroup: systemd, config: "bindAddress: 0.0.0.0\nhealthzBindAddress: \"\"\n", healthz: "127.0.0.1:10256", metrics: "127.0.0.1:10249"},
		{name: "kubeadm, IPv6", flags: "--config=/var/lib/kube-proxy/config.conf", cgroup: systemd, config: "bindAddress: '::'\n", healthz: "127.0.0.1:10256", metrics: "[::1]:10249"},
		{name: "moved in its ConfigMap", flags: "--config=/var/lib/kube-proxy/config.conf --healthz-bind-address=0.0.0.0:1", cgroup: "0::/kubepods/burstable/pod" + pod + "/0\n",
			config: "healthzBindAddress: '[::]:77'\nmetricsBindAddress: 0.0.0.0:78\n", healthz: "127.0.0.1:77", metrics: "127.0.0.1:78"},
		{name: "no YAML", flags: "--config=/var/lib/kube-proxy/config.conf", cgroup: systemd, config: "a: [s3cr3t", healthz: "127.0.0.1:10256", metrics: "127.0.0.1:10249", unread: "is no valid YAML"},
		{name: "no volume", flags: "--config=/var/lib/kube-proxy/config.conf", cgroup: systemd, healthz: "127.0.0.1:10256", metrics: "127.0.0.1:10249", unread: "in no ConfigMap volume of its pod"},
		{name: "a unit whose file is gone", flags: "--config=/none/config.conf", cgroup: "0::/system.slice/kube-proxy.service\n", healthz: "127.0.0.1:10256", metrics: "127.0.0.1:10249", unread: "open /none/config.conf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			n.cfg.Kubelet = filepath.Join(n.dir, "kubelet")
			if c.config != "" {
				write(t, filepath.Join(n.cfg.Kubelet, volume), c.config)
				write(t, filepath.Join(n.cfg.Kubelet, "pods/other/volumes/kubernetes.io~configmap/kube-proxy/config.conf"), "healthzBindAddress: 192.0.2.9:1\n")
			}
			write(t, filepath.Join(n.cfg.Proc, "7/cgroup"), c.cgroup)
			p := proxyAt(n.cfg, found{process: &process{pid: 7, flags: parseFlags(strings.Fields(c.flags))}})
			if p.healthz != c.healthz || p.metrics != c.metrics || c.unread == "" && p.unread != "" || !strings.Contains(p.unread, c.unread) || strings.Contains(p.unread, "s3cr3t") || strings.Contains(p.unread, "\n") {
				t.Errorf("got %+v, want %s, %s, %q", p, c.healthz, c.metrics, c.unread)
			}
		})
	}
	n := newNode(t)
	file := filepath.Join(n.dir, "config.conf")
	write(t, file, "healthzBindAddress: 192.0.2.1:77\n")
	write(t, filepath.Join(n.cfg.Proc, "7/cgroup"), "0::/system.slice/kube-proxy.service\n")
	if p := proxyAt(n.cfg, found{process: &process{pid: 7, flags: flags{"config": file}}}); p.healthz != "192.0.2.1:77" || p.unread != "" {
		t.Errorf("a unit's file: %+v", p)
	}
}

// TestElsewhere: an address that this node does not have is another node's. Nobody there is asked, and what it would answer is not this node's.
func TestElsewhere(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1:1": false, "[::1]:1": false, "127.9.9.9:1": false, "localhost:1": false, "192.0.2.1:1": true, "[2001:db8::1]:1": true, "": false} {
		if _, got := elsewhere(address); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	n := newNode(t)
	n.manifest(nameAPIServer, "--bind-address=192.0.2.1")
	n.manifest(nameEtcd, "--listen-client-urls=http://192.0.2.1:2379", "--listen-metrics-urls=http://192.0.2.1:2381")
	n.manifest(nameScheduler, "--bind-address=192.0.2.1")
	n.manifest(nameController, "--bind-address=2001:db8::1")
	n.process(7, "S", nameProxy, "--healthz-bind-address=192.0.2.1:10256")
	const says = "no interface of this node has the address"
	want(t, lookAt(t, n, APIServer), health.Failing, apiUnreachable, "kube-apiserver at 192.0.2.1:6443: "+says)
	want(t, lookAt(t, n, Etcd), health.Failing, etcdUnreachable, "etcd at 192.0.2.1:2381: "+says)
	want(t, lookAt(t, n, Scheduler), health.Failing, scheduler.reasons.unreachable, says)
	want(t, lookAt(t, n, ControllerManager), health.Failing, controllerManager.reasons.unreachable, says)
	want(t, lookAt(t, n, KubeProxy), health.Failing, proxyUnreachable, says)
	if places, _, _ := FindPlaces(n.cfg); len(places) > 0 {
		t.Errorf("asked for their certificates: %v", places)
	}
}
