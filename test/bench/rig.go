//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/api/client"
	"nodeagent/internal/lab"
	"nodeagent/internal/view"
)

const image = "bench.invalid/workload:1"

// rig is a private containerd with the agent in run mode beside it.
type rig struct {
	lab     *lab.Lab
	options options
	agent   *exec.Cmd
	floor   *exec.Cmd // of what idles; nil: not measured
	client  *client.Client
	log     string
}

func newRig(ctx context.Context, o options) (*rig, error) {
	dir := filepath.Join(os.TempDir(), "nodeagent-bench")
	if err := lab.Cleanup("bench", dir); err != nil {
		return nil, err
	}
	workload, err := build(ctx)
	if err != nil {
		return nil, err
	}
	defer os.Remove(workload)
	l, err := lab.New(lab.Options{Dir: dir, Name: "bench", Containerd: o.containerd, Workload: workload, Handlers: []string{"runc"}})
	if err != nil {
		return nil, err
	}
	r := &rig{lab: l, options: o, log: filepath.Join(dir, "nodeagent.log")}
	if err := l.Start(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if err := l.Import(ctx, l.WorkloadImage(image, "sleep")); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if err := r.startAgent(ctx, o); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// build makes the small workload binary: a container that starts fast leaves the runtime's and the agent's time.
func build(ctx context.Context) (string, error) {
	f, err := os.CreateTemp("", "nodeagent-workload-*")
	if err != nil {
		return "", err
	}
	f.Close()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", f.Name(), "./internal/lab/workload/cmd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build the workload: %w", err)
	}
	return f.Name(), nil
}

func (r *rig) startAgent(ctx context.Context, o options) error {
	dir := r.lab.Dir()
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`nodeName: bench
containerRuntimeEndpoint: %s
stateDir: %s/state
runDir: %s/run
podLogsDir: %s
podLogLinksDir: %s/links
cgroupRoot: %s
staticPodPath: %s
staticPods: {mode: run}
metrics: {listen: "127.0.0.1:0"}
log: {format: json}
`, r.lab.Endpoint(), dir, dir, r.lab.PodLogs(), dir, r.lab.CgroupParent(), r.lab.Manifests())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	out, err := os.Create(r.log)
	if err != nil {
		return err
	}
	defer out.Close()
	r.agent = exec.Command(o.agent, "run", "--config", config)
	r.agent.Stdout, r.agent.Stderr = out, out
	if err := startAsUnit(r.agent); err != nil {
		return fmt.Errorf("start the agent: %w (make build)", err)
	}
	r.client = client.New(filepath.Join(dir, "run", "nodeagent.sock"))
	return r.await(ctx, func(view.Status) bool { return true })
}

// unitSlack is TimerSlackNSec of packaging/systemd/nodeagent.service.
const unitSlack = time.Millisecond

// startAsUnit starts a command with the timer slack that the agent's unit gives it: a process inherits it from the thread that starts it.
func startAsUnit(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(unitSlack), 0, 0, 0); err != nil {
		return fmt.Errorf("set timer slack: %w", err)
	}
	return errors.Join(cmd.Start(), unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0)) // 0: as it was
}

// await polls the agent until its status is as wanted.
func (r *rig) await(ctx context.Context, ok func(view.Status) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	var last view.Status
	for {
		s, err := r.client.Status(ctx)
		if err == nil && ok(s) {
			return nil
		}
		last = s
		select {
		case <-ctx.Done():
			b, _ := os.ReadFile(r.log)
			return fmt.Errorf("the agent never got there: %+v (%v)\n%s", last.Pods, err, b)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// running waits until so many pods are there and all of them run.
func (r *rig) running(ctx context.Context, n int) error {
	return r.await(ctx, func(s view.Status) bool {
		ready := 0
		for _, p := range s.Pods {
			if p.Ready {
				ready++
			}
		}
		return len(s.Pods) == n && ready == n
	})
}

// put writes a manifest by rename, as a careful editor does.
func (r *rig) put(name, manifest string) error {
	tmp := filepath.Join(r.lab.Manifests(), "."+name)
	if err := os.WriteFile(tmp, []byte(manifest), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(r.lab.Manifests(), name))
}

func (r *rig) remove(name string) error { return os.Remove(filepath.Join(r.lab.Manifests(), name)) }

func pod(name, extra string) string {
	return strings.ReplaceAll(`apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 30
  containers:
    - name: main
      image: `+image+`
      args: [sleep]
`, "NAME", name) + extra
}

func (r *rig) close() error {
	if r.client != nil {
		r.client.Close()
	}
	if r.agent != nil && r.agent.Process != nil {
		r.agent.Process.Signal(syscall.SIGTERM)
		r.agent.Wait()
	}
	err := r.lab.Close()
	for _, left := range lab.Leftovers(r.lab.Name(), r.lab.Dir()) {
		err = errors.Join(err, fmt.Errorf("the bench left %s", left))
	}
	return err
}

// stopping waits until so many pods are being stopped.
func (r *rig) stopping(ctx context.Context, n int) error {
	return r.await(ctx, func(s view.Status) bool {
		stopping := 0
		for _, p := range s.Pods {
			if p.Phase == view.PhaseTerminating {
				stopping++
			}
		}
		return stopping == n
	})
}
