//go:build integration

package box

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/lab/box"
)

// TestRunProfile installs the unit with the run profile as the package would and plays the effects of every supported field, and the life of
// pods, against it.
func TestRunProfile(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	defer cancel()
	dir := t.TempDir()
	build(t, ctx, dir)
	root, err := box.Root(ctx, box.CacheDir())
	if err != nil {
		t.Fatalf("%v: run scripts/install-deps.sh test", err)
	}
	b, err := box.Start(ctx, "runprofile", root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	run := func(args ...string) string {
		t.Helper()
		out, err := b.Run(ctx, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}

	// A node has an address of its own and a resolver.
	run("/bin/sh", "-c", "ip link add node0 type veth peer name wire && ip link set wire up && ip address add 192.0.2.10/24 dev node0 && ip link set node0 up && ip route add default via 192.0.2.1")
	put(t, b, "/etc/resolv.conf", []byte("nameserver 192.0.2.53\nsearch example.org\n"), 0o644)
	copyInto(t, b, "testdata/containerd.toml", "/etc/containerd/config.toml", 0o644)
	copyInto(t, b, "testdata/10-box.conflist", "/etc/cni/net.d/10-box.conflist", 0o644)
	run("systemctl", "start", "containerd.service")

	// What nfpm.yaml puts where, and what docs/install.md says about the run profile.
	packaging := "../../packaging"
	copyInto(t, b, filepath.Join(dir, "nodeagent"), "/usr/bin/nodeagent", 0o755)
	copyInto(t, b, packaging+"/systemd/nodeagent.service", "/usr/lib/systemd/system/nodeagent.service", 0o644)
	copyInto(t, b, packaging+"/systemd/profiles/run.conf", "/etc/systemd/system/nodeagent.service.d/run.conf", 0o644)
	copyInto(t, b, packaging+"/sysusers.d/nodeagent.conf", "/usr/lib/sysusers.d/nodeagent.conf", 0o644)
	copyInto(t, b, packaging+"/tmpfiles.d/nodeagent.conf", "/usr/lib/tmpfiles.d/nodeagent.conf", 0o644)
	settings, err := os.ReadFile("../pods/testdata/settings.yaml")
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, "/etc/nodeagent/config.yaml", append([]byte("staticPods: {mode: run}\nmetrics: {listen: \"127.0.0.1:10071\"}\n"), settings...), 0o640)
	run("systemd-sysusers", "nodeagent.conf")
	run("systemd-tmpfiles", "--create", "nodeagent.conf")
	run("systemctl", "daemon-reload")
	run("systemctl", "enable", "--now", "nodeagent.service")

	copyInto(t, b, filepath.Join(dir, "pods.test"), "/root/pods.test", 0o755)
	copyInto(t, b, filepath.Join(dir, "workload"), "/root/workload", 0o755)
	out, err := b.Run(ctx, "env", "NODEAGENT_TEST_INSTALLED=1", "NODEAGENT_TEST_WORKLOAD=/root/workload", "NODEAGENT_TEST_REGISTRY=127.0.0.1:5000",
		"/root/pods.test", "-test.timeout=5m")
	if err != nil {
		t.Errorf("the suite in the box:\n%s", out)
	}
	journal := run("journalctl", "--no-pager", "--output=cat", "--unit=nodeagent.service")
	if t.Failed() {
		t.Logf("the end of the agent's journal:\n%s", journal[max(0, len(journal)-6000):])
	}
	for line := range strings.Lines(journal) {
		if denied.MatchString(line) {
			t.Errorf("the unit's sandbox takes something from the agent: %s", line)
		}
	}
	if restarts := strings.TrimSpace(run("systemctl", "show", "--property=Result", "--value", "nodeagent.service")); restarts != "success" {
		t.Errorf("the unit's result is %s", restarts)
	}
}

// denied are the kernel's words for EPERM, EACCES and EROFS.
var denied = regexp.MustCompile(`(?i)operation not permitted|permission denied|read-only file system`)

// build makes what goes into the box: it has no compiler.
func build(t *testing.T, ctx context.Context, dir string) {
	t.Helper()
	agent := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", filepath.Join(dir, "nodeagent"), "nodeagent/cmd/nodeagent"}
	if path := os.Getenv("NODEAGENT_TEST_AGENT"); path != "" { // one that is built already, as for package pods
		agent = []string{"version"}
		content, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "nodeagent"), content, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		agent,
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

func copyInto(t *testing.T, b *box.Box, from, to string, mode os.FileMode) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	put(t, b, to, content, mode)
}

func put(t *testing.T, b *box.Box, to string, content []byte, mode os.FileMode) {
	t.Helper()
	path := b.Path(to)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, content, mode)
	}
	if err == nil {
		err = os.Chmod(path, mode) // whatever the umask
	}
	if err != nil {
		t.Fatal(err)
	}
}
