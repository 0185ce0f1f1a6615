// Package metrics shows the node to Prometheus.
//
// Its collectors read the health snapshot, the views and counters, all of them in memory: a scrape calls no runtime, opens no socket and
// waits for no lock that a module holds while it works. Each part is collected whole or not at all, and says so in
// nodeagent_collector_success.
//
// Every label comes from a closed set or is bounded: subjects by their condition's bound, pods and their containers by limits here.
// Messages, error texts and container ids are never labels.
package metrics

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// scrapesAtOnce is a limit of the handler: a scrape takes milliseconds, and Prometheus asks with one or two at a time.
const scrapesAtOnce = 8

// Sources are what a scrape reads. Each function answers from memory and may be called by several scrapes at once. One that is nil is a
// part the node does not have.
type Sources struct {
	Snapshot     func() health.Snapshot
	Mutes        func() []view.Mute // in force
	Pods         func() []view.Pod
	Runtime      func() view.Runtime
	Network      func() view.Network
	Certificates func() []view.Certificate // as last read
	VIP          func() view.VIP
	Repairs      func() view.RepairPlan
	Components   func() view.Components
	Roles        func() []string                // of this node
	Mode         func() string                  // staticPods.mode
	Reload       func() (ok bool, at time.Time) // the last reading of the configuration; a zero time: none yet
	Tasks        func() map[string]uint64       // restarts of each task, by name; every task is named from the start
	Version      string                         // of the build
	Revision     string                         // of the source
	OnError      func(error)                    // may be nil: a scrape that left something out
}

// Metrics is the registry, the collectors of the node, and the instruments that modules write.
type Metrics struct {
	registry *prometheus.Registry
	node     *node
	cri      *cri
	peerRTT  prometheus.Histogram
	answers  *prometheus.SummaryVec
	onError  func(error)
}

// New makes the registry.
func New(s Sources) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), cri: newCRI(), peerRTT: newPeerRTT(), answers: newAnswers(), onError: s.OnError}
	m.node = &node{parts: parts(s), onError: m.failed}
	m.registry.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorMemStatsMetricsDisabled()), // 23 series; the process' memory is one of its own
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		version.NewCollector("nodeagent", version.WithExtraConstLabels(prometheus.Labels{"version": clean(s.Version), "revision": clean(s.Revision)})),
		m.cri.duration, m.cri.requests, m.cri.errors, m.peerRTT, m.answers,
	)
	return m
}

// Gather is all of it by name, as of now: what libraries count, the instruments, and the node.
func (m *Metrics) Gather() ([]*dto.MetricFamily, error) {
	all, err := m.registry.Gather() // with an error it gives what could be had
	all = append(all, families(m.node.collect())...)
	slices.SortFunc(all, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
	return all, err
}

// Handler serves /metrics: text or OpenMetrics, gzip where it is asked for. Nothing in it waits, so it has no time limit of its own; the
// server has one for whoever reads slowly.
func (m *Metrics) Handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry, answers(promhttp.HandlerFor(m, promhttp.HandlerOpts{
		Registry:            m.registry,
		ErrorLog:            errorLog(m.failed),
		ErrorHandling:       promhttp.ContinueOnError, // what can be shown is shown; the rest is in promhttp_metric_handler_errors_total
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: scrapesAtOnce,
		DisableCompression:  true, // answers does it
	})))
}

// ObserveCRI counts one finished call: its method (a full gRPC name or its last part), its duration, and the name of its gRPC code.
func (m *Metrics) ObserveCRI(method string, d time.Duration, code string) {
	m.cri.observe(method, d, code)
}

// ObservePeer counts one answered probe of a Flannel peer.
func (m *Metrics) ObservePeer(rtt time.Duration) { m.peerRTT.Observe(rtt.Seconds()) }

func (m *Metrics) failed(err error) {
	if m.onError != nil {
		m.onError(err)
	}
}

type errorLog func(error)

func (l errorLog) Println(v ...any) { l(fmt.Errorf("scrape: %s", fmt.Sprint(v...))) }
