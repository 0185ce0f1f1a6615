package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
)

const (
	rulesFile     = "../../packaging/prometheus/conditions.rules.yml"
	ruleTestsFile = "../../packaging/prometheus/conditions.test.yml"
	runbooks      = "../../docs/runbooks"
	rulesOnNode   = "../../examples/grafana/rules.yaml"

	// runbooksInstalled is where the packages put the runbooks; docs/prometheus.md says how to lead the links elsewhere.
	runbooksInstalled = "file:///usr/share/doc/nodeagent/runbooks/"
)

// alert is the alert of one condition.
type alert struct {
	name      string
	condition *health.Condition
	severity  string
	after     time.Duration // how long it fails before anybody is called
	leave     []string      // reasons that call nobody
}

// alertTunings are of conditions that would call too early, or for what a person has done on purpose.
var alertTunings = map[string]alert{
	"StaticPods": {after: 5 * time.Minute, leave: []string{"Stopped"}},
	"Manifests":  {after: 5 * time.Minute, leave: []string{"BeingWritten"}},
	"APIServer":  {after: 2 * time.Minute},
	"VRRPWire":   {after: time.Minute},
}

func alerts() []alert {
	var out []alert
	for _, c := range allConditions() {
		a := alert{name: "NodeAgent" + strings.TrimPrefix(c.Name, "Agent"), condition: c}
		switch c.Impact {
		case health.Critical:
			a.severity, a.after = "critical", time.Minute
		case health.Degraded:
			a.severity, a.after = "warning", 10*time.Minute
		default:
			a.severity, a.after = "info", 30*time.Minute
		}
		if t, ok := alertTunings[c.Name]; ok {
			a.after, a.leave = t.after, t.leave
		}
		out = append(out, a)
	}
	return out
}

func (a alert) summary() string {
	return a.condition.Name + " fails. It is well when: " + a.condition.Help
}

// description has the reason looked up: as a label of the alert, a reason that changes would end one alert and begin another, and nobody would
// be called about what never stays the same.
func (a alert) description() string {
	return `{{ with $labels.subject }}{{ . }}: {{ end }}` +
		`{{ with printf "nodeagent_condition{instance=%q,condition=%q,subject=%q} == 0" $labels.instance $labels.condition $labels.subject | query }}{{ . | first | label "reason" }}{{ end }}` +
		` on {{ $labels.instance }}. On the node, "nodeagent check ` + a.condition.Name + `" says more and "nodeagent status" what to do.`
}

const rulesHead = `# Written by: go test ./internal/agent -run TestRules -update-docs
# One alert a condition of the agent. It fires when a subject fails, whatever the reason, unless somebody muted it on the node or the node is
# under maintenance. What is unknown is in node.rules.yml.
groups:
- name: nodeagent-conditions
  rules:
  # 1 where a person keeps the node out of the way. An agent that is down meanwhile leaves its last word, for 6 h at most.
  - record: instance:nodeagent_maintenance:last
    expr: last_over_time(nodeagent_maintenance[6h]) == 1 and last_over_time(nodeagent_maintenance_until_timestamp_seconds[6h]) > time()
  # What is neither well nor absent, and nobody said that they know: 0 failing, -1 unknown.
  - record: instance_condition:nodeagent_condition:unwell
    expr: |
      (nodeagent_condition < 1)
        unless on (cluster, job, instance, condition, subject) nodeagent_condition_muted
        unless on (cluster, job, instance) instance:nodeagent_maintenance:last
  - record: instance:nodeagent_condition:failing
    expr: count by (cluster, job, instance) (instance_condition:nodeagent_condition:unwell == 0)
  - record: instance:nodeagent_condition:unknown
    expr: count by (cluster, job, instance) (instance_condition:nodeagent_condition:unwell == -1)
  - record: job:nodeagent_status:count
    expr: count_values by (cluster, job) ("status", nodeagent_status)
`

