package kubelet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// root is a node made of files: path to content; a content that begins with "-> " is a symbolic link.
type root map[string]string

func (r root) make(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for path, content := range r {
		p := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if to, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(to, p)
		} else {
			err = os.WriteFile(p, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// with is r and what is in more, which wins.
func (r root) with(more root) root {
	out := root{}
	for k, v := range r {
		out[k] = v
	}
	for k, v := range more {
		out[k] = v
	}
	return out
}

// certificate is a client certificate with its key, as kubelet keeps it.
func certificate(t *testing.T, cn string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: cn, Organization: []string{"system:nodes"}}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: k})) + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

const kubeadmDropin = `# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`

const kubeadmConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
clusterDNS: [10.96.0.10]
containerRuntimeEndpoint: ""
fileCheckFrequency: 0s
healthzBindAddress: 127.0.0.1
healthzPort: 10248
staticPodPath: /etc/kubernetes/manifests
syncFrequency: 0s
crashLoopBackOff: {}
`

// proc is the least of a /proc in which no kubelet runs.
func proc() root {
	return root{"/proc/stat": "cpu 1 2\nbtime 1767225600\n", "/proc/1/comm": "systemd\n", "/proc/1/cmdline": "/sbin/init\x00", "/proc/1/stat": "1 (systemd) S 0"}
}

// namespaces are those of a process; the reader's are 1.
func namespaces(pid, net, pids int) root {
	out := root{"/proc/self/ns/net": "-> net:[1]", "/proc/self/ns/pid": "-> pid:[1]"}
	out[fmt.Sprintf("/proc/%d/ns/net", pid)] = fmt.Sprintf("-> net:[%d]", net)
	out[fmt.Sprintf("/proc/%d/ns/pid", pid)] = fmt.Sprintf("-> pid:[%d]", pids)
	return out
}

// process adds a process started ten seconds after the boot.
func process(pid int, comm string, args ...string) root {
	dir := fmt.Sprintf("/proc/%d/", pid)
	return root{
		dir + "comm": comm + "\n", dir + "cmdline": strings.Join(args, "\x00") + "\x00",
		dir + "stat": fmt.Sprintf("%d (a b) c) S 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 9 0 1000 1 1", pid),
	}
}

func kubeadm(t *testing.T) root {
	return proc().with(root{
		"/usr/bin/kubelet": "\x7fELF",
		"/bin":             "-> usr/bin",
		"/usr/lib/systemd/system/kubelet.service":                     "[Service]\nExecStart=/usr/bin/kubelet\n",
		"/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf":   kubeadmDropin,
		"/etc/systemd/system/multi-user.target.wants/kubelet.service": "-> /usr/lib/systemd/system/kubelet.service",
		"/var/lib/kubelet/config.yaml":                                kubeadmConfig,
		"/var/lib/kubelet/kubeadm-flags.env":                          "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///run/containerd/containerd.sock --node-ip=10.0.0.1\"\n",
		"/etc/kubernetes/kubelet.conf":                                "clusters:\n- cluster:\n    server: https://10.0.0.100:8443\nusers:\n- name: default\n  user:\n    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n",
		"/var/lib/kubelet/pki/kubelet-client-current.pem":             "-> /var/lib/kubelet/pki/kubelet-client-2026.pem",
		"/var/lib/kubelet/pki/kubelet-client-2026.pem":                certificate(t, "system:node:CP-1"),
		"/etc/hostname": "other\n",
	})
}

func TestFindKubeadmNode(t *testing.T) {
	f := Find(kubeadm(t).make(t))
	if !f.Installed || f.Running != nil || !f.ProcRead || len(f.Problems) > 0 || f.Server != "https://10.0.0.100:8443" {
		t.Errorf("%+v", f)
	}
	want := []string{
		"binary /usr/bin/kubelet", "unit /usr/lib/systemd/system/kubelet.service", "configuration /var/lib/kubelet/config.yaml",
		"configuration /var/lib/kubelet/kubeadm-flags.env", "kubeconfig /etc/kubernetes/kubelet.conf",
	}
	if !slices.Equal(f.Evidence, want) {
		t.Errorf("evidence %q", f.Evidence)
	}
	if f.NodeName != "cp-1" || f.NodeSource != "certificate /var/lib/kubelet/pki/kubelet-client-current.pem" {
		t.Errorf("node %q from %q", f.NodeName, f.NodeSource)
	}
	c := f.Config
	if c.Path != "/var/lib/kubelet/config.yaml" || c.StaticPodPath != "/etc/kubernetes/manifests" || c.ContainerRuntimeEndpoint != "unix:///run/containerd/containerd.sock" ||
		c.FileCheckFrequency != 20*time.Second || c.SyncFrequency != time.Minute || c.InitialBackoff != 10*time.Second || c.MaxRestartPeriod != 300*time.Second ||
		c.CgroupDriver != "systemd" || !slices.Equal(c.ClusterDNS, []string{"10.96.0.10"}) || c.PodLogsDir != "/var/log/pods" || c.HealthzAddress != "127.0.0.1:10248" {
		t.Errorf("%+v", c)
	}
	if got := c.Sources["containerRuntimeEndpoint"]; got != "flag in /usr/lib/systemd/system/kubelet.service --container-runtime-endpoint" {
		t.Errorf("source %q", got)
	}
	if !f.Since().Equal(time.Unix(1767225600, 0)) {
		t.Errorf("since %v", f.Since())
	}
}

func TestFindNodes(t *testing.T) {
	base := kubeadm(t)
	for _, tt := range []struct {
		name     string
		root     root
		evidence string // part of one sign; empty: none
		check    func(Facts) any
		want     any
	}{
		{"nothing", proc().with(root{"/etc/hostname": "Plain\n"}), "", func(f Facts) any { return f.NodeName + " " + f.Config.StaticPodPath }, "plain /etc/kubernetes/manifests"},
		{"masked unit alone", proc().with(root{"/etc/systemd/system/kubelet.service": "-> /dev/null"}), "unit /etc/systemd/system/kubelet.service (masked)", nil, nil},
		{"masked over a packaged unit", base.with(root{"/etc/systemd/system/kubelet.service": "-> /dev/null"}), "unit /etc/systemd/system/kubelet.service (masked)", func(f Facts) any { return f.Config.ContainerRuntimeEndpoint }, "unix:///run/containerd/containerd.sock"},
		{"disabled unit", proc().with(root{"/lib/systemd/system/kubelet.service": "[Service]\nExecStart=/usr/bin/kubelet"}), "kubelet.service (disabled)", nil, nil},
		{"drop-in left behind", proc().with(root{"/etc/systemd/system/kubelet.service.d/10-kubeadm.conf": kubeadmDropin}), "a drop-in; the unit itself is gone", nil, nil},
		{"kubeconfig alone", proc().with(root{"/etc/kubernetes/bootstrap-kubelet.conf": "users: []"}), "kubeconfig /etc/kubernetes/bootstrap-kubelet.conf", nil, nil},
		{"config alone", proc().with(root{"/var/lib/kubelet/config.yaml": kubeadmConfig}), "configuration /var/lib/kubelet/config.yaml", nil, nil},
		{"no static pods", base.with(root{"/var/lib/kubelet/config.yaml": "kind: KubeletConfiguration\n"}), "binary", func(f Facts) any { return f.Config.StaticPodPath + "|" + f.Config.Sources["staticPodPath"] }, "|not set in /var/lib/kubelet/config.yaml"},
		{"path relative to its file", base.with(root{"/var/lib/kubelet/config.yaml": "staticPodPath: manifests\n"}), "binary", func(f Facts) any { return f.Config.StaticPodPath }, "/var/lib/kubelet/manifests"},
		{"environment file wins", base.with(root{"/etc/default/kubelet": "KUBELET_EXTRA_ARGS=--hostname-override=Env-1 --pod-manifest-path=/m\n"}), "binary", func(f Facts) any { return f.NodeName + f.Config.StaticPodPath }, "env-1/m"},
		{"drop-in of /etc hides the packaged one", base.with(root{"/etc/systemd/system/kubelet.service.d/10-kubeadm.conf": "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --config /c.yaml\n", "/c.yaml": "staticPodPath: /other\n"}), "binary", func(f Facts) any { return f.Config.StaticPodPath }, "/other"},
		{"config drop-ins", base.with(root{
			"/etc/default/kubelet": "KUBELET_EXTRA_ARGS=--config-dir=/etc/kubernetes/kubelet.conf.d\n", "/etc/kubernetes/kubelet.conf.d/20.conf": "staticPodPath: /twenty\nfileCheckFrequency: 5s",
			"/etc/kubernetes/kubelet.conf.d/10.conf": "staticPodPath: /ten\nsyncFrequency: 7s", "/etc/kubernetes/kubelet.conf.d/30.yaml": "staticPodPath: /thirty",
		}), "binary", func(f Facts) any {
			return fmt.Sprint(f.Config.StaticPodPath, f.Config.FileCheckFrequency, f.Config.SyncFrequency, len(f.Config.DropIns))
		}, "/twenty5s 7s 2"},
		{"back-off", base.with(root{"/var/lib/kubelet/config.yaml": "crashLoopBackOff: {maxContainerRestartPeriod: 30s}\n"}), "binary", func(f Facts) any { return f.Config.MaxRestartPeriod }, 30 * time.Second},
		{"faster back-off", base.with(root{"/var/lib/kubelet/config.yaml": "featureGates: {ReduceDefaultCrashLoopBackOffDecay: true}\n"}), "binary", func(f Facts) any { return fmt.Sprint(f.Config.InitialBackoff, f.Config.MaxRestartPeriod) }, "1s 1m0s"},
		{"swap forbidden by default", base, "binary", func(f Facts) any { return f.Config.FailSwapOn }, true},
		{"swap allowed by file", base.with(root{"/var/lib/kubelet/config.yaml": "failSwapOn: false\nprotectKernelDefaults: true\nfailCgroupV1: true\n"}), "binary", func(f Facts) any {
			return fmt.Sprint(f.Config.FailSwapOn, f.Config.ProtectKernelDefaults, f.Config.FailCgroupV1) + " " + f.Config.Sources["failSwapOn"]
		}, "false true true /var/lib/kubelet/config.yaml"},
		{"a switch takes no word after it", base.with(root{"/etc/default/kubelet": "KUBELET_EXTRA_ARGS=--fail-swap-on=false --protect-kernel-defaults --hostname-override=n9\n"}), "binary", func(f Facts) any {
			return fmt.Sprint(f.Config.FailSwapOn, f.Config.ProtectKernelDefaults) + " " + f.NodeName
		}, "false true n9"},
		{"healthz off", base.with(root{"/var/lib/kubelet/config.yaml": "healthzPort: 0\n"}), "binary", func(f Facts) any { return f.Config.HealthzAddress }, ""},
		{"server on all addresses", base, "binary", func(f Facts) any { return f.Config.ServerAddress + fmt.Sprint(f.Config.ServerCertificates) }, "127.0.0.1:10250[/var/lib/kubelet/pki/kubelet-server-current.pem /var/lib/kubelet/pki/kubelet.crt]"},
		{"healthz of every address", base.with(root{"/var/lib/kubelet/config.yaml": "healthzBindAddress: '::'\n"}), "binary", func(f Facts) any { return f.Config.HealthzAddress }, "127.0.0.1:10248"},
		{"healthz of every address, in long", base.with(root{"/var/lib/kubelet/config.yaml": "healthzBindAddress: '0:0:0:0:0:0:0:0'\n"}), "binary", func(f Facts) any { return f.Config.HealthzAddress }, "127.0.0.1:10248"},
		{"healthz moved by a drop-in", base.with(root{"/var/lib/kubelet/config.yaml": "healthzBindAddress: 127.0.0.1\nhealthzPort: 0\n", "/etc/default/kubelet": "KUBELET_EXTRA_ARGS=--config-dir=/etc/k.d\n",
			"/etc/k.d/10.conf": "healthzBindAddress: 10.0.0.5\nhealthzPort: 1\n", "/etc/k.d/20.conf": "healthzPort: 10999\n"}), "binary", func(f Facts) any { return f.Config.HealthzAddress }, "10.0.0.5:10999"},
		{"server of IPv6", base.with(root{"/var/lib/kubelet/config.yaml": "address: '::'\nport: 10260\nhealthzBindAddress: '::1'\n"}), "binary", func(f Facts) any { return f.Config.ServerAddress + " " + f.Config.HealthzAddress }, "127.0.0.1:10260 [::1]:10248"},
		{"server port not set", base.with(root{"/var/lib/kubelet/config.yaml": "port: 0\n"}), "binary", func(f Facts) any { return f.Config.ServerAddress }, "127.0.0.1:10250"},
		{"server with a named certificate", base.with(root{"/etc/default/kubelet": "KUBELET_EXTRA_ARGS=--cert-dir=/c --address=10.0.0.1\n", "/var/lib/kubelet/config.yaml": "tlsCertFile: /s.crt\n"}), "binary", func(f Facts) any { return f.Config.ServerAddress + fmt.Sprint(f.Config.ServerCertificates) }, "10.0.0.1:10250[/s.crt]"},
		{"server with certificates elsewhere", base.with(root{"/etc/default/kubelet": "KUBELET_EXTRA_ARGS=--root-dir=/k\n"}), "binary", func(f Facts) any { return fmt.Sprint(f.Config.ServerCertificates) }, "[/k/pki/kubelet-server-current.pem /k/pki/kubelet.crt]"},
		{"broken config", base.with(root{"/var/lib/kubelet/config.yaml": "staticPodPath: [secret\n"}), "binary", func(f Facts) any { return len(f.Problems) == 1 && !strings.Contains(f.Problems[0], "secret") }, true},
		{"config of wrong types", base.with(root{"/var/lib/kubelet/config.yaml": "healthzPort: many\nstaticPodPath: /x\n"}), "binary", func(f Facts) any { return fmt.Sprint(len(f.Problems), f.Config.HealthzAddress, f.Config.StaticPodPath) }, "1127.0.0.1:10248/x"},
		{"config named and not there", base.with(root{"/etc/default/kubelet": "KUBELET_EXTRA_ARGS=--config=/nope.yaml\n"}), "binary", func(f Facts) any { return f.Problems[0] }, "/nope.yaml: kubelet's configuration file does not exist"},
		{"name in an embedded certificate", proc().with(root{"/etc/kubernetes/kubelet.conf": "users:\n- user:\n    client-certificate-data: " + base64.StdEncoding.EncodeToString([]byte(certificate(t, "system:node:worker-7"))) + "\n"}), "kubeconfig", func(f Facts) any { return f.NodeName + " " + f.NodeSource }, "worker-7 certificate of /etc/kubernetes/kubelet.conf"},
		{"certificate of no node", proc().with(root{"/var/lib/kubelet/pki/kubelet-client-current.pem": certificate(t, "admin"), "/etc/hostname": "h"}), "", func(f Facts) any { return fmt.Sprint(f.NodeName, len(f.Problems)) }, "h1"},
		{"k3s", proc().with(root{
			"/usr/local/bin/k3s": "x", "/etc/systemd/system/k3s.service": "[Service]\nExecStart=/usr/local/bin/k3s server\n",
			"/etc/rancher/k3s/config.yaml": "token: hunter2\nnode-name: Edge\nkubelet-arg:\n- file-check-frequency=3s\n", "/etc/hostname": "h",
		}), "k3s's unit /etc/systemd/system/k3s.service", func(f Facts) any {
			return fmt.Sprint(f.NodeName, f.Config.StaticPodPath, f.Config.FileCheckFrequency, f.Installed)
		}, "edge/var/lib/rancher/k3s/agent/pod-manifests3s true"},
		{"rke2", proc().with(root{"/usr/lib/systemd/system/rke2-agent.service": "-> /dev/null"}), "rke2's unit /usr/lib/systemd/system/rke2-agent.service (masked)", nil, nil},
		{"k0s", proc().with(root{"/etc/systemd/system/k0sworker.service": "x"}), "k0s's unit", nil, nil},
		{"microk8s", proc().with(root{"/etc/systemd/system/snap.microk8s.daemon-kubelite.service": "x", "/var/snap/microk8s/current/args/kubelet": "--hostname-override=mk\n--pod-manifest-path=/mk\n"}), "microk8s's unit", func(f Facts) any { return f.NodeName + f.Config.StaticPodPath }, "mk/mk"},
		{"running", base.with(process(77, "kubelet", "/usr/bin/kubelet", "--config=/var/lib/kubelet/config.yaml", "--hostname-override", "Live", "--token=hunter2")), "process 77 (kubelet) runs", func(f Facts) any {
			return fmt.Sprint(f.NodeName, f.Running.Flags, f.Running.StartedAt.Unix()-1767225600)
		}, "live[--config=/var/lib/kubelet/config.yaml --hostname-override=Live] 10"},
		{"running under another name", proc().with(process(78, "exe", "/usr/bin/kubelet")).with(root{"/proc/78/exe": "-> /usr/bin/kubelet (deleted)"}), "process 78 (kubelet) runs", nil, nil},
		{"k3s running", proc().with(process(79, "k3s-server", "/usr/local/bin/k3s server")), "process 79 (k3s) runs", func(f Facts) any { return f.Config.StaticPodPath }, "/var/lib/rancher/k3s/agent/pod-manifests"},
		{"k3s as a tool", proc().with(process(80, "k3s", "k3s", "kubectl", "get", "pods")), "", nil, nil},
		{"of another node", proc().with(process(82, "kubelet", "kubelet")).with(namespaces(82, 2, 2)), "", nil, nil},
		{"in a container", proc().with(process(83, "kubelet", "kubelet")).with(namespaces(83, 1, 2)), "process 83 (kubelet) runs", nil, nil},
		{"a zombie", proc().with(process(81, "kubelet")).with(root{"/proc/81/cmdline": ""}), "", nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := Find(tt.root.make(t))
			has := slices.ContainsFunc(f.Evidence, func(s string) bool { return strings.Contains(s, tt.evidence) })
			if tt.evidence == "" {
				has = len(f.Evidence) == 0
			}
			if !has || f.Installed != (tt.evidence != "") {
				t.Errorf("installed %v, evidence %q, want %q", f.Installed, f.Evidence, tt.evidence)
			}
			if tt.check != nil {
				if got := tt.check(f); got != tt.want {
					t.Errorf("got %v, want %v\nproblems %q", got, tt.want, f.Problems)
				}
			}
			if strings.Contains(fmt.Sprintf("%+v", f), "hunter2") {
				t.Error("a secret was kept")
			}
			may, reasons := MayReturn(f, false, false)
			if may != f.Installed || len(reasons) != len(f.Evidence) {
				t.Errorf("may return: %v %q", may, reasons)
			}
		})
	}
}

// TestManyUnits: a common machine has some hundred units, and kubelet's is found among them without a word.
func TestManyUnits(t *testing.T) {
	r := proc().with(root{"/etc/hostname": "n1", "/etc/systemd/system/zz.target.wants/kubelet.service": "-> /usr/lib/systemd/system/kubelet.service", "/usr/lib/systemd/system/kubelet.service": "[Service]\nExecStart=/usr/bin/kubelet\n"})
	for i := range 400 {
		r[fmt.Sprintf("/etc/systemd/system/unit-%03d.service", i)] = "[Service]\n"
	}
	f := Find(r.make(t))
	if !f.Installed || len(f.Problems) != 0 {
		t.Errorf("installed %v, problems %q", f.Installed, f.Problems)
	}
}

func TestMayReturn(t *testing.T) {
	for _, tt := range []struct {
		f                Facts
		answers, sandbox bool
		want             int
	}{
		{Facts{ProcRead: true}, false, false, 0},
		{Facts{ProcRead: true}, true, false, 1},
		{Facts{ProcRead: true}, false, true, 1},
		{Facts{}, false, false, 1}, // not to know is not to have none
		{Facts{ProcRead: true, Evidence: []string{"a", "b"}}, true, true, 4},
	} {
		may, reasons := MayReturn(tt.f, tt.answers, tt.sandbox)
		if may != (tt.want > 0) || len(reasons) != tt.want {
			t.Errorf("%+v: %v %q", tt, may, reasons)
		}
	}
}

func TestFindDoesNotWaitOnAFIFO(t *testing.T) {
	dir := proc().with(root{"/etc/default/x": ""}).make(t)
	p := filepath.Join(dir, "var/lib/kubelet")
	if err := os.MkdirAll(p, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(p, "config.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := Find(dir)
	if !slices.Contains(f.Problems, "/var/lib/kubelet/config.yaml: not a regular file") {
		t.Errorf("%q", f.Problems)
	}
}

func TestFindWithoutProc(t *testing.T) {
	f := Find(root{"/etc/hostname": "h"}.make(t))
	if f.ProcRead || len(f.Problems) == 0 {
		t.Errorf("%+v", f)
	}
	if may, _ := MayReturn(f, false, false); !may {
		t.Error("an unreadable /proc counts as no kubelet")
	}
}

func TestLinksStayInsideTheRoot(t *testing.T) {
	h := &host{root: root{"/a": "-> ../../../../etc/hostname", "/etc/hostname": "inside", "/b": "-> /a", "/l": "-> l", "/d": "-> /etc"}.make(t)}
	for _, p := range []string{"/a", "/b", "/d/hostname", "/../../etc/hostname"} {
		if b, ok := h.read(p); !ok || string(b) != "inside" {
			t.Errorf("%s: %q %v", p, b, ok)
		}
	}
	if _, ok := h.read("/l"); ok {
		t.Error("a link to itself was read")
	}
}

// TestFindHere runs over this machine: whatever it is, nothing may fail.
func TestFindHere(t *testing.T) {
	f := Find("/")
	if !f.ProcRead || f.NodeName == "" || f.BootedAt.IsZero() || f.Config.StaticPodPath == "" && f.Config.Sources["staticPodPath"] == "" {
		t.Errorf("%+v", f)
	}
}
