package metrics

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	dto "github.com/prometheus/client_model/go"
)

// labelLength is the most bytes of a label's value: a DNS name's 253 and a little.
const labelLength = 256

// part is one collector of the node: it has a name and adds samples.
type part struct {
	name    string
	collect func(*samples)
}

// node collects all parts: which series there are depends on the node.
type node struct {
	parts   []part
	onError func(error)
	last    atomic.Int64 // samples of the last scrape, which the next has about as many of
	said    sync.Map     // the parts whose failure was told, so that a scrape every 15 s does not tell it again
}

var (
	successDesc  = desc("collector_success", "Whether a part of the last scrape was collected: 1 or 0.", "collector")
	durationDesc = desc("collector_duration_seconds", "How long a part of the last scrape took.", "collector")
)

// collect gathers each part whole or not at all.
func (n *node) collect() []sample {
	s := &samples{list: make([]sample, 0, n.last.Load())}
	for _, p := range n.parts {
		start := time.Now()
		before := len(s.list)
		err := collect(p, s)
		success := 1.0
		if err != nil {
			success, s.list = 0, s.list[:before]
			if _, told := n.said.Swap(p.name, true); !told {
				n.onError(fmt.Errorf("collect %s: %w", p.name, err))
			}
		} else {
			n.said.Delete(p.name)
		}
		s.gauge(durationDesc, time.Since(start).Seconds(), p.name)
		s.gauge(successDesc, success, p.name)
	}
	n.last.Store(int64(len(s.list)))
	return s.list
}

func collect(p part, s *samples) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	s.err = nil
	p.collect(s)
	return s.err
}

// sample is one series with its value. Its labels are in the order of its description's.
type sample struct {
	of     *description
	value  float64
	labels [mostLabels]string
}

// samples gathers parts.
type samples struct {
	list []sample
	err  error // why the part that is collected is not whole
}

func (s *samples) gauge(d *description, v float64, labels ...string) {
	s.add(d, dto.MetricType_GAUGE, v, labels)
}

func (s *samples) counter(d *description, v float64, labels ...string) {
	s.add(d, dto.MetricType_COUNTER, v, labels)
}

func (s *samples) add(d *description, kind dto.MetricType, v float64, labels []string) {
	if len(labels) != len(d.labels) || (kind == dto.MetricType_COUNTER) != strings.HasSuffix(d.name, "_total") {
		panic(fmt.Sprintf("%s with %d labels as a %v", d.name, len(labels), kind))
	}
	x := sample{of: d, value: v}
	for i, l := range labels {
		x.labels[d.place[i]] = clean(l)
	}
	s.list = append(s.list, x)
}

// clean makes a label's value valid UTF-8 of at most labelLength bytes.
func clean(v string) string {
	if !utf8.ValidString(v) {
		v = strings.ToValidUTF8(v, "\uFFFD")
	}
	if len(v) <= labelLength {
		return v
	}
	n := labelLength
	for !utf8.RuneStart(v[n]) {
		n--
	}
	return v[:n]
}
