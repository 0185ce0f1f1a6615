package agent

import (
	"context"
	"sync"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/staticpod/kubelet"
)

// factsFor is how long what was found of a kubelet is believed. Finding it reads a dozen small files and /proc.
const factsFor = 2 * time.Second

// facts of this node's kubelet, found at most once in factsFor however many ask.
type facts struct {
	mu sync.Mutex
	at time.Time
	f  kubelet.Facts
}

func newFacts() *facts { return &facts{} }

func (f *facts) get() kubelet.Facts { return f.within(factsFor) }

// within are facts that are not older than d.
func (f *facts) within(d time.Duration) kubelet.Facts {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at.IsZero() || time.Since(f.at) >= d {
		f.f, f.at = kubelet.Find("/"), time.Now()
	}
	return f.f
}

// kept is what was found last; zero before the first look.
func (f *facts) kept() kubelet.Facts {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.f
}

// fresh are facts found now.
func (f *facts) fresh() kubelet.Facts {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.f, f.at = kubelet.Find("/"), time.Now()
	return f.f
}

// endpoint of the runtime as the kubelet was told.
func (f *facts) endpoint() (endpoint, source string) {
	k := f.within(kubeletEvery) // asked at every look at the runtime, and changes with kubelet's own restart
	if !k.Installed {
		return "", ""
	}
	return k.Config.ContainerRuntimeEndpoint, "kubelet's configuration " + k.Config.Path
}

// sandboxesEvery is between looks for a kubelet's sandboxes: a kubelet on this node shows itself earlier in other ways.
const sandboxesEvery = 30 * time.Second

// findEvery is between full looks for a kubelet. In between its health port is asked, which is cheap and the first that a kubelet which
// starts has open.
const findEvery = 10 * time.Second

// owner looks for anything else that runs, or may come back to run, the pods of this node.
type owner struct {
	facts   *facts
	runtime cri.RuntimeServiceClient
	timeout func() time.Duration

	found   time.Time // of the last full look
	at      time.Time // of the last look at the sandboxes
	sandbox bool
}

// signs found now. It is asked by one task alone.
func (o *owner) signs(ctx context.Context) []string {
	f := o.facts.kept()
	answers := kubelet.Answers(ctx, healthz(f))
	if answers || o.found.IsZero() || time.Since(o.found) >= findEvery {
		f, o.found = o.facts.fresh(), time.Now()
	}
	if o.at.IsZero() || o.sandbox || time.Since(o.at) >= sandboxesEvery {
		o.sandbox, o.at = kubeletSandbox(ctx, o.runtime, o.timeout()), time.Now()
	}
	_, signs := kubelet.MayReturn(f, answers, o.sandbox)
	return signs
}

// healthz is where this node's kubelet answers, or would.
func healthz(f kubelet.Facts) string {
	if f.Config.HealthzAddress == "" {
		return kubelet.DefaultHealthz
	}
	return f.Config.HealthzAddress
}

// kubeletSandbox reports whether the runtime has a sandbox that a kubelet made. A runtime that does not answer shows none; nothing can be
// started on it either.
func kubeletSandbox(ctx context.Context, runtime cri.RuntimeServiceClient, timeout time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := runtime.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
	if err != nil {
		return false
	}
	for _, s := range r.GetItems() {
		if s.GetAnnotations()["kubernetes.io/config.source"] != "" && s.GetState() == cri.PodSandboxState_SANDBOX_READY {
			return true
		}
	}
	return false
}
