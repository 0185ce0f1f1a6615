//go:build integration

package pods

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/api/client"
	"nodeagent/internal/lab"
)

// Variables of the suite. agentVariable and workloadVariable name binaries that are built already; without them the go command builds both.
const (
	installedVariable   = "NODEAGENT_TEST_INSTALLED"
	containerdsVariable = "NODEAGENT_TEST_CONTAINERDS"
	socketsVariable     = "NODEAGENT_TEST_CRI_SOCKETS"
	agentVariable       = "NODEAGENT_TEST_AGENT"
	workloadVariable    = "NODEAGENT_TEST_WORKLOAD"
	// registryVariable is the address for the registry, for a runtime whose pause image is to be 127.0.0.1:PORT/pause:1.
	registryVariable = "NODEAGENT_TEST_REGISTRY"
	// patienceVariable is for an agent that is to fail.
	patienceVariable = "NODEAGENT_TEST_PATIENCE"
)

// node is what the suite runs over: a runtime and an agent in run mode, with the places of both.
type node struct {
	name                             string // of the node, as the agent has it
	manifests, state, podLogs, links string
	socket                           string // the CRI's
	handler                          string // an OCI runtime to ask for by runtimeClassName
	handlerRoot                      string // where that one keeps its containers; empty if not known
	image, userImage                 string // the workload's; userImage has a user of its own
	daemon                           daemon
	api                              *client.Client
	runtime                          cri.RuntimeServiceClient
	images                           cri.ImageServiceClient
	registry                         *registry
	lab                              *lab.Lab // nil where the runtime is not ours
}

// daemon is the agent, however it is run.
type daemon interface {
	start(testing.TB)
	kill(testing.TB) // as no daemon likes it; start starts it again
	close(testing.TB)
}

// userOfImage is the numeric user of userImage.
const userOfImage = 1234

// runtimes calls play once for each runtime that there is to test.
func runtimes(t *testing.T, play func(*testing.T, *node)) {
	if os.Getenv(installedVariable) != "" {
		t.Run("installed", func(t *testing.T) { play(t, installedNode(t)) })
		return
	}
	daemons := []string{""}
	if more := os.Getenv(containerdsVariable); more != "" {
		daemons = append(daemons, strings.Split(more, ":")...)
	}
	for _, d := range daemons {
		t.Run(cmp.Or(nameOf(d), "system"), func(t *testing.T) { play(t, labNode(t, d)) })
	}
	if sockets := os.Getenv(socketsVariable); sockets != "" {
		for s := range strings.SplitSeq(sockets, ":") {
			t.Run(nameOf(s), func(t *testing.T) { play(t, socketNode(t, s)) })
		}
	}
}

func nameOf(path string) string { return strings.Trim(strings.ReplaceAll(path, "/", "_"), "_") }

// labNode is a private containerd with the port mapper in its network, and an agent of its own.
func labNode(t *testing.T, containerd string) *node {
	dir := t.TempDir()
	l, err := lab.New(lab.Options{Dir: filepath.Join(dir, "lab"), Containerd: containerd, Workload: workload(t), Log: t.Output()})
	if err != nil {
		t.Fatalf("this test needs a private containerd: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of containerd's log:\n%s", l.LastLog(40))
		}
		if err := l.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
		for _, left := range lab.Leftovers(l.Name(), l.Dir()) {
			t.Errorf("the lab left: %s", left)
		}
	})
	mapPorts(t, l.CNIConf())
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := &node{socket: l.Socket(), lab: l, handler: "runc"}
	// crun 1.8 does not know the specification of newer containerds' ("unknown version specified").
	if strings.HasPrefix(l.Version(), "1.") && slices.Contains(l.Handlers(), "crun") {
		n.handler = "crun"
	}
	n.handlerRoot = filepath.Join(filepath.Dir(l.Socket()), "oci", n.handler)
	n.connect(t)
	n.fill(t, "127.0.0.1:0")
	n.ownAgent(t, dir, l.CgroupParent())
	return n
}

// socketNode is a runtime that runs already, and an agent of its own.
func socketNode(t *testing.T, socket string) *node {
	n := &node{socket: socket, handler: "runc"}
	n.connect(t)
	n.fill(t, cmp.Or(os.Getenv(registryVariable), "127.0.0.1:0"))
	n.ownAgent(t, t.TempDir(), "/nodeagent-test-pods")
	return n
}