func rulesText(list []alert) string {
	var b strings.Builder
	b.WriteString(rulesHead)
	for _, a := range list {
		matchers := fmt.Sprintf(`condition="%s"`, a.condition.Name)
		if len(a.leave) > 0 {
			matchers += fmt.Sprintf(`,reason!~"%s"`, strings.Join(a.leave, "|"))
		}
		fmt.Fprintf(&b, "\n  - alert: %s\n    expr: max without (reason) (instance_condition:nodeagent_condition:unwell{%s} == 0)\n    for: %s\n    labels:\n      severity: %s\n    annotations:\n",
			a.name, matchers, minutes(a.after), a.severity)
		fmt.Fprintf(&b, "      summary: %s\n      description: %s\n      runbook_url: %s\n", quoted(a.summary()), quoted(a.description()), runbooksInstalled+a.name+".md")
	}
	return b.String()
}

// quoted is a YAML string on one line.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func minutes(d time.Duration) string { return fmt.Sprintf("%dm", d/time.Minute) }

// Times of the tests of one alert: node1 fails from failsAt on, under one reason and then another, and is well again stays after it should
// have fired. On node2 the same is muted, node3 is under maintenance, and node4 is well.
const (
	failsAt = 10
	stays   = 20
)

func ruleTestsText(list []alert) string {
	var b strings.Builder
	b.WriteString("# Written by: go test ./internal/agent -run TestRules -update-docs\nrule_files: [conditions.rules.yml]\nevaluation_interval: 1m\ntests:\n")
	for _, a := range list {
		after := int(a.after / time.Minute)
		reasons := slices.DeleteFunc(reasonNames(a.condition), func(r string) bool { return slices.Contains(a.leave, r) })
		first, last := reasons[0], reasons[len(reasons)-1]
		subject := ""
		if a.condition.Max > 0 {
			subject = "one"
		}
		length := after + stays
		half := after / 2
		series := func(node, reason, values string) {
			fmt.Fprintf(&b, "  - series: 'nodeagent_condition{job=\"nodeagent\",instance=\"%s\",condition=\"%s\",subject=\"%s\",reason=\"%s\"}'\n    values: '%s'\n", node, a.condition.Name, subject, reason, values)
		}
		fmt.Fprintf(&b, "\n- name: %s\n  interval: 1m\n  input_series:\n", a.name)
		for _, node := range []string{"node1", "node2", "node3"} {
			series(node, "", fmt.Sprintf("1x%d stale _x%d 1x30", failsAt-1, length-2))
			if first == last {
				series(node, first, fmt.Sprintf("_x%d 0x%d stale", failsAt, length-1))
				continue
			}
			series(node, first, fmt.Sprintf("_x%d 0x%d stale", failsAt, half))
			series(node, last, fmt.Sprintf("_x%d 0x%d stale", failsAt+half+1, length-half-2))
		}
		series("node4", "", fmt.Sprintf("1x%d", failsAt+length+30))
		fmt.Fprintf(&b, "  - series: 'nodeagent_condition_muted{job=\"nodeagent\",instance=\"node2\",condition=\"%s\",subject=\"%s\"}'\n    values: '1x%d'\n", a.condition.Name, subject, failsAt+length+30)
		fmt.Fprintf(&b, "  - series: 'nodeagent_maintenance{job=\"nodeagent\",instance=\"node3\"}'\n    values: '1x%d'\n", failsAt+length+30)
		fmt.Fprintf(&b, "  - series: 'nodeagent_maintenance_until_timestamp_seconds{job=\"nodeagent\",instance=\"node3\"}'\n    values: '1000000x%d'\n", failsAt+length+30)
		b.WriteString("  alert_rule_test:\n")
		quiet := func(at int) {
			fmt.Fprintf(&b, "  - alertname: %s\n    eval_time: %dm\n    exp_alerts: []\n", a.name, at)
		}
		quiet(failsAt - 1)
		quiet(failsAt + after - 1)
		where, label := "", ""
		if subject != "" {
			where, label = subject+": ", ", subject: "+subject
		}
		description := fmt.Sprintf(`%s%s on node1. On the node, "nodeagent check %s" says more and "nodeagent status" what to do.`, where, last, a.condition.Name)
		fmt.Fprintf(&b, "  - alertname: %s\n    eval_time: %dm\n    exp_alerts:\n    - exp_labels: {severity: %s, job: nodeagent, instance: node1, condition: %s%s}\n      exp_annotations:\n        summary: %s\n        description: %s\n        runbook_url: %s\n",
			a.name, failsAt+after+1, a.severity, a.condition.Name, label, quoted(a.summary()), quoted(description), runbooksInstalled+a.name+".md")
		quiet(failsAt + length + 2)
	}
	return b.String()
}

