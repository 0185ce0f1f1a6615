//go:build integration

package vip

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/api/client"
	"nodeagent/internal/keepalive/vrrplab"
	"nodeagent/internal/view"
)

// tempo is how fast a lab goes.
type tempo struct {
	version int
	advert  float64 // seconds
	config  string  // of the daemon: components, keepalive.policies, in flow style
	policy  string
}

// fast is for tests that want to be done.
var fast = tempo{3, 0.2, "{checkFrequency: 1s, probeTimeout: 500ms, slowAfter: 200ms}",
	"{vip: {rise: 300ms, fall: 100ms, faultFor: 2s, counts: {HAProxy: {weight: -120, fault: [Down]}, APIServer: {weight: -60}}}}"}

// node has a daemon, keepalived, HAProxy and an apiserver.
type node struct {
	*vrrplab.Node
	t                                      testing.TB
	lab                                    *lab
	i                                      int
	agent, keepalived, balancer, apiserver *vrrplab.Process
	starts                                 int
}

// lab is nodes with priorities 100, 90, 80.
type lab struct {
	*vrrplab.Lab
	nodes []*node
	tempo tempo
	pods  bool // keepalived and HAProxy run in namespaces of their own
	tl    *vrrplab.Timeline
}

const terminateDelay = 2

func newLab(t testing.TB, name string, n int, at tempo, pods bool) *lab {
	t.Helper()
	l := &lab{Lab: vrrplab.New(t, name, n), tempo: at, pods: pods}
	for i, ln := range l.Nodes {
		x := &node{Node: ln, t: t, lab: l, i: i}
		l.nodes = append(l.nodes, x)
		x.write()
	}
	for _, x := range l.nodes {
		x.startAPIServer()
		x.startBalancer()
	}
	for _, x := range l.nodes {
		x.startAgent()
	}
	for _, x := range l.nodes {
		x.await(0)
		x.startKeepalived()
	}
	l.tl = l.Record(t)
	l.tl.Until(t, "0", time.Second, 20*time.Second)
	return l
}

func (n *node) path(elem ...string) string {
	return filepath.Join(append([]string{n.Dir}, elem...)...)
}