// installedNode is the unit nodeagent.service of the run profile with its default places, whose configuration has the settings too, over a
// containerd whose handlers include crun and whose network maps ports.
func installedNode(t *testing.T) *node {
	n := &node{
		manifests: "/etc/nodeagent/manifests", state: "/var/lib/nodeagent", podLogs: "/var/log/pods", links: "/var/log/containers",
		socket: "/run/containerd/containerd.sock", handler: "crun", daemon: unit{}, api: client.New("/run/nodeagent/nodeagent.sock"),
	}
	n.connect(t)
	n.fill(t, cmp.Or(os.Getenv(registryVariable), "127.0.0.1:0"))
	n.await(t)
	return n
}

// ownAgent starts the agent's binary with a configuration whose places lie in dir.
func (n *node) ownAgent(t *testing.T, dir, cgroup string) {
	t.Helper()
	run, err := os.MkdirTemp("", "na-pods-*") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	n.manifests, n.state, n.podLogs, n.links = filepath.Join(dir, "manifests"), filepath.Join(dir, "state"), filepath.Join(dir, "logs"), filepath.Join(dir, "links")
	for _, d := range []string{n.manifests, n.state, n.podLogs, n.links} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`nodeName: node1
containerRuntimeEndpoint: unix://%s
runtimeCheckFrequency: 1s
stateDir: %s
runDir: %s
podLogsDir: %s
podLogLinksDir: %s
cgroupRoot: %s
staticPodPath: %s
staticPods: {mode: run}
metrics: {listen: "127.0.0.1:0"}
api: {socket: %s/s}
log: {format: json, level: debug}
%s`, n.socket, n.state, run, n.podLogs, n.links, cgroup, n.manifests, run, settings)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.daemon = &process{config: config, log: filepath.Join(dir, "agent.log")}
	n.api = client.New(filepath.Join(run, "s"))
	t.Cleanup(func() {
		n.checkEmpty(t)
		n.daemon.close(t)
		n.api.Close()
		detach(t, dir)
		os.RemoveAll(run)
		removeCgroups(t, cgroup)
	})
	n.daemon.start(t)
	n.await(t)
}

// settings are the keys that the suite wants of any agent.
//
//go:embed testdata/settings.yaml
var settings string

// await waits until the agent has looked at everything once.
func (n *node) await(t *testing.T) {
	t.Helper()
	eventually(t, "the agent answers", func(ctx context.Context) error {
		s, err := n.api.Status(ctx)
		if err == nil && s.Mode != "run" {
			err = fmt.Errorf("its mode is %s", s.Mode)
		}
		n.name = s.Node
		return err
	})
}

// checkEmpty shows that every test took its manifest away.
func (n *node) checkEmpty(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(n.manifests)
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		t.Errorf("manifest %s was left", e.Name())
	}
}

func (n *node) connect(t *testing.T) {
	t.Helper()
	conn, err := grpc.NewClient("unix://"+n.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	n.runtime, n.images = cri.NewRuntimeServiceClient(conn), cri.NewImageServiceClient(conn)
}

// detach unmounts what an agent that was killed, or failed, left below dir.
func detach(t *testing.T, dir string) {
	t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		t.Error(err)
	}
	slices.Reverse(mounts)
	for _, m := range mounts {
		if strings.HasPrefix(m.Mountpoint, filepath.Join(dir, "lab")+"/") {
			continue // the lab's own, which it removes
		}
		t.Errorf("a mount was left: %s", m.Mountpoint)
		if err := unix.Unmount(m.Mountpoint, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Error(err)
		}
	}
}

// removeCgroups removes the folders of a cgroup that no process is in, in every hierarchy. The lab's own go with it.
func removeCgroups(t *testing.T, cgroup string) {
	t.Helper()
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		t.Error(err)
	}
	for _, m := range mounts {
		var folders []string
		filepath.WalkDir(filepath.Join(m.Mountpoint, cgroup), func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				folders = append(folders, path)
			}
			return nil
		})
		for _, f := range slices.Backward(folders) {
			unix.Rmdir(f) // one that has a process stays, and the pod's own test says so
		}
	}
}

// patience is the deadline of everything that is waited for: generous, for it bounds only what fails.
func patience(t testing.TB) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(cmp.Or(os.Getenv(patienceVariable), "90s"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// eventually asks again and again until ok is content. The pause between, a tenth of the time that it has taken within bounds, is no
// synchronisation: it keeps the asking cheap.
func eventually(t testing.TB, what string, ok func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience(t))
	defer cancel()
	began := time.Now()
	for {
		err := ok(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(min(max(time.Since(began)/10, 20*time.Millisecond), 200*time.Millisecond)):
		}
	}
}

func command(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// waitFor is for what needs no deadline of its own.
func waitFor(ok func() error) func(context.Context) error {
	return func(context.Context) error { return ok() }
}
