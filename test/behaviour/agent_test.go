package behaviour

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/api/client"
	"nodeagent/internal/view"
)

// binary builds the daemon once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nodeagent-behaviour-*")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "nodeagent")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "nodeagent/cmd/nodeagent").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the daemon: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// agent is the daemon as a process that is killed and started again.
type agent struct {
	t      *testing.T
	config string
	log    string
	client *client.Client
	cmd    *exec.Cmd
	within []string // a command that runs it; empty: none
}

// newAgent writes the configuration; start starts it. Everything lies below dir.
func newAgent(t *testing.T, dir string, r rig) *agent {
	t.Helper()
	for _, d := range []string{"manifests", "logs", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run, err := os.MkdirTemp("", "na-run-*") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{t: t, config: filepath.Join(dir, "config.yaml"), log: filepath.Join(dir, "agent.log"), client: client.New(filepath.Join(run, "s"))}
	text := fmt.Sprintf(`nodeName: node1
containerRuntimeEndpoint: unix://%s
runtimeProbeTimeout: 1s
runtimeCheckFrequency: 1s
syncFrequency: %s
stateDir: %s/state
runDir: %s
podLogsDir: %s/logs
podLogLinksDir: %s/links
cgroupRoot: %s
staticPodPath: %s/manifests
staticPods: {mode: run}
crashLoopBackOff: {initialDelay: 100ms, maxContainerRestartPeriod: 1s}
metrics: {listen: "127.0.0.1:0"}
api: {socket: %s/s}
log: {format: json, level: debug}
`, r.socket, r.resync, dir, run, dir, dir, r.cgroup, dir, run)
	if err := os.WriteFile(a.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.kill()
		a.client.Close()
		os.RemoveAll(run)
		if t.Failed() {
			b, _ := os.ReadFile(a.log)
			t.Logf("the daemon's log:\n%s", b[max(0, len(b)-20000):])
		}
	})
	return a
}

func (a *agent) start() {
	a.t.Helper()
	path, err := binary()
	if err != nil {
		a.t.Fatal(err)
	}
	out, err := os.OpenFile(a.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
	defer out.Close()
	args := append(slices.Clone(a.within), path, "run", "--config", a.config)
	a.cmd = exec.Command(args[0], args[1:]...)
	a.cmd.Stdout, a.cmd.Stderr = out, out
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
}

// kill ends the daemon as no daemon likes to be ended.
func (a *agent) kill() { a.end(syscall.SIGKILL) }

// stop ends it as systemd does.
func (a *agent) stop() { a.end(syscall.SIGTERM) }

func (a *agent) end(s syscall.Signal) {
	if a.cmd == nil {
		return
	}
	a.cmd.Process.Signal(s)
	a.cmd.Wait()
	a.cmd = nil
}

// condition waits for a condition to have a status and reason, for any of its subjects.
func (a *agent) condition(name, status, reason string) {
	a.t.Helper()
	a.await(fmt.Sprintf("condition %s %s %s", name, status, reason), func(s view.Status) bool {
		for _, c := range s.Conditions {
			for _, x := range c.Subjects {
				if c.Name == name && x.Status == status && (reason == "" || x.Reason == reason) {
					return true
				}
			}
		}
		return false
	})
}

// await asks the daemon until its status is as wanted.
func (a *agent) await(what string, ok func(view.Status) bool) {
	a.t.Helper()
	var last view.Status
	eventually(a.t, what, func(ctx context.Context) error {
		s, err := a.client.Status(ctx)
		if err != nil {
			return err
		}
		last = s
		if !ok(s) {
			return fmt.Errorf("not yet: %+v %+v", last.Pods, last.Conditions)
		}
		return nil
	})
}

// patience is the deadline of everything that is waited for: generous, for it bounds only what fails.
const patience = 40 * time.Second

// eventually asks again and again until ok is content. The pause between is no synchronisation: it keeps the asking cheap.
func eventually(t *testing.T, what string, ok func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		err := ok(ctx)
		if err == nil {
			return
		}
		if ctx.Err() == nil || last == nil { // one that the deadline cut short says nothing of the state
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, last)
		case <-tick.C:
		}
	}
}
