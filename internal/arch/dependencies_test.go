package arch

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const dependenciesPage = "docs/dependencies.md"

// row of the table: | `module` | reason |
var row = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| *(.*?) *\\|$")

// documented is the page's table.
func documented(page string) map[string]string {
	out := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(page, -1) {
		out[m[1]] = m[2]
	}
	return out
}

// faults compares the page with the modules that go.mod requires directly and those that some file imports.
func faults(rows map[string]string, direct, imported []string) []string {
	var out []string
	for _, m := range direct {
		if _, ok := rows[m]; !ok {
			out = append(out, "go.mod requires "+m+" and "+dependenciesPage+" gives no reason: add a row, or do without it")
		}
	}
	for m, why := range rows {
		if !slices.Contains(imported, m) {
			out = append(out, dependenciesPage+" has "+m+", which no file imports: remove the row")
		}
		if len(strings.Fields(why)) < 3 {
			out = append(out, dependenciesPage+" gives no reason for "+m)
		}
	}
	slices.Sort(out)
	return out
}

// moduleFor is the required module that an import path belongs to: the longest that it lies in.
func moduleFor(path string, required []string) string {
	best := ""
	for _, m := range required {
		if below(path, m) && len(m) > len(best) {
			best = m
		}
	}
	return best
}

func TestDependenciesHaveReasons(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", filepath.Join(root, "go.mod")).Output()
	if err != nil {
		t.Fatalf("go mod edit -json: %v", err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var required, direct, imported []string
	for _, r := range mod.Require {
		required = append(required, r.Path)
		if !r.Indirect {
			direct = append(direct, r.Path)
		}
	}
	if len(direct) == 0 {
		t.Fatal("go.mod requires nothing: this test looks at the wrong file")
	}
	for _, e := range imports(t) {
		if m := moduleFor(e.to, required); !e.own && m != "" {
			imported = append(imported, m)
		}
	}
	page, err := os.ReadFile(filepath.Join(root, dependenciesPage))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range faults(documented(string(page)), direct, imported) {
		t.Error(f)
	}
}

func TestDependencyFaults(t *testing.T) {
	rows := documented("| Module | Why |\n| --- | --- |\n| `example.com/a` | it does what we need |\n| `example.com/old` | was once of use |\n| `example.com/b` | |\n")
	got := faults(rows, []string{"example.com/a", "example.com/b", "example.com/new"}, []string{"example.com/a", "example.com/b", "example.com/new"})
	want := []string{
		"docs/dependencies.md gives no reason for example.com/b",
		"docs/dependencies.md has example.com/old, which no file imports: remove the row",
		"go.mod requires example.com/new and docs/dependencies.md gives no reason: add a row, or do without it",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := moduleFor("example.com/a/v2/client", []string{"example.com/a", "example.com/a/v2", "example.com/ab"}); got != "example.com/a/v2" {
		t.Errorf("moduleFor gives %q", got)
	}
}
