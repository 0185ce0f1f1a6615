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
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// Limits of the handler: a scrape takes milliseconds, and Prometheus asks with one or two at a time.
const (
	scrapesAtOnce = 8
	scrapeTimeout = 10 * time.Second
)

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

// Metrics is the registry and the instruments that modules write.
type Metrics struct {
	registry *prometheus.Registry
	cri      *cri
	peerRTT  prometheus.Histogram
	answers  *prometheus.HistogramVec
	onError  func(error)
}

// New makes the registry.
func New(s Sources) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), cri: newCRI(), peerRTT: newPeerRTT(), answers: newAnswers(), onError: s.OnError}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		version.NewCollector("nodeagent", version.WithExtraConstLabels(prometheus.Labels{"version": clean(s.Version), "revision": clean(s.Revision)})),
		m.cri.duration, m.cri.requests, m.cri.errors, m.peerRTT, m.answers,
		&node{parts: parts(s), onError: m.failed},
	)
	return m
}

// Handler serves /metrics: text or OpenMetrics, gzip where it is asked for.
func (m *Metrics) Handler() http.Handler {
	return promhttp.InstrumentMetricHandler(m.registry, promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry:            m.registry,
		ErrorLog:            errorLog(m.failed),
		ErrorHandling:       promhttp.ContinueOnError, // what can be shown is shown; the rest is in promhttp_metric_handler_errors_total
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: scrapesAtOnce,
		Timeout:             scrapeTimeout,
	}))
}

// Registry is where a module registers an instrument of its own.
func (m *Metrics) Registry() prometheus.Registerer { return m.registry }

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
