//go:build integration

package agent

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPromtoolOnRules: Prometheus' own tool finds nothing to say of the rules and of the configurations, and each alert fires, stays quiet and
// clears as its test says.
func TestPromtoolOnRules(t *testing.T) {
	const dir = "../../packaging/prometheus"
	glob := func(pattern string) []string {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("nothing is %s: %v", pattern, err)
		}
		for i := range files {
			files[i], _ = filepath.Rel(dir, files[i])
		}
		return files
	}
	run := func(args ...string) string {
		c := exec.CommandContext(t.Context(), "promtool", args...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil || strings.Contains(string(out), "lint") {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	run(append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, glob("*.rules.yml")...)...)
	tests := run(append([]string{"test", "rules"}, glob("*.test.yml")...)...)
	if n := strings.Count(tests, "SUCCESS"); n != len(glob("*.test.yml")) {
		t.Errorf("%d files of tests have succeeded:\n%s", n, tests)
	}
	run("check", "config", "prometheus.yml")
	for _, f := range glob("scrape/*.yml") {
		switch filepath.Base(f) {
		case "targets.yml":
		case "kubernetes.yml": // Debian builds Prometheus without this way to find targets: all but that one line is checked
			b, err := os.ReadFile(filepath.Join(dir, f))
			if err != nil {
				t.Fatal(err)
			}
			rest := strings.Replace(string(b), "kubernetes_sd_configs:\n  - role: node\n", "static_configs: [{targets: [node1]}]\n", 1)
			copied := filepath.Join(t.TempDir(), "kubernetes.yml")
			if err := os.WriteFile(copied, []byte(rest), 0o600); err != nil || rest == string(b) {
				t.Fatalf("%s has another form: %v", f, err)
			}
			run("check", "config", copied)
		default:
			run("check", "config", f)
		}
	}
}
