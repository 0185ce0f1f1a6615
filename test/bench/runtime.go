//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/view"
)

// runtimes measures, at default settings, how soon a runtime that hangs or died is reported and one that is well again is believed, and what
// the agent's checks cost it, beside what check scripts do: over the machine's containerd and each one whose path is in NODEAGENT_TEST_CONTAINERDS. A figure above its limit
// is an error.
func runtimes(ctx context.Context, o options) (out []Figure, err error) {
	for _, binary := range append([]string{"containerd"}, filepath.SplitList(os.Getenv("NODEAGENT_TEST_CONTAINERDS"))...) {
		o.containerd = binary
		fs, err := oneRuntime(ctx, o)
		out = append(out, fs...)
		if err != nil {
			return out, fmt.Errorf("%s: %w", binary, err)
		}
	}
	for _, f := range out {
		if f.over() {
			err = errors.Join(err, fmt.Errorf("%s is above its limit", f.Name))
		}
	}
	return out, err
}

// watchedPods stand idle while the checks are measured.
const watchedPods = 10

func oneRuntime(ctx context.Context, o options) (out []Figure, err error) {
	r, err := newRig(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	name := "runtime/" + r.lab.Version() + "/"
	add := func(f Figure) {
		f.Name = name + f.Name
		out = append(out, f)
		fmt.Println(f)
	}
	if err := r.responsive(ctx, "ok", ""); err != nil {
		return nil, err
	}
	n := max(o.n/4, 3)
	var hung, hungOver, dead, deadOver []float64
	for range n {
		pause(ctx)
		began := time.Now()
		if err := r.lab.Pause(); err != nil {
			return out, err
		}
		err := r.responsive(ctx, "failing", "Hung")
		hung = append(hung, time.Since(began).Seconds())
		answered := r.firstAnswer(ctx)
		if err := errors.Join(err, r.lab.Resume()); err != nil {
			return out, err
		}
		over, err := r.believed(ctx, answered)
		if err != nil {
			return out, err
		}
		hungOver = append(hungOver, over)
	}
	for range n {
		pause(ctx)
		began := time.Now()
		if err := r.lab.Kill(); err != nil {
			return out, err
		}
		err := r.responsive(ctx, "failing", "Dead")
		dead = append(dead, time.Since(began).Seconds())
		answered := r.firstAnswer(ctx)
		if err := errors.Join(err, r.lab.Start(ctx)); err != nil {
			return out, err
		}
		over, err := r.believed(ctx, answered)
		if err != nil {
			return out, err
		}
		deadOver = append(deadOver, over)
	}
	add(Figure{Name: "hung-reported", Value: median(hung), Unit: "s", N: n, Limit: 10})
	add(Figure{Name: "dead-reported", Value: median(dead), Unit: "s", N: n, Limit: 1})
	add(Figure{Name: "well-after-hung", Value: median(hungOver), Unit: "s", N: n, Limit: 1})
	add(Figure{Name: "well-after-dead", Value: median(deadOver), Unit: "s", N: n, Limit: 1})

	for i := range watchedPods {
		name := fmt.Sprintf("watched-%d", i)
		if err := r.put(name+".yaml", pod(name, "")); err != nil {
			return out, err
		}
	}
	if err := r.running(ctx, watchedPods); err != nil {
		return out, err
	}
	with, err := r.used(ctx, o.idle)
	if err != nil {
		return out, err
	}
	if err := r.stopAgent(); err != nil {
		return out, err
	}
	without, err := r.used(ctx, o.idle)
	if err != nil {
		return out, err
	}
	add(Figure{Name: "checks-10-pods-cpu-added", Value: with.containerd - without.containerd, Unit: "%", N: 1, Limit: 0.2})
	add(Figure{Name: "checks-10-pods-cpu-without", Value: without.containerd, Unit: "%", N: 1})
	beside, err := r.besideScripts(ctx, with, without, o.idle/2)
	for _, f := range beside {
		add(f)
	}
	return out, err
}

// responsive waits until the agent says so of the runtime.
func (r *rig) responsive(ctx context.Context, status, reason string) error {
	return r.await(ctx, func(s view.Status) bool {
		for _, c := range s.Conditions {
			for _, x := range c.Subjects {
				if c.Name == "RuntimeResponsive" && x.Status == status && (reason == "" || x.Reason == reason) {
					return true
				}
			}
		}
		return false
	})
}

// firstAnswer tells when the runtime answers again, asked beside the agent over connections of its own.
func (r *rig) firstAnswer(ctx context.Context) <-chan time.Time {
	out := make(chan time.Time, 1)
	go func() {
		for ctx.Err() == nil {
			if r.answers(ctx) == nil {
				out <- time.Now()
				return
			}
			time.Sleep(time.Millisecond) // a connection that is refused is refused at once
		}
	}()
	return out
}

func (r *rig) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := r.lab.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = cri.NewRuntimeServiceClient(conn).Version(ctx, &cri.VersionRequest{})
	return err
}

// believed is how long after the first answer the agent says that the runtime is well, in seconds.
func (r *rig) believed(ctx context.Context, answered <-chan time.Time) (float64, error) {
	if err := r.responsive(ctx, "ok", ""); err != nil {
		return 0, err
	}
	now := time.Now()
	select {
	case at := <-answered:
		return max(0, now.Sub(at).Seconds()), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(10 * time.Second):
		return 0, errors.New("the runtime does not answer us, and the agent calls it well")
	}
}
