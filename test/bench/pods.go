//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pods: how long a manifest takes to become a running pod and a removed one to end, beside the same calls made by hand; restarts after their
// back-off.
func pods(ctx context.Context, o options) (out []Figure, err error) {
	r, err := newRig(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	b, err := newBare(r.lab)
	if err != nil {
		return nil, err
	}
	defer b.close()
	add := func(fs ...Figure) {
		for _, f := range fs {
			out = append(out, f)
			fmt.Println(f)
		}
	}

	if err := r.put("anchor.yaml", pod("anchor", "")); err != nil {
		return out, err
	}
	if err := r.running(ctx, 1); err != nil {
		return out, err
	}
	anchor, err := r.find(ctx, "anchor")
	if err != nil {
		return out, err
	}
	w, err := newStarts(anchor.PID)
	if err != nil {
		return out, err
	}
	for _, measure := range []func() ([]Figure, error){
		func() ([]Figure, error) { return r.dropped(ctx, b, w, o.n) },
		func() ([]Figure, error) { return r.tenAtOnce(ctx, b, w, max(o.n/4, 3)) },
		func() ([]Figure, error) { return r.killedAgain(ctx, b, max(o.n/4, 3)) },
	} {
		fs, err := measure()
		add(fs...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// starts sees pods of the best-effort class begin, in the cgroup tree alone: it asks neither the agent nor the runtime.
type starts struct {
	dir  string // of the pods' cgroups
	seen map[string]bool
}

// newStarts takes the pods that are there for known. pid is of a container of one.
func newStarts(pid int) (*starts, error) {
	cgroup, err := podCgroup(pid)
	if err != nil {
		return nil, err
	}
	w := &starts{dir: filepath.Dir(cgroup), seen: map[string]bool{}}
	for _, name := range w.fresh() {
		w.seen[name] = true
	}
	return w, nil
}

func (w *starts) fresh() (out []string) {
	entries, _ := os.ReadDir(w.dir)
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), "pod") && !w.seen[e.Name()] {
			out = append(out, e.Name())
		}
	}
	return out
}

// await waits until so many new pods run their program.
func (w *starts) await(n int) error {
	for deadline := time.Now().Add(60 * time.Second); n > 0; time.Sleep(500 * time.Microsecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("%d pods do not run", n)
		}
		for _, name := range w.fresh() {
			if program(filepath.Join(w.dir, name), 0) {
				w.seen[name] = true
				n--
			}
		}
	}
	return nil
}

// exit waits for a process to end.
type exit struct{ fd int }

func newExit(pid int) (exit, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return exit{}, fmt.Errorf("watch process %d: %w", pid, err)
	}
	return exit{fd}, nil
}

func (e exit) await() error {
	defer unix.Close(e.fd)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}, 60_000)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for a process: %w", err)
		case n == 0:
			return errors.New("a process did not end")
		default:
			return nil
		}
	}
}

// dropped measures a manifest that comes and goes, in turn with a pod made and stopped by hand.
func (r *rig) dropped(ctx context.Context, b *bare, w *starts, n int) ([]Figure, error) {
	var up, down, bareUp, bareDown []float64
	for i := range n {
		pause(ctx)
		u, d, err := r.byHand(ctx, b, w, fmt.Sprintf("bare-%d", i))
		if err != nil {
			return nil, err
		}
		bareUp, bareDown = append(bareUp, u), append(bareDown, d)

		pause(ctx)
		name := fmt.Sprintf("d%d", i)
		began := time.Now()
		if err := r.put(name+".yaml", pod(name, "")); err != nil {
			return nil, err
		}
		if err := w.await(1); err != nil {
			return nil, err
		}
		up = append(up, since(began))
		if err := r.running(ctx, 2); err != nil {
			return nil, err
		}
		seen, err := r.find(ctx, name)
		if err != nil {
			return nil, err
		}
		pause(ctx)
		end, err := newExit(seen.PID)
		if err != nil {
			return nil, err
		}
		began = time.Now()
		if err := r.remove(name + ".yaml"); err != nil {
			return nil, err
		}
		if err := end.await(); err != nil {
			return nil, err
		}
		down = append(down, since(began))
		if err := r.running(ctx, 1); err != nil {
			return nil, err
		}
	}
	return []Figure{
		against("pods/dropped-to-running", up, "bare sandbox+create+start", bareUp, 1.3),
		against("pods/removed-to-stopped", down, "bare StopContainer", bareDown, 0),
	}, nil
}

// byHand is how long a pod made by the bare calls takes to run, and its container to stop.
func (r *rig) byHand(ctx context.Context, b *bare, w *starts, name string) (up, down float64, err error) {
	began := time.Now()
	p, err := b.sandbox(ctx, name)
	if err != nil {
		return 0, 0, err
	}
	id, err := p.start(ctx, 0)
	if err != nil {
		return 0, 0, err
	}
	if err := w.await(1); err != nil {
		return 0, 0, err
	}
	up = since(began)
	list, err := r.lab.List(ctx)
	if err != nil {
		return 0, 0, err
	}
	pid := 0
	for _, s := range list {
		if s.Pod == name && s.State == "Running" {
			pid = s.PID
		}
	}
	end, err := newExit(pid)
	if err != nil {
		return 0, 0, err
	}
	pause(ctx)
	began = time.Now()
	stopped := make(chan error, 1)
	go func() { stopped <- p.stop(ctx, id) }()
	if err := end.await(); err != nil {
		return 0, 0, err
	}
	down = since(began)
	return up, down, errors.Join(<-stopped, p.remove(ctx))
}

