package agent

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
	"nodeagent/internal/repair"
	"nodeagent/internal/state"
	"nodeagent/internal/view"
)

// listing of everything below a folder, with what a write would change.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		out = append(out, fmt.Sprintf("%s %v %d %v", path, st.Mode(), st.Size(), st.ModTime().UnixNano()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLook: without a daemon everything is looked at once, nothing is changed, and what is not known is not shown as OK.
func TestLook(t *testing.T) {
	for _, mode := range []string{"companion", "run", "off"} {
		t.Run(mode, func(t *testing.T) {
			p := newPlace(t)
			p.write(t, "staticPods: {mode: "+mode+"}", "staticPodPath: "+filepath.Join(p.dir, "manifests"), "runtimeProbeTimeout: 1s")
			p.file(t, "manifests/web.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: web:1}]}\n")
			before := listing(t, p.dir)
			s, err := Look(t.Context(), p.o)
			if err != nil {
				t.Fatal(err)
			}
			if after := listing(t, p.dir); !slices.Equal(before, after) {
				t.Errorf("it changed files:\n%s\nbefore:\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
			}
			if s.Daemon || !s.Since.IsZero() || s.Mode != mode || s.Node != "node-1" || s.Status != "failing" {
				t.Errorf("%+v", s)
			}
			if want := filepath.Join(p.dir, "no-runtime.sock"); !strings.Contains(s.Runtime.Endpoint, want) {
				t.Errorf("runtime %+v", s.Runtime)
			}
			var names, want []string
			for _, c := range s.Conditions {
				names = append(names, c.Name)
			}
			for _, c := range Conditions(mode) {
				if c != agentTasks && c != nodeShutdown && c != repair.RepairsLatched { // there is no agent
					want = append(want, c.Name)
				}
			}
			if !slices.Equal(names, want) {
				t.Errorf("conditions %q, want %q", names, want)
			}
			for name, status := range map[string]string{"RuntimeResponsive": "failing", "RuntimeReady": "unknown", "NetworkReady": "unknown", "AgentConfig": "ok"} {
				if c, _ := condition(t, s, name); c.Status != status {
					t.Errorf("%s is %s, want %s: %+v", name, c.Status, status, c.Subjects)
				}
			}
			if mode != "companion" {
				return
			}
			if c, sub := condition(t, s, "StaticPods"); c.Status != "unknown" || sub.Name != "default/web" {
				t.Errorf("the runtime can't be asked, and StaticPods is %+v", c)
			}
			if len(s.Pods) != 1 || s.Pods[0].Phase != view.PhaseUnknown || s.Pods[0].Ready {
				t.Errorf("pods %+v", s.Pods)
			}
		})
	}
}

// TestLookReadsTheState: mutes and the node's name are the daemon's, read and left as they are.
func TestLookReadsTheState(t *testing.T) {
	// The machine below the test is not what is tested.
	p := newPlace(t, `nodeName: ""`, `conditions: {Clock: {enabled: false}, Filesystems: {enabled: false}, Inotify: {enabled: false}}`)
	f, err := state.Open(p.state)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() // a daemon that has the folder is in nobody's way
	for name, v := range map[string]any{
		"node": "kept-name",
		"mutes": []health.Mute{
			{Condition: "RuntimeResponsive", Until: time.Now().Add(time.Hour), Reason: "known", By: "root"},
			{Condition: "RuntimeReady", Until: time.Now().Add(-time.Hour)},
		},
	} {
		if err := f.Save(name, 1, v); err != nil {
			t.Fatal(err)
		}
	}
	before := listing(t, p.dir)
	s, err := Look(t.Context(), p.o)
	if err != nil {
		t.Fatal(err)
	}
	if after := listing(t, p.dir); !slices.Equal(before, after) {
		t.Errorf("it changed files: %q, before %q", after, before)
	}
	if s.Node != "kept-name" {
		t.Errorf("node %q", s.Node)
	}
	if len(s.Mutes) != 1 || s.Mutes[0].Condition != "RuntimeResponsive" || s.Mutes[0].By != "root" {
		t.Errorf("mutes %+v", s.Mutes)
	}
	if c, sub := condition(t, s, "RuntimeResponsive"); c.Status != "failing" || sub.Muted == nil || s.Status != "unknown" {
		t.Errorf("node %s, %+v", s.Status, sub)
	}
	if _, sub := condition(t, s, "RuntimeReady"); sub.Muted != nil {
		t.Errorf("a mute that ended is shown: %+v", sub)
	}
}

// TestLookWithBadFiles looks with the last accepted configuration, and says so.
func TestLookWithBadFiles(t *testing.T) {
	p := newPlace(t)
	p.accepts(t)
	p.write(t, "syncFrequency: soon")
	s, err := Look(t.Context(), p.o)
	if err != nil {
		t.Fatal(err)
	}
	if c, sub := condition(t, s, "AgentConfig"); c.Status != "failing" || sub.Reason != "LastAccepted" || !strings.Contains(sub.Message, "syncFrequency") {
		t.Errorf("%+v", c)
	}
}
