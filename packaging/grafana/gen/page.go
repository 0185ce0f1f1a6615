package main

import "fmt"

// page is one dashboard as it is written here; build makes Grafana's of it.
type page struct {
	name, title, about string
	empty              string // what a panel without data says, if it has no words of its own
	panels             []panel
}

// Kinds of panels.
const (
	number   = "stat"
	curves   = "timeseries"
	list     = "table"
	timeline = "state-timeline"
)

// panel of a page. Width is of 24; height in Grafana's rows.
type panel struct {
	kind, title, about, unit string
	width, height            uint32
	queries                  []query
	values                   []value     // what numbers mean
	from                     []step      // colours by value
	columns                  []string    // of a list: label names, in this order; the others are left out
	names                    [][2]string // of a list: what columns are called instead
	hide                     []string    // of a list: columns that only carry labels
	colour                   string      // of a list: the column that is coloured
	sort                     string      // column of a list, the worst first
	descending               bool
	bars                     bool   // of curves
	empty                    string // what it says without data: that there is nothing, or why
}

// saying gives a panel words of its own for when it has no data.
func (p panel) saying(empty string) panel {
	p.empty = empty
	return p
}

// high makes a panel higher.
func (p panel) high(rows uint32) panel {
	p.height = rows
	return p
}

type query struct{ expr, legend string }

// value gives a number a word and a colour.
type value struct {
	number string
	word   string
	colour string
}

type step struct {
	above  float64
	colour string
}

// Colours by their meaning.
const (
	good  = "green"
	bad   = "red"
	doubt = "orange"
	none  = "text"
	other = "blue"
)

// statuses are the values of nodeagent_condition and nodeagent_status.
var statuses = []value{{"1", "ok", good}, {"0", "failing", bad}, {"-1", "unknown", doubt}, {"2", "absent", none}}

var yesNo = []value{{"1", "yes", good}, {"0", "no", bad}, {"-1", "unknown", doubt}}

// chosen are the matchers of what the variables choose.
const chosen = `cluster=~"$cluster",job=~"$job",instance=~"$instance"`

// of is a metric of the chosen nodes, with more matchers where there are some.
func of(metric string, more ...string) string {
	s := metric + "{" + chosen
	for _, m := range more {
		s += "," + m
	}
	return s + "}"
}

func rate(metric string, more ...string) string {
	return fmt.Sprintf("rate(%s[$__rate_interval])", of(metric, more...))
}

func increase(metric string, more ...string) string {
	return fmt.Sprintf("increase(%s[$__rate_interval])", of(metric, more...))
}

func small(title, about, unit, expr string, values []value, from ...step) panel {
	return panel{kind: number, title: title, about: about, unit: unit, width: 4, height: 4, queries: []query{{expr, title}}, values: values, from: from}
}

func graph(title, about, unit string, queries ...query) panel {
	return panel{kind: curves, title: title, about: about, unit: unit, width: 12, height: 8, queries: queries}
}

// happenings are what counters count, in bars: one by itself is seen, and no line leads to it.
func happenings(title, about string, queries ...query) panel {
	p := graph(title, about, "none", queries...)
	p.bars = true
	return p
}

func states(title, about string, values []value, queries ...query) panel {
	return panel{kind: timeline, title: title, about: about, unit: "none", width: 24, height: 8, queries: queries, values: values}
}

func table(title, about, unit string, columns []string, queries ...query) panel {
	return panel{kind: list, title: title, about: about, unit: unit, width: 24, height: 9, queries: queries, columns: columns}
}
