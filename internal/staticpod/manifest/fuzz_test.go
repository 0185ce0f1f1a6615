package manifest

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse checks what holds for any bytes: no panic, the same result twice, every pod whole, every problem placed inside
// the file, and nothing that run mode takes which a kubelet's rules refuse.
func FuzzParse(f *testing.F) {
	archives, _ := filepath.Glob("testdata/problems/*.txtar")
	for _, name := range archives {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Files[0].Data)
	}
	for _, name := range []string{"full.yaml", "objects.yaml", "kubeadm/etcd.yaml", "kubeadm/kube-apiserver.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", filepath.FromSlash(name)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{
		"", "\x00", "---", "...", "%YAML 1.1\n---\n{}", "%TAG ! a\n", "\ufeff{}", "a: &a [*a]", "a: *a", "<<: {a: b}", "<<: [{a: b}]", "? ? ?", "!!binary x", "~",
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: a, resources: {limits: {cpu: 1e99999}}}]}",
		`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","name":"\ud83d"},"spec":{"containers":[null]}}`,
		"apiVersion: v1\nkind: Pod\nmetadata: &m {name: a, labels: {a.b/c: d}}\nspec:\n  containers:\n  - &c {<<: *m, image: a}\n  - *c\n",
		"apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: kubernetes.io/tls\ndata: {tls.crt: YQ==, tls.key: ''}\nstringData: {tls.key: b}\nimmutable: true\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: \"password = x\\nb: c\"}\nbinaryData: {b: AAA=}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"..":"x","a":null}}`,
		"apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {nodeagent/restart-on-config-change: 'true'}}\nspec:\n  volumes:\n" +
			"  - {name: v, projected: {sources: [{configMap: {name: c, items: [{key: k, path: a/b}]}}, {downwardAPI: {items: [{path: a, fieldRef: {fieldPath: metadata.labels}}]}}]}}\n" +
			"  containers: [{name: a, image: a, volumeMounts: [{name: v, mountPath: /v, subPath: a/b}], livenessProbe: {httpGet: {port: http}}}]\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		lines := 1 + strings.Count(string(data), "\n")
		if strings.ContainsAny(string(data), "\r\u0085\u2028\u2029") {
			lines = len(data) + 2 // YAML ends lines at these too, and the parser counts some twice
		}
		run := Parse("f", data, Options{NodeName: "node1"})
		kubelet := Parse("f", data, Options{NodeName: "node1", Mode: Kubelet})
		for _, r := range []Result{run, kubelet} {
			seen := map[string]bool{}
			for _, p := range r.Pods {
				if !strings.HasPrefix(p.Hash, "v1:") || len(p.Hash) != 67 || p.Spec == nil || p.Document < 1 || seen[p.Key()] || len(p.Spec.Spec.Containers) == 0 || p.Spec.Spec.NodeName != "node1" {
					t.Errorf("a pod that is not whole: %+v", p)
				}
				seen[p.Key()] = true
			}
			for _, p := range r.Problems {
				if p.File != "f" || p.Message == "" || p.Line < 0 || p.Line > lines || strings.ContainsAny(p.String(), "\n\x00") {
					t.Errorf("a problem that cannot be shown: %q", p)
				}
			}
			for _, o := range r.Objects {
				if key := o.Key(); !strings.HasPrefix(o.Hash, "v1:") || len(o.Hash) != 67 || o.Data == nil || o.Document < 1 || seen[key.String()] {
					t.Errorf("an object that is not whole: %s", o)
				}
				seen[o.Key().String()] = true
			}
			if len(r.Pods)+len(r.Objects) == 0 && !r.Failed() {
				t.Error("nothing, and not a word why")
			}
		}
		if again := Parse("f", data, Options{NodeName: "node1"}); !reflect.DeepEqual(run, again) {
			t.Errorf("two results for the same bytes:\n%s\n%s", report(run), report(again))
		}
		if len(kubelet.Objects) > 0 {
			t.Error("a kubelet reads no ConfigMap or Secret from a file")
		}
		for _, p := range run.Pods {
			p.HashWith(func(ObjectKey) (Object, bool) { return Object{}, false })
		}
		if len(run.Pods) == 1 && !run.Failed() && run.Pods[0].Document == 1 && len(References(run.Pods[0].Spec)) == 0 {
			if kubelet.Failed() || run.Pods[0].Hash != kubelet.Pods[0].Hash {
				t.Errorf("run mode takes what a kubelet does not:\n%s", report(kubelet))
			}
		}
	})
}

func FuzzExpand(f *testing.F) {
	for _, s := range []string{"", "$", "$$", "$(A)", "$$(A)", "$(A", "$(A$(B)", "$é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := Expand(s, map[string]string{"A": "a"})
		if !strings.Contains(s, "$") && got != s {
			t.Errorf("%q became %q", s, got)
		}
		if !strings.Contains(s, "$$") && !strings.Contains(s, "$(A)") && got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}

// FuzzSecretHints: hints name lines that are there, and never more than a name.
func FuzzSecretHints(f *testing.F) {
	for _, s := range []string{"", "password: x", "a = b\nclient_secret = y\n", "-----BEGIN PRIVATE KEY-----", "x://a:b@c", "auth_pass 1111", "\"token\": \"z\",\r\n", "ПаролЬpassword=x"} {
		f.Add("k", s)
	}
	f.Fuzz(func(t *testing.T, key, value string) {
		for _, h := range secretHints(key, value) {
			if h.line < 0 || h.line > 1+strings.Count(value, "\n") || h.what == "" || len(h.what) > max(64, len(key)) {
				t.Errorf("%q: %+v", value, h)
			}
		}
	})
}
