//go:build integration

package demo

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/lab"
)

// labName is the demo's, which is fixed.
const labName = "demo"

func build(t *testing.T, tags string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nodeagent")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-tags", tags, "-o", path, "nodeagent/cmd/nodeagent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

func clean(t *testing.T, dir string) {
	t.Helper()
	for _, left := range lab.Leftovers(labName, dir) {
		t.Errorf("the demo left %s", left)
	}
}

func TestDemoProvesThatPodsComeBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	out, err := exec.CommandContext(t.Context(), build(t, ""), "demo", "--for", "20s", "--dir", dir, "--metrics", "127.0.0.1:0").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// Each step that takes its time is told of as it begins or ends.
	if !regexp.MustCompile(`(?s)^starting a private containerd.*is up after .*nodeagent runs .*metrics at .*pod web runs.*kill -9 .*pod web is back after .*attempt 1\nremoving every process`).Match(out) {
		t.Errorf("it does not say where it is, or nothing of the pod that came back:\n%s", out)
	}
	clean(t, dir)
}

func TestDemoFailsWithoutRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	out, err := exec.CommandContext(t.Context(), build(t, "nodeagent_norestart"), "demo", "--for", "15s", "--dir", dir, "--metrics", "127.0.0.1:0").CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("did not come back")) {
		t.Fatalf("a build that restarts nothing passes (%v):\n%s", err, out)
	}
	clean(t, dir)
}

// TestDemoLeavesNothing kills the demo as hard as can be; the next one removes what is left, and Ctrl-C ends that one.
func TestDemoLeavesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	binary := build(t, "")
	first := start(t, binary, dir)
	first.cmd.Process.Kill()
	first.cmd.Wait()
	if len(lab.Leftovers(labName, dir)) == 0 {
		t.Fatal("a demo that was killed left nothing: this test shows nothing")
	}
	second := start(t, binary, dir)
	second.served(t)
	second.cmd.Process.Signal(syscall.SIGINT)
	if err := second.cmd.Wait(); err != nil {
		t.Errorf("Ctrl-C: %v\n%s", err, second.out.String())
	}
	clean(t, dir)
}

type running struct {
	cmd     *exec.Cmd
	out     *bytes.Buffer
	metrics string
}

// start starts a demo without a terminal and waits until its daemon runs.
func start(t *testing.T, binary, dir string) *running {
	t.Helper()
	r := &running{out: &bytes.Buffer{}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	r.cmd = exec.CommandContext(ctx, binary, "demo", "--dir", dir, "--metrics", "127.0.0.1:0")
	read, write := io.Pipe()
	r.cmd.Stdout, r.cmd.Stderr = write, write
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	go func() {
		said := regexp.MustCompile(`metrics at (http://\S+)`)
		buf := make([]byte, 4096)
		for {
			n, err := read.Read(buf)
			r.out.Write(buf[:n])
			if m := said.FindSubmatch(r.out.Bytes()); m != nil && len(address) == 0 {
				address <- strings.TrimSuffix(string(m[1]), ",")
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case r.metrics = <-address:
	case <-ctx.Done():
		t.Fatalf("no daemon: %s", r.out.String())
	}
	return r
}

// served waits until the metrics tell of two running pods.
func (r *running) served(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		res, err := http.Get(r.metrics)
		if err == nil {
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if strings.Contains(string(b), `nodeagent_static_pod_running{namespace="default",pod="web"} 1`) {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the metrics never told of pod web: %v", err)
		}
	}
}