// write makes the node's files, but keepalived.conf.
func (n *node) write() {
	n.t.Helper()
	for _, dir := range []string{"manifests", "run/verdict", "mounted"} {
		if err := os.MkdirAll(n.path(dir), 0o755); err != nil {
			n.t.Fatal(err)
		}
	}
	// What tmpfiles.d does at boot.
	n.File("run/verdict/vip", "-60")
	n.File("manifests/kube-apiserver.yaml", fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {name: kube-apiserver, namespace: kube-system}
spec:
  containers:
  - name: kube-apiserver
    image: registry.example/kube-apiserver:v1.34.0
    command: [kube-apiserver, --secure-port=6443, --bind-address=%s]
`, n.Address))
	n.writeConfig("")
	n.writeBalancer()
}

// writeConfig writes the daemon's configuration; more is put behind it.
func (n *node) writeConfig(more string) {
	n.t.Helper()
	var peers []string
	for _, x := range n.lab.Nodes {
		if x != n.Node {
			peers = append(peers, "http://"+netip.AddrPortFrom(x.Address, 10071).String())
		}
	}
	n.File("config.yaml", fmt.Sprintf(`nodeName: node%[1]d
containerRuntimeEndpoint: unix://%[2]s/no-runtime.sock
stateDir: %[2]s/state
runDir: %[2]s/run
podLogsDir: %[2]s/logs
staticPodPath: %[2]s/manifests
api: {socket: %[2]s/run/api.sock}
log: {format: json}
components: %[3]s
keepalive:
  configFile: %[2]s/keepalived.conf
  haproxy: {configFile: %[2]s/haproxy.cfg}
  peers: [%[4]s]
  policies: %[5]s
%[6]s`, n.i+1, n.Dir, n.lab.tempo.config, strings.Join(peers, ", "), n.lab.tempo.policy, more))
}

// run runs the command line on this node and answers what it wrote.
func (n *node) run(args ...string) (string, error) {
	out, err := exec.Command("ip", append([]string{"netns", "exec", n.Name, program(n.t, "nodeagent"), "--config", n.path("config.yaml")}, args...)...).CombinedOutput()
	return string(out), err
}

func (n *node) must(args ...string) string {
	n.t.Helper()
	out, err := n.run(args...)
	if err != nil {
		n.t.Fatalf("nodeagent %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// writeBalancer writes haproxy.cfg as the command line prints it, with a runtime socket of the node's own.
func (n *node) writeBalancer() {
	n.t.Helper()
	args := []string{"vip", "haproxy", "--user", "-", "--socket", n.path("h.sock")}
	for i, x := range n.lab.Nodes {
		args = append(args, "--server", fmt.Sprintf("node%d=%s", i+1, netip.AddrPortFrom(x.Address, 6443)))
	}
	// As many connections as few descriptors allow.
	n.File("haproxy.cfg", strings.Replace(n.must(args...), "maxconn 10000", "maxconn 1000", 1))
}

// conf is keepalived.conf as the command line prints it. All nodes of a lab are one machine's processes, and one name would stand for all daemons:
// track_process is told each one's whole path.
func (n *node) conf() string {
	text := n.must("vip", "config", "--interface", vrrplab.Interface, "--vrid", "77", "--vip", vrrplab.VIP.String(), "--priority", strconv.Itoa(100-10*n.i))
	for _, r := range [][2]string{
		{"/run/nodeagent/", n.path("run") + "/"},
		{"process nodeagentd\n", fmt.Sprintf("process %q\n    full_command\n", n.path("nodeagent"))},
		{"terminate_delay 15\n", fmt.Sprintf("terminate_delay %d\n", terminateDelay)},
		{"vrrp_version 3\n", fmt.Sprintf("vrrp_version %d\n", n.lab.tempo.version)},
		{"advert_int 1\n", fmt.Sprintf("advert_int %v\n", n.lab.tempo.advert)},
	} {
		if !strings.Contains(text, r[0]) {
			n.t.Fatalf("keepalived.conf has no %q:\n%s", r[0], text)
		}
		text = strings.ReplaceAll(text, r[0], r[1])
	}
	return text
}

func (n *node) startKeepalived() {
	n.t.Helper()
	if !n.lab.pods {
		n.keepalived = n.Keepalived("net_namespace "+n.Name+"\n"+n.conf(), true)
		return
	}
	// The process connector is not in a pod: the check is the way there.
	text := n.conf()
	begin, end := strings.Index(text, "vrrp_track_process"), strings.Index(text, "vrrp_instance")
	text = text[:begin] + fmt.Sprintf("vrrp_script agent {\n    script \"%s %s\"\n    user root\n    interval 1\n    timeout 1\n    fall 2\n    rise 2\n    weight -60\n}\n\n",
		program(n.t, "nodeagent-check"), n.path("mounted/vip")) + text[end:]
	text = strings.NewReplacer("track_process {\n        nodeagent\n", "track_script {\n        agent\n", "file "+n.path("run/verdict/vip"), "file "+n.path("mounted/vip")).Replace(text)
	n.keepalived = n.KeepalivedPod(text, n.path("run/verdict"), n.path("mounted"))
}

// startAgent starts the daemon, and does not wait for it.
func (n *node) startAgent() {
	n.t.Helper()
	link := n.path("nodeagent")
	if _, err := os.Lstat(link); err != nil {
		if err := os.Symlink(program(n.t, "nodeagent"), link); err != nil {
			n.t.Fatal(err)
		}
	}
	n.starts++
	n.agent = vrrplab.Start(n.t, n.Node, n.path(fmt.Sprintf("agent-%d.log", n.starts)), link, nil, "--config", n.path("config.yaml"), "run")
}

func (n *node) startAPIServer() {
	n.t.Helper()
	link := n.path("kube-apiserver")
	if _, err := os.Lstat(link); err != nil {
		exe, err := os.Executable()
		if err != nil {
			n.t.Fatal(err)
		}
		if err := os.Symlink(exe, link); err != nil {
			n.t.Fatal(err)
		}
	}
	at := netip.AddrPortFrom(n.Address, 6443).String()
	n.apiserver = vrrplab.Start(n.t, n.Node, n.path("apiserver.log"), link, []string{apiserverEnv + "=" + at}, "--secure-port=6443", "--bind-address="+n.Address.String())
}

// answers tells the apiserver its answers: "500 0s".
func (n *node) answers(line string) {
	n.t.Helper()
	if _, err := fmt.Fprintln(n.apiserver.Stdin, line); err != nil {
		n.t.Fatal(err)
	}
}

// startBalancer starts HAProxy, in a lab of pods in a PID and a mount namespace of its own.
func (n *node) startBalancer() {
	n.t.Helper()
	log, args := n.path("haproxy.log"), []string{"-db", "-f", n.path("haproxy.cfg")}
	if n.lab.pods {
		n.balancer = vrrplab.Start(n.t, n.Node, log, "unshare", nil, append([]string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "haproxy"}, args...)...)
		return
	}
	n.balancer = vrrplab.Start(n.t, n.Node, log, "haproxy", nil, args...)
}

// await waits until the verdict's file holds a number.
func (n *node) await(number int) {
	n.t.Helper()
	want := strconv.Itoa(number) + "\n"
	waitFor(n.t, fmt.Sprintf("%s: verdict %d", n.Name, number), func() bool {
		b, err := os.ReadFile(n.path("run/verdict/vip"))
		return err == nil && string(b) == want
	})
}

// says waits until a condition of this node fails for a reason.
func (n *node) says(condition, reason string) {
	n.t.Helper()
	c := client.New(n.path("run/api.sock"))
	defer c.Close()
	last := ""
	defer func() {
		if n.t.Failed() {
			n.t.Logf("%s of %s: %s", condition, n.Name, last)
		}
	}()
	waitFor(n.t, n.Name+" says "+condition+" "+reason, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s, err := c.Status(ctx)
		if err != nil {
			last = err.Error()
			return false
		}
		return has(s, condition, reason, &last)
	})
}

func has(s view.Status, condition, reason string, last *string) bool {
	found := false
	for _, c := range s.Conditions {
		if c.Name == condition {
			*last = fmt.Sprintf("%+v", c)
			for _, e := range c.Subjects {
				found = found || e.Reason == reason
			}
		}
	}
	return found
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it did not come", what)
		}
	}
}
