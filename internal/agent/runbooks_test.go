package agent

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

const (
	handRules = "../../packaging/prometheus/node.rules.yml"

	runbookBegin = "<!-- what follows is written by: go test ./internal/agent -run TestRules -update-docs -->\n"
	runbookEnd   = "<!-- end of what is written -->\n"
)

// runbookText is the page of a condition's alert. What it means and how to mend it is said where the condition is declared; between them stands
// how to look, which a person writes and which stays as it is.
func runbookText(a alert, have string) string {
	c := a.condition
	look := fmt.Sprintf("\n## How to look\n\nOn the node:\n\n```sh\nnodeagent check %s\nnodeagent status -o json | jq '.conditions[] | select(.name == \"%s\")'\nnodeagent events --since 3h\n```\n\n", c.Name, c.Name)
	if _, rest, ok := strings.Cut(have, runbookEnd); ok {
		if kept, _, ok := strings.Cut(rest, runbookBegin); ok {
			look = kept
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n## What it means\n\nThe condition `%s` fails. It is well when: %s\n\nSeverity %s; it fires after %s. It does not fire while the condition is muted or the node is under maintenance.\n",
		a.name, runbookBegin, c.Name, c.Help, a.severity, minutes(a.after))
	if len(a.leave) > 0 {
		fmt.Fprintf(&b, "The reason `%s` calls nobody.\n", strings.Join(a.leave, "`, `"))
	}
	fmt.Fprintf(&b, "\n%s%s%s\n## How to mend\n\nThe reason stands in the alert's description and in `nodeagent check %s`.\n\n| Reason | What to do |\n| --- | --- |\n", runbookEnd, look, runbookBegin, c.Name)
	for _, r := range c.Reasons {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.Name, strings.ReplaceAll(r.Fix, "|", "\\|"))
	}
	fmt.Fprintf(&b, "\n## If you know of it\n\n`sudo nodeagent mute %s --for 2h --reason \"...\"` on the node keeps it quiet for that long.\n\n%s", c.Name, runbookEnd)
	return b.String()
}

var alertLine = regexp.MustCompile(`(?m)^  - alert: (\w+)$`)

// handAlerts are those of node.rules.yml, which is written by hand.
func handAlerts(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(handRules)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range alertLine.FindAllStringSubmatch(string(b), -1) {
		out = append(out, m[1])
		if !strings.Contains(string(b), "runbook_url: "+runbooksInstalled+m[1]+".md\n") {
			t.Errorf("%s links no runbook of its own", m[1])
		}
	}
	if len(out) == 0 {
		t.Fatalf("no alert in %s", handRules)
	}
	return out
}

// TestRunbookKeepsWhatPeopleWrote: the page is written anew around it.
func TestRunbookKeepsWhatPeopleWrote(t *testing.T) {
	a := alerts()[0]
	text := runbookText(a, "")
	mine := strings.Replace(text, "On the node:", "On the node, after coffee:", 1)
	mine = strings.Replace(mine, a.condition.Help, "Something that is no longer so.", 1)
	if got := runbookText(a, mine); got != strings.Replace(text, "On the node:", "On the node, after coffee:", 1) {
		t.Errorf("got\n%s", got)
	}
}
