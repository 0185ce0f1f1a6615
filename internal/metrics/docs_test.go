package metrics

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	docsPage  = "../../docs/metrics.md"
	docsBegin = "<!-- The table below is written by: go test ./internal/metrics -run TestDocs -update -->\n"
	docsEnd   = "<!-- end of the table -->\n"
)

// TestDocs holds the table of docs/metrics.md against the goldens, which hold the metrics themselves.
func TestDocs(t *testing.T) {
	var text strings.Builder
	files, err := filepath.Glob("testdata/*.prom")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	want := docsTable(text.String())
	b, err := os.ReadFile(docsPage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(b), docsBegin)
	have, tail, closed := strings.Cut(rest, docsEnd)
	if !found || !closed {
		t.Fatalf("%s has lost the lines that mark its table:\n%s%s", docsPage, docsBegin, docsEnd)
	}
	if have == want {
		return
	}
	if !*update {
		t.Fatalf("%s does not say what the goldens say: run this test with -update", docsPage)
	}
	if err := os.WriteFile(docsPage, []byte(head+docsBegin+want+docsEnd+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// docsTable makes a table of an exposition: name, type, labels, help.
func docsTable(exposition string) string {
	help, kind, labels := map[string]string{}, map[string]string{}, map[string]map[string]bool{}
	for line := range strings.Lines(exposition) {
		line = strings.TrimSpace(line)
		comment, isComment := strings.CutPrefix(line, "# ")
		switch {
		case line == "":
		case isComment:
			word, rest, _ := strings.Cut(comment, " ")
			name, value, _ := strings.Cut(rest, " ")
			if word == "HELP" {
				help[name] = value
			} else if word == "TYPE" {
				kind[name] = value
			}
		default:
			name, set := sampleLabels(line)
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if base := strings.TrimSuffix(name, suffix); kind[base] == "histogram" {
					name = base
				}
			}
			if labels[name] == nil {
				labels[name] = map[string]bool{}
			}
			for _, l := range set {
				if l != "le" {
					labels[name][l] = true
				}
			}
		}
	}
	var b strings.Builder
	b.WriteString("\n| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(help)) {
		var shown []string
		for _, l := range slices.Sorted(maps.Keys(labels[name])) {
			shown = append(shown, "`"+l+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, kind[name], strings.Join(shown, ", "), strings.ReplaceAll(help[name], "|", "\\|"))
	}
	return b.String() + "\n"
}

// sampleLabels splits a sample into its name and the names of its labels.
func sampleLabels(line string) (name string, labels []string) {
	end := strings.IndexAny(line, "{ ")
	if end < 0 || line[end] == ' ' {
		name, _, _ = strings.Cut(line, " ")
		return name, nil
	}
	name, rest := line[:end], line[end+1:]
	for {
		label, after, ok := strings.Cut(rest, `="`)
		if !ok {
			return name, labels
		}
		labels = append(labels, strings.TrimLeft(label, ", "))
		i := 0
		for i < len(after) && after[i] != '"' {
			if after[i] == '\\' {
				i++
			}
			i++
		}
		rest = after[min(i+1, len(after)):]
		if strings.HasPrefix(rest, "}") {
			return name, labels
		}
	}
}

func TestDocsTable(t *testing.T) {
	got := docsTable("# HELP a_total How | often.\n# TYPE a_total counter\na_total{x=\"1 } \\\" y=\\\"\",z=\"2\"} 1\n" +
		"# HELP h_seconds How long.\n# TYPE h_seconds histogram\nh_seconds_bucket{op=\"get\",le=\"1\"} 2\nh_seconds_sum{op=\"get\"} 2\n")
	want := "\n| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n| `a_total` | counter | `x`, `z` | How \\| often. |\n| `h_seconds` | histogram | `op` | How long. |\n\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
