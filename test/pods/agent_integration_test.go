//go:build integration

package pods

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// built is a folder with the binaries that the go command built, made once.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nodeagent-pods-*")
	if err != nil {
		return "", err
	}
	for name, pkg := range map[string]string{"nodeagent": "nodeagent/cmd/nodeagent", "workload": "nodeagent/internal/lab/workload/cmd"} {
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, name), pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return dir, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return dir, nil
})

// atOnce is how many tests run side by side: nearly all of their time is waiting for probes and graces.
const atOnce = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		flag.Set("test.parallel", atOnce)
	}
	code := m.Run()
	if !prebuilt() {
		if dir, _ := built(); dir != "" {
			os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

// prebuilt reports whether both binaries were built by somebody else.
func prebuilt() bool {
	return os.Getenv(workloadVariable) != "" && (os.Getenv(agentVariable) != "" || os.Getenv(installedVariable) != "")
}

func binaryOf(t testing.TB, variable, name string) string {
	t.Helper()
	if path := os.Getenv(variable); path != "" {
		return path
	}
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

func workload(t testing.TB) string { return binaryOf(t, workloadVariable, "workload") }

// process is the agent's binary as a process of the test.
type process struct {
	config, log string
	cmd         *exec.Cmd
}

func (p *process) start(t testing.TB) {
	t.Helper()
	path := binaryOf(t, agentVariable, "nodeagent")
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd = exec.Command(path, "run", "--config", p.config)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

func (p *process) kill(testing.TB) {
	if p.cmd != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		p.cmd = nil
	}
}

func (p *process) close(t testing.TB) {
	p.kill(t)
	if t.Failed() {
		b, _ := os.ReadFile(p.log)
		path := filepath.Join(os.TempDir(), "nodeagent-pods-failed.log")
		os.WriteFile(path, b, 0o600)
		t.Logf("the agent's log is in %s; its end:\n%s", path, b[max(0, len(b)-6000):])
	}
}

// unit is the installed agent.
type unit struct{}

func (unit) start(t testing.TB) {
	t.Helper()
	if err := command("systemctl", "start", "nodeagent.service"); err != nil {
		t.Fatal(err)
	}
}

func (unit) kill(t testing.TB) {
	t.Helper()
	if err := command("systemctl", "kill", "--signal=KILL", "nodeagent.service"); err != nil {
		t.Fatal(err)
	}
}

func (unit) close(testing.TB) {}
