package manifest

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const (
	page  = "../../../docs/static-pods.md"
	begin = "<!-- The tables below are written by: go test ./internal/staticpod/manifest -run TestDocs -update -->\n"
	end   = "<!-- end of the tables -->\n"
)

// TestDocs holds the tables of docs/static-pods.md against the table of fields.
func TestDocs(t *testing.T) {
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(b), begin)
	have, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has lost the lines that mark its tables:\n%s%s", page, begin, end)
	}
	want := tables(Fields())
	if have == want {
		return
	}
	if !*update {
		t.Fatalf("%s does not say what the table of fields says: run this test with -update", page)
	}
	if err := os.WriteFile(page, []byte(head+begin+want+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tables are the fields by what run mode does with them. Rows below a field that is refused as a whole are left out, and so are rows of
// init containers, readiness and startup probes that say the same as that of a container's or a liveness probe.
func tables(fields []Field) string {
	byPath, provedAny := map[string]Field{}, false
	for _, f := range fields {
		byPath[f.Path] = f
		provedAny = provedAny || f.Proof != ""
	}
	head := "| Field | Limits | By a kubelet |\n| --- | --- | --- |\n"
	if provedAny {
		head = "The last column names the test that reads the effect from inside a container.\n\n| Field | Limits | By a kubelet | Proved by |\n| --- | --- | --- | --- |\n"
	}
	var supported, ignored, refused strings.Builder
	for _, f := range fields {
		if inside(f.Path, fields) || alike(f, byPath) {
			continue
		}
		path := "`" + f.Path + "`"
		kubelet := ""
		if f.Kubelet != "" {
			kubelet = "refused"
		}
		switch f.Support {
		case Supported:
			if holds(f.Path, fields) && f.Advice == "" && f.Kubelet == "" {
				continue
			}
			limits := f.Advice
			if len(f.Values) > 0 && !f.Others {
				limits = "only " + values(f.Values) + "; " + f.Advice
			}
			row := fmt.Sprintf("| %s | %s | %s |", path, limits, kubelet)
			if provedAny {
				row += " " + f.Proof + " |"
			}
			supported.WriteString(row + "\n")
		case Ignored:
			fmt.Fprintf(&ignored, "| %s | %s | %s |\n", path, f.Advice, values(f.Values))
		default:
			fmt.Fprintf(&refused, "| %s | %s | %s | %s |\n", path, f.Advice, values(f.Values), kubelet)
		}
	}
	return "\n### Supported\n\nAn init container has the fields of a container, and a readiness or startup probe those of a liveness probe, but for the rows of\n" +
		"their own.\n\n" + head + supported.String() +
		"\n### Ignored\n\nThe pod runs; a warning names each one that is written, unless it has one of the values of the last column.\n\n" +
		"| Field | Why | Passed over in silence |\n| --- | --- | --- |\n" + ignored.String() +
		"\n### Refused\n\nThe manifest is not run, and its last good version goes on running. The last column but one has values that mean what happens\n" +
		"anyway and are let through.\n\n" +
		"| Field | What to do instead | Let through | By a kubelet |\n| --- | --- | --- | --- |\n" + refused.String() + "\n"
}

// alike reports whether another row says the same of the same field elsewhere.
func alike(f Field, byPath map[string]Field) bool {
	path := strings.Replace(f.Path, initContainers, containers, 1)
	path = strings.Replace(strings.Replace(path, ".readinessProbe", ".livenessProbe", 1), ".startupProbe", ".livenessProbe", 1)
	other, ok := byPath[path]
	if path == f.Path || !ok {
		return false
	}
	other.Path = f.Path
	return reflect.DeepEqual(f, other)
}

// holds reports whether a field is the parent of a supported one, whose row says as much.
func holds(path string, fields []Field) bool {
	for _, f := range fields {
		if f.Support == Supported && (strings.HasPrefix(f.Path, path+".") || strings.HasPrefix(f.Path, path+"[]")) {
			return true
		}
	}
	return false
}

// inside reports whether a field lies within one that is not supported.
func inside(path string, fields []Field) bool {
	for _, f := range fields {
		if f.Support != Supported && (strings.HasPrefix(path, f.Path+".") || strings.HasPrefix(path, f.Path+"[]")) {
			return true
		}
	}
	return false
}

func values(vs []string) string {
	var out []string
	for _, v := range vs {
		if v == "" {
			v = `""`
		}
		out = append(out, "`"+v+"`")
	}
	return strings.Join(out, ", ")
}

func TestDocTables(t *testing.T) {
	got := tables([]Field{
		supported("p"), supported("p.a"), supported("b").only("use x", "x"), supported("o").only("else nothing", "x").others(), supported("n").but("a note"),
		supported("k").kubelet("why", "use b"), supported("k.x"), supported(initContainers + ".name"), supported(containers + ".name"), supported(initContainers + ".own"),
		{Path: containers + ".livenessProbe.x", Support: Supported, Proof: "TestX"}, supported(containers + ".startupProbe.x"), ignored("c", "no meaning", ""), refused("d", "use a"), refused("d[].e", "use b").kubelet("why"),
		refused("f", "use b").kubelet("why"),
	})
	for _, line := range []string{"| `p.a` |  |  |  |", "| `b` | only `x`; use x |  |  |", "| `o` | else nothing |  |  |", "| `n` | a note |  |  |", "| `k` |  | refused |  |",
		"| `spec.containers[].name` |  |  |  |", "| `spec.initContainers[].own` |  |  |  |", "| `spec.containers[].livenessProbe.x` |  |  | TestX |", "| `spec.containers[].startupProbe.x` |  |  |  |",
		"| `c` | no meaning | `\"\"` |", "| `d` | use a |  |  |", "| `f` | use b |  | refused |"} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s in\n%s", line, got)
		}
	}
	for _, path := range []string{"`d[].e`", "`p`", "`spec.initContainers[].name`"} {
		if strings.Contains(got, path) {
			t.Errorf("%s is shown, and says nothing", path)
		}
	}
}

// TestExamples: what is given as an example runs as it is, with nothing to be said about it; in run mode all of it, and where it needs no
// ConfigMap or Secret, by a kubelet too.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../../examples/*/*.yaml")
	if err != nil || len(files) < 7 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	have := map[ObjectKey]bool{}
	var refs []Reference
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := Parse(filepath.Base(file), b, Options{NodeName: "node1"})
		for _, p := range r.Problems {
			t.Error(p)
		}
		if len(r.Pods)+len(r.Objects) == 0 {
			t.Errorf("%s holds nothing", file)
		}
		for _, o := range r.Objects {
			have[o.Key()] = true
		}
		plain := len(r.Objects) == 0
		for _, p := range r.Pods {
			refs = append(refs, References(p.Spec)...)
			plain = plain && len(References(p.Spec)) == 0
		}
		if v := KubeletVerdict(file, b, "node1"); plain && (v.Refused || len(v.Problems) > 0) || !plain && !v.Refused {
			t.Errorf("%s: a kubelet: %+v", file, v)
		}
	}
	for _, r := range refs {
		if !have[r.Key] {
			t.Errorf("no example has the %s", r.Key)
		}
	}
}
