package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"nodeagent/internal/view"
)

func canaryResults() []view.Canary {
	steps := func(ms ...float64) (out []view.CanaryStep) {
		for i, n := range []string{"sandbox", "create", "start", "exec", "stop", "remove"} {
			if i < len(ms) {
				out = append(out, view.CanaryStep{Name: n, Seconds: ms[i] / 1000})
			}
		}
		return out
	}
	return []view.Canary{
		{Handler: "runc", Path: "cri", OK: true, Steps: steps(107.1, 47.8, 61.9, 42, 122.1, 5.8)},
		{Handler: "crun", Path: "cri", Error: "sandbox: failed to create containerd task: cgroups in hybrid mode not supported, \x1b[31mdrop all controllers from cgroupv2", Steps: steps(3012)},
		{Handler: "a-handler-with-a-name-that-is-long", Off: "a shim of type io.containerd.kata.v2 is not tried without the CRI"},
	}
}

func TestCanaryText(t *testing.T) {
	text := canaryText(canaryResults(), 80, painter{})
	golden(t, "canary", text)
	narrowerThan(t, 80, text)
}

func TestCanaryCode(t *testing.T) {
	all := canaryResults()
	for _, c := range []struct {
		results []view.Canary
		want    int
	}{{all, exitProblem}, {all[:1], exitOK}, {all[2:], exitUnknown}, {nil, exitUnknown}, {[]view.Canary{all[0], all[2]}, exitOK}} {
		if got := canaryCode(c.results); got != c.want {
			t.Errorf("%+v exits with %d, want %d", c.results, got, c.want)
		}
	}
}

// A node whose runtime does not run: one line that says where it was looked for.
func TestCanaryWithoutRuntime(t *testing.T) {
	if os.Geteuid() != 0 {
		return // it is refused before, by forRoot
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte("containerRuntimeEndpoint: unix://"+dir+"/none.sock\nstateDir: "+dir+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	g := &globals{}
	root := &cobra.Command{Use: "nodeagent", SilenceErrors: true, SilenceUsage: true}
	g.register(root.PersistentFlags())
	root.AddCommand(newCanary(g))
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"canary", "--config", file})
	err := root.ExecuteContext(context.Background())
	var o *outcome
	if !errors.As(err, &o) || o.code != exitProblem || !strings.Contains(err.Error(), dir+"/none.sock does not answer") || out.Len() != 0 {
		t.Errorf("%v, printed %q", err, out.String())
	}
	root.SetArgs([]string{"canary", "--help"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	narrowerThan(t, 80, out.String())
}
