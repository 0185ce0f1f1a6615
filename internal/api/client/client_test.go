package client

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/view"
)

// serve answers on a socket with one handler.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	c := New(path)
	t.Cleanup(c.Close)
	return c
}

func TestNoDaemon(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	_, err := New(path).Status(t.Context())
	if !errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), "not there") || !strings.Contains(err.Error(), "systemctl start nodeagent") {
		t.Errorf("no socket: %v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if err := New(path).RestartPod(t.Context(), "web"); !errors.Is(err, ErrNoDaemon) || !strings.Contains(err.Error(), "dead") {
		t.Errorf("the socket of a dead one: %v", err)
	}
}

func TestExplain(t *testing.T) {
	c := New("/run/nodeagent/nodeagent.sock")
	dial := func(e syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", e)}
	}
	for _, tc := range []struct {
		err  error
		own  bool
		is   error
		want string
	}{
		{dial(syscall.EACCES), true, ErrPermission, "usermod -aG nodeagent USER"},
		{dial(syscall.EPERM), true, ErrPermission, "sudo"},
		{dial(syscall.ENOENT), true, ErrNoDaemon, "systemctl start"},
		{dial(syscall.ECONNREFUSED), true, ErrNoDaemon, "systemctl start"},
		{context.DeadlineExceeded, true, ErrTimeout, "(5s)"},
		{context.DeadlineExceeded, false, context.DeadlineExceeded, "did not answer in time"},
		{context.Canceled, true, context.Canceled, "context canceled"},
		{dial(syscall.EAGAIN), true, syscall.EAGAIN, "ask nodeagent on"},
		{io.ErrUnexpectedEOF, true, io.ErrUnexpectedEOF, "ask nodeagent on"},
	} {
		err := c.explain(tc.err, tc.own, 5*time.Second)
		if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: got %v, want %v with %q", tc.err, err, tc.is, tc.want)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, tc := range map[string]struct {
		h    http.HandlerFunc
		want string
	}{
		"not JSON":         {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, "of one version?"},
		"an error in text": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad gateway", http.StatusBadGateway) }, "502 Bad Gateway: see the agent's log"},
		"a route it lacks": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			io.WriteString(w, `{"error":"no route /v1/status","routes":["GET /v0/status"]}`)
		}, "another version"},
		"broken off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"node":`)
		}, "unexpected EOF"},
	} {
		if _, err := serve(t, tc.h).Status(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	status := 403
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, `{"error":"this needs root; you are uid 1000","fix":"run it with sudo"}`)
	})
	_, err := c.Reload(t.Context())
	var e *view.Error
	if !errors.Is(err, ErrNeedsRoot) || !errors.As(err, &e) || err.Error() != "this needs root; you are uid 1000: run it with sudo" {
		t.Errorf("got %v", err)
	}
	status = 400
	if _, err = c.Reload(t.Context()); errors.Is(err, ErrNeedsRoot) || !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}

// A daemon that hangs costs a caller its deadline and no more.
func TestDeadline(t *testing.T) {
	release := make(chan struct{})
	c := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Status(ctx); !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := c.call(t.Context(), 50*time.Millisecond, "GET", "/v1/status", nil, nil); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "(50ms)") {
		t.Errorf("got %v", err)
	}
}
