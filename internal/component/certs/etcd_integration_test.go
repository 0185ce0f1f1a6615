//go:build integration

package certs

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestEtcdLogsNothing asks a real etcd's two ports, which want client certificates, for their certificates: it logs nothing of it, and a
// renewed certificate is served without a restart.
func TestEtcdLogsNothing(t *testing.T) {
	if _, err := exec.LookPath("etcd"); err != nil {
		t.Fatalf("etcd is missing: sudo scripts/install-deps.sh test (%v)", err)
	}
	n := newNode(t)
	ca := issue(t, "etcd-ca", true, nil, n.now.Add(-time.Hour), n.now.Add(year))
	n.pair("pki/etcd/ca", ca)
	renew := func() {
		n.pair("pki/etcd/server", issue(t, "cp1", false, ca, n.now.Add(-time.Hour), n.now.Add(year)))
		n.pair("pki/etcd/peer", issue(t, "cp1", false, ca, n.now.Add(-time.Hour), n.now.Add(year)))
	}
	renew()
	n.pair("pki/etcd/healthcheck-client", issue(t, "kube-etcd-healthcheck-client", false, ca, n.now.Add(-time.Hour), n.now.Add(year)))
	client, peer := free(t), free(t)
	r, w := io.Pipe()
	cmd := exec.Command("etcd", "--name=cp1", "--data-dir="+n.path("data"), "--listen-client-urls=https://"+client, "--advertise-client-urls=https://"+client,
		"--listen-peer-urls=https://"+peer, "--initial-advertise-peer-urls=https://"+peer, "--initial-cluster=cp1=https://"+peer,
		"--client-cert-auth=true", "--cert-file="+n.path("pki/etcd/server.crt"), "--key-file="+n.path("pki/etcd/server.key"), "--trusted-ca-file="+n.path("pki/etcd/ca.crt"),
		"--peer-client-cert-auth=true", "--peer-cert-file="+n.path("pki/etcd/peer.crt"), "--peer-key-file="+n.path("pki/etcd/peer.key"), "--peer-trusted-ca-file="+n.path("pki/etcd/ca.crt"))
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); w.Close() })
	lines := make(chan string, 1000)
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
		close(lines)
	}()
	await := func(part string) (before []string) {
		t.Helper()
		late := time.After(30 * time.Second)
		for {
			select {
			case l, ok := <-lines:
				if !ok {
					t.Fatalf("etcd ended before it said %q: %q", part, before)
				}
				if strings.Contains(l, part) {
					return before
				}
				before = append(before, l)
			case <-late:
				t.Fatalf("etcd does not say %q: %q", part, before)
			}
		}
	}
	await("serving client requests on")
	// A handshake without a certificate is a line in its log: all that came before that line is there by then.
	mark := func() []string {
		c, err := tls.Dial("tcp", client, &tls.Config{InsecureSkipVerify: true})
		if err == nil {
			_, _ = c.Read(make([]byte, 1))
			c.Close()
		}
		return await("rejected connection")
	}
	mark()
	ports := []Port{
		{Component: "etcd", Address: client, File: n.path("pki/etcd/server.crt"), Client: n.path("pki/etcd/healthcheck-client.crt"), ClientKey: n.path("pki/etcd/healthcheck-client.key"), Path: "/health"},
		{Component: "etcd's peers", Address: peer, File: n.path("pki/etcd/peer.crt"), Client: n.path("pki/etcd/peer.crt"), ClientKey: n.path("pki/etcd/peer.key"), Path: "/version"},
	}
	for _, when := range []string{"at first", "after a renewal"} {
		if got := use(n, ports, nil); got != "etcd ok, etcd's peers ok" {
			t.Errorf("%s: %s", when, got)
		}
		for _, l := range mark() {
			if !strings.Contains(l, "cluster version") && !strings.Contains(l, "enabled capabilities") { // of its start
				t.Errorf("%s it logged %s", when, l)
			}
		}
		renew()
	}
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
