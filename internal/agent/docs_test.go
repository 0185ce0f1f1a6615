package agent

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"nodeagent/internal/config"
	"nodeagent/internal/health"
)

var updateDocs = flag.Bool("update-docs", false, "write the tables of docs/conditions.md")

const (
	conditionsPage = "../../docs/conditions.md"
	tablesBegin    = "<!-- The tables below are written by: go test ./internal/agent -run TestConditionsPage -update-docs -->\n"
	tablesEnd      = "<!-- end of the tables -->\n"
)

// TestConditionsPage holds docs/conditions.md against the conditions that the agent reports in each mode.
func TestConditionsPage(t *testing.T) {
	b, err := os.ReadFile(conditionsPage)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(b), tablesBegin)
	have, tail, closed := strings.Cut(rest, tablesEnd)
	if !found || !closed {
		t.Fatalf("%s has lost the lines that mark its tables:\n%s%s", conditionsPage, tablesBegin, tablesEnd)
	}
	want := conditionTables()
	if have == want {
		return
	}
	if !*updateDocs {
		t.Fatalf("%s does not say what the code says: run this test with -update-docs", conditionsPage)
	}
	if err := os.WriteFile(conditionsPage, []byte(head+tablesBegin+want+tablesEnd+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// modesOf are the modes of staticPods in which a condition is reported.
func modesOf(c *health.Condition) []string {
	var in []string
	for _, mode := range []string{"companion", "run", "off"} {
		if slices.Contains(Conditions(mode), c) {
			in = append(in, mode)
		}
	}
	return in
}

// allConditions are those of every mode, each once.
func allConditions() []*health.Condition {
	var all []*health.Condition
	for _, mode := range []string{"run", "companion", "off"} {
		for _, c := range Conditions(mode) {
			if !slices.Contains(all, c) {
				all = append(all, c)
			}
		}
	}
	return all
}

func conditionTables() string {
	var b strings.Builder
	for _, c := range allConditions() {
		about := "the node"
		if c.Max > 0 {
			about = fmt.Sprintf("subjects, at most %d of them one by one", c.Max)
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\nImpact: %s. Modes: %s. About: %s.\n\n| Reason | What to do |\n| --- | --- |\n",
			c.Name, c.Help, c.Impact, strings.Join(modesOf(c), ", "), about)
		for _, r := range c.Reasons {
			fmt.Fprintf(&b, "| `%s` | %s |\n", r.Name, strings.ReplaceAll(r.Fix, "|", "\\|"))
		}
	}
	return b.String() + "\n"
}

// TestConditionTables: what the page shows is each condition once, with its modes.
func TestConditionTables(t *testing.T) {
	text := conditionTables()
	for _, c := range Conditions("run") {
		if n := strings.Count(text, "\n## "+c.Name+"\n"); n != 1 {
			t.Errorf("%s stands there %d times", c.Name, n)
		}
		for _, r := range c.Reasons {
			if r.Name == "" || r.Fix == "" {
				t.Errorf("%s has a reason without a name or a fix: %+v", c.Name, r)
			}
		}
	}
	if got := modesOf(Conditions("off")[0]); len(got) != 3 {
		t.Errorf("%s is reported in %v", Conditions("off")[0].Name, got)
	}
}

// TestConfigInDocs: every configuration that the pages show is one that the agent takes.
func TestConfigInDocs(t *testing.T) {
	for _, page := range []string{"../../README.md", "../../docs/config.md"} {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(b), "```yaml\n")[1:]
		if len(blocks) == 0 {
			t.Errorf("%s shows no configuration", page)
		}
		for _, block := range blocks {
			text, _, _ := strings.Cut(block, "```")
			if _, err := config.Parse([]config.SourceFile{{Path: page, Data: []byte(text)}}, Options{}.loadOptions()); err != nil {
				t.Errorf("%v\nin\n%s", err, text)
			}
		}
	}
}
