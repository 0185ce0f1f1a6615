//go:build integration

package fleet

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"nodeagent/internal/lab"
	"nodeagent/internal/lab/labtest"
	"nodeagent/internal/netcheck/netlab"
)

const (
	realNode = "real"
	image    = "fleet.invalid/workload:1"
	// inHost is where the agent listens in its network namespace.
	inHost = "127.0.0.1:10071"
)

// realAgent is the daemon as a process: in the network namespace of a host with Flannel, in run mode over a private containerd.
type realAgent struct {
	t    *testing.T
	dir  string
	host *netlab.Host
	lab  *lab.Lab
	cmd  *exec.Cmd
}

// TestRealAgent: what is true of the simulated nodes is true of the agent itself. Faults are made for real on its node, those that don't hide each
// other at once; each changes what its panels show, and clears.
func TestRealAgent(t *testing.T) {
	t.Parallel()
	a := newRealAgent(t)
	door := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: inHost}) },
		Transport: &http.Transport{DialContext: a.host.Dial},
	})
	t.Cleanup(door.Close)
	ctx, _, p := start(t, 1, fmt.Sprintf("  - targets: ['%s']\n    labels: {instance: %s, cluster: cluster0}\n", door.Listener.Addr(), realNode))
	w := watched{t, ctx, p, boards(t)}
	for _, m := range []shown{{"static-pods", "Running", "2"}, {"flannel", "Ways that are open", "2"}, {"vip", "Verdicts", "policy=vip 0"}, {"vip", "Followed", "1"}} {
		w.await(realNode, m, true, "a node that is well")
	}
	for _, together := range a.faults() {
		for _, f := range together {
			for _, m := range f.shows {
				w.await(realNode, m, false, f.name+": before it")
			}
			t.Log(f.name)
			f.do()
		}
		for _, f := range together {
			for _, m := range f.shows {
				w.await(realNode, m, true, f.name+": while it lasts")
			}
		}
		page := body(t, door.URL+"/status")
		for _, f := range together {
			if !strings.Contains(page, f.page) {
				t.Errorf("%s: the status page does not say what to do, %q:\n%s", f.name, f.page, page)
			}
		}
		for _, f := range together {
			f.undo()
		}
		for _, f := range together {
			for _, m := range f.shows {
				w.await(realNode, m, false, f.name+": after it")
			}
		}
	}
}

// realFault is made on a node, and undone.
type realFault struct {
	name     string
	do, undo func()
	page     string // a part of what the status page says to do
	shows    []shown
}

// faults are in groups of those that don't hide each other. One that is over by itself is the first of its group: it is looked for before the window of
// its rate is over.
func (a *realAgent) faults() [][]realFault {
	must := func(f func() error) func() {
		return func() {
			a.t.Helper()
			if err := f(); err != nil {
				a.t.Fatal(err)
			}
		}
	}
	return [][]realFault{{
		{"a container is killed", a.killWeb, func() {}, "", []shown{{"static-pods", "Restarts", ">0"}}},
		{"a bad manifest", func() {
			a.file("manifests/bad.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: []}\n")
		}, func() { a.remove("manifests/bad.yaml") }, "Correct the file",
			[]shown{{"fleet", "What fails", "condition=Manifests reason=Rejected subject=bad.yaml 0"}, {"node", "Conditions", "condition=Manifests 0"}}},
		{"a readiness probe fails", func() { a.remove("ctl/well") }, func() { a.file("ctl/well", "") }, "",
			[]shown{{"static-pods", "Ready", "namespace=default pod=probed 0"}, {"static-pods", "Not ready", "1"}, {"fleet", "What fails", "condition=StaticPods reason=NotReady subject=default/probed 0"}}},
		{"a route of Flannel is deleted", func() { a.host.IP("route del 10.244.2.0/24") }, func() { a.host.AddPeer(a.host.Peers()[0]) }, "",
			[]shown{{"flannel", "Peers", "peer=10.244.2.0/24 0"}, {"flannel", "Ways that are closed", "1"}, {"flannel", "Conditions of the network", "condition=FlannelPeers 0"}}},
	}, {
		{"containerd hangs", must(a.lab.Pause), must(a.lab.Resume), "",
			[]shown{{"fleet", "What fails", "condition=RuntimeResponsive reason=Hung 0"}, {"runtime", "Conditions of the runtime", "condition=RuntimeResponsive 0"},
				{"runtime", "Failed calls", "code=DeadlineExceeded >0"}, {"vip", "Verdicts", "policy=vip -60"}, {"vip", "Unfit nodes", "1"}}},
	}, {
		{"containerd is killed", must(a.lab.Kill), must(func() error { return a.lab.Start(a.t.Context()) }), "",
			[]shown{{"fleet", "What fails", "condition=RuntimeResponsive reason=Dead 0"}, {"static-pods", "Unknown", "2"}}},
	}, {
		{"the agent is killed", a.kill, a.start, "", []shown{{"fleet", "Not reached", "1"}}},
	}}
}