// rulesConfigMap has all rules for a Prometheus in run mode.
func rulesConfigMap(t *testing.T, generated string) string {
	t.Helper()
	hand, err := os.ReadFile(handRules)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# Written by: go test ./internal/agent -run TestRules -update-docs\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: prometheus-rules\n  namespace: monitoring\ndata:\n")
	for _, f := range [][2]string{{"conditions.rules.yml", generated}, {"node.rules.yml", string(hand)}} {
		b.WriteString("  " + f[0] + ": |\n")
		for line := range strings.Lines(f[1]) {
			if line != "\n" {
				line = "    " + line
			}
			b.WriteString(line)
		}
	}
	return b.String()
}

func reasonNames(c *health.Condition) []string {
	var out []string
	for _, r := range c.Reasons {
		out = append(out, r.Name)
	}
	return out
}

// TestRules holds the rules, their tests and the runbooks against the conditions.
func TestRules(t *testing.T) {
	list := alerts()
	upToDate(t, rulesFile, rulesText(list))
	upToDate(t, ruleTestsFile, ruleTestsText(list))
	upToDate(t, rulesOnNode, rulesConfigMap(t, rulesText(list)))
	pages := map[string]bool{}
	for _, a := range list {
		path := filepath.Join(runbooks, a.name+".md")
		pages[a.name] = true
		have, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		want := runbookText(a, string(have))
		upToDate(t, path, want)
		if !strings.Contains(want, "```sh\n") {
			t.Errorf("%s has no command to look with", path)
		}
	}
	for _, name := range handAlerts(t) {
		pages[name] = true
		text, err := os.ReadFile(filepath.Join(runbooks, name+".md"))
		if err != nil {
			t.Errorf("an alert without a runbook: %v", err)
			continue
		}
		for _, part := range []string{"# " + name + "\n", "\n## What it means\n", "\n## How to look\n", "\n## How to mend\n", "```sh\n"} {
			if !strings.Contains(string(text), part) {
				t.Errorf("the runbook of %s has no %q", name, part)
			}
		}
	}
	entries, err := os.ReadDir(runbooks)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := strings.TrimSuffix(e.Name(), ".md"); !pages[name] && name != "README" {
			t.Errorf("%s is the runbook of no alert", e.Name())
		}
	}
}

// upToDate holds a file against what it should be, or writes it.
func upToDate(t *testing.T, path, want string) {
	t.Helper()
	have, err := os.ReadFile(path)
	if err == nil && string(have) == want {
		return
	}
	if !*updateDocs {
		t.Errorf("%s does not say what the code says: run `go test ./internal/agent -run 'TestConditionsPage|TestRules' -update-docs`", path)
		return
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

var ruleTestLine = regexp.MustCompile(`(?s)alertname: (\w+)[,\n]\s*eval_time: \w+[,\n]\s*exp_alerts:( \[\])?`)

// TestEachAlertIsTested: each fires once at least in its tests, and is quiet both before that and afterwards.
func TestEachAlertIsTested(t *testing.T) {
	tests := map[string]string{} // by alert: - quiet, + fires
	for _, file := range []string{ruleTestsFile, "../../packaging/prometheus/node.test.yml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range ruleTestLine.FindAllStringSubmatch(string(b), -1) {
			if m[2] == "" {
				tests[m[1]] += "+"
			} else {
				tests[m[1]] += "-"
			}
		}
	}
	names := handAlerts(t)
	for _, a := range alerts() {
		names = append(names, a.name)
	}
	for _, name := range names {
		if how := tests[name]; !strings.Contains(how, "-+") || !strings.Contains(how, "+-") {
			t.Errorf("the tests of %s are %q: want one that is quiet, one that fires, one that is quiet again", name, how)
		}
	}
}

// TestAlertTunings: a condition or a reason that was renamed must not lose its tuning in silence.
func TestAlertTunings(t *testing.T) {
	for name, tuning := range alertTunings {
		i := slices.IndexFunc(alerts(), func(a alert) bool { return a.condition.Name == name })
		if i < 0 {
			t.Errorf("%s is tuned and no condition", name)
			continue
		}
		for _, reason := range tuning.leave {
			if !slices.Contains(reasonNames(alerts()[i].condition), reason) {
				t.Errorf("%s has no reason %s", name, reason)
			}
		}
	}
}
