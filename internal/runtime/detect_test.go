package runtime

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// root makes a file system: sockets, and files by path and content.
func root(t *testing.T, sockets []string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, s := range sockets {
		path := filepath.Join(dir, s)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mknod(path, unix.S_IFSOCK|0o600, 0); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if to, ok := strings.CutPrefix(content, "-> "); ok {
			if err := os.Symlink(to, path); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDetect(t *testing.T) {
	const containerd, crio, docker = "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/var/run/docker.sock"
	type files = map[string]string
	noCRI := files{"/etc/containerd/config.toml": "disabled_plugins = [\"cri\"] # as Docker's packages bring it\n"}
	for _, c := range []struct {
		name       string
		configured string
		kubelet    string
		sockets    []string
		files      files
		path       string
		source     string
		check      func(Detection) bool
	}{
		{name: "nothing", check: func(d Detection) bool {
			return !d.Exists && !d.Docker && strings.Contains(strings.Join(d.Tried, "\n"), crio+" is not there")
		}},
		{name: "containerd", sockets: []string{containerd}, path: containerd, source: "containerd's default", check: func(d Detection) bool { return d.Exists && !d.Fixed }},
		{name: "CRI-O", sockets: []string{crio}, path: crio, source: "CRI-O's default"},
		{name: "both", sockets: []string{containerd, crio}, path: containerd, source: "containerd's default"},
		{name: "configured wins", configured: "unix:///run/mine.sock", kubelet: "unix:///run/kubelets.sock", sockets: []string{containerd},
			path: "/run/mine.sock", source: "the configuration", check: func(d Detection) bool { return d.Fixed && !d.Exists }},
		{name: "kubelet's before the rest", kubelet: "unix:///run/kubelets.sock", sockets: []string{containerd, "/run/kubelets.sock"},
			path: "/run/kubelets.sock", source: "kubelet's flags", check: func(d Detection) bool { return d.Fixed && d.Exists }},
		{name: "crictl.yaml", sockets: []string{containerd, crio}, files: files{crictlFile: "runtime-endpoint: \"unix://" + crio + "\"\ntimeout: 2\n"},
			path: crio, source: crictlFile},
		{name: "crictl.yaml of a runtime that is gone", sockets: []string{containerd}, files: files{crictlFile: "runtime-endpoint: unix://" + crio},
			path: containerd, source: "containerd's default"},
		{name: "crictl.yaml of a runtime that is down", files: files{crictlFile: "runtime-endpoint: unix://" + crio},
			path: crio, source: crictlFile, check: func(d Detection) bool { return !d.Exists }},
		{name: "broken crictl.yaml", sockets: []string{crio}, files: files{crictlFile: "{{"}, path: crio, source: "CRI-O's default"},
		{name: "crictl.yaml over TCP", sockets: []string{crio}, files: files{crictlFile: "runtime-endpoint: tcp://127.0.0.1:1"}, path: crio, source: "CRI-O's default"},
		{name: "containerd's address", sockets: []string{"/run/c.sock"}, files: files{containerdFile: "version = 2\n[grpc]\n  address = \"/run/c.sock\"\n"},
			path: "/run/c.sock", source: containerdFile},
		{name: "containerd's address, version 4", sockets: []string{"/run/c.sock"},
			files: files{containerdFile: "version = 4\n[plugins.'io.containerd.server.v1.grpc']\naddress = '/run/c.sock'\n"}, path: "/run/c.sock", source: containerdFile},
		{name: "containerd is down", files: files{containerdFile: "version = 2\n"}, path: containerd, source: "containerd's default",
			check: func(d Detection) bool { return !d.Exists }},
		{name: "broken config.toml", sockets: []string{containerd}, files: files{containerdFile: "[grpc\n"}, path: containerd, source: "containerd's default"},
		{name: "CRI-O's configuration", sockets: []string{"/run/b.sock"}, path: "/run/b.sock", source: crioFolder + "/10-b.conf", files: files{
			crioFile:                  "[crio.api]\nlisten = \"/run/a.sock\"\n",
			crioFolder + "/10-b.conf": "[crio]\n[crio.api]\nlisten = \"/run/b.sock\"\n",
			crioFolder + "/20-c.conf": "[crio.runtime]\nlisten = \"/run/no.sock\"\n",
		}},
		{name: "k3s", sockets: []string{"/run/k3s/containerd/containerd.sock"}, path: "/run/k3s/containerd/containerd.sock", source: "k3s' and RKE2's default"},
		{name: "cri-dockerd", sockets: []string{"/run/cri-dockerd.sock", docker}, path: "/run/cri-dockerd.sock", source: "cri-dockerd's default"},
		{name: "/var/run is /run", sockets: []string{crio}, files: files{"/var/run": "-> /run", crictlFile: "runtime-endpoint: unix:///var/run/crio/crio.sock"},
			path: crio, source: crictlFile},
		{name: "Docker alone", sockets: []string{docker}, check: func(d Detection) bool { return d.Docker }},
		{name: "Docker with its containerd", sockets: []string{docker, containerd}, files: noCRI, check: func(d Detection) bool { return d.Docker }},
		{name: "Docker beside a containerd with CRI", sockets: []string{docker, containerd}, path: containerd, source: "containerd's default"},
		{name: "Docker beside a cri-dockerd that is down", sockets: []string{docker}, files: files{crictlFile: "runtime-endpoint: unix:///run/cri-dockerd.sock"},
			path: "/run/cri-dockerd.sock", source: crictlFile},
		{name: "containerd with CRI off", sockets: []string{containerd}, files: noCRI, path: containerd, source: "containerd's default",
			check: func(d Detection) bool { return d.NoCRI }},
		{name: "CRI-O beside containerd with CRI off", sockets: []string{containerd, crio}, files: noCRI, path: crio, source: "CRI-O's default"},
		{name: "Docker configured", configured: "unix:///var/run/docker.sock", sockets: []string{docker}, check: func(d Detection) bool { return d.Docker && d.Fixed }},
		{name: "dockershim in an old kubelet", kubelet: "unix:///var/run/dockershim.sock", check: func(d Detection) bool { return d.Docker }},
		{name: "TCP configured", configured: "tcp://10.0.0.1:1234", sockets: []string{containerd}, check: func(d Detection) bool {
			return d.Invalid != nil && strings.Contains(d.Invalid.Error(), "the configuration") && strings.Contains(d.Invalid.Error(), "unix:///")
		}},
		{name: "a file is no socket", files: files{containerd: "x"}, check: func(d Detection) bool {
			return !d.Exists && strings.Contains(strings.Join(d.Tried, "\n"), containerd+" is no socket")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			kubelet := func() (string, string) { return c.kubelet, "kubelet's flags" }
			d := Detect(root(t, c.sockets, c.files), c.configured, kubelet)
			if d.Endpoint.Path != c.path || d.Endpoint.Path != "" && d.Endpoint.Source != c.source {
				t.Errorf("got %s from %s, want %s from %s", d.Endpoint.Path, d.Endpoint.Source, c.path, c.source)
			}
			if c.check != nil && !c.check(d) {
				t.Errorf("got %+v", d)
			}
		})
	}
}

func TestParseEndpoint(t *testing.T) {
	for in, want := range map[string]string{
		"unix:///run/a.sock":               "/run/a.sock",
		"/run/a.sock":                      "/run/a.sock",
		" unix:/run//a.sock\n":             "/run/a.sock",
		"":                                 "",
		"unix://":                          "",
		"run/a.sock":                       "",
		"unix://run/a.sock":                "",
		"tcp://127.0.0.1:3735":             "",
		"npipe:////./pipe/containerd":      "",
		"http://x/y":                       "",
		"/run/" + strings.Repeat("a", 103): "",
		"/run/" + strings.Repeat("a", 102): "/run/" + strings.Repeat("a", 102),
	} {
		got, err := ParseEndpoint(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
}

func FuzzParseEndpoint(f *testing.F) {
	for _, s := range []string{"unix:///run/a.sock", "/run/a.sock", "tcp://1", "unix:", "unix:///../..", "/a\x00b", "/./. / "} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, err := ParseEndpoint(s)
		if err != nil {
			return
		}
		if again, err := ParseEndpoint(Endpoint{Path: path}.String()); err != nil || again != path {
			t.Errorf("%q gives %q, which gives %q, %v", s, path, again, err)
		}
	})
}
