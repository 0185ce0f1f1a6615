//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/lab"
)

// staticPods: how fast a killed container runs again, beside the bare calls; what the agent costs while nothing happens; and that pods being
// stopped slow down no other.
func staticPods(ctx context.Context, o options) (out []Figure, err error) {
	r, err := newRig(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	add := func(f Figure) { out = append(out, f); fmt.Println(f) }

	// One pod stays throughout: a folder that goes from several files to none at once keeps its pods.
	if err := r.put("anchor.yaml", pod("anchor", "")); err != nil {
		return nil, err
	}
	bare, ours, err := r.restarts(ctx, o.n)
	if err != nil {
		return out, err
	}
	peer, idle := median(bare), median(ours)
	add(Figure{Name: "staticpods/kill-to-running", Value: idle, Unit: "ms", Peer: "bare create+start", PeerValue: peer, Ratio: idle / peer, N: len(ours), Limit: 1.25})

	busy, err := r.busy(ctx)
	if err != nil {
		return out, err
	}
	add(Figure{Name: "staticpods/kill-while-8-stop", Value: busy, Unit: "ms", Peer: "idle node", PeerValue: idle, Ratio: busy / idle, N: 5, Limit: 1.25})

	cpu, rss, err := r.idle(ctx, 9, 60*time.Second) // and the anchor
	if err != nil {
		return out, err
	}
	add(Figure{Name: "staticpods/idle-10-pods-rss", Value: rss, Unit: "MiB", N: 1, Limit: 35})
	add(Figure{Name: "staticpods/idle-10-pods-cpu", Value: cpu, Unit: "%", N: 1, Limit: 0.3})
	return out, nil
}

// restarts are, in milliseconds and in turn, CreateContainer and StartContainer in a sandbox of its own, and the kill of a fresh pod's
// container. The two take turns so that whatever else the machine does is in both.
func (r *rig) restarts(ctx context.Context, n int) (bares, ours []float64, err error) {
	b, err := newBare(r.lab)
	if err != nil {
		return nil, nil, err
	}
	defer b.close()
	p, err := b.sandbox(ctx, "bare")
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, p.remove(ctx)) }()
	for i := range n {
		pause(ctx)
		took, err := p.attempt(ctx, i)
		if err != nil {
			return nil, nil, err
		}
		bares = append(bares, took)

		name := fmt.Sprintf("k%d", i)
		if err := r.put(name+".yaml", pod(name, "")); err != nil {
			return nil, nil, err
		}
		if err := r.running(ctx, 2); err != nil {
			return nil, nil, err
		}
		pause(ctx)
		ms, err := r.kill(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		ours = append(ours, ms)
		if err := r.remove(name + ".yaml"); err != nil {
			return nil, nil, err
		}
		if err := r.running(ctx, 1); err != nil {
			return nil, nil, err
		}
	}
	return bares, ours, nil
}

// kill kills a pod's container and tells how long it took until another process runs its program, as seen in /proc alone.
func (r *rig) kill(ctx context.Context, name string) (float64, error) {
	seen, err := r.find(ctx, name)
	if err != nil {
		return 0, err
	}
	procs, err := podCgroup(seen.PID)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := syscall.Kill(seen.PID, syscall.SIGKILL); err != nil {
		return 0, err
	}
	for deadline := began.Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if program(procs, seen.PID) {
			return float64(time.Since(began).Microseconds()) / 1000, nil
		}
	}
	return 0, fmt.Errorf("pod %s did not come back", name)
}

func (r *rig) find(ctx context.Context, name string) (lab.Seen, error) {
	list, err := r.lab.List(ctx)
	if err != nil {
		return lab.Seen{}, err
	}
	for _, s := range list {
		if s.Pod == name+"-bench" && s.State == "Running" && s.PID > 0 {
			return s, nil
		}
	}
	return lab.Seen{}, fmt.Errorf("pod %s does not run: %v", name, list)
}

