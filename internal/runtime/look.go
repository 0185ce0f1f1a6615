package runtime

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"nodeagent/internal/health"
	"nodeagent/internal/view"
)

// Seen is all that one look saw: what judge decides from.
type Seen struct {
	Where    Detection
	Dial     error   // how the last attempt to connect failed; nil: it did not
	Peer     Process // who listens on the socket, asked only if it did not answer
	Version  Answer[*cri.VersionResponse]
	Status   Answer[*cri.StatusResponse]
	Timeout  time.Duration // each call's deadline
	Unneeded string        // why this node needs no runtime; empty: it does
	CNI      CNIFolder     // looked at only if the runtime says that it has no network
}

// Answer is the outcome of one call.
type Answer[T any] struct {
	Resp T
	Err  error // a gRPC status
}

// Process is what /proc tells of a process. PID 0: not known.
type Process struct {
	PID   int
	Name  string
	State byte // T, D, S ... as in proc_pid_stat(5); of the main thread
}

// Look looks once, changes nothing, and keeps nothing open: for `status` with no daemon. It takes at most a little more than
// four times cfg.ProbeTimeout. What needs two looks, such as a leaked shim, it does not find.
func Look(ctx context.Context, cfg Config) ([]health.Look, view.Runtime) {
	s := Seen{Where: cfg.detect(), Timeout: cfg.ProbeTimeout, Unneeded: cfg.unneeded()}
	d := &detailsSeen{cfg: cfg, now: time.Now()}
	var c *connection
	if e := s.Where.Endpoint; e.Path != "" {
		var err error
		if c, err = dial(e, identify(e.Path), nil, nil); err != nil {
			s.Version.Err, s.Status.Err = err, err
		} else {
			defer c.close()
			c.look(ctx, &s)
		}
	}
	s.seeCNI(nil, time.Now())
	looks := judge(s, cfg.valid())
	d.unresponsive = wellnessOf(looks[0].Findings[0]).reason
	v := show(s)
	d.name, d.version = v.Name, v.Version
	var m detailMemory
	m.see(ctx, d, c)
	looks = append(looks, judgeDetails(d)...)
	return append(looks, health.Look{Of: RuntimeCanary, Findings: []health.Finding{{Status: health.Absent, Message: "no canary is run here: see `nodeagent canary`"}}}), v
}

// seeCNI looks at the folder of network configuration if the runtime says that it knows no network. dir is what the runtime told of it; nil:
// nothing.
func (s *Seen) seeCNI(dir *string, now time.Time) {
	for _, c := range s.Status.Resp.GetStatus().GetConditions() {
		if c.GetType() == cri.NetworkReady && !c.GetStatus() && noCNI(c.GetMessage()) {
			at := join(s.Where.root, cniDefault)
			if dir != nil && *dir != "" {
				at = *dir
			}
			s.CNI = readCNI(at, now)
		}
	}
}

// look asks Version and Status beside each other, each with its own deadline: one may hang while the other answers.
func (c *connection) look(ctx context.Context, s *Seen) {
	client := cri.NewRuntimeServiceClient(c)
	var calls sync.WaitGroup
	calls.Go(func() {
		s.Version = ask(ctx, c, s.Timeout, func(ctx context.Context) (*cri.VersionResponse, error) {
			return client.Version(ctx, &cri.VersionRequest{Version: "v1"})
		})
	})
	calls.Go(func() {
		s.Status = ask(ctx, c, s.Timeout, func(ctx context.Context) (*cri.StatusResponse, error) {
			return client.Status(ctx, &cri.StatusRequest{})
		})
	})
	calls.Wait()
	if s.Version.Err == nil && s.Status.Err == nil {
		return
	}
	if d := c.dialed.Load(); d != nil {
		s.Dial = d.err
		if d.err == nil {
			s.Peer = readProcess(d.peer)
		}
	}
}

func ask[T any](ctx context.Context, c *connection, timeout time.Duration, call func(context.Context) (T, error)) Answer[T] {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := call(ctx)
	for range 2 {
		if d := c.dialed.Load(); status.Code(err) != codes.Unavailable || d != nil && d.err != nil {
			break // it was answered, or it is known why not
		}
		// The connection broke under the call, or one is being made. What becomes of that tells whether somebody listens.
		c.settle(ctx)
		resp, err = call(ctx)
	}
	return Answer[T]{Resp: resp, Err: err}
}

// settle waits until a connection that is down is dialed again: until then calls only repeat an old error.
func (c *connection) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, maxBackoff*6/5) // with its jitter
	defer cancel()
	c.Connect()
	if s := c.GetState(); s == connectivity.TransientFailure || s == connectivity.Idle {
		c.WaitForStateChange(ctx, s)
	}
}

// readProcess reads /proc. pid 1 listens for its units (socket activation) and tells nothing of them.
func readProcess(pid int) Process {
	if pid <= 1 {
		return Process{}
	}
	b, err := os.ReadFile(filepath.Join("/proc", fmt.Sprint(pid), "stat"))
	if err != nil {
		return Process{}
	}
	// "123 (name) S ...": the name may hold anything.
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || end+2 >= len(b) {
		return Process{}
	}
	return Process{PID: pid, Name: string(b[open+1 : end]), State: b[end+2]}
}

// show is what is shown of the runtime.
func show(s Seen) view.Runtime {
	v := s.Version.Resp
	return view.Runtime{
		Endpoint: s.Where.Endpoint.String(), Source: s.Where.Endpoint.Source,
		Name: v.GetRuntimeName(), Version: v.GetRuntimeVersion(), API: v.GetRuntimeApiVersion(),
	}
}
