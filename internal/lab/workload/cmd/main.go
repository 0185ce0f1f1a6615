// Command cmd is the workload programs alone: a small binary, so that the images
// of tests are small.
package main

import (
	"fmt"
	"os"

	"nodeagent/internal/lab/workload"
)

func main() {
	handled, code := workload.Run(os.Args[1:])
	if !handled {
		fmt.Fprintln(os.Stderr, "usage: "+os.Args[0]+" "+workload.Name+" PROGRAM")
		os.Exit(2)
	}
	os.Exit(code)
}
