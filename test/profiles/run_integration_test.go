//go:build integration

package profiles

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/lab/boxtest"
)

const runProfile = "usr/share/nodeagent/profiles/run.conf"

// wrongProfiles are packages whose run profile keeps from the agent what volumes need, and tests of the suite that have to fail for it.
var wrongProfiles = []struct {
	name   string
	broken boxtest.Broken
	fails  []string
}{
	{"a mount namespace", boxtest.Break(runProfile, `^PrivateTmp=no`, "PrivateTmp=yes"), []string{"TestEffects/installed"}}, // the agent itself refuses it
	{"no mounts and owners", boxtest.Break(runProfile, ` CAP_SYS_ADMIN CAP_CHOWN`, ""), []string{"TestEffects/installed/pods/emptyDir", "TestEffects/installed/pods/fsGroup"}},
}

// TestRunProfile installs the package, lays the run profile and plays the effects of every supported field, and the life of pods, against it.
func TestRunProfile(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	n := boxtest.Boot(t, "runprofile")
	n.Containerd()
	n.CNI()
	n.Sh("systemctl start containerd.service")
	settings, err := os.ReadFile("../pods/testdata/settings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	n.Put("/etc/nodeagent/config.d/10-suite.yaml", append([]byte("metrics: {listen: \"127.0.0.1:10071\"}\n"), settings...), 0o640)
	putSuite(n)
	deb := boxtest.ThisTree(t).Plain
	n.Sh("dpkg -i " + n.Give(deb) + " && nodeagent setup run")

	if out, err := play(ctx, n.Within(90*time.Second), "-test.timeout=5m"); err != nil {
		t.Errorf("the suite in the box: %v\n%s", err, out)
	}
	if t.Failed() {
		t.Logf("the end of the agent's journal:\n%s", n.Sh("journalctl --no-pager --output=cat --unit=nodeagent.service | tail -c 6000"))
	}
	if err := n.Denied(); err != nil {
		t.Error(err)
	}
	if result := n.Sh("systemctl show --property=Result --value nodeagent.service"); result != "success" {
		t.Errorf("the unit's result is %s", result)
	}
	for _, w := range wrongProfiles {
		t.Run("broken/"+w.name, func(t *testing.T) {
			n := n.In(t).Within(2 * boxtest.ForTheWorse) // a good pod has to start in it
			n.Sh("dpkg -i " + n.Give(boxtest.BreakDeb(t, deb, w.broken)))
			out, err := play(ctx, n, "-test.run=^TestEffects$/installed/pods/^(emptyDir|fsGroup)$")
			if err == nil {
				t.Errorf("nothing wrong is seen of a package with %s: %q", w.broken.File, w.broken.Write)
			}
			for _, name := range w.fails {
				if !strings.Contains(out, "--- FAIL: "+name+" ") {
					t.Errorf("%s does not fail:\n%s", name, out)
				}
			}
		})
	}
}

// suiteDir is where the suite of package pods lies in the box, with what it reads beside itself, as in the tree.
const suiteDir = "/root/tree/test/pods"

// putSuite puts package pods' tests into the box.
func putSuite(n boxtest.Node) {
	n.T.Helper()
	program := filepath.Join(n.T.TempDir(), "pods.test")
	boxtest.Compile(n.T, program, "nodeagent/test/pods", "test", "-c", "-tags=integration")
	n.Copy(program, suiteDir+"/pods.test", 0o755)
	n.Copy(boxtest.Workload(n.T), suiteDir+"/workload", 0o755)
	for from, to := range map[string]string{"../pods/testdata/*": suiteDir + "/testdata", "../../examples/grafana/*": "/root/tree/examples/grafana"} {
		files, err := filepath.Glob(from)
		if err != nil || len(files) == 0 {
			n.T.Fatalf("no files %s: %v", from, err)
		}
		for _, f := range files {
			n.Copy(f, filepath.Join(to, filepath.Base(f)), 0o644)
		}
	}
}

// play runs the suite over the installed agent. Its flags bound how long it takes in all.
func play(ctx context.Context, n boxtest.Node, flags ...string) (string, error) {
	return n.Run(ctx, append([]string{"env", "--chdir=" + suiteDir, "NODEAGENT_TEST_INSTALLED=1", "NODEAGENT_TEST_WORKLOAD=" + suiteDir + "/workload", "NODEAGENT_TEST_REGISTRY=127.0.0.1:5000",
		"NODEAGENT_TEST_PATIENCE=" + n.Patience.String(), "./pods.test"}, flags...)...)
}
