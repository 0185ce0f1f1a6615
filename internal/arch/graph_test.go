package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// root of the repository, from this package's folder.
const root = "../.."

// module of go.mod.
const module = "nodeagent"

// edge is one import. Packages of this repository are named by their folder (internal/agent), others by their import path.
type edge struct {
	from, to string
	own      bool   // to is of this repository
	test     bool   // written in a _test.go file
	file     string // where it stands; empty in made-up graphs
}

// imports reads every Go file of the repository, whatever its build tags, so that a tag hides nothing.
func imports(t *testing.T) []edge {
	t.Helper()
	var out []edge
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(file, d.Name())
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		for _, spec := range f.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			e := edge{from: path.Dir(rel), to: to, test: strings.HasSuffix(rel, "_test.go"), file: rel}
			e.to, e.own = strings.CutPrefix(to, module+"/")
			if e.own && e.to == e.from {
				continue // the package's own external test
			}
			out = append(out, e)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("no imports below %s: this test looks at the wrong folder", root)
	}
	return out
}

// enter passes over folders that hold no packages of this module.
func enter(dir, name string) error {
	if dir == root {
		return nil
	}
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || name == "bin" || name == "dist" {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		return filepath.SkipDir // a module of its own
	}
	return nil
}

// below reports whether a package is one of the given ones or lies below one.
func below(pkg string, parents ...string) bool {
	for _, p := range parents {
		if pkg == p || strings.HasPrefix(pkg, p+"/") {
			return true
		}
	}
	return false
}

// standard reports whether an import is of the standard library, whose first element alone has no dot.
func standard(e edge) bool {
	first, _, _ := strings.Cut(e.to, "/")
	return !e.own && !strings.Contains(first, ".")
}
