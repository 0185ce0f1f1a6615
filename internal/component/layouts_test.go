package component

import (
	"crypto/tls"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
)

// all is what one look says of each condition that is not absent: "Name[/subject] status[/Reason]".
func (n *node) all(deps Deps) string {
	n.t.Helper()
	_, looks := Look(n.t.(*testing.T).Context(), n.cfg, deps)
	var out []string
	for _, l := range looks {
		for _, f := range l.Findings {
			if f.Status == health.Absent {
				continue
			}
			text := l.Of.Name
			if f.Subject != "" {
				text += "/" + f.Subject
			}
			text += " " + f.Status.String()
			if f.Reason != nil {
				text += "/" + f.Reason.Name
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, ", ")
}

// TestLayouts: nodes that kubeadm did not make. What they lack is absent, what they have is judged by its own files, nothing is red, and no
// credentials are shown to anybody.
func TestLayouts(t *testing.T) {
	ok := reply{status: 200, body: "ok"}
	for _, c := range []struct {
		name string
		make func(n *node) []*server
		want string
	}{
		{"nothing of Kubernetes", func(n *node) []*server { return nil }, ""},
		{"k3s: one process", func(n *node) []*server {
			n.process(7, "S", "/usr/local/bin/k3s", "server")
			n.process(8, "S", "containerd")
			return nil
		}, ""},
		{"microk8s: one process and a database of its own", func(n *node) []*server {
			n.process(7, "S", "/snap/microk8s/1/kubelite", "--apiserver-args-file=/a")
			n.process(8, "S", "/snap/microk8s/1/bin/k8s-dqlite")
			return nil
		}, ""},
		{"a tool of the same name", func(n *node) []*server {
			n.process(7, "S", "/usr/bin/vim", "/etc/kubernetes/manifests/etcd.yaml")
			n.process(8, "S", "/bin/sh", "-c", "kube-proxy --version")
			return nil
		}, ""},
		{"rke2: two CAs, static pods with a configuration file", func(n *node) []*server {
			tlsDir := filepath.Join(n.dir, "rke2/tls")
			servers := newPKI(t, filepath.Join(tlsDir, "server"), "rke2-server-ca@1700000000")
			newPKI(t, filepath.Join(tlsDir, "client"), "rke2-client-ca@1700000000")
			n.cfg.PKI = filepath.Join(n.dir, "no-kubeadm")
			s := serve(t, servers, time.Now().Add(time.Hour), "kubernetes", "127.0.0.1")
			s.set("/livez", reply{status: 401})
			s.set("/readyz", reply{status: 401})
			n.process(7, "S", nameAPIServer, "--secure-port="+s.port(), "--advertise-address=127.0.0.1", "--client-ca-file="+filepath.Join(tlsDir, "client/ca.crt"))
			n.cfg.Kubeconfig = filepath.Join(n.dir, "kubelet.conf")
			write(t, n.cfg.Kubeconfig, "users:\n- user: {token: s3cr3t}\n")
			e := serve(t, nil, time.Time{})
			e.set("/metrics", reply{status: 200, body: well().String()})
			file := filepath.Join(n.dir, "rke2/etcd/config")
			write(t, file, "listen-client-urls: https://127.0.0.1:1\nlisten-metrics-urls: http://127.0.0.1:"+e.port()+"\nclient-transport-security: {client-cert-auth: true, trusted-ca-file: /ca.crt, cert-file: /c.crt}\n")
			n.process(8, "S", nameEtcd, "--config-file="+file)
			write(t, filepath.Join(n.cfg.Proc, "stat"), fmt.Sprintf("btime %d\n", time.Now().Unix())) // it has its file since its start
			return []*server{s, e}
		}, "APIServer ok, Etcd ok, EtcdCluster/members unknown/MembersUnknown, EtcdCluster/leader ok, EtcdDisk/fsync ok, EtcdDisk/commit ok, EtcdDisk/size ok"},
		{"Cilium: no kube-proxy, and etcd elsewhere", func(n *node) []*server {
			s := serve(t, n.ca, time.Now().Add(time.Hour), "kubernetes", "127.0.0.1")
			s.set("/livez", ok)
			s.set("/readyz", ok)
			n.manifest(nameAPIServer, "--secure-port="+s.port(), "--bind-address=::", "--etcd-servers=https://192.0.2.9:2379")
			return []*server{s}
		}, "APIServer ok"},
		{"etcd with its settings in flags and environment", func(n *node) []*server {
			s := serve(t, n.ca, time.Now().Add(time.Hour), "127.0.0.1")
			s.Config.Handler = nil
			s.TLS.ClientAuth = tls.RequireAnyClientCert // it would log who shows none
			n.process(7, "S", nameEtcd, "--listen-client-urls=https://127.0.0.1:"+s.port(), "--cert-file=/c.crt")
			write(t, filepath.Join(n.cfg.Proc, "7/environ"), "ETCD_CLIENT_CERT_AUTH=true\x00ETCD_TRUSTED_CA_FILE=/ca.crt\x00")
			return []*server{s}
		}, "Etcd unknown/Unread, EtcdCluster unknown/Unread, EtcdDisk unknown/Unread"},
		{"etcd whose environment names a file", func(n *node) []*server {
			s := serve(t, nil, time.Time{})
			s.set("/metrics", reply{status: 200, body: well().String()})
			file := filepath.Join(n.dir, "etcd.yaml")
			write(t, file, "listen-client-urls: https://127.0.0.1:1\nlisten-client-http-urls: http://127.0.0.1:"+s.port()+"\nclient-transport-security: {trusted-ca-file: /ca.crt}\n")
			n.process(7, "S", nameEtcd)
			write(t, filepath.Join(n.cfg.Proc, "7/environ"), "ETCD_CONFIG_FILE="+file+"\x00ETCD_LISTEN_CLIENT_URLS=http://127.0.0.1:1\x00")
			write(t, filepath.Join(n.cfg.Proc, "stat"), fmt.Sprintf("btime %d\n", time.Now().Unix()))
			return []*server{s}
		}, "Etcd ok, EtcdCluster/members unknown/MembersUnknown, EtcdCluster/leader ok, EtcdDisk/fsync ok, EtcdDisk/commit ok, EtcdDisk/size ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			servers := c.make(n)
			for range 2 {
				if got := n.all(Deps{Kubelet: func() Kubelet { return Kubelet{Looked: "none"} }}); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
			}
			for _, s := range servers {
				if l := s.log(); l != "" || len(s.credentials()) > 0 {
					t.Errorf("a server logged %q and was given %q", l, s.credentials())
				}
			}
		})
	}
}
