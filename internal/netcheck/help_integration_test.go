//go:build integration

package netcheck

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
	"nodeagent/internal/netcheck/netlab"
)

func configOf(h *netlab.Host) Config {
	return Config{
		Netns: h.Netns, SubnetEnv: filepath.Join(h.Dir, "flannel/subnet.env"), CNIConfDir: filepath.Join(h.Dir, "cni"), CNIDataDir: filepath.Join(h.Dir, "networks"),
		root: h.Dir, ProbeInterval: 200 * time.Millisecond, ProbeTimeout: 150 * time.Millisecond, FullSizeInterval: time.Millisecond,
	}
}

// node is a Checker that runs on a host of the lab.
type node struct {
	t     *testing.T
	h     *netlab.Host
	c     *Checker
	board *health.Board

	mu   sync.Mutex
	seen []string // every failing finding since the last call of forget
}

// start runs a Checker on a host until the test ends.
func start(t *testing.T, h *netlab.Host, change func(*Config, *Deps)) *node {
	t.Helper()
	n := &node{t: t, h: h}
	cfg, deps := configOf(h), Deps{}
	if change != nil {
		change(&cfg, &deps)
	}
	n.board = health.NewBoard(func(c health.Change) {
		if c.Is.Status == health.Failing {
			n.mu.Lock()
			defer n.mu.Unlock()
			n.seen = append(n.seen, fmt.Sprintf("%s/%s %s: %s", c.Condition.Name, c.Is.Subject, c.Is.ReasonName(), c.Is.Message))
		}
	}, Conditions()...)
	n.c = New(func() Config { return cfg }, deps, n.board, zap.NewNop())
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for _, task := range n.c.Tasks() {
		all.Go(func() { _ = task.Run(ctx) })
	}
	t.Cleanup(func() { cancel(); all.Wait() })
	return n
}

// wait waits until the board satisfies ok, and gives how long it took.
func (n *node) wait(what string, ok func(health.Snapshot) bool) time.Duration {
	n.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(n.t.Context(), 8*time.Second)
	defer cancel()
	found := false
	_ = n.board.Watch(ctx, nil, func(s health.Snapshot) {
		if ok(s) {
			found = true
			cancel()
		}
	})
	if !found {
		n.t.Errorf("%s did not come to be; the board shows:\n%s", what, show(n.board.Snapshot(), true))
	}
	return time.Since(began)
}

// healthy waits until nothing fails or is unknown.
func (n *node) healthy() time.Duration {
	n.t.Helper()
	return n.wait("health", func(s health.Snapshot) bool { return show(s, false) == "" })
}

// finds waits for a failing finding.
func (n *node) finds(condition, subject, reason string) time.Duration {
	n.t.Helper()
	return n.wait(condition+"/"+subject+" "+reason, func(s health.Snapshot) bool {
		st, _ := s.Of(condition)
		e := st.Entry(subject)
		return e.Status == health.Failing && e.ReasonName() == reason
	})
}

// show lists what is failing or unknown; with all, everything.
func show(s health.Snapshot, all bool) string {
	var b strings.Builder
	for _, st := range s.States() {
		for _, e := range st.Entries {
			if all || e.Status == health.Failing || e.Status == health.Unknown {
				fmt.Fprintf(&b, "%s/%s %s %s: %s %v\n", st.Condition.Name, e.Subject, e.Status, e.ReasonName(), e.Message, e.Evidence)
			}
		}
	}
	return b.String()
}
