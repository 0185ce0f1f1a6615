package crifake

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Serve listens on a unix socket until the end of the test and returns its path; the server is closed then. Down refuses
// connections on that path, Up listens there again.
func (s *Server) Serve(t testing.TB) (socket string) {
	t.Helper()
	// not t.TempDir(): a test's name may be longer than a socket's path can be (108 bytes)
	dir, err := os.MkdirTemp("", "crifake")
	if err != nil {
		t.Fatalf("make socket folder: %v", err)
	}
	s.serveMu.Lock()
	s.socket = filepath.Join(dir, "cri.sock")
	s.serveMu.Unlock()
	t.Cleanup(func() {
		s.Close()
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove socket folder: %v", err)
		}
	})
	if err := s.listenAgain(); err != nil {
		t.Fatal(err)
	}
	return s.socket
}

func (s *Server) listenAgain() error {
	s.serveMu.Lock()
	defer s.serveMu.Unlock()
	if s.socket == "" {
		return nil
	}
	if err := os.Remove(s.socket); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("remove stale socket: %w", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: s.socket, Net: "unix"})
	if err != nil {
		return fmt.Errorf("listen on fake runtime's socket: %w", err)
	}
	l.SetUnlinkOnClose(false) // a killed runtime leaves its socket behind
	g := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(g, s)
	cri.RegisterImageServiceServer(g, s)
	s.grpcServer = g
	var listener net.Listener = l
	if s.p.crio {
		listener = s.split(l)
	}
	s.children.Go(func() { _ = g.Serve(listener) }) // returns when stopped
	return nil
}

func (s *Server) stopListening() {
	s.serveMu.Lock()
	defer s.serveMu.Unlock()
	if s.grpcServer != nil {
		s.grpcServer.Stop()
		s.grpcServer = nil
	}
}