func newRealAgent(t *testing.T) *realAgent {
	t.Helper()
	a := &realAgent{t: t, dir: t.TempDir(), host: netlab.New(t, netlab.Options{Backend: "vxlan", Filter: "none"}).Hosts[0]}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", filepath.Join(a.dir, "nodeagent"), "nodeagent/cmd/nodeagent").CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v\n%s", err, out)
	}
	a.lab = labtest.Start(t, lab.Options{Handlers: []string{"runc"}})
	if err := a.lab.Import(t.Context(), a.lab.WorkloadImage(image, "sleep")); err != nil {
		t.Fatal(err)
	}
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  hostNetwork: true\n  terminationGracePeriodSeconds: 1\n  containers: [{name: main, image: " + image + "%s}]\n%s"
	a.file("manifests/web.yaml", fmt.Sprintf(pod, "web", "", ""))
	a.file("manifests/probed.yaml", fmt.Sprintf(pod, "probed",
		`, volumeMounts: [{name: ctl, mountPath: /ctl}], readinessProbe: {periodSeconds: 1, failureThreshold: 1, exec: {command: [/nodeagent, workload, do, "need /ctl/well"]}}`,
		"  volumes: [{name: ctl, hostPath: {path: "+a.dir+"/ctl}}]\n"))
	a.file("ctl/well", "")
	a.file("keepalived.conf", fmt.Sprintf("vrrp_track_file vip {\n file %s/run/verdict/vip\n weight 1\n}\nvrrp_instance VI_1 {\n interface eth0\n virtual_router_id 51\n priority 100\n"+
		" virtual_ipaddress {\n  192.168.77.100/24\n }\n track_file {\n  vip\n }\n}\n", a.dir))
	a.file("config.yaml", fmt.Sprintf(`nodeName: %[1]s
containerRuntimeEndpoint: %[2]s
runtimeProbeTimeout: 500ms
runtimeCheckFrequency: 500ms
stateDir: %[3]s/state
runDir: %[3]s/run
podLogsDir: %[4]s
podLogLinksDir: %[3]s/links
cgroupRoot: %[5]s
staticPodPath: %[3]s/manifests
staticPods: {mode: run, evenWithKubeletInstalled: true} # whose runtime is another
network: {probeInterval: 1s, probeTimeout: 300ms, subnetFile: %[6]s/flannel/subnet.env, cniConfDir: %[6]s/cni}
keepalive: {configFile: %[3]s/keepalived.conf, policies: {vip: {rise: 100ms, fall: 100ms, counts: {RuntimeResponsive: {weight: -60}}}}}
metrics: {listen: '%[7]s'}
log: {format: json}
`, realNode, a.lab.Endpoint(), a.dir, a.lab.PodLogs(), a.lab.CgroupParent(), a.host.Dir, inHost))
	t.Cleanup(func() {
		a.kill()
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(a.dir, "log"))
			t.Logf("the agent's log:\n%s", b[max(0, len(b)-20000):])
		}
	})
	a.start()
	return a
}

// start enters the network namespace alone: run mode wants to see the mounts that the runtime sees.
func (a *realAgent) start() {
	a.t.Helper()
	log, err := os.OpenFile(filepath.Join(a.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
	defer log.Close()
	a.cmd = exec.Command("nsenter", "--net="+a.host.Netns, filepath.Join(a.dir, "nodeagent"), "run", "--config", filepath.Join(a.dir, "config.yaml"))
	a.cmd.Stdout, a.cmd.Stderr = log, log
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
}

func (a *realAgent) kill() {
	_ = a.cmd.Process.Kill()
	_ = a.cmd.Wait()
}

// killWeb kills the process of the pod web.
func (a *realAgent) killWeb() {
	a.t.Helper()
	seen, err := a.lab.List(a.t.Context())
	if err != nil {
		a.t.Fatal(err)
	}
	for _, c := range seen {
		if c.Pod == "web-"+realNode && c.State == "Running" {
			if err := syscall.Kill(c.PID, syscall.SIGKILL); err != nil {
				a.t.Fatalf("kill %+v: %v", c, err)
			}
			return
		}
	}
	a.t.Fatalf("web does not run: %+v", seen)
}

func (a *realAgent) file(name, text string) {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *realAgent) remove(name string) {
	a.t.Helper()
	if err := os.Remove(filepath.Join(a.dir, name)); err != nil {
		a.t.Fatal(err)
	}
}

func body(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
