package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// TB is the part of testing.TB that BuildWorkload needs; the agent's own binary
// contains this package and should not contain package testing.
type TB interface {
	Helper()
	Fatalf(format string, args ...any)
	TempDir() string
}

// BuildWorkload gives the path of a small static binary for Options.Workload,
// in the test's own folder. It is built once a test process, by the go command on PATH.
func BuildWorkload(t TB) string {
	t.Helper()
	binary, err := workloadBinary()
	if err != nil {
		t.Fatalf("build the workload binary: %v", err)
	}
	path := filepath.Join(t.TempDir(), "workload")
	if err := os.WriteFile(path, binary, 0o755); err != nil {
		t.Fatalf("write the workload binary: %v", err)
	}
	return path
}

var workloadBinary = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "nodeagent-workload")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "workload")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", path, "nodeagent/internal/lab/workload/cmd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, out)
	}
	return os.ReadFile(path)
})
