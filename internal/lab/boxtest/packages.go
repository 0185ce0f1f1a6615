package boxtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"nodeagent/internal/lab/box"
)

// scratch is a folder of this process alone; Main makes it.
var scratch string

// built are the packages, made once for all tests.
var built struct {
	sync.Mutex
	new, old Packages
}

// Packages are the files of one build.
type Packages struct {
	Deb, RPM string
	Plain    string // the .deb without compression, for what is installed often
}

// ThisTree builds the packages of the tree as it is.
func ThisTree(t *testing.T) Packages {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.new.Deb == "" {
		built.new = plain(t, build(t, ".", filepath.Join(scratch, "new"), "9.9.9"), "this-tree.deb")
	}
	return built.new
}

// OlderTree builds the packages of the first commit that mended Flannel's entries: the agent that this one is an upgrade of. They are kept in the
// cache of roots. Where there is no history it is this tree under an older version, and the test says so.
func OlderTree(t *testing.T) Packages {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.old.Deb != "" {
		return built.old
	}
	hash := strings.TrimSpace(Command(t, nil, "sh", "-c", "git log --diff-filter=A --format=%H -- internal/netcheck/mend.go 2>/dev/null | tail -1"))
	if hash == "" {
		t.Log("there is no git history: the older package is this tree's own")
		built.old = plain(t, build(t, ".", filepath.Join(scratch, "old"), "0.0.1"), "older-tree.deb")
		return built.old
	}
	dir := filepath.Join(box.CacheDir(), "packages-"+hash+"-"+runtime.GOARCH)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		tree := t.TempDir()
		Command(t, nil, "sh", "-c", "git archive "+hash+" | tar -xC "+tree)
		build(t, tree, dir+".half", "0.0.1")
		if err := os.Rename(dir+".half", dir); err != nil {
			t.Fatal(err)
		}
	}
	built.old = plain(t, find(t, dir), "older-tree.deb")
	return built.old
}

// plain adds the .deb without compression.
func plain(t *testing.T, p Packages, name string) Packages {
	t.Helper()
	p.Plain = filepath.Join(scratch, name)
	packageTrees.Lock()
	defer packageTrees.Unlock()
	tree := unpack(t, p.Deb)
	pack(t, tree, p.Plain)
	packageTrees.trees[p.Plain] = tree
	return p
}

func build(t *testing.T, tree, dir, version string) Packages {
	t.Helper()
	// The tree may lie outside of any repository, which the time of the commit is for.
	Command(t, []string{"VERSION=" + version, "ARCHES=" + runtime.GOARCH, "FORMATS=deb rpm", "OUT=" + dir, "SOURCE_DATE_EPOCH=1800000000"}, filepath.Join(tree, "scripts/package.sh"))
	return find(t, dir)
}

func find(t *testing.T, dir string) Packages {
	t.Helper()
	deb, err1 := filepath.Glob(filepath.Join(dir, "*.deb"))
	rpm, err2 := filepath.Glob(filepath.Join(dir, "*.rpm"))
	if err := errors.Join(err1, err2); err != nil || len(deb) != 1 || len(rpm) != 1 {
		t.Fatalf("%s has %q and %q: want one of each, %v", dir, deb, rpm, err)
	}
	return Packages{Deb: deb[0], RPM: rpm[0]}
}

// Broken is a .deb with a fault that some check has to see.
type Broken struct {
	File        string // inside the package, or DEBIAN/NAME
	Find, Write string // a regular expression and what takes its place
}

// Break is the fault of a file of a package: what a regular expression finds there is replaced.
func Break(file, find, write string) Broken { return Broken{File: file, Find: find, Write: write} }

// BreakDeb makes a package with a fault.
func BreakDeb(t *testing.T, deb string, b Broken) string {
	t.Helper()
	dir := t.TempDir()
	tree, out := filepath.Join(dir, "tree"), filepath.Join(dir, regexp.MustCompile("[^a-zA-Z0-9]+").ReplaceAllString(t.Name(), "-")+".deb") // another name for each test: see give
	// One at a time: a link more or less is a change of the file for a tar that reads it.
	packageTrees.Lock()
	defer packageTrees.Unlock()
	Command(t, nil, "cp", "-al", unpack(t, deb), tree)
	path := filepath.Join(tree, b.File)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?m)`+b.Find).ReplaceAllString(string(content), b.Write)
	if text == string(content) {
		t.Fatalf("%s has no %q: the broken package would be a good one", b.File, b.Find)
	}
	// A file of its own: the others of the tree are links.
	if err := errors.Join(os.Remove(path), os.WriteFile(path, []byte(text), info.Mode())); err != nil {
		t.Fatal(err)
	}
	pack(t, tree, out)
	if err := os.RemoveAll(tree); err != nil {
		t.Fatal(err)
	}
	return out
}

// packageTrees are the files of packages, each unpacked once. Packages that share files are made one after the other.
var packageTrees struct {
	sync.Mutex
	trees map[string]string // by the package's path
}

// unpack gives a folder with the files of a package. They are to be left as they are, and packageTrees is the caller's meanwhile.
func unpack(t *testing.T, deb string) string {
	t.Helper()
	if tree := packageTrees.trees[deb]; tree != "" {
		return tree
	}
	if packageTrees.trees == nil {
		packageTrees.trees = map[string]string{}
	}
	tree := filepath.Join(scratch, fmt.Sprintf("tree%d", len(packageTrees.trees)))
	Command(t, nil, "dpkg-deb", "-R", deb, tree)
	packageTrees.trees[deb] = tree
	return tree
}

// pack makes a package without compression.
func pack(t *testing.T, tree, to string) {
	t.Helper()
	Command(t, nil, "dpkg-deb", "-Znone", "--root-owner-group", "-b", tree, to)
}
