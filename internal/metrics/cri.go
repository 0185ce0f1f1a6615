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
	duration *prometheus.HistogramVec
	errors   *prometheus.CounterVec
}

// criMethods are the calls that have a series of their own, when they are first made; any other is "other".
func criMethods() []string {
	return []string{
		"Version", "Status", "RuntimeConfig", "UpdateRuntimeConfig",
		"ListPodSandbox", "PodSandboxStatus", "RunPodSandbox", "StopPodSandbox", "RemovePodSandbox",
		"ListContainers", "ContainerStatus", "CreateContainer", "StartContainer", "StopContainer", "RemoveContainer", "UpdateContainerResources",
		"ExecSync", "ReopenContainerLog", "ContainerStats", "ListContainerStats", "PodSandboxStats", "ListPodSandboxStats", "GetContainerEvents",
		"ListImages", "ImageStatus", "PullImage", "RemoveImage", "ImageFsInfo",
	}
}

// criCodes are the gRPC codes that tell a person something; any other is "other".
func criCodes() []string {
	return []string{"Canceled", "Unknown", "DeadlineExceeded", "NotFound", "PermissionDenied", "ResourceExhausted", "Unimplemented", "Internal", "Unavailable", other}
}

func newCRI() *cri {
	c := &cri{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            "nodeagent_cri_request_duration_seconds",
			Help:                            "How long calls of the CRI runtime took, failed ones too.",
			Buckets:                         []float64{0.01, 0.1, 1, 10},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
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
	if !slices.Contains(criMethods(), method) {
		method = other
	}
	c.duration.WithLabelValues(method).Observe(d.Seconds())
	if code == "OK" || code == "" {
		return
	}
	if !slices.Contains(criCodes(), code) {
		code = other
	}
	c.errors.WithLabelValues(code).Inc()
}
