//go:build bench

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// idle is what the agent and the runtime use while nothing happens, with no pod, ten and fifty.
func idle(ctx context.Context, o options) (out []Figure, err error) {
	r, err := newRig(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if r.floor, err = tick(ctx); err != nil {
		return nil, err
	}
	defer func() {
		_ = r.floor.Process.Kill()
		_ = r.floor.Wait() // killed
	}()
	for _, n := range []int{0, 10, 50} {
		if n == 10 { // the first file: a folder that goes from several to none at once keeps its pods
			if err := r.put("anchor.yaml", pod("anchor", "")); err != nil {
				return out, err
			}
		}
		fs, err := r.idling(ctx, n, o.idle)
		for _, f := range fs {
			fmt.Println(f)
		}
		if out = append(out, fs...); err != nil {
			return out, err
		}
	}
	return out, nil
}

// tickVariable makes this program one that wakes once a second and does nothing.
const tickVariable = "NODEAGENT_BENCH_TICK"

// tick starts the floor of what idles: what a Go program takes that wakes once a second and does nothing. On one virtual machine a wake took
// 0.3 ms of processor, and an hour later 0.95 ms: what an idle agent takes goes with it.
func tick(ctx context.Context) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start the floor: %w", err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), tickVariable+"=1")
	if err := startAsUnit(cmd); err != nil {
		return nil, fmt.Errorf("start the floor: %w", err)
	}
	return cmd, nil
}

// idling measures n pods to which nothing happens: the agent's CPU and memory, and how much more CPU containerd uses than with the same pods
// and no agent.
func (r *rig) idling(ctx context.Context, n int, d time.Duration) ([]Figure, error) {
	for i := range n - 1 { // and the anchor
		name := fmt.Sprintf("idle-%d-%d", n, i)
		if err := r.put(name+".yaml", pod(name, "")); err != nil {
			return nil, err
		}
	}
	if err := r.running(ctx, n); err != nil {
		return nil, err
	}
	var with, without []usage
	measure := func(into *[]usage) func() error {
		return func() error {
			u, err := r.used(ctx, d)
			*into = append(*into, u)
			return err
		}
	}
	start := func() error {
		return errors.Join(r.startAgent(ctx, r.options), r.running(ctx, n))
	}
	// With, without, without, with: what only fades, such as what many starts left to do, is in both alike.
	steps := []func() error{func() error { return rest(ctx) }, measure(&with), r.stopAgent, measure(&without), measure(&without), start, measure(&with)}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	rss, err := resident(r.agent.Process.Pid)
	if err != nil {
		return nil, err
	}
	if n > 1 {
		for i := range n - 1 {
			if err := r.remove(fmt.Sprintf("idle-%d-%d.yaml", n, i)); err != nil {
				return nil, err
			}
		}
		if err := r.running(ctx, 1); err != nil {
			return nil, err
		}
	}
	name := fmt.Sprintf("idle/%d-pods-", n)
	w, wo := meanOf(with), meanOf(without)
	out := []Figure{
		{Name: name + "agent-cpu", Value: w.agent, Unit: "%", N: len(with)},
		{Name: name + "containerd-cpu-added", Value: w.containerd - wo.containerd, Unit: "%", N: len(with)},
		{Name: name + "agent-rss", Value: rss, Unit: "MiB", N: 1},
		{Name: name + "containerd-cpu-without", Value: wo.containerd, Unit: "%", N: len(without)},
		{Name: name + "one-wake-a-second-cpu", Value: w.floor, Unit: "%", N: len(with)},
		// The lists of the agent reach no shim. Each collects its garbage every two minutes, and all of them at about the same moment: that is
		// in one window or in another, and more than all else here. So they are shown and held to nothing.
		{Name: name + "shims-cpu-added", Value: w.shims - wo.shims, Unit: "%", N: len(with)},
	}
	if n == 50 {
		out[0].Limit, out[1].Limit, out[2].Limit = 0.3, 0.5, 45
	}
	return out, nil
}

// usage is CPU in % of a core.
type usage struct{ agent, containerd, shims, floor float64 }

func meanOf(all []usage) (mean usage) {
	for _, u := range all {
		n := float64(len(all))
		mean = usage{mean.agent + u.agent/n, mean.containerd + u.containerd/n, mean.shims + u.shims/n, mean.floor + u.floor/n}
	}
	return mean
}

// stopAgent ends the agent; its pods go on.
func (r *rig) stopAgent() error {
	r.client.Close()
	if err := r.agent.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop the agent: %w", err)
	}
	err := r.agent.Wait()
	r.agent = nil
	if err != nil {
		return fmt.Errorf("the agent's end: %w", err)
	}
	return nil
}

// rest lets what starts and ends left to do be done: it is no idling.
func rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
		return nil
	}
}

// used is what the agent, if it runs, and the runtime use over d.
func (r *rig) used(ctx context.Context, d time.Duration) (usage, error) {
	if err := rest(ctx); err != nil {
		return usage{}, err
	}
	containerd, shims, err := r.runtimeProcesses()
	if err != nil {
		return usage{}, err
	}
	var agent []int
	if r.agent != nil {
		agent = []int{r.agent.Process.Pid}
	}
	var floor []int
	if r.floor != nil {
		floor = []int{r.floor.Process.Pid}
	}
	count := func() (out [4]int64, err error) {
		for i, pids := range [][]int{agent, {containerd}, shims, floor} {
			for _, pid := range pids {
				t, err := ticks(pid)
				if err != nil {
					return out, err
				}
				out[i] += t
			}
		}
		return out, nil
	}
	before, err := count()
	if err != nil {
		return usage{}, err
	}
	began := time.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return usage{}, ctx.Err()
	}
	after, err := count()
	took := float64(time.Since(began).Nanoseconds())
	percent := func(i int) float64 { return 100 * float64(after[i]-before[i]) / took }
	return usage{percent(0), percent(1), percent(2), percent(3)}, err
}

// runtimeProcesses are the lab's containerd and its shims, known by what stands in their command lines.
func (r *rig) runtimeProcesses() (containerd int, shims []int, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, nil, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		args, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue // it ended
		}
		for a := range bytes.SplitSeq(args, []byte{0}) {
			switch string(a) {
			case r.lab.Socket():
				shims = append(shims, pid)
			case filepath.Join(r.lab.Dir(), "containerd.toml"):
				containerd = pid
			}
		}
	}
	if containerd == 0 {
		return 0, nil, errors.New("containerd is not found in /proc")
	}
	return containerd, shims, nil
}
