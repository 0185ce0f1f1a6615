package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func newAnswers() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "nodeagent_component_answer_seconds",
		Help:    "How long a Kubernetes component took to answer the agent.",
		Buckets: []float64{0.005, 0.02, 0.1, 0.5, 2},
	}, []string{"component"})
}

// ObserveComponent counts one answer of a component, such as kube-apiserver.
func (m *Metrics) ObserveComponent(component string, took time.Duration) {
	m.answers.WithLabelValues(component).Observe(took.Seconds())
}
