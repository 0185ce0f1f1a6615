//go:build bench

package main

import (
	"context"
	"fmt"
)

// components measures what looking at a whole control plane costs: a real etcd, and stand-ins for the others in a process of their own.
func components(ctx context.Context, _ options) ([]Figure, error) {
	got, err := goBench(ctx, "./internal/component", "^BenchmarkMinute$", "integration", "20x")
	if err != nil {
		return nil, err
	}
	f := Figure{Name: "components/idle", Value: got["Minute"]["%core"], Unit: "%", N: 20, Limit: 0.2}
	fmt.Println(f)
	return []Figure{f}, nil
}
