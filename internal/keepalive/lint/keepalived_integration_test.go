//go:build integration

package lint

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// run is a command that must work.
func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// namespace has an interface nalint0 with the addresses of the corpus.
func namespace(t *testing.T) string {
	t.Helper()
	name := fmt.Sprintf("na-lint-%d", os.Getpid())
	run(t, "ip", "netns", "add", name)
	t.Cleanup(func() { run(t, "ip", "netns", "del", name) })
	run(t, "ip", "-n", name, "link", "add", "nalint0", "type", "veth", "peer", "name", "nalint1")
	run(t, "ip", "-n", name, "addr", "add", "10.99.0.1/24", "dev", "nalint0")
	run(t, "ip", "-n", name, "link", "set", "nalint0", "up")
	run(t, "ip", "-n", name, "link", "set", "lo", "up")
	return name
}

func keepalived(t *testing.T, ns, file, id string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", "netns", "exec", ns, "keepalived", "-t", "-i", id, "-f", file).CombinedOutput()
	return string(out), err
}

// TestRealKeepalivedAccepts holds the corpus to what it is said to be: configurations that keepalived accepts.
func TestRealKeepalivedAccepts(t *testing.T) {
	if _, err := exec.LookPath("keepalived"); err != nil {
		t.Fatal("this test needs keepalived: apt-get install keepalived")
	}
	ns := namespace(t)
	names, err := filepath.Glob("testdata/accepted/*.conf")
	if err != nil || len(names) == 0 {
		t.Fatal("no corpus")
	}
	t.Cleanup(func() { os.RemoveAll("/run/nalint") })
	for _, name := range names {
		abs, err := filepath.Abs(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []string{"one", "two"} {
			if out, err := keepalived(t, ns, abs, id); err != nil {
				t.Errorf("%s for %s: %v: %s", name, id, err, out)
			}
		}
	}
}

// TestRealKeepalivedAgrees breaks the corpus in ways that keepalived itself notices: lint finds them too.
func TestRealKeepalivedAgrees(t *testing.T) {
	ns := namespace(t)
	b, err := os.ReadFile("testdata/accepted/kubeadm.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, to, says, rule string }{
		{"interval 3", "interval 0.5", "invalid number", "Fraction"},
		{"auth_pass 42", "auth_pass 123456789", "Truncating auth_pass", "AuthPassLong"},
		{"        check_apiserver\n", "        nosuch\n", "not found", "CheckUndefined"},
		{"priority 101", "prioritty 101", "Unknown keyword", "UnknownKeyword"},
		{"/bin/true", "/nosuch/script", "not found/accessible", "ScriptMissing"},
		{"    }\n}\n", "    }\n", "missing '}'", "Braces"},
		{"state MASTER", "state MASTER\nnopreempt", "nopreempt", "NopreemptMaster"},
		{"virtual_router_id 51", "", "virtual router id must be set", "VRIDMissing"},
	} {
		t.Run(tt.rule, func(t *testing.T) {
			i := strings.LastIndex(string(b), tt.from)
			if i < 0 {
				t.Fatalf("%q is not in the corpus", tt.from)
			}
			file := filepath.Join(t.TempDir(), "k.conf")
			if err := os.WriteFile(file, []byte(string(b[:i])+tt.to+string(b[i+len(tt.from):])), 0o600); err != nil {
				t.Fatal(err)
			}
			out, _ := keepalived(t, ns, file, "one")
			if !strings.Contains(out, tt.says) {
				t.Errorf("keepalived says nothing of %q: %s", tt.says, out)
			}
			problems, err := File(file, Options{ID: "one", Version: "2.2.7"})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(rulesOf(problems), tt.rule+":") {
				t.Errorf("lint does not find %s: %v", tt.rule, problems)
			}
		})
	}
}
