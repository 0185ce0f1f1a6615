package agent

import (
	"context"
	"sync"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/procs"
	"nodeagent/internal/staticpod/kubelet"
)

// factsFor is how long what was found of a kubelet is believed by all who do not ask for more: a kubelet that starts is told of by its health
// port, at once. filesFor is how long its files are, while the same process is the kubelet: finding it reads a dozen small files and looks for a
// hundred more.
const (
	factsFor = 10 * time.Second
	filesFor = 30 * time.Second
)

// facts of this node's kubelet, found at most once in factsFor however many ask.
type facts struct {
	procs *procs.Table

	mu    sync.Mutex
	at    time.Time // of the last look at the processes
	files time.Time // of the last look at all
	f     kubelet.Facts
}

// together is for looks that fall on one moment, as reconcile.Wait has them do.
const together = 100 * time.Millisecond

func newFacts() *facts { return &facts{procs: procs.Shared("/proc", together)} }

// get are facts of which the processes are not older than factsFor, and the files not older than filesFor.
func (f *facts) get() kubelet.Facts {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.files.IsZero() || time.Since(f.files) >= filesFor:
		f.find()
	case time.Since(f.at) < factsFor:
	case f.f.Same(f.procs):
		f.at = time.Now()
	default:
		f.find()
	}
	return f.f
}

// fresh are facts found now.
func (f *facts) fresh() kubelet.Facts {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.find()
	return f.f
}

func (f *facts) find() {
	f.f, f.at = kubelet.FindAmong(f.procs), time.Now()
	f.files = f.at
}

// endpoint of the runtime as the kubelet was told.
func (f *facts) endpoint() (endpoint, source string) {
	k := f.get()
	if !k.Installed {
		return "", ""
	}
	return k.Config.ContainerRuntimeEndpoint, "kubelet's configuration " + k.Config.Path
}

// sandboxesEvery is between looks for a kubelet's sandboxes: a kubelet on this node shows itself earlier in other ways.
const sandboxesEvery = 30 * time.Second

// owner looks for anything else that runs, or may come back to run, the pods of this node.
type owner struct {
	facts   *facts
	runtime cri.RuntimeServiceClient
	timeout func() time.Duration

	at      time.Time // of the last look at the sandboxes
	sandbox bool
	census  procs.Census // of the last look at the kubelet's port
	answers bool
}

// signs found now. It is asked by one task alone.
func (o *owner) signs(ctx context.Context) []string {
	f := o.facts.get()
	// Where no process and no thread began since the port was closed, none opened it: a kubelet that starts begins them all along, and is found by
	// its process anyway. On an idle node the connection costs more than all the rest.
	if now := procs.TakeCensus(o.facts.procs.Proc()); o.answers || !now.Same(o.census) {
		o.census = now
		o.answers = kubelet.Answers(ctx, healthz(f)) // the first that a kubelet which starts has open
	}
	if o.answers {
		f = o.facts.fresh()
	}
	if o.at.IsZero() || o.sandbox || time.Since(o.at) >= sandboxesEvery {
		o.sandbox, o.at = kubeletSandbox(ctx, o.runtime, o.timeout()), time.Now()
	}
	_, signs := kubelet.MayReturn(f, o.answers, o.sandbox)
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
