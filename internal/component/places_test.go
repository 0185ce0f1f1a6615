package component

import (
	"fmt"
	"path/filepath"
	"strings"
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
	file := func(name string) string { return filepath.Join(n.cfg.PKI, "etcd", name) }
	etcd := []string{"--data-dir=/var/lib/elsewhere", "--listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379", "--cert-file=/pki/etcd/server.crt", "--trusted-ca-file=" + file("ca.crt"), "--peer-trusted-ca-file=" + file("ca.crt"),
		"--listen-peer-urls=https://127.0.0.7:2380", "--peer-cert-file=" + file("peer.crt"), "--peer-key-file=" + file("peer.key")}
	n.manifest(nameEtcd, etcd...)
	n.manifest(nameScheduler, "--kubeconfig=/etc/kubernetes/scheduler.conf")
	if got, want := show(), "/var/lib/elsewhere [kube-apiserver 127.0.0.1:6443 apiserver.crt  ]"; got != want {
		t.Errorf("without the clients' certificates etcd is not asked: %s, want %s", got, want)
	}
	ca := newPKI(t, filepath.Join(n.cfg.PKI, "etcd"), "etcd-ca")
	pair := func(name string, from *pki) {
		c, k := from.issue(t, name, "", time.Now().Add(time.Hour))
		write(t, file(name+".crt"), string(c))
		write(t, file(name+".key"), string(k))
	}
	pair("healthcheck-client", n.ca)
	pair("peer", n.ca)
	if got, want := show(), "/var/lib/elsewhere [kube-apiserver 127.0.0.1:6443 apiserver.crt  ]"; got != want {
		t.Errorf("etcd is not asked with certificates that it would refuse: %s, want %s", got, want)
	}
	pair("healthcheck-client", ca)
	pair("peer", ca)
	n.process(42, "S", "/usr/local/bin/kube-scheduler", "--kubeconfig=/etc/kubernetes/scheduler.conf")
	want := "/var/lib/elsewhere [kube-apiserver 127.0.0.1:6443 apiserver.crt  ] [etcd 127.0.0.1:2379 server.crt etcd/healthcheck-client.crt /health]" +
		" [etcd's peers 127.0.0.7:2380 peer.crt etcd/peer.crt /version] kube-scheduler reads /etc/kubernetes/scheduler.conf started "
	if got := show(); got != want+"true" && got != want+"false" { // the stand's /proc need not say when it booted
		t.Errorf("got %s, want %s", got, want)
	}
	n.manifest(nameEtcd, append(etcd, "--peer-cert-allowed-cn=other", "--client-crl-file=/crl")...)
	if got := show(); strings.Contains(got, "etcd ") {
		t.Errorf("an etcd that takes some clients alone: %s", got)
	}
	n.manifest(nameEtcd, "--listen-client-urls=https://127.0.0.1:2379", "--cert-file=/pki/etcd/server.crt", "--data-dir=/var/lib/elsewhere")
	if got, want := show(), "/var/lib/elsewhere [kube-apiserver 127.0.0.1:6443 apiserver.crt  ] [etcd 127.0.0.1:2379 server.crt  /health]"; !strings.HasPrefix(got, want) {
		t.Errorf("an etcd that takes anybody: %s, want %s", got, want)
	}
	n.manifest(nameEtcd, "--listen-client-urls=http://127.0.0.1:2379")
	if got := show(); got != " [kube-apiserver 127.0.0.1:6443 apiserver.crt  ] kube-scheduler reads /etc/kubernetes/scheduler.conf started true" && got != " [kube-apiserver 127.0.0.1:6443 apiserver.crt  ] kube-scheduler reads /etc/kubernetes/scheduler.conf started false" {
		t.Errorf("an etcd without TLS: %s", got)
	}
}
