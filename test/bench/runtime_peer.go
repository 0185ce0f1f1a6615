//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// A person who has no agent lets a script ask the runtime: `crictl info` and `crictl ps` every 5 s, or the same by `ctr`. ctr comes with
// containerd and is run as it is. crictl is no package of Debian's: its place is taken by this program, started anew for each question, which
// does on the socket what crictl 1.3x does and nothing else: it dials, asks for the version, and asks. crictl itself is larger and reads its
// configuration, so that its own processor time is more.

// scriptEvery is the pause of such a script: what tutorials and kubelet's own node checks have.
const scriptEvery = 5 * time.Second

// Environment of the stand-in: which question, and the socket. Not arguments: rig.runtimeProcesses knows shims by those.
const (
	askVariable    = "NODEAGENT_BENCH_ASK"
	socketVariable = "NODEAGENT_BENCH_SOCKET"
)

// askOnce is the stand-in.
func askOnce(question, socket string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := grpc.NewClient("passthrough:///unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("localhost"))
	if err != nil {
		return err
	}
	defer conn.Close()
	client := cri.NewRuntimeServiceClient(conn)
	if _, err := client.Version(ctx, &cri.VersionRequest{}); err != nil {
		return err
	}
	switch question {
	case "info":
		var s *cri.StatusResponse
		if s, err = client.Status(ctx, &cri.StatusRequest{Verbose: true}); err == nil {
			fmt.Println(s)
		}
	case "ps":
		var l *cri.ListContainersResponse
		running := &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}
		if l, err = client.ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{State: running}}); err == nil {
			fmt.Println(l)
		}
	default:
		err = fmt.Errorf("no question %q", question)
	}
	return err
}

// script is a check script: the commands of one round.
type script struct {
	name  string // in a figure's name
	what  string
	round func(ctx context.Context, socket string) []*exec.Cmd
}

var scripts = []script{
	{"crictl", "crictl's questions", func(ctx context.Context, socket string) (out []*exec.Cmd) {
		for _, q := range []string{"info", "ps"} {
			c := exec.CommandContext(ctx, "/proc/self/exe")
			c.Env = append(os.Environ(), askVariable+"="+q, socketVariable+"="+socket)
			out = append(out, c)
		}
		return out
	}},
	{"ctr", "ctr", func(ctx context.Context, socket string) (out []*exec.Cmd) {
		for _, args := range [][]string{{"version"}, {"--namespace", "k8s.io", "tasks", "ls"}} {
			c := exec.CommandContext(ctx, "ctr", args...)
			c.Env = append(os.Environ(), "CONTAINERD_ADDRESS="+socket)
			out = append(out, c)
		}
		return out
	}},
}

// scripted is what the runtime and its shims use while a script runs, and what the script's own processes do, in % of a core.
func (r *rig) scripted(ctx context.Context, s script, d time.Duration) (u usage, own float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type outcome struct {
		cpu    time.Duration
		rounds int
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		tick := time.NewTicker(scriptEvery)
		defer tick.Stop()
		for {
			for _, c := range s.round(ctx, r.lab.Socket()) {
				out, err := c.CombinedOutput()
				if ctx.Err() != nil {
					done <- o
					return
				}
				if err != nil {
					o.err = fmt.Errorf("%s: %w: %s", s.name, err, out)
					done <- o
					return
				}
				o.cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
			}
			o.rounds++
			select {
			case <-tick.C:
			case <-ctx.Done():
				done <- o
				return
			}
		}
	}()
	u, err = r.used(ctx, d)
	cancel()
	o := <-done
	if err := errors.Join(err, o.err); err != nil {
		return u, 0, err
	}
	return u, 100 * o.cpu.Seconds() / (float64(o.rounds) * scriptEvery.Seconds()), nil
}

// besideScripts sets what the agent's checks cost the runtime, and what they cost the node in all, beside each script over the same pods. The
// agent's own share is all of it: in run mode it minds the pods too.
func (r *rig) besideScripts(ctx context.Context, with, without usage, d time.Duration) (out []Figure, err error) {
	for _, s := range scripts {
		u, own, err := r.scripted(ctx, s, d)
		if err != nil {
			return out, err
		}
		daemon := func(u usage) float64 { return max(0, u.containerd-without.containerd) }
		add := func(name string, value, peer, limit float64) {
			out = append(out, Figure{Name: "checks-10-pods-beside-" + s.name + "-" + name, Value: value, Unit: "%", N: 1,
				Peer: fmt.Sprintf("%s every %v", s.what, scriptEvery), PeerValue: peer, Ratio: value / max(peer, 0.001), Limit: limit})
		}
		add("runtime-cpu", daemon(with), daemon(u), 0) // held to its own limit above: the difference of two that are small
		add("all-cpu", with.agent+daemon(with), own+daemon(u), 1)
	}
	return out, nil
}
