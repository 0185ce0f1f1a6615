package crifake

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// CRI-O serves two things on one socket: the CRI, and over HTTP /info and /config (server/inspect.go). serveBoth takes a listener apart by
// the first bytes of each connection: HTTP/2 begins with "PRI ".

// half is one of the two listeners that a socket is split into.
type half struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHalf(addr net.Addr) *half {
	return &half{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

func (h *half) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *half) Close() error   { h.once.Do(func() { close(h.done) }); return nil }
func (h *half) Addr() net.Addr { return h.addr }

func (h *half) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.done:
		c.Close()
	}
}

// peeked is a connection whose first bytes were looked at.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

// splitting is the socket of CRI-O: the CRI's connections are accepted from it, those of HTTP are served.
type splitting struct {
	net.Listener
	cri  *half
	http *http.Server
}

func (s *Server) split(l net.Listener) *splitting {
	sp := &splitting{Listener: l, cri: newHalf(l.Addr())}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /info", s.httpInfo)
	mux.HandleFunc("GET /config", s.httpConfig)
	sp.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	web := newHalf(l.Addr())
	s.children.Go(func() { _ = sp.http.Serve(web) })
	s.children.Go(func() {
		defer web.Close()
		defer sp.cri.Close()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // ends with the connection
				p := peeked{c, bufio.NewReader(c)}
				if first, err := p.r.Peek(4); err != nil {
					c.Close()
				} else if string(first) == "PRI " {
					sp.cri.give(p)
				} else {
					web.give(p)
				}
			}()
		}
	})
	return sp
}

func (sp *splitting) Accept() (net.Conn, error) { return sp.cri.Accept() }

func (sp *splitting) Close() error {
	return errors.Join(sp.Listener.Close(), sp.cri.Close(), sp.http.Close())
}

// SetConfig sets what /config of CRI-O answers, in place of a configuration with runc as its only runtime.
func (s *Server) SetConfig(toml string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config = toml
}

func (s *Server) httpInfo(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "info", func() string {
		b, err := json.Marshal(map[string]any{
			"storage_driver": "overlay", "storage_root": "/var/lib/containers/storage", "cgroup_driver": s.cgroupManager(),
			"default_id_mappings": map[string]any{"uids": []any{}, "gids": []any{}},
		})
		if err != nil {
			panic(err)
		}
		return string(b)
	})
}

func (s *Server) httpConfig(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "config", func() string {
		if s.config != "" {
			return s.config
		}
		var b strings.Builder
		fmt.Fprintf(&b, "[crio]\n  root = \"/var/lib/containers/storage\"\n  [crio.runtime]\n    default_runtime = \"runc\"\n    cgroup_manager = %q\n    enable_pod_events = %v\n", s.cgroupManager(), s.o.PodEvents)
		b.WriteString("    [crio.runtime.runtimes]\n")
		for _, h := range append([]string{"runc"}, s.o.RuntimeHandlers...) {
			fmt.Fprintf(&b, "      [crio.runtime.runtimes.%s]\n        runtime_path = \"/usr/sbin/%s\"\n        runtime_type = \"\"\n", h, h)
		}
		b.WriteString("  [crio.image]\n    pause_image = \"registry.k8s.io/pause:3.10\"\n  [crio.network]\n    network_dir = \"/etc/cni/net.d/\"\n")
		return b.String()
	})
}

// answer is recorded and fails as a call of the CRI does, under the names HTTPinfo and HTTPconfig.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, name string, body func() string) {
	text, err := serve(s, r.Context(), "HTTP"+name, "", func(context.Context) (*string, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		b := body()
		return &b, nil
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, *text) // who asked may be gone
}

func (s *Server) cgroupManager() string {
	if s.o.SystemdCgroup {
		return "systemd"
	}
	return "cgroupfs"
}
