//go:build bench

// Command measure runs one Prometheus over a thousand simulated agents, with the rules loaded, and says what it costs: memory, CPU, the time of
// the rules, and of each query of the dashboard Fleet. `make bench-fleet` runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/test/fleet"
)

// slowest that a query of a panel may be, so that the dashboard is drawn while somebody looks at it.
const slowest = time.Second

func main() {
	nodes := flag.Int("nodes", 1000, "simulated agents")
	every := flag.Duration("every", 15*time.Second, "interval of scrapes and of rules")
	settle := flag.Int("settle", 4, "intervals to wait before anything is measured")
	look := flag.Int("for", 6, "intervals to measure over")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	over, err := measure(ctx, *nodes, *every, *settle, *look)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-fleet:", err)
		os.Exit(1)
	}
	if over > 0 {
		fmt.Fprintf(os.Stderr, "bench-fleet: %d queries took longer than %v\n", over, slowest)
		os.Exit(1)
	}
}

func measure(ctx context.Context, nodes int, every time.Duration, settle, look int) (over int, err error) {
	f, err := fleet.Serve(nodes, "0.1.0")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for i, n := range f.Nodes { // every third node has a fault, and each fault has its turn
		if i%3 == 1 {
			n.Set(fleet.Faults[i/3%len(fleet.Faults)], true)
		}
	}
	dir, err := os.MkdirTemp("", "nodeagent-fleet-*")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	p, err := fleet.StartPrometheus(ctx, dir, "packaging/prometheus", f.Targets(4), every)
	if err != nil {
		return 0, err
	}
	defer p.Stop()
	fmt.Printf("%d agents, scraped every %v; %v until they are all there\n", nodes, every, time.Duration(settle)*every)
	if err := wait(ctx, time.Duration(settle)*every); err != nil {
		return 0, err
	}
	before, err := cpu(p.PID())
	if err != nil {
		return 0, err
	}
	if err := wait(ctx, time.Duration(look)*every); err != nil {
		return 0, err
	}
	after, err := cpu(p.PID())
	if err != nil {
		return 0, err
	}
	rss, err := resident(p.PID())
	if err != nil {
		return 0, err
	}
	series, err := p.Series(ctx)
	if err != nil {
		return 0, err
	}
	fmt.Printf("%-44s %10d\n%-44s %10.0f MiB\n%-44s %10.3f cores\n", "series", series, "memory of Prometheus", rss, "CPU of Prometheus", (after-before).Seconds()/(time.Duration(look)*every).Seconds())
	groups, err := p.RuleTimes(ctx)
	if err != nil {
		return 0, err
	}
	for name, took := range groups {
		fmt.Printf("%-44s %10.3f s\n", "rules "+name, took)
	}
	return queries(ctx, p, every)
}

// queries draws the dashboard Fleet over the last five minutes.
func queries(ctx context.Context, p *fleet.Prometheus, every time.Duration) (over int, err error) {
	all, err := fleet.Boards("packaging/grafana/dashboards")
	if err != nil {
		return 0, err
	}
	choice := fleet.Choice{Window: 4 * every}
	for _, panel := range all["fleet"].Panels {
		for _, q := range panel.Targets {
			began := time.Now()
			var got []fleet.Sample
			if panel.Type == "stat" || panel.Type == "table" {
				got, err = p.Query(ctx, choice.Fill(q.Expr))
			} else {
				got, err = p.QueryRange(ctx, choice.Fill(q.Expr), 5*time.Minute, every)
			}
			took := time.Since(began)
			if err != nil {
				return over, fmt.Errorf("%s: %w", panel.Title, err)
			}
			note := ""
			if took > slowest {
				over++
				note = "  OVER"
			}
			fmt.Printf("%-44s %10.3f s %6d series%s\n", "panel "+panel.Title+" "+q.RefID, took.Seconds(), len(got), note)
		}
	}
	return over, nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cpu time of a process, all its threads together: the clock of another process is ~pid << 3 | 2, see clock_getcpuclockid(3).
func cpu(pid int) (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(int32(^uint32(pid))<<3|2, &t)
	return time.Duration(t.Nano()), err
}

// resident memory of a process in MiB.
func resident(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(v)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of %d", pid)
}
