package compat

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"sigs.k8s.io/yaml"
)

// sample is one document of the corpus.
type sample struct {
	name string // file and number of the document
	text []byte
}

var marker = regexp.MustCompile(`(?m)^---.*\n`)

// samples reads the documents of files.
func samples(tb testing.TB, patterns ...string) []sample {
	tb.Helper()
	var out []sample
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			tb.Fatalf("no files %s: %v", pattern, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				tb.Fatal(err)
			}
			if strings.HasSuffix(file, ".txtar") {
				data = txtar.Parse(data).Files[0].Data
			}
			n := 0
			for _, text := range marker.Split(string(data), -1) {
				if strings.TrimSpace(comments.ReplaceAllString(text, "")) != "" {
					n++
					out = append(out, sample{name: fmt.Sprintf("%s#%d", filepath.ToSlash(file), n), text: []byte(text)})
				}
			}
		}
	}
	return out
}

var comments = regexp.MustCompile(`(?m)^\s*#.*$`)

// testdata of the reader itself. Its problems are read too: the two must agree on each, whatever they say.
const testdata = "../../internal/staticpod/manifest/testdata/"

// corpus gives the documents of this module's own corpus.
func corpus(tb testing.TB) []sample { return samples(tb, "corpus/pods/*.yaml", "corpus/rules/*.yaml") }

// everything gives every document that could be a Pod.
func everything(tb testing.TB) []sample {
	all := append(corpus(tb), samples(tb, testdata+"*.yaml", testdata+"kubeadm/*.yaml", testdata+"problems/*.txtar", "../../examples/*/*.yaml")...)
	return slices.DeleteFunc(all, func(s sample) bool {
		var head struct{ Kind string }
		return yaml.Unmarshal(s.text, &head) == nil && (head.Kind == "ConfigMap" || head.Kind == "Secret") // not for a kubelet
	})
}

// expectation is the comment that each document of the corpus begins with: what both make of it, and what it is about.
var expectation = regexp.MustCompile(`\A# (valid|refused|passed|stricter)(?: \(([^)]+)\))?: (.+)\n`)

// TestCorpus holds the corpus against what it says of itself: valid and refused documents are so for both, and a difference is the documented
// one that is named. Each documented difference is shown by some document.
func TestCorpus(t *testing.T) {
	shown := map[string]bool{}
	for _, s := range corpus(t) {
		m := expectation.FindSubmatch(s.text)
		if m == nil {
			t.Errorf("%s does not begin with what is expected of it", s.name)
			continue
		}
		verdict, name := string(m[1]), string(m[2])
		c := compare(s.text)
		for _, f := range c.faults {
			t.Errorf("%s: %s: %s", s.name, m[3], f)
		}
		ours, theirs := verdict == "valid" || verdict == "passed", verdict == "valid" || verdict == "stricter"
		if c.accepted != ours || c.valid != theirs {
			t.Errorf("%s: %s is %s: run mode takes it: %v, Kubernetes: %v", s.name, m[3], verdict, c.accepted, c.valid)
		}
		if name != "" && !c.used[name] {
			t.Errorf("%s: %s does not show %q but %v", s.name, m[3], name, sortedKeys(c.used))
		}
		shown[name] = true
	}
	for _, d := range append(slices.Clone(differences), difference{name: notLookedInto}) {
		if !shown[d.name] {
			t.Errorf("no document of the corpus shows the difference %q", d.name)
		}
	}
}

// TestEverything compares every document that there is, among them those that the reader's own tests refuse.
func TestEverything(t *testing.T) {
	for _, s := range everything(t) {
		for _, f := range compare(s.text).faults {
			t.Errorf("%s: %s", s.name, f)
		}
	}
}

// TestAnnotationsSize has documents that would be too large for the corpus: annotations of 256 KiB, and of one byte more.
func TestAnnotationsSize(t *testing.T) {
	const most = 256 << 10
	for _, size := range []int{most, most + 1} {
		c := compare([]byte("apiVersion: v1\nkind: Pod\nmetadata: {name: a, annotations: {a: " + strings.Repeat("b", size-1) + "}}\nspec: {containers: [{name: a, image: 'a:1'}]}\n"))
		for _, f := range c.faults {
			t.Errorf("%d bytes: %s", size, f)
		}
		if want := size == most; c.accepted != want || c.valid != want {
			t.Errorf("%d bytes: run mode takes them: %v, Kubernetes: %v", size, c.accepted, c.valid)
		}
	}
}
