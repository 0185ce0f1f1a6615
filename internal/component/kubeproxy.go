package component

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"nodeagent/internal/health"
)

// Ports of kube-proxy (k8s.io/kubernetes/pkg/cluster/ports).
const (
	proxyHealthPort  = "10256"
	proxyMetricsPort = "10249"
)

// proxySeen is all that one look saw.
type proxySeen struct {
	found   found
	address string
	healthz answer
	status  proxyStatus
	mode    string // iptables, ipvs, nftables; empty: not told
}

// proxyStatus is the body of kube-proxy's /healthz.
type proxyStatus struct {
	LastUpdated string `json:"lastUpdated"` // as Go prints a time
	CurrentTime string `json:"currentTime"`
	Eligible    *bool  `json:"nodeEligible"` // since 1.28
}

// proxyLooker keeps what must be known from look to look. It is of one loop alone.
type proxyLooker struct {
	pid  int
	mode string
}

func (l *proxyLooker) look(ctx context.Context, f *finder, cfg Config) proxySeen {
	s := proxySeen{found: f.find(cfg, nameProxy)}
	if !s.found.there() {
		*l = proxyLooker{}
		return s
	}
	s.address = proxyAddress(s.found.flags(), "healthz-bind-address", proxyHealthPort)
	server := newPlainSession(s.address, cfg.Timeout)
	s.healthz = server.get(ctx, "/healthz")
	server.close()
	s.found.explain(cfg.Proc, s.healthz)
	_ = json.Unmarshal([]byte(s.healthz.body), &s.status) // an older one sends none of it
	s.healthz.body = ""
	if p := s.found.process; p != nil && (p.pid != l.pid || l.mode == "") && s.healthz.outcome == answered {
		l.pid = p.pid
		l.mode = proxyMode(ctx, proxyAddress(s.found.flags(), "metrics-bind-address", proxyMetricsPort), cfg.Timeout)
	}
	s.mode = l.mode
	return s
}

// proxyAddress is a bind address of kube-proxy's, which is host:port or, in old ones, the host alone.
func proxyAddress(f flags, flag, port string) string {
	host := f[flag]
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err != nil, ip.Is4() && ip.IsUnspecified():
		host = "127.0.0.1"
	case ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

func proxyMode(ctx context.Context, address string, timeout time.Duration) string {
	server := newPlainSession(address, timeout)
	defer server.close()
	a := server.get(ctx, "/proxyMode")
	switch mode := strings.TrimSpace(a.body); {
	case a.outcome != answered || a.status != http.StatusOK:
		return ""
	case mode == "iptables" || mode == "ipvs" || mode == "nftables":
		return mode
	}
	return ""
}

// judgeProxy decides what a look means.
func judgeProxy(s proxySeen) health.Finding {
	f := judgeProxyAnswer(s)
	if f.Status != health.Absent {
		f.Evidence = append(s.found.evidence(), health.Pair{Key: "address", Value: s.address})
		if s.mode != "" {
			f.Evidence = append(f.Evidence, health.Pair{Key: "mode", Value: s.mode})
		}
	}
	return f
}

func judgeProxyAnswer(s proxySeen) health.Finding {
	if !s.found.there() {
		return s.found.missing()
	}
	who := s.found.who(nameProxy)
	if f, bad := judgeReach(s.found, who, s.address, proxyReasons, s.healthz); bad {
		return f
	}
	synced := ""
	if at, ok := goTime(s.status.LastUpdated); ok {
		synced = ", last synced at " + at.UTC().Format(time.RFC3339)
	}
	switch {
	case s.healthz.status == http.StatusServiceUnavailable && s.status.Eligible != nil && !*s.status.Eligible:
		return failing(proxyLeaving, "/healthz says that this node is not eligible: it is being deleted, so load balancers send it nothing more%s", synced)
	case s.healthz.status == http.StatusServiceUnavailable:
		return failing(proxyStale, "/healthz says that its rules are behind%s", synced)
	case s.healthz.status != http.StatusOK:
		return failing(proxyOdd, "%s answers /healthz with HTTP status %d", s.address, s.healthz.status)
	}
	text := "well at " + s.address + synced
	if s.mode != "" {
		text = fmt.Sprintf("mode %s, %s", s.mode, text)
	}
	return health.Finding{Status: health.OK, Message: text}
}

// goTime reads a time as Go's String prints it, with or without its monotonic reading.
func goTime(text string) (time.Time, bool) {
	text, _, _ = strings.Cut(text, " m=")
	t, err := time.Parse("2006-01-02 15:04:05.999999999 -0700 MST", text)
	return t, err == nil && t.Year() > 1
}
