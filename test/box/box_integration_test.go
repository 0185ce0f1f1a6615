//go:build integration

package box

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestRunProfile installs the package, lays the run profile and plays the effects of every supported field, and the life of pods, against it.
func TestRunProfile(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	dir := t.TempDir()
	buildSuite(t, ctx, dir)
	n := boot(t, "runprofile")
	n.copy("testdata/containerd.toml", "/etc/containerd/config.toml", 0o644)
	n.copy("testdata/10-box.conflist", "/etc/cni/net.d/10-box.conflist", 0o644)
	n.sh("systemctl start containerd.service")
	settings, err := os.ReadFile("../pods/testdata/settings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n.put("/etc/nodeagent/config.d/10-suite.yaml", append([]byte("metrics: {listen: \"127.0.0.1:10071\"}\n"), settings...), 0o640)
	n.sh("dpkg -i " + n.give(thisTree(t).deb) + " && nodeagent setup run")

	n.copy(filepath.Join(dir, "pods.test"), "/root/pods.test", 0o755)
	n.copy(filepath.Join(dir, "workload"), "/root/workload", 0o755)
	// The suite reads these beside itself, as in the tree.
	const suite = "/root/tree/test/pods"
	for from, to := range map[string]string{"../pods/testdata/*": suite + "/testdata", "../../examples/grafana/*": "/root/tree/examples/grafana"} {
		files, err := filepath.Glob(from)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files %s: %v", from, err)
		}
		for _, f := range files {
			n.copy(f, filepath.Join(to, filepath.Base(f)), 0o644)
		}
	}
	out, err := n.Run(ctx, "env", "--chdir="+suite, "NODEAGENT_TEST_INSTALLED=1", "NODEAGENT_TEST_WORKLOAD=/root/workload", "NODEAGENT_TEST_REGISTRY=127.0.0.1:5000",
		"/root/pods.test", "-test.timeout=5m")
	if err != nil {
		t.Errorf("the suite in the box:\n%s", out)
	}
	if t.Failed() {
		t.Logf("the end of the agent's journal:\n%s", n.sh("journalctl --no-pager --output=cat --unit=nodeagent.service | tail -c 6000"))
	}
	if err := n.denied(); err != nil {
		t.Error(err)
	}
	if result := n.sh("systemctl show --property=Result --value nodeagent.service"); result != "success" {
		t.Errorf("the unit's result is %s", result)
	}
}

// buildSuite makes what goes into the box beside the package: it has no compiler.
func buildSuite(t *testing.T, ctx context.Context, dir string) {
	t.Helper()
	for _, args := range [][]string{
		{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, "workload"), "nodeagent/internal/lab/workload/cmd"},
		{"test", "-c", "-tags=integration", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, "pods.test"), "nodeagent/test/pods"},
	} {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", args[0], err, out)
		}
	}
}