// tenAtOnce is the time until all of ten pods run.
func (r *rig) tenAtOnce(ctx context.Context, b *bare, w *starts, n int) ([]Figure, error) {
	const ten = 10
	var ours, bares []float64
	for i := range n {
		pause(ctx)
		made := make([]*barePod, ten)
		errs := make([]error, ten)
		var wg sync.WaitGroup
		began := time.Now()
		for j := range ten {
			wg.Go(func() {
				if made[j], errs[j] = b.sandbox(ctx, fmt.Sprintf("bare-ten-%d-%d", i, j)); errs[j] == nil {
					_, errs[j] = made[j].start(ctx, 0)
				}
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		if err := w.await(ten); err != nil {
			return nil, err
		}
		bares = append(bares, since(began))
		for _, p := range made {
			if err := p.remove(ctx); err != nil {
				return nil, err
			}
		}

		pause(ctx)
		began = time.Now()
		for j := range ten {
			name := fmt.Sprintf("ten-%d-%d", i, j)
			if err := r.put(name+".yaml", pod(name, "")); err != nil {
				return nil, err
			}
		}
		if err := w.await(ten); err != nil {
			return nil, err
		}
		ours = append(ours, since(began))
		if err := r.running(ctx, ten+1); err != nil {
			return nil, err
		}
		for j := range ten {
			if err := r.remove(fmt.Sprintf("ten-%d-%d.yaml", i, j)); err != nil {
				return nil, err
			}
		}
		if err := r.running(ctx, 1); err != nil {
			return nil, err
		}
	}
	return []Figure{against("pods/ten-at-once", ours, "ten times bare at once", bares, 0)}, nil
}

// killedAgain kills one pod four times. The first start comes at once; of the others it is the time beyond the start that the agent announced.
func (r *rig) killedAgain(ctx context.Context, b *bare, n int) ([]Figure, error) {
	p, err := b.sandbox(ctx, "bare-attempts")
	if err != nil {
		return nil, err
	}
	var bares []float64
	late := make([][]float64, 3)
	for i := range n {
		pause(ctx)
		took, err := p.attempt(ctx, i)
		if err != nil {
			return nil, errors.Join(err, p.remove(ctx))
		}
		bares = append(bares, took)
		name := fmt.Sprintf("again%d", i)
		if err := r.put(name+".yaml", pod(name, "")); err != nil {
			return nil, err
		}
		if err := r.running(ctx, 2); err != nil {
			return nil, err
		}
		pause(ctx)
		if _, err := r.kill(ctx, name); err != nil {
			return nil, err
		}
		for j := range late {
			pause(ctx)
			if err := r.running(ctx, 2); err != nil {
				return nil, err
			}
			ms, err := r.killHeld(ctx, name)
			if err != nil {
				return nil, fmt.Errorf("kill %d: %w", j+2, err)
			}
			late[j] = append(late[j], ms)
		}
		if err := r.running(ctx, 2); err != nil {
			return nil, err
		}
		if err := r.remove(name + ".yaml"); err != nil {
			return nil, err
		}
		if err := r.running(ctx, 1); err != nil {
			return nil, err
		}
	}
	var out []Figure
	for j, name := range []string{"2nd", "3rd", "4th"} {
		out = append(out, against("pods/"+name+"-kill-beyond-back-off", late[j], "bare create+start", bares, 0))
	}
	return out, p.remove(ctx)
}

// killHeld kills a pod whose next start is held back and tells by how much it runs later than announced.
func (r *rig) killHeld(ctx context.Context, name string) (float64, error) {
	seen, err := r.find(ctx, name)
	if err != nil {
		return 0, err
	}
	cgroup, err := podCgroup(seen.PID)
	if err != nil {
		return 0, err
	}
	if err := syscall.Kill(seen.PID, syscall.SIGKILL); err != nil {
		return 0, err
	}
	var next time.Time
	for deadline := time.Now().Add(5 * time.Second); next.IsZero(); time.Sleep(50 * time.Millisecond) {
		list, err := r.client.Pods(ctx)
		if err != nil {
			return 0, err
		}
		for _, p := range list {
			if p.Name == name {
				next = p.NextStart
			}
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("the next start of pod %s is not announced: %+v", name, list)
		}
	}
	time.Sleep(time.Until(next)) // no look disturbs the start
	for deadline := next.Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Microsecond) {
		if program(cgroup, seen.PID) {
			return since(next), nil
		}
	}
	return 0, fmt.Errorf("pod %s did not come back", name)
}

// against are medians beside a peer's.
func against(name string, ours []float64, peer string, bares []float64, limit float64) Figure {
	v, p := median(ours), median(bares)
	return Figure{Name: name, Value: v, Unit: "ms", Peer: peer, PeerValue: p, Ratio: v / p, N: len(ours), Limit: limit}
}
