package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/config"
	"nodeagent/internal/staticpod/manifest"
	"nodeagent/internal/view"
)

func podText(name, more string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec:\n" + more + "  containers: [{name: c, image: \"x:1\"}]\n"
}

const settingsText = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: \"%s\"}\n"

func readerText(name, annotations, how string) string {
	return "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + name + "\n  annotations: {" + annotations + "}\nspec:\n" + how
}

const (
	byEnv  = "  containers: [{name: c, image: \"x:1\", envFrom: [{configMapRef: {name: settings}}]}]\n"
	byFile = "  containers: [{name: c, image: \"x:1\", volumeMounts: [{name: v, mountPath: /v}]}]\n  volumes: [{name: v, configMap: {name: settings}}]\n"
)

// explained is a manifest folder with what runs of it.
type explained struct {
	t      *testing.T
	c      config.Config
	status view.Status
}

func newExplained(t *testing.T, files map[string]string) *explained {
	p := &explained{t: t, c: config.Default(), status: view.Status{Node: "node1", Mode: config.ModeRun}}
	p.c.StaticPods.Mode, p.c.StaticPodPath = config.ModeRun, filepath.Join(t.TempDir(), "manifests")
	p.put(p.c.StaticPodPath, files)
	for name, text := range files {
		for _, m := range manifest.Parse(name, []byte(text), manifest.Options{NodeName: "node1"}).Pods {
			p.status.Pods = append(p.status.Pods, view.Pod{Namespace: m.Namespace, Name: m.Name, File: name, Hash: m.Hash, Phase: view.PhaseRunning})
		}
	}
	return p
}

// put writes files that nobody is writing any more.
func (p *explained) put(dir string, files map[string]string) string {
	p.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			p.t.Fatal(err)
		}
		old := time.Now().Add(-time.Minute)
		if err := os.Chtimes(path, old, old); err != nil {
			p.t.Fatal(err)
		}
	}
	return dir
}

