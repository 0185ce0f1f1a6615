package metrics

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const other = "other"

// cri is what is counted about calls of the runtime.
type cri struct {
	kinds    map[string]string // of methods
	duration *prometheus.HistogramVec
	requests *prometheus.CounterVec
	errors   *prometheus.CounterVec
}

// Kinds of calls: those of one kind take about as long as one another, so that a histogram of each tells of the runtime, and there are few.
const (
	criAsk    = "ask"    // of the runtime itself
	criLook   = "look"   // at pods, containers and images
	criChange = "change" // of them
	criExec   = "exec"   // as long as a program runs
	criPull   = "pull"   // as long as a registry takes
)

// criKinds are the calls by kind. Each is counted by its name when it is first made; any other is "other", and a look.
func criKinds() map[string]string {
	kinds := map[string]string{}
	for kind, methods := range map[string][]string{
		criAsk: {"Version", "Status", "RuntimeConfig", "UpdateRuntimeConfig"},
		criLook: {"ListPodSandbox", "PodSandboxStatus", "ListContainers", "ContainerStatus", "ContainerStats", "ListContainerStats", "PodSandboxStats", "ListPodSandboxStats",
			"GetContainerEvents", "ListImages", "ImageStatus", "ImageFsInfo"},
		criChange: {"RunPodSandbox", "StopPodSandbox", "RemovePodSandbox", "CreateContainer", "StartContainer", "StopContainer", "RemoveContainer", "UpdateContainerResources",
			"ReopenContainerLog", "RemoveImage"},
		criExec: {"ExecSync"},
		criPull: {"PullImage"},
	} {
		for _, m := range methods {
			kinds[m] = kind
		}
	}
	return kinds
}

// criCodes are the gRPC codes that tell a person something; any other is "other".
func criCodes() []string {
	return []string{"Canceled", "Unknown", "DeadlineExceeded", "NotFound", "PermissionDenied", "ResourceExhausted", "Unimplemented", "Internal", "Unavailable", other}
}

func newCRI() *cri {
	c := &cri{
		kinds: criKinds(),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "nodeagent_cri_request_duration_seconds",
			Help:                            "How long calls of the CRI runtime took, failed ones too, by kind: ask, look, change, exec, pull.",
			Buckets:                         []float64{0.01, 0.1, 1, 10},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, []string{"kind"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nodeagent_cri_requests_total",
			Help: "Calls of the CRI runtime, failed ones too.",
		}, []string{"method"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "nodeagent_cri_request_errors_total",
			Help: "Calls of the CRI runtime that failed, by gRPC code.",
		}, []string{"code"}),
	}
	for _, code := range criCodes() {
		c.errors.WithLabelValues(code)
	}
	return c
}

func (c *cri) observe(method string, d time.Duration, code string) {
	method = method[strings.LastIndexByte(method, '/')+1:]
	kind, known := c.kinds[method]
	if !known {
		method, kind = other, criLook
	}
	c.requests.WithLabelValues(method).Inc()
	c.duration.WithLabelValues(kind).Observe(d.Seconds())
	if code == "OK" || code == "" {
		return
	}
	if !slices.Contains(criCodes(), code) {
		code = other
	}
	c.errors.WithLabelValues(code).Inc()
}
