package main

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// board is the part of a dashboard's JSON that the rules are about.
type board struct {
	UID, Title, Description, Refresh string
	Editable                         bool
	Templating                       struct {
		List []struct {
			Name, Label, Type string
			Query             any
			Refresh           int
			IncludeAll, Multi bool
			AllValue          string
			Current           struct{ Value any }
		}
	}
	Panels []struct {
		Type, Title, Description string
		Targets                  []struct{ RefID, Expr, LegendFormat string }
		FieldConfig              struct {
			Defaults  struct{ Unit, NoValue string }
			Overrides []struct {
				Matcher    struct{ Options any }
				Properties []struct {
					ID    string
					Value any
				}
			}
		}
		Options struct{ Legend struct{ ShowLegend bool } }
		GridPos struct{ W, H int }
	}
}

func boards(t *testing.T) map[string]board {
	t.Helper()
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]board{}
	for name, text := range files {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		var b board
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatal(err)
		}
		out[name] = b
	}
	if len(out) != 7 {
		t.Fatalf("%d dashboards", len(out))
	}
	return out
}

func TestDashboards(t *testing.T) {
	uids := map[string]bool{}
	for name, b := range boards(t) {
		if b.UID == "" || uids[b.UID] || !strings.HasPrefix(b.UID, "nodeagent-") {
			t.Errorf("%s: uid %q", name, b.UID)
		}
		uids[b.UID] = true
		if b.Title == "" || b.Description == "" || b.Refresh == "" || b.Editable {
			t.Errorf("%s: title %q, description %q, refresh %q, editable %v", name, b.Title, b.Description, b.Refresh, b.Editable)
		}
		var names []string
		for _, v := range b.Templating.List {
			names = append(names, v.Name)
			if v.Label == "" {
				t.Errorf("%s: variable %s has no label", name, v.Name)
			}
			if v.Type == "query" && (v.Refresh != 2 || !v.IncludeAll || !v.Multi || v.AllValue == "") {
				t.Errorf("%s: variable %s: %+v", name, v.Name, v)
			}
		}
		if !slices.Equal(names, []string{"datasource", "cluster", "job", "instance"}) {
			t.Errorf("%s: variables %v", name, names)
		}
	}
}

// TestLinks: the name of a node in a list leads to a dashboard that there is.
func TestLinks(t *testing.T) {
	all := boards(t)
	uids := map[string]bool{}
	for _, b := range all {
		uids[b.UID] = true
	}
	for name, b := range all {
		for _, p := range b.Panels {
			if p.Type != "table" {
				continue
			}
			var url string
			for _, o := range p.FieldConfig.Overrides {
				for _, x := range o.Properties {
					if links, ok := x.Value.([]any); ok && x.ID == "links" && o.Matcher.Options == "Node" {
						url, _ = links[0].(map[string]any)["url"].(string)
					}
				}
			}
			uid, query, _ := strings.Cut(strings.TrimPrefix(url, "/d/"), "?")
			if !uids[uid] || !strings.Contains(query, "var-instance=${__value.text}") {
				t.Errorf("%s: %s: a node's name leads to %q", name, p.Title, url)
			}
		}
	}
}

func TestPanels(t *testing.T) {
	for name, b := range boards(t) {
		titles := map[string]bool{}
		for _, p := range b.Panels {
			where := name + ": " + p.Title
			if p.Title == "" || p.Description == "" || !strings.HasSuffix(p.Description, ".") {
				t.Errorf("%s: description %q", where, p.Description)
			}
			if titles[p.Title+p.Type] {
				t.Errorf("%s stands there twice", where)
			}
			titles[p.Title+p.Type] = true
			if p.FieldConfig.Defaults.Unit == "" || len(p.Targets) == 0 || p.GridPos.W == 0 || p.GridPos.H == 0 {
				t.Errorf("%s: unit %q, %d queries, %+v", where, p.FieldConfig.Defaults.Unit, len(p.Targets), p.GridPos)
			}
			if p.FieldConfig.Defaults.NoValue == "" {
				t.Errorf("%s: without data it would not say what that means", where)
			}
			if p.Type != "timeseries" && p.Type != "state-timeline" {
				continue
			}
			if !p.Options.Legend.ShowLegend {
				t.Errorf("%s shows no legend", where)
			}
			for _, q := range p.Targets {
				if q.LegendFormat == "" {
					t.Errorf("%s: query %s has no legend", where, q.RefID)
				}
			}
		}
	}
}

var (
	window      = regexp.MustCompile(`(\w+)\([^()]*(?:\([^()]*\))?[^()]*\[([^\]]+)\]`)
	placeholder = regexp.MustCompile(`\$\{?(\w+)\}?`)
	metricRow   = regexp.MustCompile("(?m)^\\| `(nodeagent_\\w+)` \\| (\\w+)")
	recordRow   = regexp.MustCompile(`(?m)record: (\S+)$`)
)

// known are the metrics that there are: the agent's own, those of its libraries and of Prometheus, and what the rules record.
func known(t *testing.T) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, m := range []string{"up", "scrape_duration_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds", "go_goroutines"} {
		out[m] = true
	}
	read := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, m := range metricRow.FindAllStringSubmatch(read("../../../docs/metrics.md"), -1) {
		out[m[1]] = true
		switch m[2] {
		case "histogram":
			out[m[1]+"_bucket"], out[m[1]+"_count"], out[m[1]+"_sum"] = true, true, true
		case "summary": // without quantiles
			delete(out, m[1])
			out[m[1]+"_count"], out[m[1]+"_sum"] = true, true
		}
	}
	for _, file := range []string{"conditions", "node"} {
		for _, m := range recordRow.FindAllStringSubmatch(read("../../prometheus/"+file+".rules.yml"), -1) {
			out[m[1]] = true
		}
	}
	return out
}

func TestQueries(t *testing.T) {
	metrics := known(t)
	promql := parser.NewParser(parser.Options{})
	for name, b := range boards(t) {
		for _, p := range b.Panels {
			for _, q := range p.Targets {
				where := name + ": " + p.Title + " " + q.RefID
				if strings.Contains(q.Expr, "vector(") {
					t.Errorf("%s invents a value where there is none", where)
				}
				for _, m := range window.FindAllStringSubmatch(q.Expr, -1) {
					if fn, w := m[1], m[2]; w != "$__rate_interval" && !(fn == "increase" && w == "$__range" && p.Type == "stat") && fn != "last_over_time" {
						t.Errorf("%s: %s over %s", where, fn, w)
					}
				}
				expr, err := promql.ParseExpr(filled(q.Expr))
				if err != nil {
					t.Errorf("%s: %v in %s", where, err, q.Expr)
					continue
				}
				parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
					v, ok := n.(*parser.VectorSelector)
					if !ok {
						return nil
					}
					if !metrics[v.Name] {
						t.Errorf("%s: there is no metric %s", where, v.Name)
					}
					wanted := []string{"cluster", "job", "instance"}
					if strings.HasPrefix(v.Name, "job_") {
						wanted = wanted[:2]
					}
					for _, l := range wanted {
						if !slices.ContainsFunc(v.LabelMatchers, func(m *labels.Matcher) bool { return m.Name == l }) {
							t.Errorf("%s: %s is not of the chosen %s", where, v.Name, l)
						}
					}
					return nil
				})
			}
		}
	}
}

// filled has every variable replaced by something of its kind.
func filled(expr string) string {
	return placeholder.ReplaceAllStringFunc(expr, func(v string) string {
		if strings.Contains(v, "__") {
			return "1m"
		}
		return ".+"
	})
}