func (p *explained) explain(paths ...string) string {
	p.t.Helper()
	list, err := Explain(p.c, p.status, paths)
	if err != nil {
		return "error: " + err.Error()
	}
	var out []string
	for _, e := range list {
		line := e.Does + " " + e.Pod + e.Object + " (" + e.File + ")"
		if e.Why != "" {
			line += " " + e.Why
		}
		for _, c := range e.Changes {
			line += fmt.Sprintf(" [%s: %s -> %s]", c.Path, c.From, c.To)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestExplainFiles(t *testing.T) {
	const stopped = "it is stopped within its grace period and started with the new content"
	base := map[string]string{"web.yaml": podText("web", ""), "db.yaml": podText("db", "")}
	for _, c := range []struct {
		name, file, text, want string
	}{
		{"new", "new.yaml", podText("new", ""), "create default/new (new.yaml)"},
		{"the same", "web.yaml", "# a comment\n" + podText("web", ""), "keep default/web (web.yaml) the content is the same"},
		{"another", "web.yaml", podText("web", "  hostNetwork: true\n"), "replace default/web (web.yaml) " + stopped + " [spec.hostNetwork:  -> true]"},
		{"another pod in the file", "web.yaml", podText("other", ""),
			"create default/other (web.yaml)\nremove default/web (web.yaml) it is in no file then, and is stopped within its grace period"},
		{"faulty", "web.yaml", podText("web", "  nope: 1\n"), "refuse (web.yaml) web.yaml:5:3: spec.nope: unknown field"},
		{"a backup's name", "web.yaml.bak", podText("web", ""), "refuse (web.yaml.bak) its name matches *.bak"},
		{"a hidden name", ".web.yaml", podText("web", ""), "refuse (.web.yaml) its name begins with a dot"},
		{"a pod that another file has", "a.yaml", podText("web", "  hostPID: true\n"), "refuse (a.yaml) pod default/web is already defined by web.yaml, which keeps it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newExplained(t, base)
			dir := p.put(t.TempDir(), map[string]string{c.file: c.text})
			got := p.explain(filepath.Join(dir, c.file))
			if strings.HasPrefix(c.want, "refuse ") {
				c.want = strings.Replace(c.want, "refuse (", "refuse  (", 1)
				if !strings.HasPrefix(got, c.want) {
					t.Errorf("got\n%s\nwant it to begin with\n%s", got, c.want)
				}
			} else if got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
			if c.name == "faulty" && !strings.Contains(got, "\nkeep default/web (web.yaml) its file is refused; the last good version runs") {
				t.Errorf("it is not said that what runs stays:\n%s", got)
			}
		})
	}
}

func TestExplainFolder(t *testing.T) {
	p := newExplained(t, map[string]string{"web.yaml": podText("web", ""), "db.yaml": podText("db", "")})
	dir := p.put(t.TempDir(), map[string]string{"web.yaml": podText("web", ""), "new.yaml": podText("new", "")})
	want := "remove default/db (db.yaml) it is in no file then, and is stopped within its grace period\ncreate default/new (new.yaml)\nkeep default/web (web.yaml) the content is the same"
	if got := p.explain(dir); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// What the daemon's guard keeps is not called removed.
	got := p.explain(p.put(t.TempDir(), nil))
	if strings.Contains(got, "remove ") || strings.Count(got, "keep default/") != 2 || !strings.Contains(got, "went from 2 files to none at once; their pods are kept") {
		t.Errorf("an empty folder: %s", got)
	}
	if got := p.explain(dir, filepath.Join(dir, "web.yaml")); !strings.HasPrefix(got, "error: a folder takes the place") {
		t.Error(got)
	}
	if got := p.explain(filepath.Join(dir, "none.yaml")); !strings.HasPrefix(got, "error: read what is to be put: ") {
		t.Error(got)
	}
}

// What runs decides, not what lies in the folder.
func TestExplainAgainstWhatRuns(t *testing.T) {
	p := newExplained(t, map[string]string{"web.yaml": podText("web", "")})
	path := filepath.Join(p.c.StaticPodPath, "web.yaml")
	p.status.Pods[0].Hash = "v1:other"
	if got, want := p.explain(path), "replace default/web (web.yaml) it is stopped within its grace period and started with the new content"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	p.status.Pods[0].StoppedUntil = time.Now().Add(time.Hour)
	if got := p.explain(path); !strings.Contains(got, "; a person stopped it until ") {
		t.Error(got)
	}
	p.status.Pods[0].StoppedUntil, p.status.Pods[0].Hash = time.Time{}, ""
	if got := p.explain(path); !strings.HasPrefix(got, "keep ") {
		t.Errorf("a daemon that tells no hash: %s", got)
	}
	p.status.Pods = append(p.status.Pods, view.Pod{Namespace: "default", Name: "gone", File: "gone.yaml", Phase: view.PhaseRunning})
	if got := p.explain(p.c.StaticPodPath); !strings.Contains(got, "keep default/gone (gone.yaml) its file is gone already and it is kept") {
		t.Error(got)
	}
	p.status.Pods = nil
	if got := p.explain(path); got != "create default/web (web.yaml)" {
		t.Errorf("nothing runs: %s", got)
	}
}

func TestExplainObjects(t *testing.T) {
	p := newExplained(t, map[string]string{
		"settings.yaml": fmt.Sprintf(settingsText, "1"), "file.yaml": readerText("file", "", byFile), "env.yaml": readerText("env", "", byEnv),
		"annotated.yaml": readerText("annotated", manifest.RestartAnnotation+`: "true"`, byEnv),
	})
	for i := range p.status.Pods { // the hash of one that asks for it holds the object's too; nothing is told of it here
		p.status.Pods[i].Hash = ""
	}
	dir := p.put(t.TempDir(), map[string]string{"settings.yaml": fmt.Sprintf(settingsText, "2")})
	got := p.explain(filepath.Join(dir, "settings.yaml"))
	want := "replace default/annotated (annotated.yaml) it asks for a restart when what it reads as environment changes\n" +
		"change ConfigMap default/settings (settings.yaml) seen in mounted files, without a restart: default/file; " +
		"restarted, as they ask for: default/annotated; " +
		"seen only after a restart, for it is read as environment or through a subPath (the annotation " + manifest.RestartAnnotation + " asks for one): default/env"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	dir = p.put(t.TempDir(), map[string]string{"more.yaml": strings.Replace(fmt.Sprintf(settingsText, "1"), "settings", "more", 1)})
	if got := p.explain(filepath.Join(dir, "more.yaml")); got != "create ConfigMap default/more (more.yaml) no pod reads it" {
		t.Error(got)
	}
}

func TestDifferencesShowNoSecrets(t *testing.T) {
	parse := func(containers string) *manifest.Pod {
		r := manifest.Parse("f", []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n"+containers), manifest.Options{NodeName: "n"})
		if len(r.Pods) != 1 {
			t.Fatal(r.Problems)
		}
		return &r.Pods[0]
	}
	old := parse("  - {name: a, image: \"x:1\", env: [{name: PASSWORD, value: hunter2}], args: [\"--token=hunter2\"]}\n  - {name: gone, image: \"x:1\", env: [{name: P, value: hunter2}]}\n")
	now := parse("  - {name: a, image: \"x:2\", env: [{name: PASSWORD, value: hunter3}], command: [\"hunter3\"], resources: {limits: {memory: 64Mi}}}\n  - {name: new, image: \"x:1\", env: [{name: P, value: hunter3}]}\n")
	var got []string
	for _, c := range differences(old.Spec, now.Spec) {
		got = append(got, c.Path+":"+c.From+">"+c.To)
	}
	text := strings.Join(got, "\n")
	want := "spec.containers[a].args:>\nspec.containers[a].command:>\nspec.containers[a].env[PASSWORD].value:>\nspec.containers[a].image:x:1>x:2\n" +
		"spec.containers[a].resources.limits:>\nspec.containers[a].resources.requests:>\nspec.containers[gone]:>\nspec.containers[new]:>"
	if text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	if differences(nil, now.Spec) != nil {
		t.Error("differences from nothing")
	}
}

func TestManifestOf(t *testing.T) {
	p := newExplained(t, map[string]string{"web.yaml": podText("web", "")})
	pod := p.status.Pods[0]
	pod.UID = "u-1"
	p.c.CgroupRoot = "/a"
	m, err := ManifestOf(p.c, "node1", pod)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(m.Cgroups, " "); m.QOS != "BestEffort" || m.Changed || got != "/a/kubepods/besteffort/podu-1 /a.slice/a-kubepods.slice/a-kubepods-besteffort.slice/a-kubepods-besteffort-podu_1.slice" {
		t.Errorf("%+v", m)
	}
	pod.Hash += "+0123456789ab"
	if m, err := ManifestOf(p.c, "node1", pod); err != nil || m.Changed {
		t.Errorf("what it reads counts as its own content: %v", err)
	}
	pod.Hash = "v1:other"
	if m, err := ManifestOf(p.c, "node1", pod); err != nil || !m.Changed {
		t.Errorf("another content is not seen: %v", err)
	}
	one := p.c
	one.StaticPodPath = filepath.Join(p.c.StaticPodPath, "web.yaml") // the path may be one file
	if _, err := ManifestOf(one, "node1", pod); err != nil {
		t.Error(err)
	}
	one.StaticPods.Mode = config.ModeCompanion
	asKubelet := view.Pod{Namespace: "default", Name: "web-node1", File: one.StaticPodPath, UID: "u"}
	if m, err := ManifestOf(one, "node1", asKubelet); err != nil || m.Cgroups != nil {
		t.Errorf("a kubelet's: %v, %v", m.Cgroups, err)
	}
	if m, err := ManifestOf(p.c, "node1", view.Pod{Namespace: "default", Name: "web"}); err != nil || filepath.Base(m.Path) != "web.yaml" {
		t.Errorf("a file that is not said: %s, %v", m.Path, err)
	}
	for _, bad := range []view.Pod{{Namespace: "default", Name: "none"}, {Namespace: "default", Name: "web", File: "none.yaml"}, {Namespace: "default", Name: "other", File: "web.yaml"}} {
		if _, err := ManifestOf(p.c, "node1", bad); err == nil {
			t.Errorf("%+v: no error", bad)
		}
	}
}
