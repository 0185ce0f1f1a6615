package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// deadLinks lists the relative links of a page whose file is not there.
func deadLinks(page string, text []byte) []string {
	var out []string
	for _, m := range link.FindAllSubmatch(text, -1) {
		to, _, _ := strings.Cut(string(m[1]), "#")
		if to == "" || strings.Contains(to, "://") {
			continue
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(page), to)); err != nil {
			out = append(out, to)
		}
	}
	return out
}

func TestLinks(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	for _, page := range append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "CONTRIBUTING.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range deadLinks(page, text) {
			t.Errorf("%s links to %s, which is not there", page, to)
		}
	}
	if got := deadLinks(filepath.Join(root, "README.md"), []byte("[a](docs/none.md#x) [b](https://example.com) [c](LICENSE) [d](#here)")); len(got) != 1 || got[0] != "docs/none.md" {
		t.Errorf("dead links of the sample: %v", got)
	}
}

// TestReadmeNamesEveryPage: a page that nothing leads to is not read.
func TestReadmeNamesEveryPage(t *testing.T) {
	readme := string(read(t, "README.md"))
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := filepath.Base(page); !strings.Contains(readme, "docs/"+name) {
			t.Errorf("README.md does not lead to docs/%s", name)
		}
	}
}
