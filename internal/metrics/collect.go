package metrics

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// labelLength is the most bytes of a label's value: a DNS name's 253 and a little.
const labelLength = 256

// part is one collector of the node: it has a name and adds samples.
type part struct {
	name    string
	collect func(*samples)
}

// node collects all parts. It is an unchecked collector: which series there are depends on the node.
type node struct {
	parts   []part
	onError func(error)
	said    sync.Map // the parts whose failure was told, so that a scrape every 15 s does not tell it again
}

var (
	successDesc  = desc("collector_success", "Whether a part of the last scrape was collected: 1 or 0.", "collector")
	durationDesc = desc("collector_duration_seconds", "How long a part of the last scrape took.", "collector")
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("nodeagent_"+name, help, labels, nil)
}

// Describe sends nothing, which makes the collector an unchecked one.
func (n *node) Describe(chan<- *prometheus.Desc) {}

// Collect sends each part whole or not at all.
func (n *node) Collect(ch chan<- prometheus.Metric) {
	for _, p := range n.parts {
		start := time.Now()
		s, err := gather(p)
		success := 1.0
		if err != nil {
			success = 0
			if _, told := n.said.Swap(p.name, true); !told {
				n.onError(fmt.Errorf("collect %s: %w", p.name, err))
			}
		} else {
			n.said.Delete(p.name)
			for _, m := range s.list {
				ch <- m
			}
		}
		ch <- prometheus.MustNewConstMetric(durationDesc, prometheus.GaugeValue, time.Since(start).Seconds(), p.name)
		ch <- prometheus.MustNewConstMetric(successDesc, prometheus.GaugeValue, success, p.name)
	}
}

func gather(p part) (s *samples, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	s = &samples{seen: map[string]bool{}}
	p.collect(s)
	return s, s.err
}

// samples gathers one part. A second sample of the same series is left out: one such would cost Prometheus the whole scrape.
type samples struct {
	list []prometheus.Metric
	seen map[string]bool
	err  error
}

func (s *samples) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.add(d, prometheus.GaugeValue, v, labels)
}

func (s *samples) counter(d *prometheus.Desc, v float64, labels ...string) {
	s.add(d, prometheus.CounterValue, v, labels)
}

func (s *samples) add(d *prometheus.Desc, t prometheus.ValueType, v float64, labels []string) {
	for i := range labels {
		labels[i] = clean(labels[i])
	}
	key := fmt.Sprintf("%p\xff%s", d, strings.Join(labels, "\xff")) // no label holds 0xff once it is clean
	if s.seen[key] {
		return
	}
	s.seen[key] = true
	m, err := prometheus.NewConstMetric(d, t, v, labels...)
	if err != nil {
		s.err = err
		return
	}
	s.list = append(s.list, m)
}

// clean makes a label's value valid UTF-8 of at most labelLength bytes.
func clean(v string) string {
	v = strings.ToValidUTF8(v, "\uFFFD")
	if len(v) <= labelLength {
		return v
	}
	n := labelLength
	for !utf8.RuneStart(v[n]) {
		n--
	}
	return v[:n]
}
