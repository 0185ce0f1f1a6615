package manifest

import (
	"fmt"
	"os"
	"path/filepath"
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

// tables are the fields by what run mode does with them. Rows below a field that is refused as a whole are left out.
func tables(fields []Field) string {
	var supported, ignored, refused strings.Builder
	for _, f := range fields {
		if inside(f.Path, fields) {
			continue
		}
		path := "`" + f.Path + "`"
		switch f.Support {
		case Supported:
			if holds(f.Path, fields) {
				continue
			}
			limits := ""
			if len(f.Values) > 0 {
				limits = "only " + values(f.Values) + "; " + f.Advice
			}
			fmt.Fprintf(&supported, "| %s | %s |\n", path, limits)
		case Ignored:
			fmt.Fprintf(&ignored, "| %s | %s | %s |\n", path, f.Advice, values(f.Values))
		default:
			kubelet := ""
			if f.Kubelet != "" {
				kubelet = "refused too"
			}
			fmt.Fprintf(&refused, "| %s | %s | %s | %s |\n", path, f.Advice, values(f.Values), kubelet)
		}
	}
	return "\n### Supported\n\n| Field | Limits |\n| --- | --- |\n" + supported.String() +
		"\n### Ignored\n\nThe pod runs; a warning names each one that is written, unless it has one of the values of the last column.\n\n" +
		"| Field | Why | Passed over in silence |\n| --- | --- | --- |\n" + ignored.String() +
		"\n### Refused\n\nThe manifest is not run, and its last good version goes on running. The last column but one has values that mean what happens\n" +
		"anyway and are let through.\n\n" +
		"| Field | What to do instead | Let through | By a kubelet |\n| --- | --- | --- | --- |\n" + refused.String() + "\n"
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
		supported("p"), supported("p.a"), supported("b").only("use x", "x"), ignored("c", "no meaning", ""), refused("d", "use a"), refused("d[].e", "use b").kubelet("why"),
		refused("f", "use b").kubelet("why"),
	})
	for _, line := range []string{"| `p.a` |  |", "| `b` | only `x`; use x |", "| `c` | no meaning | `\"\"` |", "| `d` | use a |  |  |", "| `f` | use b |  | refused too |"} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("no line %s in\n%s", line, got)
		}
	}
	for _, path := range []string{"`d[].e`", "`p`"} {
		if strings.Contains(got, path) {
			t.Errorf("%s is shown, and says nothing", path)
		}
	}
}

// TestExamples: what is given as an example runs as it is, with nothing to be said about it.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../../examples/static-pods/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%d examples: %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, mode := range []Mode{Run, Kubelet} {
			r := Parse(filepath.Base(file), b, Options{NodeName: "node1", Mode: mode})
			for _, p := range r.Problems {
				t.Errorf("mode %d: %s", mode, p)
			}
			if len(r.Pods) != 1 {
				t.Errorf("%s: %d pods in mode %d", file, len(r.Pods), mode)
			}
		}
	}
}
