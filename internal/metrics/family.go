package metrics

import (
	"maps"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
)

// mostLabels of a series of the node.
const mostLabels = 3

// description is what the series of one name have in common. It is written once, so that a scrape checks and sorts no names.
type description struct {
	name, help string
	labels     []string // sorted, as they are shown
	place      []int    // where each label of a sample goes, in the order in which desc was given them
	kind       dto.MetricType
}

// desc describes a metric of the agent. It panics on a name or labels that Prometheus would not take: they are all written here.
func desc(name, help string, labels ...string) *description {
	d := &description{name: "nodeagent_" + name, help: help, labels: slices.Sorted(slices.Values(labels)), kind: dto.MetricType_GAUGE}
	if len(labels) > mostLabels || len(slices.Compact(slices.Clone(d.labels))) < len(labels) {
		panic("labels of " + d.name)
	}
	if strings.HasSuffix(name, "_total") {
		d.kind = dto.MetricType_COUNTER
	}
	for _, l := range labels {
		d.place = append(d.place, slices.Index(d.labels, l))
	}
	return d
}

// families sorts samples into their families, and those by name. A second sample of the same series is left out: one such would cost
// Prometheus the whole scrape. The registry of client_golang does the same for collectors that it knows nothing of,
// which costs a check of every name, two hashes and a passage through a channel a sample.
func families(list []sample) []*dto.MetricFamily {
	count := map[*description]int{}
	for i := range list {
		count[list[i].of]++
	}
	order := slices.SortedFunc(maps.Keys(count), func(a, b *description) int { return strings.Compare(a.name, b.name) })
	next := make(map[*description]int, len(order)) // where the next sample of each goes
	at := 0
	for _, d := range order {
		next[d] = at
		at += count[d]
	}
	sorted := make([]sample, len(list))
	for i := range list {
		sorted[next[list[i].of]] = list[i]
		next[list[i].of]++
	}
	out := make([]*dto.MetricFamily, 0, len(order))
	for _, d := range order {
		out = append(out, d.family(sorted[:count[d]]))
		sorted = sorted[count[d]:]
	}
	return out
}

func (d *description) family(list []sample) *dto.MetricFamily {
	slices.SortStableFunc(list, func(a, b sample) int { return slices.Compare(a.labels[:], b.labels[:]) })
	list = slices.CompactFunc(list, func(a, b sample) bool { return a.labels == b.labels })
	// One piece of memory for all that are alike: they live and die together.
	var (
		metrics = make([]dto.Metric, len(list))
		gauges  = make([]dto.Gauge, len(list))
		pairs   = make([]dto.LabelPair, len(list)*len(d.labels))
		links   = make([]*dto.LabelPair, len(pairs))
		shown   = make([]*dto.Metric, len(list))
	)
	for i := range list {
		m, x := &metrics[i], &list[i]
		shown[i] = m
		if d.kind == dto.MetricType_COUNTER {
			m.Counter = &dto.Counter{Value: &x.value}
		} else {
			m.Gauge = &gauges[i]
			m.Gauge.Value = &x.value
		}
		from := i * len(d.labels)
		for j := range d.labels {
			pair := &pairs[from+j]
			pair.Name, pair.Value = &d.labels[j], &x.labels[j]
			links[from+j] = pair
		}
		m.Label = links[from : from+len(d.labels) : from+len(d.labels)]
	}
	return &dto.MetricFamily{Name: &d.name, Help: &d.help, Type: &d.kind, Metric: shown}
}
