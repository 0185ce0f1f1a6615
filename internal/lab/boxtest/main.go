package boxtest

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// slots are of tests that work for most of their time: as many as two cores bear beside those that wait.
var slots = make(chan struct{}, 3)

// Beside runs a test beside others once there is a slot for it. A test that waits for clocks more than it works takes none: t.Parallel is enough.
func Beside(t *testing.T) {
	t.Helper()
	t.Parallel()
	slots <- struct{}{}
	t.Cleanup(func() { <-slots })
}

// Main is TestMain of a package that installs packages.
func Main(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", "16") // the slots are what counts
	}
	dir, err := os.MkdirTemp("", "nodeagent-box-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
