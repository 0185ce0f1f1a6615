package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"nodeagent/internal/crifake"
)

func TestProgress(t *testing.T) {
	for _, c := range []struct {
		terminal bool
		want     string
	}{
		{true, "\r\x1b[Krunc: sandbox\r\x1b[Krunc: start\r\x1b[Kcr un: sandbox\r\x1b[K"},
		{false, "runc is tried\ncr un is tried\n"},
	} {
		var b strings.Builder
		p := &progress{w: &b, terminal: c.terminal}
		p.at("runc", "sandbox")
		p.at("runc", "start")
		p.at("cr\nun", "sandbox") // a runtime names its handlers
		p.end()
		if b.String() != c.want {
			t.Errorf("terminal %v: %q, want %q", c.terminal, b.String(), c.want)
		}
	}
	var b strings.Builder
	if (&progress{w: &b, terminal: true}).end(); b.Len() > 0 {
		t.Errorf("nothing was begun, and it wrote %q", b.String())
	}
}

// A canary whose runtime hangs in a step shows that step as long as it does; one that is well leaves its table alone on the screen, and stdout to
// what was asked for.
func TestCanaryShowsWhereItIs(t *testing.T) {
	if os.Geteuid() != 0 {
		return // it is refused before, by forRoot
	}
	f := crifake.New(crifake.Options{Images: []crifake.Image{{Name: "registry.k8s.io/pause:3.10", Present: true, Pinned: true}}})
	f.OnExec(func(crifake.Exec) crifake.ExecResult { return crifake.ExecResult{} })
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, "containerRuntimeEndpoint: unix://%s\nstateDir: %s\n", f.Serve(t), dir), 0o600); err != nil {
		t.Fatal(err)
	}
	release := f.Hang("StartContainer")
	onTerminal(t, 80, 24, nil, "\r"+eraseLine+"runc: start", "canary", "--config", file)
	release()
	screen := onTerminal(t, 80, 24, []string{"NO_COLOR=1"}, "Steps in milliseconds", "canary", "--config", file)
	if before, table, _ := strings.Cut(screen, "HANDLER"); !strings.HasSuffix(before, "\r"+eraseLine) || strings.Contains(table, eraseLine) {
		t.Errorf("the progress is not gone before the table: %q", screen)
	}
	cmd := exec.CommandContext(t.Context(), "nodeagent", "canary", "--config", file, "-o", "json")
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || !strings.HasPrefix(string(out), "[") || errs.String() != "runc is tried\n" {
		t.Errorf("without a terminal: %v, stdout %q, stderr %q", err, out, errs.String())
	}
}
