//go:build integration

package fleet

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestRealAgent: what is true of the simulated nodes is true of the agent itself. It runs on this machine in companion mode over a folder of
// its own, in which a manifest turns bad and good again; Prometheus and its status page show both.
func TestRealAgent(t *testing.T) {
	dir := t.TempDir()
	manifests := filepath.Join(dir, "manifests")
	if err := os.Mkdir(manifests, 0o755); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(dir, "nodeagent")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/nodeagent").CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v\n%s", err, out)
	}
	address, err := free()
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf("nodeName: real\nstateDir: %s/state\nrunDir: %s/run\nstaticPodPath: %s\nfileCheckFrequency: 1s\nmetrics: {listen: '%s'}\nlog: {format: json}\n", dir, dir, manifests, address)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, _, p := start(t, fmt.Sprintf("  - targets: ['%s']\n    labels: {instance: real, cluster: cluster0}\n", address))
	agent := exec.CommandContext(ctx, binary, "run", "--config", config)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	agent.Stdout, agent.Stderr = log, log
	if err := agent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = agent.Process.Signal(syscall.SIGTERM)
		_ = agent.Wait()
		if t.Failed() {
			b, _ := os.ReadFile(log.Name())
			t.Logf("the agent's log:\n%s", b)
		}
	})

	all := boards(t)
	fails := shown{"fleet", "What fails", "condition=Manifests instance=real reason=KubeletRefuses subject=bad.yaml 0"}
	bad := filepath.Join(manifests, "bad.yaml")
	page := func() string { return body(t, "http://"+address+"/status") }
	if comes(ctx, func() bool { return shows(ctx, t, p, all, shown{"node", "Configuration", "1"}) }) != nil {
		t.Fatal("the agent is not scraped")
	}
	if err := os.WriteFile(bad, []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: []}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if comes(ctx, func() bool { return shows(ctx, t, p, all, fails) }) != nil {
		t.Fatalf("a bad manifest is not shown:\n%v", samplesOf(t, p, `nodeagent_condition{instance="real",condition="Manifests"}`))
	}
	if got := page(); !strings.Contains(got, "bad.yaml") || !strings.Contains(got, "Change what a kubelet does not allow") {
		t.Errorf("the status page does not say what to do:\n%s", got)
	}
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	if comes(ctx, func() bool { return !shows(ctx, t, p, all, fails) }) != nil {
		t.Fatal("a manifest that is gone is still shown")
	}
}

func samplesOf(t *testing.T, p *Prometheus, expr string) []Sample {
	t.Helper()
	got, err := p.Query(t.Context(), expr)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func body(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
