package main

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"nodeagent/internal/staticpod/kubelet"
)

// TestSetupPlans goes from companion to run and back; each plan leads to its profile, and its undo to what was there.
func TestSetupPlans(t *testing.T) {
	for name, c := range map[string]struct {
		want string
		now  map[string]entry
		text []string
	}{
		"fresh, run": {"run", nil, []string{"link   " + setupDropIn + " -> " + setupProfiles + "/run.conf", "write  " + setupConfig}},
		"run again":  {"run", profile("run"), nil},
		"companion":  {"companion", profile("run"), []string{"remove " + setupDropIn, "change " + setupConfig}},
		"by hand":    {"run", map[string]entry{setupDropIn: {Content: "[Service]\n"}}, []string{"link   " + setupDropIn + " -> " + setupProfiles + "/run.conf", "write  " + setupConfig}},
	} {
		changes := planSetup(profile(c.want), c.now)
		var text []string
		for _, ch := range changes {
			text = append(text, ch.text())
		}
		if !reflect.DeepEqual(text, c.text) {
			t.Errorf("%s: the plan is %q, want %q", name, text, c.text)
		}
		then := maps.Clone(profile(c.want))
		undo, err := planUndo(changes, then)
		if err != nil {
			t.Fatal(err)
		}
		for _, ch := range undo {
			then[ch.Path] = ch.After
		}
		for path, e := range then {
			if e != c.now[path] && len(changes) > 0 {
				t.Errorf("%s: after the undo %s is %+v, was %+v", name, path, e, c.now[path])
			}
		}
		if len(changes) > 0 {
			then[changes[0].Path] = entry{Content: "edited"}
			if _, err := planUndo(changes, then); err == nil || !strings.Contains(err.Error(), changes[0].Path) {
				t.Errorf("%s: an edited file was undone: %v", name, err)
			}
		}
	}
}

// TestSetupWarnsOfKubelet: who sets run mode up beside a kubelet is told that nothing will be started.
func TestSetupWarnsOfKubelet(t *testing.T) {
	here := kubelet.Facts{Evidence: []string{"process 350 (kubelet) runs", "binary /usr/bin/kubelet"}}
	for _, c := range []struct {
		args  []string
		facts kubelet.Facts
		want  string
	}{
		{[]string{"run"}, here, "process 350 (kubelet) runs"},
		{[]string{"run"}, kubelet.Facts{ProcRead: true}, ""},
		{[]string{"companion"}, here, ""},
		{nil, here, ""}, // an undo
	} {
		if got := warnOfKubelet(c.args, c.facts); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
}

// TestSetupLays applies changes for real; one that can't be made takes those before it back.
func TestSetupLays(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "d", "f"), filepath.Join(dir, "e", "l")
	changes := []change{{Path: link, After: entry{Link: "/there"}}, {Path: file, After: entry{Content: "x\n"}}}
	if err := layAll(changes); err != nil {
		t.Fatal(err)
	}
	now, err := readEntries(file, link, filepath.Join(dir, "none"))
	if err != nil || now[file].Content != "x\n" || now[link].Link != "/there" || len(now) != 2 {
		t.Fatalf("laid %+v, %v", now, err)
	}
	if err := saveSetup(dir, changes); err != nil {
		t.Fatal(err)
	}
	if got, err := loadSetup(dir); err != nil || !reflect.DeepEqual(got, changes) {
		t.Errorf("the record says %+v, %v", got, err)
	}
	undo, err := planUndo(changes, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := layAll(undo); err != nil {
		t.Fatal(err)
	}
	if now, err := readEntries(file, link); err != nil || len(now) != 0 {
		t.Errorf("after the undo there is %+v, %v", now, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "blocked"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	bad := append(changes, change{Path: filepath.Join(dir, "blocked", "f"), After: entry{Content: "y"}})
	if err := layAll(bad); err == nil {
		t.Error("a file was laid below a file")
	}
	if now, err := readEntries(file, link); err != nil || len(now) != 0 {
		t.Errorf("after a change that failed there is %+v, %v", now, err)
	}
	if _, err := readEntries(dir); err == nil {
		t.Error("a folder was taken for a file")
	}
}