// podCgroup is the folder of the pod's cgroup in a hierarchy that has one.
func podCgroup(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 || !strings.Contains(f[2], "/pod") {
			continue
		}
		parent := f[2][:strings.LastIndex(f[2], "/")]
		for _, root := range []string{"/sys/fs/cgroup/" + f[1], "/sys/fs/cgroup"} {
			if _, err := os.Stat(root + parent); err == nil {
				return root + parent, nil
			}
		}
	}
	return "", fmt.Errorf("process %d is in no pod's cgroup:\n%s", pid, b)
}

// program reports whether another process than the old one runs the workload's sleep in the pod. runc's init has not become it yet.
func program(cgroup string, old int) bool {
	entries, _ := os.ReadDir(cgroup)
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		b, _ := os.ReadFile(cgroup + "/" + e.Name() + "/cgroup.procs")
		for pid := range strings.FieldsSeq(string(b)) {
			cmdline, _ := os.ReadFile("/proc/" + pid + "/cmdline")
			if pid != strconv.Itoa(old) && strings.Contains(string(cmdline), "workload\x00sleep") {
				return true
			}
		}
	}
	return false
}

// busy is the median time to running of a killed pod while eight others sleep in their preStop hooks.
func (r *rig) busy(ctx context.Context) (float64, error) {
	const others = 8
	hook := "      lifecycle: {preStop: {exec: {command: [/nodeagent, workload, exec-sleep, 20s]}}}\n"
	for i := range others {
		if err := r.put(fmt.Sprintf("s%d.yaml", i), pod(fmt.Sprintf("s%d", i), hook)); err != nil {
			return 0, err
		}
	}
	for i := range 5 {
		if err := r.put(fmt.Sprintf("v%d.yaml", i), pod(fmt.Sprintf("v%d", i), "")); err != nil {
			return 0, err
		}
	}
	if err := r.running(ctx, others+6); err != nil {
		return 0, err
	}
	for i := range others {
		if err := r.remove(fmt.Sprintf("s%d.yaml", i)); err != nil {
			return 0, err
		}
	}
	if err := r.stopping(ctx, others); err != nil {
		return 0, err
	}
	var out []float64
	for i := range 5 {
		pause(ctx) // what the kill before left to do is not this one's
		ms, err := r.kill(ctx, fmt.Sprintf("v%d", i))
		if err != nil {
			return 0, err
		}
		out = append(out, ms)
	}
	if err := r.stopping(ctx, others); err != nil {
		return 0, fmt.Errorf("the eight were not being stopped all the while: %w", err)
	}
	for i := range 5 {
		if err := r.remove(fmt.Sprintf("v%d.yaml", i)); err != nil {
			return 0, err
		}
	}
	return median(out), r.running(ctx, 1)
}

// idle is the share of one core and the resident memory of the agent with n pods over a time in which nothing happens.
func (r *rig) idle(ctx context.Context, n int, d time.Duration) (cpu, rss float64, err error) {
	for i := range n {
		if err := r.put(fmt.Sprintf("i%d.yaml", i), pod(fmt.Sprintf("i%d", i), "")); err != nil {
			return 0, 0, err
		}
	}
	if err := r.running(ctx, n+1); err != nil {
		return 0, 0, err
	}
	for range 10 { // what the starts left to do is no idling
		pause(ctx)
	}
	before, err := ticks(r.agent.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return 0, 0, ctx.Err()
	}
	after, err := ticks(r.agent.Process.Pid)
	if err != nil {
		return 0, 0, err
	}
	rss, err = resident(r.agent.Process.Pid)
	return 100 * float64(after-before) / 1e9 / d.Seconds(), rss, err
}

// ticks is the CPU time of a process in nanoseconds, all its threads together.
func ticks(pid int) (int64, error) {
	var t unix.Timespec
	// CLOCK of another process: ~pid << 3 | 2, see clock_getcpuclockid(3).
	if err := unix.ClockGettime(int32(^uint32(pid))<<3|2, &t); err != nil {
		return 0, fmt.Errorf("CPU time of %d: %w", pid, err)
	}
	return t.Nano(), nil
}

func resident(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.Fields(v)[0], 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of %d", pid)
}

// pause lets the runtime come to rest, so that a sample is not of what came before.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Second):
	}
}
