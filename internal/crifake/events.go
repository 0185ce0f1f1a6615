package crifake

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	backlogMax = 1000            // containerd 1.7's channel
	backlogAge = 5 * time.Minute // containerd 2's queue (cri/server/service.go)
)

// hub hands events to subscribers; the server's lock guards it.
type hub struct {
	mode    eventMode
	drop    bool
	backlog []*cri.ContainerEventResponse
	// subs are in the order in which they wait. In shared mode the first takes the next event and goes to the end; one
	// that left stays until it has taken one, as its receiver in containerd 1.7 does.
	subs []*subscription
}

type subscription struct {
	queue []*cri.ContainerEventResponse
	ready chan struct{} // has one element if queue may be non-empty
	left  bool
}

func (h *hub) reset() { h.backlog, h.subs = nil, nil }

func (h *hub) subscribe() *subscription {
	sub := &subscription{ready: make(chan struct{}, 1)}
	now := time.Now()
	for _, e := range h.backlog {
		if h.mode == eventsShared || now.Sub(time.Unix(0, e.CreatedAt)) <= backlogAge {
			sub.push(e)
		}
	}
	h.backlog = nil
	h.subs = append(h.subs, sub)
	return sub
}

func (h *hub) leave(sub *subscription) {
	sub.left = true
	if h.mode != eventsShared {
		h.subs = slices.DeleteFunc(h.subs, func(o *subscription) bool { return o == sub })
	}
}

func (h *hub) publish(e *cri.ContainerEventResponse) {
	switch {
	case h.drop || h.mode == eventsUnimplemented:
	case len(h.subs) == 0:
		if len(h.backlog) < backlogMax {
			h.backlog = append(h.backlog, e)
		}
	case h.mode == eventsShared:
		first := h.subs[0]
		h.subs = h.subs[1:]
		if !first.left { // else the event is lost with it
			first.push(e)
			h.subs = append(h.subs, first)
		}
	default:
		for _, sub := range h.subs {
			sub.push(e)
		}
	}
}

func (sub *subscription) push(e *cri.ContainerEventResponse) {
	sub.queue = append(sub.queue, e)
	select {
	case sub.ready <- struct{}{}:
	default:
	}
}

// DropEvents makes the runtime lose every CRI event from now on, or stop losing them.
func (s *Server) DropEvents(drop bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events.drop = drop
}

func (s *Server) publishLocked(t cri.ContainerEventType, id string, b *sandbox) {
	if s.down || !s.p.emits(t, id == b.id) || s.p.events == eventsOptional && !s.o.PodEvents {
		return
	}
	e := &cri.ContainerEventResponse{
		ContainerId: id, ContainerEventType: t, CreatedAt: time.Now().UnixNano(), PodSandboxStatus: s.sandboxStatusLocked(b),
	}
	for _, c := range s.insideLocked(b) {
		e.ContainersStatuses = append(e.ContainersStatuses, s.containerStatusLocked(c))
	}
	s.events.publish(e)
}

// eventStream is one GetContainerEvents call.
type eventStream struct {
	s     *Server
	sub   *subscription // nil if the stream ends with err
	err   error
	ctx   context.Context
	end   func()
	begun bool // faults were applied
}

// openEvents begins a stream; its error is one of the connection. The subscription ends with the context.
func (s *Server) openEvents(ctx context.Context) (*eventStream, error) {
	ctx, end, err := s.begin(ctx, "GetContainerEvents", "")
	if err != nil {
		return nil, err
	}
	st := &eventStream{s: s, ctx: ctx, end: end}
	switch {
	case s.p.events == eventsUnimplemented:
		st.err = unknownMethod("GetContainerEvents")
	case s.p.events == eventsOptional && !s.o.PodEvents:
		st.err = io.EOF
	default:
		s.mu.Lock()
		sub := s.events.subscribe()
		s.mu.Unlock()
		st.sub = sub
		context.AfterFunc(ctx, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events.leave(sub)
		})
	}
	return st, nil
}

// next waits for an event. After an error the stream is over; io.EOF is its orderly end.
func (st *eventStream) next() (*cri.ContainerEventResponse, error) {
	e, err := st.wait()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			err = st.s.rpcError(st.ctx, err)
		}
		st.err = err
		st.begun = true
		st.end()
	}
	return e, err
}

func (st *eventStream) wait() (*cri.ContainerEventResponse, error) {
	if !st.begun {
		st.begun = true
		if err := st.s.before(st.ctx, "GetContainerEvents", ""); err != nil {
			return nil, err
		}
	}
	if st.err != nil {
		return nil, st.err
	}
	for {
		if err := st.ctx.Err(); err != nil {
			return nil, err
		}
		st.s.mu.Lock()
		if q := st.sub.queue; len(q) > 0 {
			st.sub.queue = q[1:]
			st.s.mu.Unlock()
			return q[0], nil
		}
		st.s.mu.Unlock()
		select {
		case <-st.ctx.Done():
			return nil, st.ctx.Err()
		case <-st.sub.ready:
		}
	}
}

// GetContainerEvents implements cri.RuntimeServiceServer.
func (s *Server) GetContainerEvents(_ *cri.GetEventsRequest, stream grpc.ServerStreamingServer[cri.ContainerEventResponse]) error {
	st, err := s.openEvents(stream.Context())
	if err != nil {
		return err
	}
	defer st.end()
	for {
		e, err := st.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(e); err != nil {
			return err
		}
	}
}
