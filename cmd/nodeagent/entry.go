//go:build !pages

package main

import (
	"os"

	"nodeagent/internal/lab/workload"
)

func main() {
	// The demo's images hold this one static binary, which is then its own workload.
	if handled, code := workload.Run(os.Args[1:]); handled {
		os.Exit(code)
	}
	os.Exit(execute(os.Args[1:]))
}
