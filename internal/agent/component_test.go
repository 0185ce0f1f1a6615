package agent

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"nodeagent/internal/config"
	"nodeagent/internal/health"
	"nodeagent/internal/keepalive"
	"nodeagent/internal/keepalive/haproxy"
	"nodeagent/internal/staticpod/kubelet"
	"nodeagent/internal/view"
)

// TestUnneeded: only a node that runs no pods by any means needs no runtime.
func TestUnneeded(t *testing.T) {
	empty, full := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "a.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*config.Config, *kubelet.Facts)
		needed bool
	}{
		"nothing":          {func(*config.Config, *kubelet.Facts) {}, false},
		"no folder":        {func(c *config.Config, _ *kubelet.Facts) { c.StaticPodPath = filepath.Join(empty, "none") }, false},
		"a manifest":       {func(c *config.Config, _ *kubelet.Facts) { c.StaticPodPath = full }, true},
		"kubelet's folder": {func(_ *config.Config, f *kubelet.Facts) { f.Config.StaticPodPath = full }, true},
		"a kubelet":        {func(_ *config.Config, f *kubelet.Facts) { f.Installed = true }, true},
		"run mode":         {func(c *config.Config, _ *kubelet.Facts) { c.StaticPods.Mode = config.ModeRun }, true},
		"a named socket":   {func(c *config.Config, _ *kubelet.Facts) { c.ContainerRuntimeEndpoint = "unix:///x" }, true},
	} {
		cfg, f := config.Default(), kubelet.Facts{}
		f.Config.StaticPodPath = empty
		c.change(&cfg, &f)
		if why := unneeded(cfg, f); (why == "") != c.needed {
			t.Errorf("%s: %q, needed is %v", name, why, c.needed)
		}
	}
}

// TestKubeletOf: a kubelet that was installed and never set up is none of this node's.
func TestKubeletOf(t *testing.T) {
	there := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		f    kubelet.Facts
		here bool
	}{
		"none":          {kubelet.Facts{}, false},
		"set up":        {kubelet.Facts{Installed: true, Config: kubelet.Config{Path: there}}, true},
		"never set up":  {kubelet.Facts{Installed: true, Config: kubelet.Config{Path: there + ".none"}}, false},
		"flags alone":   {kubelet.Facts{Installed: true}, true},
		"runs all same": {kubelet.Facts{Running: &kubelet.Process{PID: 3, Name: "k3s"}, Config: kubelet.Config{Path: there + ".none"}}, true},
	} {
		if got := kubeletOf(c.f); got.Here != c.here || !got.Here && got.Looked == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestRolesOfABalancer(t *testing.T) {
	b := health.NewBoard(nil, haproxy.HAProxy, keepalive.Keepalived)
	if got := roles(view.Components{}, b.Snapshot()); len(got) != 0 || got == nil {
		t.Errorf("not looked at yet: %v", got)
	}
	b.Publish(health.Look{Of: haproxy.HAProxy, Findings: []health.Finding{{Status: health.Absent}}},
		health.Look{Of: keepalive.Keepalived, Findings: []health.Finding{{Status: health.Failing, Reason: keepalive.Keepalived.Reasons[0]}}})
	if got := roles(view.Components{}, b.Snapshot()); !slices.Equal(got, []string{view.RoleBalancer}) {
		t.Errorf("a keepalived that fails: %v", got)
	}
	b.Publish(health.Look{Of: keepalive.Keepalived, Findings: []health.Finding{{Status: health.Absent}}})
	if got := roles(view.Components{}, b.Snapshot()); len(got) != 0 {
		t.Errorf("neither: %v", got)
	}
}
