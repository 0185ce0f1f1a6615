//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/keepalive"
	"nodeagent/internal/state"
)

// vipFigures measures what keepalived waits for: the agent's share of a verdict, the check's cost, and the sockets under load.
func vipFigures(ctx context.Context, o options) ([]Figure, error) {
	var out []Figure
	for _, part := range []func(context.Context, options) ([]Figure, error){renaming, checking} {
		fs, err := part(ctx, o)
		for _, f := range fs {
			fmt.Println(f)
		}
		out = append(out, fs...)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// renaming measures from the publish of a condition to the rename of the verdict, with fall and rise 0: they are the operator's, and come on top.
func renaming(ctx context.Context, o options) ([]Figure, error) {
	dir, err := os.MkdirTemp("", "nodeagent-bench-vip-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	folder, err := state.Open(filepath.Join(dir, "state"))
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	down := &health.Reason{Name: "Down"}
	balancer := &health.Condition{Name: "HAProxy", Reasons: []*health.Reason{down}}
	server := &health.Condition{Name: "APIServer", Reasons: []*health.Reason{down}}
	board := health.NewBoard(nil, append(keepalive.Conditions(), balancer, server)...)
	p := keepalive.TwoTiers("vip", balancer.Name, server.Name)
	p.Rise, p.Fall = 0, 0
	cfg := keepalive.Config{Dir: filepath.Join(dir, "verdict"), Policies: []keepalive.Policy{p}, CheckFrequency: time.Minute, PeerTimeout: time.Second}
	k := keepalive.New(func() keepalive.Config { return cfg }, keepalive.Deps{Store: folder}, board, zap.NewNop())
	publish := func(bad bool) {
		f := health.Finding{Status: health.OK}
		if bad {
			f = health.Finding{Status: health.Failing, Reason: down}
		}
		board.Publish(health.Look{Of: server, Findings: []health.Finding{f}}, health.Look{Of: balancer, Findings: []health.Finding{{Status: health.OK}}})
	}
	publish(false)
	running, stop := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer stop()
	for _, t := range k.Tasks() {
		tasks.Go(func() { _ = t.Run(running) })
	}
	path := filepath.Join(cfg.Dir, "vip")
	holds := func(want string) error {
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
			if b, err := os.ReadFile(path); err == nil && string(b) == want {
				return nil
			}
		}
		return fmt.Errorf("%s did not become %q", path, want)
	}
	if err := holds("0\n"); err != nil {
		return nil, err
	}
	var took []float64
	for i := range 10 * o.n {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// Not in step with the second at which the beat is stamped.
		time.Sleep(37 * time.Millisecond)
		want := []string{"-60\n", "0\n"}[i%2]
		begin := time.Now()
		publish(i%2 == 0)
		if err := holds(want); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin).Seconds()*1000)
	}
	slices.Sort(took)
	return []Figure{
		{Name: "keepalive/publish-to-rename", Value: median(took), Unit: "ms", N: len(took), Limit: 10},
		{Name: "keepalive/publish-to-rename-p99", Value: took[len(took)*99/100], Unit: "ms", N: len(took)},
	}, nil
}

var errNoSocket = errors.New("the agent opened no verdict socket")
