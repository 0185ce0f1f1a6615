//go:build integration

package vip

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nodeagent/internal/keepalive/vrrplab"
)

// TestRoles: what a node is stands in the first line of status, found by what runs: real etcd, HAProxy and keepalived, and a stand-in for the rest.
func TestRoles(t *testing.T) {
	t.Parallel() // beside TestLayouts: both wait
	l := &lab{Lab: vrrplab.New(t, "vo", 1), tempo: fast}
	n := &node{Node: l.Nodes[0], t: t, lab: l}
	l.nodes = []*node{n}
	n.write()
	manifest, err := os.ReadFile(n.path("manifests/kube-apiserver.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{"manifests/kube-apiserver.yaml", "haproxy.cfg"} {
		if err := os.Remove(n.path(f)); err != nil {
			t.Fatal(err)
		}
	}
	is := func(want string) {
		t.Helper()
		last := ""
		defer func() {
			if t.Failed() {
				t.Logf("status: %s", last)
			}
		}()
		waitFor(t, "a status that opens with "+want, func() bool {
			last, _ = n.run("status")
			first, _, _ := strings.Cut(last, "\n")
			return strings.Contains(first, "  "+want+"  ")
		})
	}
	anew := func() { // what ran is remembered for a while
		n.agent.Stop()
		n.startAgent()
	}
	n.startAgent()
	is("no role")

	etcd := vrrplab.Start(t, n.Node, n.path("etcd.log"), "etcd", nil, "--data-dir="+n.path("etcd"), "--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380")
	anew()
	is("etcd")
	n.startBalancerOf()
	is("etcd+balancer")
	n.File("manifests/kube-apiserver.yaml", string(manifest))
	n.startAPIServer()
	is("control-plane+balancer")

	n.apiserver.Stop()
	etcd.Stop()
	if err := os.Remove(n.path("manifests/kube-apiserver.yaml")); err != nil {
		t.Fatal(err)
	}
	anew()
	is("balancer")
	n.balancer.Stop()
	n.keepalived.Stop()
	for _, f := range []string{"haproxy.cfg", "keepalived.conf"} {
		_ = os.Remove(n.path(f))
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, n.path("kubelet")); err != nil {
		t.Fatal(err)
	}
	vrrplab.Start(t, n.Node, n.path("kubelet.log"), n.path("kubelet"), []string{apiserverEnv + "=127.0.0.1:10250"}, "--config="+filepath.Join(n.Dir, "kubelet.yaml"))
	anew()
	is("worker")
}

// startBalancerOf starts HAProxy and keepalived with the files that the command line prints.
func (n *node) startBalancerOf() {
	n.writeBalancer()
	n.startBalancer()
	n.startKeepalived()
}
