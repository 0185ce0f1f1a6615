package crifake

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Call is one call that reached the runtime.
type Call struct {
	Method string // RunPodSandbox, ListContainers ...
	// Key is what it was about: namespace/pod, namespace/pod/container, an image name, or a list's filter; empty for a full
	// list and for calls about the runtime itself. An id that is not known stands as it is.
	Key  string
	Time time.Time
}

var errDown = errors.New("runtime is down")

type operation struct {
	method, key string
	cancel      context.CancelCauseFunc
}

// Calls returns the calls so far, oldest first. Calls refused because the runtime was down are not among them.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Count tells how many calls matched the pattern (see [Server.Hang]) since the last ResetCalls.
func (s *Server) Count(pattern string) int {
	n := 0
	for _, c := range s.Calls() {
		if matches(pattern, c.Method, c.Key) {
			n++
		}
	}
	return n
}

// InFlight tells how many calls that match the pattern have not returned yet; open event streams count.
func (s *Server) InFlight(pattern string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, op := range s.inflight {
		if matches(pattern, op.method, op.key) {
			n++
		}
	}
	return n
}

// ResetCalls forgets the calls so far.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// matches holds a pattern "METHOD" or "METHOD KEY" against a call; both parts are globs of path.Match.
func matches(pattern, method, key string) bool {
	m, k, keyed := strings.Cut(pattern, " ")
	return glob(m, method) && (!keyed || glob(k, key))
}

func glob(pattern, s string) bool {
	ok, err := path.Match(pattern, s)
	if err != nil {
		panic(fmt.Sprintf("crifake: pattern %q: %v", pattern, err))
	}
	return ok
}

// begin records a call. The context it returns ends with the runtime; end must be called once.
func (s *Server) begin(ctx context.Context, method, key string) (_ context.Context, end func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, nil, s.unavailable()
	}
	s.calls = append(s.calls, Call{Method: method, Key: key, Time: time.Now()})
	ctx, cancel := context.WithCancelCause(ctx)
	n := s.nextLocked()
	s.inflight[n] = &operation{method: method, key: key, cancel: cancel}
	return ctx, func() {
		s.mu.Lock()
		delete(s.inflight, n)
		s.mu.Unlock()
		cancel(nil)
	}, nil
}

// serve is one unary call: recorded, subject to the faults, its error as gRPC would show it.
func serve[Resp any](s *Server, ctx context.Context, method, key string, do func(context.Context) (*Resp, error)) (*Resp, error) {
	ctx, end, err := s.begin(ctx, method, key)
	if err != nil {
		return nil, err
	}
	defer end()
	if err := s.before(ctx, method, key); err != nil {
		return nil, s.rpcError(ctx, err)
	}
	resp, err := do(ctx)
	if err != nil {
		return nil, s.rpcError(ctx, err)
	}
	if err := s.after(method, key); err != nil {
		return nil, s.rpcError(ctx, err)
	}
	return resp, nil
}

func (s *Server) rpcError(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errDown) {
		return s.unavailable()
	}
	if _, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return status.FromContextError(err).Err()
	}
	return status.Error(codes.Unknown, err.Error())
}

func (s *Server) unavailable() error {
	return status.Errorf(codes.Unavailable, `connection error: desc = "transport: Error while dialing: dial unix %s: connect: connection refused"`, s.endpoint())
}

// endpoint is where this runtime listens on a node.
func (s *Server) endpoint() string {
	if s.p.crio {
		return "/var/run/crio/crio.sock"
	}
	return "/run/containerd/containerd.sock"
}
