package folder

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"nodeagent/internal/staticpod/manifest"
)

// A test's files, read by the real parser.
func realParse(file string, b []byte) manifest.Result {
	return manifest.Parse(file, b, manifest.Options{NodeName: "node1"})
}

func configMap(name, value string, more ...string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + "}\ndata: {k: '" + value + "'}\n" + strings.Join(more, "\n") + "\n---\n"
}

func secret(name, value string) string {
	return "apiVersion: v1\nkind: Secret\nmetadata: {name: " + name + "}\nstringData: {k: '" + value + "'}\n---\n"
}

// reader is a pod that asks to be restarted and reads, as environment, the objects given as kind/name or kind/name? where optional.
func reader(name string, refs ...string) string {
	env := ""
	for i, r := range refs {
		r, optional := strings.CutSuffix(r, "?")
		kind, object, _ := strings.Cut(r, "/")
		env += fmt.Sprintf("{name: V%d, valueFrom: {%sKeyRef: {name: %s, key: k, optional: %t}}},", i, kind, object, optional)
	}
	return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + ", annotations: {nodeagent/restart-on-config-change: 'true'}}\n" +
		"spec: {containers: [{name: c, image: 'a:1', env: [" + env + "]}]}\n---\n"
}

// objectStep is one reading: file=content, and what is there afterwards.
type objectStep struct {
	files   map[string]File
	inode   uint64
	missing bool
	restart bool
	boot    string

	objects string // "Kind name=value@file", sorted
	notes   string
	hashes  map[string]int // pod -> number of the hash, counted from 1 as new ones are seen
}

func text(s string) File { return File{Bytes: []byte(s), Mode: 0o600} }

func files(pairs ...string) map[string]File {
	out := map[string]File{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = text(pairs[i+1])
	}
	return out
}

func with(f map[string]File, name string, mode fs.FileMode, uid uint32) map[string]File {
	g := f[name]
	g.Mode, g.UID = mode, uid
	f[name] = g
	return f
}

