package component

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/health"
)

// proxySeen is all that one look saw.
type proxySeen struct {
	found   found
	place   proxyPlace
	healthz answer
	status  proxyStatus
	mode    string // iptables, ipvs, nftables; empty: not told
}

// proxyStatus is the body of kube-proxy's /healthz. Its times are as Go prints them, and in JSON's form since 1.34, which tells of each IP family too.
// A kube-proxy that is well says for LastUpdated what time it is (pkg/proxy/healthcheck), but for old ones.
type proxyStatus struct {
	LastUpdated string `json:"lastUpdated"`
	CurrentTime string `json:"currentTime"`
	Eligible    *bool  `json:"nodeEligible"` // since 1.28
	Families    map[string]struct {
		LastUpdated string `json:"lastUpdated"`
		Healthy     bool   `json:"healthy"`
	} `json:"status"`
}

// proxyLooker keeps what must be known from look to look. It is of one loop alone.
type proxyLooker struct {
	pid   int // of the process that the rest is about; it ends when its configuration changes
	place *proxyPlace
	mode  string
}

func (l *proxyLooker) look(ctx context.Context, f *finder, cfg Config) proxySeen {
	s := proxySeen{found: f.find(cfg, nameProxy)}
	if !s.found.there() {
		*l = proxyLooker{}
		return s
	}
	if p := s.found.process; p != nil && p.pid != l.pid {
		*l = proxyLooker{pid: p.pid}
	}
	if l.place == nil || l.place.unread != "" || s.found.process == nil && s.found.lost == nil {
		at := proxyAt(cfg, s.found)
		l.place = &at
	}
	s.place, s.mode = *l.place, l.mode
	if s.place.healthz == "" {
		return s
	}
	if away, is := elsewhere(s.place.healthz); is {
		s.healthz = away
		return s
	}
	server := newPlainSession(s.place.healthz, cfg.Timeout)
	s.healthz = server.get(ctx, "/healthz")
	server.close()
	s.found.explain(cfg.Proc, s.healthz)
	_ = json.Unmarshal([]byte(s.healthz.body), &s.status) // an older one sends none of it
	s.healthz.body = ""
	if s.found.process != nil && l.mode == "" && s.healthz.outcome == answered {
		l.mode = proxyMode(ctx, s.place.metrics, cfg.Timeout)
	}
	s.mode = l.mode
	return s
}

func proxyMode(ctx context.Context, address string, timeout time.Duration) string {
	if _, away := elsewhere(address); away {
		return ""
	}
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
		f.Evidence = s.found.evidence()
		for _, p := range []health.Pair{{Key: "address", Value: s.place.healthz}, {Key: "mode", Value: s.mode}, {Key: "configuration", Value: s.place.unread}} {
			if p.Value != "" {
				f.Evidence = append(f.Evidence, p)
			}
		}
	}
	return f
}

func judgeProxyAnswer(s proxySeen) health.Finding {
	if !s.found.there() {
		return s.found.missing()
	}
	who, at := s.found.who(nameProxy), s.place.healthz
	switch {
	case at == "":
		return s.found.silent(nameProxy, proxyDown, "--healthz-bind-address is empty")
	case s.healthz.outcome == refused && s.found.process != nil && s.place.unread != "":
		return health.Finding{Status: health.Unknown, Reason: unread, Message: fmt.Sprintf("%s runs, and nothing listens on %s, which is its default: where it does is not known: %s", who, at, s.place.unread)}
	}
	if f, bad := judgeReach(s.found, who, at, proxyReasons, s.healthz); bad {
		return f
	}
	synced, behind := s.status.synced()
	if synced != "" {
		synced = ", last synced at " + synced
	}
	switch {
	case s.healthz.status == http.StatusServiceUnavailable && s.status.Eligible != nil && !*s.status.Eligible && behind == "":
		return failing(proxyLeaving, "/healthz says that this node is not eligible: it is being deleted, so load balancers send it nothing more%s", synced)
	case s.healthz.status == http.StatusServiceUnavailable:
		return failing(proxyStale, "/healthz says that its rules%s are behind%s", behind, synced)
	case s.healthz.status != http.StatusOK:
		return failing(proxyOdd, "%s answers /healthz with HTTP status %d", at, s.healthz.status)
	}
	text := "well at " + at + synced
	if s.mode != "" {
		text = fmt.Sprintf("mode %s, %s", s.mode, text)
	}
	return health.Finding{Status: health.OK, Message: text}
}

// synced is when the rules were last written, as far as it is told: of the IP families those that are longest behind; and which are behind.
func (p proxyStatus) synced() (at, behind string) {
	if len(p.Families) == 0 {
		last, ok := goTime(p.LastUpdated)
		if now, known := goTime(p.CurrentTime); !ok || known && now.Sub(last) < time.Second {
			return "", ""
		}
		return last.UTC().Format(time.RFC3339), ""
	}
	var names []string
	var oldest time.Time
	for _, name := range slices.Sorted(maps.Keys(p.Families)) {
		f := p.Families[name]
		if !f.Healthy {
			names = append(names, " of "+short(name))
		}
		if t, ok := goTime(f.LastUpdated); ok && (oldest.IsZero() || t.Before(oldest)) {
			oldest = t
		}
	}
	if !oldest.IsZero() {
		at = oldest.UTC().Format(time.RFC3339)
	}
	return at, strings.Join(names, " and")
}

// goTime reads a time as Go's String prints it, with or without its monotonic reading, or as JSON has it.
func goTime(text string) (time.Time, bool) {
	text, _, _ = strings.Cut(text, " m=")
	t, err := time.Parse("2006-01-02 15:04:05.999999999 -0700 MST", text)
	if err != nil {
		t, err = time.Parse(time.RFC3339Nano, text)
	}
	return t, err == nil && t.Year() > 1
}
