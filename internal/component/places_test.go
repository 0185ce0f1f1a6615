package component

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

func TestPlaces(t *testing.T) {
	n := newNode(t)
	show := func() string {
		places, readers, folder := FindPlaces(n.cfg)
		text := folder
		for _, p := range places {
			client, _ := filepath.Rel(n.cfg.PKI, p.Client)
			text += fmt.Sprintf(" [%s %s %s %s %s]", p.Component, p.Address, filepath.Base(p.File), client, p.Path)
		}
		for _, r := range readers {
			text += fmt.Sprintf(" %s reads %s started %v", r.Component, r.File, !r.Started.IsZero() && r.Started.Before(time.Now()))
		}
		return text
	}
	if got := show(); got != "" {
		t.Errorf("a node without a control plane: %s", got)
	}
	n.manifest(nameAPIServer, "--secure-port=6443", "--tls-cert-file=/etc/kubernetes/pki/apiserver.crt")
	etcd := []string{"--data-dir=/var/lib/elsewhere", "--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379", "--cert-file=/pki/etcd/server.crt",
		"--listen-peer-urls=https://10.0.0.1:2380", "--peer-cert-file=" + filepath.Join(n.cfg.PKI, "etcd/peer.crt"), "--peer-key-file=/pki/etcd/peer.key"}
	n.manifest(nameEtcd, etcd...)
	n.manifest(nameScheduler, "--kubeconfig=/etc/kubernetes/scheduler.conf")
	if got, want := show(), "/var/lib/elsewhere [kube-apiserver 127.0.0.1:6443 apiserver.crt  ]"; got != want {
		t.Errorf("without the clients' certificates etcd is not asked: %s, want %s", got, want)
	}
	write(t, filepath.Join(n.cfg.PKI, "etcd/healthcheck-client.crt"), "x")
	write(t, filepath.Join(n.cfg.PKI, "etcd/peer.crt"), "x")
	n.process(42, "S", "/usr/local/bin/kube-scheduler", "--kubeconfig=/etc/kubernetes/scheduler.conf")
	want := "/var/lib/elsewhere [kube-apiserver 127.0.0.1:6443 apiserver.crt  ] [etcd 127.0.0.1:2379 server.crt etcd/healthcheck-client.crt /health]" +
		" [etcd's peers 10.0.0.1:2380 peer.crt etcd/peer.crt /version] kube-scheduler reads /etc/kubernetes/scheduler.conf started "
	if got := show(); got != want+"true" && got != want+"false" { // the stand's /proc need not say when it booted
		t.Errorf("got %s, want %s", got, want)
	}
	n.manifest(nameEtcd, "--listen-client-urls=http://127.0.0.1:2379")
	if got := show(); got != " [kube-apiserver 127.0.0.1:6443 apiserver.crt  ] kube-scheduler reads /etc/kubernetes/scheduler.conf started true" && got != " [kube-apiserver 127.0.0.1:6443 apiserver.crt  ] kube-scheduler reads /etc/kubernetes/scheduler.conf started false" {
		t.Errorf("an etcd without TLS: %s", got)
	}
}
