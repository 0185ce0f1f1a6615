package manifest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden parts of testdata/problems anew")

// TestProblems holds every message, with its place, against testdata/problems: archives of a manifest and of what run
// mode and a kubelet say to it.
func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m := a.Files[0]
			out := []txtar.File{m}
			for _, mode := range []Mode{Run, Kubelet} {
				got := report(Parse(m.Name, m.Data, Options{NodeName: "node1", Mode: mode}))
				name := [...]string{"run", "kubelet"}[mode]
				out = append(out, txtar.File{Name: name, Data: []byte(got)})
				want := ""
				for _, f := range a.Files[1:] {
					if f.Name == name {
						want = string(f.Data)
					}
				}
				if got != want && !*update {
					t.Errorf("%s says\n%s\nwant\n%s", name, got, want)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(&txtar.Archive{Comment: a.Comment, Files: out}), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func report(r Result) string {
	var b strings.Builder
	for _, p := range r.Problems {
		fmt.Fprintln(&b, p)
	}
	for _, p := range r.Pods {
		fmt.Fprintf(&b, "pod %s of document %d\n", p.Key(), p.Document)
	}
	for _, o := range r.Objects {
		fmt.Fprintf(&b, "%s of document %d\n", o.Key(), o.Document)
	}
	return b.String()
}
