//go:build integration

package vip

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/api/client"
	"nodeagent/internal/keepalive/vrrplab"
	"nodeagent/internal/view"
)

// TestLayouts: a node without kubeadm's files, whose components listen where their flags say, over both families and where IPv6 is switched off on lo. Each
// is broken and put right under one daemon.
func TestLayouts(t *testing.T) {
	t.Parallel() // beside TestRoles: both wait
	l := &lab{Lab: vrrplab.New(t, "vl", 1), tempo: fast}
	n := &node{Node: l.Nodes[0], t: t, lab: l}
	l.nodes = []*node{n}
	n.write()
	for _, f := range []string{"manifests/kube-apiserver.yaml", "haproxy.cfg"} {
		if err := os.Remove(n.path(f)); err != nil {
			t.Fatal(err)
		}
	}
	here := n.Address.String()
	proxy := n.component("kube-proxy", plainEnv, "[::]:10256", "nftables", "--healthz-bind-address=[::]:10256", "--metrics-bind-address=[::]:10256")
	api := n.component("kube-apiserver", apiserverEnv, "[::]:8443", "", "--bind-address=::", "--secure-port=8443", "--advertise-address=192.0.2.200")
	scheduler := n.component("kube-scheduler", apiserverEnv, here+":12345", "", "--bind-address="+here, "--secure-port=12345")
	manager := n.component("kube-controller-manager", apiserverEnv, "[::1]:10257", "", "--bind-address=::1")
	n.startAgent()
	n.shows("KubeProxy", "ok", "mode nftables, well at 127.0.0.1:10256")
	n.shows("APIServer", "ok", "ready at 127.0.0.1:8443")
	n.shows("Scheduler", "ok", "well at "+here+":12345")
	n.shows("ControllerManager", "ok", "well at [::1]:10257")
	n.shows("Etcd", "absent", "no process has its name")

	proxy.say(t, "503 0s")
	n.says("KubeProxy", "NotSynced")
	proxy.say(t, "200 0s")
	n.shows("KubeProxy", "ok", "")
	proxy.Kill()
	n.says("KubeProxy", "Down")
	n.component("kube-proxy", plainEnv, "0.0.0.0:10256", "ipvs", "--healthz-bind-address=0.0.0.0:10256", "--metrics-bind-address=0.0.0.0:10256")
	n.shows("KubeProxy", "ok", "mode ipvs")

	scheduler.Kill()
	n.says("Scheduler", "Down")
	n.component("kube-scheduler", apiserverEnv, "0.0.0.0:10259", "", "--bind-address=192.0.2.200") // an address of another node
	n.says("Scheduler", "Unreachable")
	manager.Kill()
	n.says("ControllerManager", "Down")
	manager = n.component("kube-controller-manager", apiserverEnv, "[::]:10257", "", "--secure-port=0")
	n.shows("ControllerManager", "unknown", "tells its health to nobody")
	if out, err := exec.Command("ip", "netns", "exec", n.Name, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1").CombinedOutput(); err != nil {
		t.Fatalf("sysctl: %v\n%s", err, out)
	}
	manager.Kill()
	n.says("ControllerManager", "Down")
	n.component("kube-controller-manager", apiserverEnv, "[::]:10257", "", "--bind-address=::")
	n.shows("ControllerManager", "ok", "well at 127.0.0.1:10257")
	n.shows("APIServer", "ok", "")
	api.say(t, "500 0s")
	n.says("APIServer", "OddAnswer")
	api.say(t, "403 0s")
	n.shows("APIServer", "ok", "alive at")
}

// standing is a stand-in that runs.
type standing struct{ *vrrplab.Process }

func (s standing) say(t *testing.T, line string) {
	t.Helper()
	if _, err := s.Stdin.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
}

// component starts a stand-in with a component's name and flags.
func (n *node) component(name, env, listen, mode string, args ...string) standing {
	n.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := os.Lstat(n.path(name)); err != nil {
		if err := os.Symlink(exe, n.path(name)); err != nil {
			n.t.Fatal(err)
		}
	}
	return standing{vrrplab.Start(n.t, n.Node, n.path(name+".log"), n.path(name), []string{env + "=" + listen, modeEnv + "=" + mode}, args...)}
}

// shows waits until a condition of the node has a status and a message.
func (n *node) shows(condition, status, message string) {
	n.t.Helper()
	c := client.New(n.path("run/api.sock"))
	defer c.Close()
	last := ""
	defer func() {
		if n.t.Failed() {
			n.t.Logf("%s: %s", condition, last)
		}
	}()
	waitFor(n.t, condition+" is "+status+": "+message, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s, err := c.Status(ctx)
		if err != nil {
			last = err.Error()
			return false
		}
		return statusIs(s, condition, status, message, &last)
	})
}

func statusIs(s view.Status, condition, status, message string, last *string) bool {
	for _, c := range s.Conditions {
		if c.Name != condition {
			continue
		}
		*last = fmt.Sprintf("%+v", c)
		for _, x := range c.Subjects {
			if x.Status == status && strings.Contains(x.Message, message) {
				return true
			}
		}
	}
	return false
}
