//go:build bench

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// goBench runs Go benchmarks of a package and gives their figures: by name, then by unit (ns/op, p50-ms ...).
func goBench(ctx context.Context, pkg, pattern, tags, benchtime string) (map[string]map[string]float64, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-tags", tags, "-run", "^$", "-bench", pattern, "-benchtime", benchtime, "-count", "1", pkg)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("go test -bench %s %s: %w\n%s", pattern, pkg, err, out.Bytes())
	}
	figures := parseBench(out.String())
	if len(figures) == 0 {
		return nil, fmt.Errorf("go test -bench %s %s ran no benchmark", pattern, pkg)
	}
	return figures, nil
}

// parseBench reads lines such as "BenchmarkLook/whole-2  100  12345 ns/op  3.5 p50-ms".
func parseBench(text string) map[string]map[string]float64 {
	out := map[string]map[string]float64{}
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		name, isBench := strings.CutPrefix(line, "Benchmark")
		if !isBench || len(fields) < 4 {
			continue
		}
		name = strings.Fields(name)[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			name = name[:i]
		}
		units := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				units[fields[i+1]] = v
			}
		}
		out[name] = units
	}
	return out
}
