package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/exporter-toolkit/web"
	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// ErrAddressTaken says that another process listens on the address. It does not pass by itself, so the agent ends on it.
var ErrAddressTaken = errors.New("the address is taken")

// ListenerConfig is the TCP listener's.
type ListenerConfig struct {
	Address       string // host:port or :port
	WebConfigFile string // of exporter-toolkit: TLS and basic authentication; empty: neither
}

// Pages are what the TCP listener shows.
type Pages struct {
	Metrics http.Handler
	Ready   func() bool // whether the first looks are over; it answers from memory
	Version string
	VIP     http.Handler // what other nodes' agents are told; nil: nothing
	Status  http.Handler // the node for a browser, which decides itself who may see it; nil: nothing
}

// Listener is the task that serves /metrics, /-/healthy and /-/ready.
type Listener struct {
	*server
	config ListenerConfig
}

// NewListener makes a listener that listens once Run runs. Run fails with ErrAddressTaken, or with what is wrong in the web configuration
// file. Certificates and passwords are read again for each new connection and request, so renewing them needs no reload.
func NewListener(c ListenerConfig, p Pages, log *zap.Logger) (*Listener, error) {
	landing, err := web.NewLandingPage(web.LandingConfig{
		Name: "nodeagent", Description: "Health of this node", Version: p.Version, Profiling: "false",
		Links: []web.LandingLinks{
			{Address: "/status", Text: "Status", Description: "for people, on the node itself or by name"},
			{Address: "/metrics", Text: "Metrics", Description: "for Prometheus"},
			{Address: "/-/healthy", Text: "Healthy", Description: "the agent answers"},
			{Address: "/-/ready", Text: "Ready", Description: "the first looks are over"},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("make the landing page: %w", err)
	}
	l := &Listener{server: newServer("http listener", log), config: c}
	l.handler, l.listen, l.serve = p.handler(landing), l.open, l.web
	return l, nil
}

func (l *Listener) open() (net.Listener, error) {
	if err := web.Validate(l.config.WebConfigFile); err != nil {
		return nil, fmt.Errorf("read the web configuration %s: %w", l.config.WebConfigFile, err)
	}
	n, err := net.Listen("tcp", l.config.Address)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("listen on %s: %w: `ss -ltnp` shows by whom; stop it, or set metrics.listen", l.config.Address, ErrAddressTaken)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", l.config.Address, err)
	}
	return n, nil
}

func (l *Listener) web(h *http.Server, n net.Listener) error {
	return web.Serve(n, h, &web.FlagConfig{WebConfigFile: &l.config.WebConfigFile}, slog.New(logHandler{core: l.log.Core()}))
}

func (p Pages) handler(landing http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", p.Metrics)
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "nodeagent is healthy.\n") })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if p.Ready() {
			text(w, http.StatusOK, "nodeagent is ready.\n")
			return
		}
		text(w, http.StatusServiceUnavailable, "nodeagent is not ready: its first looks are not over.\n")
	})
	if p.VIP != nil {
		mux.Handle("GET /v1/vip", p.VIP)
	}
	if p.Status != nil {
		mux.Handle("GET /status", p.Status)
	}
	mux.Handle("GET /{$}", landing)
	return mux
}

func text(w http.ResponseWriter, status int, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write([]byte(s))
}
