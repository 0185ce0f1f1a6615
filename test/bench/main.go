//go:build bench

// Command bench measures the agent beside a floor or a peer in the same run and writes the ratios. It needs root, containerd and runc, and
// a built agent; `make bench` sees to that.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"
)

// Figure is one line of dist/bench.json.
type Figure struct {
	Name      string  `json:"name"`
	Value     float64 `json:"value"`
	Unit      string  `json:"unit"`
	Peer      string  `json:"peer,omitempty"` // what it is measured against; empty: nothing
	PeerValue float64 `json:"peer_value,omitempty"`
	Ratio     float64 `json:"ratio,omitempty"` // value / peer_value
	N         int     `json:"n"`               // samples the value is the median of
	Limit     float64 `json:"limit,omitempty"` // the ratio, or without a peer the value, should not be above it
}

func (f Figure) over() bool {
	v := f.Value
	if f.Peer != "" {
		v = f.Ratio
	}
	return f.Limit > 0 && v > f.Limit
}

func (f Figure) String() string {
	s := fmt.Sprintf("%-34s %9.2f %-5s n=%-3d", f.Name, f.Value, f.Unit, f.N)
	if f.Peer != "" {
		s += fmt.Sprintf(" %5.2f x %s (%.2f)", f.Ratio, f.Peer, f.PeerValue)
	}
	if f.Limit > 0 {
		s += fmt.Sprintf("  limit %.2f", f.Limit)
	}
	if f.over() {
		s += "  OVER"
	}
	return s
}

// suites by name; later parts of the agent add theirs here.
var suites = []struct {
	name string
	run  func(context.Context, options) ([]Figure, error)
}{
	{"staticpods", staticPods},
	{"pods", pods},
	{"idle", idle},
	{"keepalive", vipFigures},
	{"network", network},
	{"components", components},
	{"scrape", scrape},
	{"runtime", runtimes},
}

type options struct {
	agent string
	n     int
	idle  time.Duration
	// containerd is the daemon of the lab; empty: the machine's.
	containerd string
}

func main() {
	if q := os.Getenv(askVariable); q != "" { // a script of besideScripts
		if err := askOnce(q, os.Getenv(socketVariable)); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv(tickVariable) != "" { // the floor of idle
		for range time.Tick(time.Second) {
			continue
		}
	}
	only := flag.String("only", "", "suites to run, separated by commas; empty: all")
	out := flag.String("out", "", "file to write the figures to as JSON")
	o := options{}
	flag.StringVar(&o.agent, "agent", "bin/nodeagent", "the agent's binary")
	flag.IntVar(&o.n, "n", 21, "samples a figure")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long to look at what is idle; a resync comes once a minute")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o, *only, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, only, out string) error {
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	var wanted []string
	for w := range strings.SplitSeq(only, ",") {
		if w = strings.TrimSpace(w); w == "" {
			continue
		}
		if !slices.Contains(names, w) {
			return fmt.Errorf("no suite %q: there are %s", w, strings.Join(names, ", "))
		}
		wanted = append(wanted, w)
	}
	figures := []Figure{}
	for _, s := range suites {
		if len(wanted) > 0 && !slices.Contains(wanted, s.name) {
			continue
		}
		fs, err := s.run(ctx, o)
		figures = append(figures, fs...)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if out == "" {
		return nil
	}
	b, err := json.MarshalIndent(figures, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(b, '\n'), 0o644)
}

// median of at least one sample.
func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	return x[len(x)/2]
}
