package api

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Limits of both servers. The socket's longest answers, a verb and a long poll, end before writeTimeout.
const (
	readTimeout     = 10 * time.Second
	writeTimeout    = 75 * time.Second
	idleTimeout     = 60 * time.Second
	shutdownTimeout = 2 * time.Second
	headerLimit     = 16 << 10
	bound           = 2 * time.Minute // above every timeout: what runs longer is stuck
)

// server is what the socket and the listener share: a task around an http.Server.
type server struct {
	name    string
	log     *zap.Logger
	listen  func() (net.Listener, error)
	serve   func(*http.Server, net.Listener) error
	handler http.Handler
	conn    func(context.Context, net.Conn) context.Context // may be nil

	grace time.Duration // for requests in flight when it ends
	ready chan struct{}
	once  sync.Once

	mu   sync.Mutex
	addr net.Addr
	busy map[*time.Time]struct{} // when each request in flight began
}

func newServer(name string, log *zap.Logger) *server {
	return &server{name: name, log: log, grace: shutdownTimeout, ready: make(chan struct{}), busy: map[*time.Time]struct{}{}}
}

// Run listens and serves until ctx ends, then lets requests in flight end for 2 s. It may be called again after it returned.
func (s *server) Run(ctx context.Context) error {
	l, err := s.listen()
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.addr = l.Addr()
	s.mu.Unlock()
	requests, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	h := &http.Server{
		Handler:           s.guard(s.handler),
		ReadHeaderTimeout: readTimeout / 2,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    headerLimit,
		ErrorLog:          zap.NewStdLog(s.log.WithOptions(zap.IncreaseLevel(zap.WarnLevel))),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext:       s.conn,
	}
	ended := make(chan error, 1)
	go func() { ended <- s.serve(h, l) }()
	s.once.Do(func() { close(s.ready) })
	select {
	case err := <-ended:
		l.Close()
		return err
	case <-ctx.Done():
	}
	cancel() // long polls end at once; verbs learn of it
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), s.grace)
	defer done()
	if err := h.Shutdown(stop); err != nil {
		h.Close()
	}
	l.Close()
	_ = <-ended
	return ctx.Err()
}

// Ready is closed once the server listens.
func (s *server) Ready() <-chan struct{} { return s.ready }

// Beat is now, or when the oldest request in flight began.
func (s *server) Beat() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	beat := time.Now()
	for t := range s.busy {
		if t.Before(beat) {
			beat = *t
		}
	}
	return beat
}

// Bound is the longest a request takes unless it is stuck.
func (s *server) Bound() time.Duration { return bound }

func (s *server) String() string { return s.name }

// Addr is the address in use, nil before the first listen.
func (s *server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addr
}

// guard counts a request as in flight and turns a panic into a 500: one bad request ends nothing else.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		s.mu.Lock()
		s.busy[&began] = struct{}{}
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			delete(s.busy, &began)
			s.mu.Unlock()
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			s.log.Error("request panicked", zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Any("panic", v), zap.ByteString("stack", debug.Stack()))
			fail(w, http.StatusInternalServerError, "internal error", "see the agent's log, and report it as a bug")
		}()
		next.ServeHTTP(w, r)
	})
}