func TestObjects(t *testing.T) {
	pod := reader("p")
	for name, steps := range map[string][]objectStep{
		"a new one, changed, and removed with its file": {
			{files: files("a", configMap("a", "1"), "p", pod), objects: "ConfigMap a=1@a"},
			{files: files("a", configMap("a", "2"), "p", pod), objects: "ConfigMap a=2@a"},
			{files: files("p", pod)},
		},
		"a ConfigMap and a Secret of one name are two": {
			{files: files("a", configMap("a", "1")+secret("a", "2")+pod), objects: "ConfigMap a=1@a Secret a=2@a"},
		},
		"a bad version keeps the last good one, over a restart too": {
			{files: files("a", configMap("a", "1"), "p", pod), objects: "ConfigMap a=1@a"},
			{files: files("a", "kind: ConfigMap", "p", pod), objects: "ConfigMap a=1@a", notes: "invalid a"},
			{files: files("a", "kind: ConfigMap", "p", pod), restart: true, objects: "ConfigMap a=1@a", notes: "invalid a"},
			{files: files("a", configMap("a", "2"), "p", pod), objects: "ConfigMap a=2@a"},
		},
		"a bad pod drops no object of another file": {
			{files: files("a", configMap("a", "1"), "p", "kind: Pod"), objects: "ConfigMap a=1@a", notes: "invalid p"},
		},
		"of two files the first keeps it": {
			{files: files("b", configMap("a", "1"), "p", pod), objects: "ConfigMap a=1@b"},
			{files: files("a", configMap("a", "2"), "b", configMap("a", "1"), "p", pod), objects: "ConfigMap a=1@b", notes: "duplicate a"},
			{files: files("a", configMap("a", "2"), "b", configMap("a", "1"), "p", pod), restart: true, objects: "ConfigMap a=1@b", notes: "duplicate a"},
			{files: files("a", configMap("a", "2"), "p", pod), objects: "ConfigMap a=2@a"},
		},
		"a missing folder, and one that lost its files, keep them": {
			{files: files("a", configMap("a", "1"), "p", pod), objects: "ConfigMap a=1@a"},
			{missing: true, objects: "ConfigMap a=1@a", notes: "missing"},
			{files: files(), objects: "ConfigMap a=1@a", notes: "emptied, gone a, gone p"},
			{files: files("p", pod), inode: 2, objects: "ConfigMap a=1@a", notes: "gone a, replaced"},
		},
		"a Secret needs a file that is root's alone": {
			{files: with(files("s", secret("s", "1")), "s", 0o644, 0), notes: "insecure s"},
			{files: with(files("s", secret("s", "1")), "s", 0o600, 1000), notes: "insecure s"},
			{files: files("s", secret("s", "1")), objects: "Secret s=1@s"},
			{files: with(files("s", secret("s", "1")), "s", 0o640, 0), objects: "Secret s=1@s", notes: "insecure s"},
			{files: with(files("s", secret("s", "2")), "s", 0o640, 0), objects: "Secret s=1@s", notes: "insecure s"},
			{files: with(files("s", secret("s", "2")), "s", 0o640, 0), restart: true, objects: "Secret s=1@s", notes: "insecure s"},
			{files: with(files("s", secret("s", "2")), "s", 0o400, 0), objects: "Secret s=2@s"},
		},
		"a ConfigMap may lie open": {
			{files: with(files("a", configMap("a", "1")), "a", 0o644, 1000), objects: "ConfigMap a=1@a"},
		},
		"an immutable one keeps its data": {
			{files: files("a", configMap("a", "1", "immutable: true")), objects: "ConfigMap a=1@a"},
			{files: files("a", configMap("a", "2", "immutable: true")), objects: "ConfigMap a=1@a", notes: "invalid a"},
			{files: files("a", configMap("a", "2", "immutable: true")), restart: true, objects: "ConfigMap a=1@a", notes: "invalid a"},
			{files: files("a", configMap("a", "1", "# only a comment is new", "immutable: true")), objects: "ConfigMap a=1@a"},
			{files: files()},
			{files: files("a", configMap("a", "2", "immutable: true")), objects: "ConfigMap a=2@a"},
		},
		"a pod that asks for it changes with what it reads": {
			{files: files("a", configMap("a", "1"), "p", reader("p", "configMap/a", "secret/s?")), objects: "ConfigMap a=1@a", hashes: map[string]int{"default/p": 1}},
			{files: files("a", configMap("a", "1", "# a comment"), "p", reader("p", "configMap/a", "secret/s?")), objects: "ConfigMap a=1@a", hashes: map[string]int{"default/p": 1}},
			{files: files("a", configMap("a", "2"), "p", reader("p", "configMap/a", "secret/s?")), objects: "ConfigMap a=2@a", hashes: map[string]int{"default/p": 2}},
			{files: files("a", configMap("a", "2"), "p", reader("p", "configMap/a", "secret/s?"), "s", secret("s", "1")), objects: "ConfigMap a=2@a Secret s=1@s", hashes: map[string]int{"default/p": 3}},
			{files: files("a", configMap("a", "2"), "p", reader("p", "configMap/a", "secret/s?")), objects: "ConfigMap a=2@a", hashes: map[string]int{"default/p": 2}},
			// What it needs is taken away: nothing is restarted for that, not after a restart of the agent either.
			{files: files("p", reader("p", "configMap/a", "secret/s?"), "x", configMap("x", "1")), objects: "ConfigMap x=1@x", hashes: map[string]int{"default/p": 2}},
			{files: files("p", reader("p", "configMap/a", "secret/s?"), "x", configMap("x", "1")), restart: true, objects: "ConfigMap x=1@x", hashes: map[string]int{"default/p": 2}},
			{files: files("a", configMap("a", "1"), "p", reader("p", "configMap/a", "secret/s?")), objects: "ConfigMap a=1@a", hashes: map[string]int{"default/p": 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var kept Kept
			seen := map[string]int{}
			for i, s := range steps {
				if s.restart {
					kept = reloaded(kept)
				}
				l := Listing{Path: "/m", Identity: Identity{1, max(s.inode, 1)}, Files: s.files}
				if s.missing {
					l.Err, l.Missing = fs.ErrNotExist, true
				}
				var d Desired
				kept, d = settle(kept, l, Options{Boot: "1" + s.boot, Parse: realParse, Now: noon})
				if got := objectsOf(d); got != s.objects {
					t.Errorf("step %d: objects %q, want %q", i, got, s.objects)
				}
				if got := said(d); got != s.notes {
					t.Errorf("step %d: notes %q, want %q: %v", i, got, s.notes, d.Notes)
				}
				for key, want := range s.hashes {
					hash := d.Pods[key].Pod.Hash
					if seen[hash] == 0 {
						seen[hash] = len(seen) + 1
					}
					if seen[hash] != want || len(hash) != len("v1:")+64+1+12 {
						t.Errorf("step %d: hash number %d %s, want number %d", i, seen[hash], hash, want)
					}
				}
			}
		})
	}
}

// A kubelet refuses the second pod that wants a port of the node.
func TestHostPortThatTwoPodsWant(t *testing.T) {
	pod := func(name, spec, ports string) string {
		return "apiVersion: v1\nkind: Pod\nmetadata: {name: " + name + "}\nspec:\n" + spec + "  containers: [{name: a, image: \"a:1\", ports: [" + ports + "]}]\n"
	}
	for _, test := range []struct{ name, a, b, want string }{
		{"the same", pod("a", "", "{containerPort: 1, hostPort: 80}"), pod("b", "", "{containerPort: 2, hostPort: 80}"), "pod default/b wants port 80/TCP of the node, which pod default/a of a wants too"},
		{"in the host's network", pod("a", "  hostNetwork: true\n", "{containerPort: 80}"), pod("b", "", "{containerPort: 1}, {containerPort: 2, hostPort: 80}"), "pod default/b wants port 80/TCP of the node, which pod default/a of a wants too"},
		{"every address", pod("a", "", "{containerPort: 1, hostPort: 80, hostIP: 192.0.2.1}"), pod("b", "", "{containerPort: 1, hostPort: 80, hostIP: 0.0.0.0}"), "pod default/b wants port 80/TCP of the node, which pod default/a of a wants too"},
		{"other addresses", pod("a", "", "{containerPort: 1, hostPort: 80, hostIP: 192.0.2.1}"), pod("b", "", "{containerPort: 1, hostPort: 80, hostIP: 192.0.2.2}"), ""},
		{"another protocol", pod("a", "", "{containerPort: 1, hostPort: 80}"), pod("b", "", "{containerPort: 1, hostPort: 80, protocol: UDP}"), ""},
		{"not of the node", pod("a", "", "{containerPort: 80}"), pod("b", "", "{containerPort: 80}"), ""},
		{"twice in one pod", pod("a", "", "{containerPort: 1, hostPort: 80}, {containerPort: 2, hostPort: 81}"), pod("b", "", ""), ""},
		{"an init container is done before", pod("a", "  initContainers: [{name: i, image: \"a:1\", ports: [{containerPort: 1, hostPort: 80}]}]\n", ""), pod("b", "", "{containerPort: 1, hostPort: 80}"), ""},
		{"a sidecar is not", pod("a", "  initContainers: [{name: i, image: \"a:1\", restartPolicy: Always, ports: [{containerPort: 1, hostPort: 80}]}]\n", ""), pod("b", "", "{containerPort: 1, hostPort: 80}"), "pod default/b wants port 80/TCP of the node, which pod default/a of a wants too"},
	} {
		_, d := Next(Kept{}, Listing{Path: "/m", Identity: Identity{1, 1}, Files: files("a", test.a, "b", test.b)}, Options{Boot: "1", Parse: realParse, Now: noon})
		got := ""
		for _, n := range d.Notes {
			got += n.Message
			if n.Kind != HostPort || n.File != "b" {
				t.Errorf("%s: %+v", test.name, n)
			}
		}
		if got != test.want || len(d.Pods) != 2 {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func objectsOf(d Desired) string {
	var out []string
	for k, o := range d.Objects {
		out = append(out, fmt.Sprintf("%s %s=%s@%s", k.Kind, k.Name, o.Data["k"], o.File))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// reloaded is restarted for the real parser.
func reloaded(k Kept) Kept { return Restore(throughDisk(k), realParse) }

// throughDisk is what is left of k on the disk.
func throughDisk(k Kept) Kept {
	files := map[string]Last{}
	for name, l := range k.Files {
		files[name] = Last{File: l.File, Bytes: l.Bytes, Keys: l.Keys, Held: l.Held, At: l.At}
	}
	return Kept{Path: k.Path, Identity: k.Identity, Boot: k.Boot, Owners: k.Owners, Holders: k.Holders, Read: k.Read, Files: files}
}

func TestAPodBesideAnOpenSecretGoesOnAsItWas(t *testing.T) {
	pod := reader("p", "secret/s")
	kept, d := Next(Kept{}, Listing{Path: "/m", Identity: Identity{1, 1}, Files: files("a", pod+secret("s", "1"))}, Options{Boot: "1", Parse: realParse, Now: noon})
	if w := d.Pods["default/p"]; w.Stance != Follow {
		t.Fatalf("%+v", w)
	}
	hash := d.Pods["default/p"].Pod.Hash
	l := Listing{Path: "/m", Identity: Identity{1, 1}, Files: with(files("a", pod+secret("s", "SECRET")), "a", 0o604, 0)}
	_, d = Next(kept, l, Options{Boot: "1", Parse: realParse, Now: noon})
	w := d.Pods["default/p"]
	if w.Stance != Keep || w.Why == "" || w.Pod.Hash != hash || string(d.Objects[manifest.ObjectKey{Kind: "Secret", Namespace: "default", Name: "s"}].Data["k"]) != "1" {
		t.Errorf("stance %d, why %q, objects %s", w.Stance, w.Why, objectsOf(d))
	}
	if len(d.Notes) != 1 || !strings.Contains(d.Notes[0].Message, "mode 0604") || !strings.Contains(d.Notes[0].Message, "chmod 600 a") ||
		!strings.Contains(d.Notes[0].Message, "the last good version of") || strings.Contains(fmt.Sprint(d), "SECRET") {
		t.Errorf("%v", d.Notes)
	}
}

func TestKeptWithObjectsSurvivesTheDisk(t *testing.T) {
	k := Kept{Path: "/m", Holders: map[manifest.ObjectKey]string{{Kind: "Secret", Namespace: "a", Name: "b.c"}: "f"}, Read: map[string]string{"a/b": "v1:0+1"}}
	back := throughJSON(t, k)
	if !k.SameFolder(back) {
		t.Errorf("%+v came back as %+v", k, back)
	}
	for name, change := range map[string]func(*Kept){"holders": func(k *Kept) { k.Holders = nil }, "read": func(k *Kept) { k.Read = nil }} {
		o := back
		change(&o)
		if k.SameFolder(o) {
			t.Errorf("%s: no difference seen", name)
		}
	}
}

// TestAHashOutlivesAnAgentThatDoesNotUnderstandIt: an older agent freezes the pod, and the newer one after it restarts nothing.
func TestAHashOutlivesAnAgentThatDoesNotUnderstandIt(t *testing.T) {
	in := func(f map[string]File) Listing { return Listing{Path: "/m", Identity: Identity{1, 1}, Files: f} }
	both := files("a", configMap("a", "1"), "p", reader("p", "configMap/a"))
	kept, d := Next(Kept{}, in(both), Options{Boot: "1", Parse: realParse, Now: noon})
	hash := d.Pods["default/p"].Pod.Hash
	old := func(file string, b []byte) manifest.Result {
		return manifest.Result{Problems: []manifest.Problem{{File: file, Message: "not supported by this version"}}}
	}
	kept, d = Next(Restore(throughDisk(kept), old), in(both), Options{Boot: "1", Parse: old, Now: noon})
	if w := d.Pods["default/p"]; w.Stance != Freeze || len(d.Objects) != 0 {
		t.Fatalf("%+v", w)
	}
	_, d = Next(Restore(throughDisk(kept), realParse), in(files("p", reader("p", "configMap/a"), "x", configMap("x", "1"))), Options{Boot: "1", Parse: realParse, Now: noon})
	if w := d.Pods["default/p"]; w.Stance != Follow || w.Pod.Hash != hash {
		t.Errorf("stance %d, hash %s, want %s", w.Stance, w.Pod.Hash, hash)
	}
}

// TestWhatIsUnderstoodIsParsedOnce: a file of objects alone too.
func TestWhatIsUnderstoodIsParsedOnce(t *testing.T) {
	parsed := 0
	count := func(file string, b []byte) manifest.Result { parsed++; return realParse(file, b) }
	l := Listing{Path: "/m", Identity: Identity{1, 1}, Files: files("a", configMap("a", "1"), "p", reader("p"))}
	kept, _ := Next(Kept{}, l, Options{Boot: "1", Parse: count, Now: noon})
	if again, _ := Next(kept, l, Options{Boot: "1", Parse: count, Now: noon.Add(1)}); parsed != 2 || !again.Files["a"].At.Equal(noon) {
		t.Errorf("parsed %d times, accepted at %s", parsed, again.Files["a"].At)
	}
}
