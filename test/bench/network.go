//go:build bench

package main

import (
	"context"
	"fmt"
)

// network measures Flannel's checks in network namespaces: three hosts with real vxlan devices.
func network(ctx context.Context, _ options) ([]Figure, error) {
	const pkg = "./internal/netcheck"
	looks, err := goBench(ctx, pkg, "^Benchmark(Look|SmallLook)$", "integration", "1s")
	if err != nil {
		return nil, err
	}
	acts, err := goBench(ctx, pkg, "^Benchmark(Finding|Mend)$", "integration", "21x")
	if err != nil {
		return nil, err
	}
	idle, err := goBench(ctx, pkg, "^BenchmarkIdle$", "integration", "1x")
	if err != nil {
		return nil, err
	}
	ms := func(name, unit string, per float64) float64 { return looks[name][unit] / per }
	out := []Figure{
		{Name: "network/look-5000-peers", Value: ms("Look/whole", "ns/op", 1e6), Unit: "ms", N: 1, Limit: 50},
		{Name: "network/judge-5000-peers", Value: ms("Look/judge", "ns/op", 1e6), Unit: "ms", N: 1},
		{Name: "network/look-2-peers", Value: ms("SmallLook", "ns/op", 1e6), Unit: "ms", N: 1},
		{Name: "network/event-to-finding", Value: acts["Finding"]["p50-ms"], Unit: "ms", N: 21, Limit: 100},
		{Name: "network/device-anew-to-traffic", Value: acts["Mend"]["p50-ms"], Unit: "ms", N: 21, Limit: 250},
		{Name: "network/idle-cpu", Value: idle["Idle"]["core-%"], Unit: "%", N: 1, Limit: 0.1},
	}
	for _, f := range out {
		fmt.Println(f)
	}
	return out, nil
}
