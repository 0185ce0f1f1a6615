package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"nodeagent/internal/event"
	"nodeagent/internal/view"
)

// script is a backend that notes the verbs it was asked for.
type script struct {
	mu    sync.Mutex
	calls []string
	err   error // of each verb
	seq   *Sequence
}

func working() *script { return &script{seq: NewSequence()} }

func (s *script) note(format string, args ...any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
	return s.err
}

func (s *script) called() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := strings.Join(s.calls, "; ")
	s.calls = nil
	return out
}

func (s *script) backend() Backend {
	return Backend{
		Status:  func() view.Status { return view.Status{Node: "n1", Daemon: true, Status: "ok"} },
		Pods:    func() []view.Pod { return nil },
		Repairs: func() view.RepairPlan { return view.RepairPlan{Mode: "dry-run"} },
		ClearRepairs: func(_ context.Context, action string) (view.ClearResult, error) {
			return view.ClearResult{Cleared: []string{action}}, s.note("clear %s", action)
		},
		VIP: func() view.VIP {
			return view.VIP{Verdicts: []view.Verdict{{Policy: "vip", Number: -60, Word: "unknown"}}}
		},
		StartMaintenance: func(_ context.Context, d time.Duration, reason, by string, force bool) (view.Maintenance, error) {
			return view.Maintenance{Reason: reason, By: by}, s.note("maintain for %v, %s, by %s, %v", d, reason, by, force)
		},
		StopMaintenance: func(context.Context) error { return s.note("end maintenance") },
		Network:         func() view.Network { return view.Network{Backend: "vxlan"} },
		EventsAfter: func(_ context.Context, seq uint64) ([]event.Event, error) {
			return []event.Event{{Seq: seq + 1, Kind: event.KindPod}}, nil
		},
		Events: func(since time.Time) ([]event.Event, error) {
			if since.Year() == 2001 {
				return nil, errors.New("read timeline: disk is gone")
			}
			if since.IsZero() {
				return nil, nil
			}
			return []event.Event{{Seq: 1, Time: since, Kind: event.KindPod, Message: "m"}}, nil
		},
		Check:  func(name, subject string) view.Check { return view.Check{Name: name, Message: subject} },
		Config: func() string { return "nodeName: n1\n" },
		Changed: func(ctx context.Context, after uint64) uint64 {
			if after == 0 {
				return 7
			}
			return s.seq.Wait(ctx, after)
		},
		Reload: func(context.Context) (view.ReloadResult, error) {
			return view.ReloadResult{Outcome: view.ReloadApplied, Changed: []string{"logLevel"}}, s.note("reload")
		},
		Mute: func(_ context.Context, m view.Mute) error {
			return s.note("mute %s/%s for %v, %s, by %s", m.Condition, m.Subject, time.Until(m.Until).Round(time.Minute), m.Reason, m.By)
		},
		Unmute:     func(_ context.Context, c, sub string) error { return s.note("unmute %s/%s", c, sub) },
		RestartPod: func(_ context.Context, name string) error { return s.note("restart %s", name) },
		StopPod:    func(_ context.Context, name string, d time.Duration) error { return s.note("stop %s for %v", name, d) },
		StartPod:   func(_ context.Context, name string) error { return s.note("start %s", name) },
		PrunePods:  func(context.Context) error { return s.note("prune") },
		ResumePods: func(context.Context) error { return s.note("resume") },
	}
}

// request asks the handler as the peer of uid 0.
func request(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r = r.WithContext(context.WithValue(r.Context(), peerKey{}, peer{pid: 1, uid: 0}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRoutes(t *testing.T) {
	b := working()
	h := b.backend().handler(0)
	for _, tc := range []struct {
		method, target, body string
		status               int
		want                 string // in the body
		calls                string
	}{
		{"GET", "/v1/status", "", 200, `"node":"n1"`, ""},
		{"GET", "/v1/pods", "", 200, "[]", ""},
		{"GET", "/v1/events", "", 200, "[]", ""},
		{"GET", "/v1/events?since=2026-01-02T03:04:05Z", "", 200, `"time":"2026-01-02T03:04:05Z"`, ""},
		{"GET", "/v1/events?since=2026-01-02T03:04:05.5%2B02:00", "", 200, `"time":"2026-01-02T03:04:05.5+02:00"`, ""},
		{"GET", "/v1/events?since=yesterday", "", 400, `"fix":"send it as 2026-01-31T23:59:00Z"`, ""},
		{"GET", "/v1/events?since=2001-01-01T00:00:00Z", "", 500, "disk is gone", ""},
		{"GET", "/v1/check/RuntimeReady", "", 200, `"name":"RuntimeReady"`, ""},
		{"GET", "/v1/check/Pods?subject=a%2Fb", "", 200, `"message":"a/b"`, ""},
		{"GET", "/v1/check/", "", 404, `"routes":[`, ""},
		{"GET", "/v1/config", "", 200, "nodeName: n1", ""},
		{"GET", "/v1/watch", "", 200, `"seq":7`, ""},
		{"GET", "/v1/watch?after=0", "", 200, `"status":{"node":"n1"`, ""},
		{"GET", "/v1/watch?after=-1", "", 400, "no sequence number", ""},
		{"POST", "/v1/reload", "", 200, `{"outcome":"applied","changed":["logLevel"]}`, "reload"},
		{"POST", "/v1/mute", `{"condition":"C","subject":"s","for":"1h","reason":"disk\nswap","by":"me"}`, 200, `"condition":"C"`, "mute C/s for 1h0m0s, disk swap, by me"},
		{"POST", "/v1/mute", `{"condition":"C","for":"90m"}`, 200, `"by":"root"`, "mute C/ for 1h30m0s, , by root"},
		{"POST", "/v1/mute", `{"condition":"C","for":"-1h"}`, 400, "at most 744h", ""},
		{"POST", "/v1/mute", `{"condition":"C","for":"745h"}`, 400, "at most 744h", ""},
		{"POST", "/v1/mute", `{"condition":"C","for":"soon"}`, 400, "at most 744h", ""},
		{"POST", "/v1/mute", `{"condition":"C"}`, 400, "at most 744h", ""},
		{"POST", "/v1/mute", `{"for":"1h"}`, 400, "no condition named", ""},
		{"POST", "/v1/mute", `{"condition":"C","for":"1h","until":"x"}`, 400, "unknown field", ""},
		{"POST", "/v1/mute", `{"condition":`, 400, "read the body", ""},
		{"POST", "/v1/mute", `{"condition":"C","for":"1h"}{}`, 400, "more than one value", ""},
		{"POST", "/v1/mute", ``, 400, "read the body", ""},
		{"POST", "/v1/mute", `{"reason":"` + strings.Repeat("x", bodyLimit) + `"}`, 413, "larger than 65536 bytes", ""},
		{"POST", "/v1/unmute", `{"condition":"C","subject":"s"}`, 200, "{}", "unmute C/s"},
		{"GET", "/v1/vip", "", 200, `"number":-60`, ""},
		{"POST", "/v1/maintenance/start", `{"for":"1h","reason":"disk","by":"me","force":true}`, 200, `"reason":"disk"`, "maintain for 1h0m0s, disk, by me, true"},
		{"POST", "/v1/maintenance/start", `{"for":"745h"}`, 400, "at most 744h", ""},
		{"POST", "/v1/maintenance/start", `{"for":"soon"}`, 400, "no time for maintenance", ""},
		{"POST", "/v1/maintenance/stop", "", 200, "{}", "end maintenance"},
		{"GET", "/v1/repairs", "", 200, `"mode":"dry-run"`, ""},
		{"POST", "/v1/repairs/clear", `{"action":"restart-runtime"}`, 200, `["restart-runtime"]`, "clear restart-runtime"},
		{"GET", "/v1/network", "", 200, `"backend":"vxlan"`, ""},
		{"POST", "/v1/unmute", `{}`, 400, "no condition named", ""},
		{"POST", "/v1/pods/restart", `{"name":"default/web"}`, 200, "{}", "restart default/web"},
		{"POST", "/v1/pods/restart", `{"name":" "}`, 400, "nodeagent pods", ""},
		{"POST", "/v1/pods/stop", `{"name":"default/web","for":"90m"}`, 200, "{}", "stop default/web for 1h30m0s"},
		{"POST", "/v1/pods/stop", `{"name":"web"}`, 400, "at most 744h", ""},
		{"POST", "/v1/pods/stop", `{"name":"web","for":"745h"}`, 400, "at most 744h", ""},
		{"POST", "/v1/pods/stop", `{"name":"web","for":"-1s"}`, 400, "no time to stop a pod for", ""},
		{"POST", "/v1/pods/stop", `{"for":"1h"}`, 400, "no pod named", ""},
		{"POST", "/v1/pods/start", `{"name":"web"}`, 200, "{}", "start web"},
		{"POST", "/v1/pods/start", `{}`, 400, "no pod named", ""},
		{"POST", "/v1/pods/prune", "", 200, "{}", "prune"},
		{"POST", "/v1/pods/resume", "", 200, "{}", "resume"},
		{"HEAD", "/v1/status", "", 200, "", ""},
		{"POST", "/v1/status", "", 405, `"fix":"use GET"`, ""},
		{"GET", "/v1/reload", "", 405, `"fix":"use POST"`, ""},
		{"DELETE", "/v1/mute", "", 405, `"fix":"use POST"`, ""},
		{"GET", "/", "", 404, `GET /v1/check/{name} ?subject=: one condition`, ""},
		{"POST", "/v2/status", "", 404, `"error":"no route /v2/status"`, ""},
		{"GET", "/metrics", "", 404, `"routes":[`, ""},
	} {
		w := request(h, tc.method, tc.target, tc.body)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) {
			t.Errorf("%s %s %.60s: %d %s, want %d %s", tc.method, tc.target, tc.body, w.Code, w.Body, tc.status, tc.want)
		}
		if got := b.called(); got != tc.calls {
			t.Errorf("%s %s %.60s: called %q, want %q", tc.method, tc.target, tc.body, got, tc.calls)
		}
		if tc.status != 200 {
			var e view.Error
			if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Problem == "" || tc.status < 500 && e.Fix == "" {
				t.Errorf("%s %s: the error reads %s (%v)", tc.method, tc.target, w.Body, err)
			}
		}
		if tc.status == 405 && w.Header().Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", tc.method, tc.target)
		}
	}
}

func TestVerbsThatFail(t *testing.T) {
	b := working()
	h := b.backend().handler(0)
	verbs := map[string]string{
		"/v1/reload": "", "/v1/mute": `{"condition":"C","for":"1h"}`, "/v1/unmute": `{"condition":"C"}`, "/v1/maintenance/start": `{"for":"1h"}`, "/v1/maintenance/stop": "", "/v1/repairs/clear": "{}", "/v1/pods/restart": `{"name":"web"}`, "/v1/pods/stop": `{"name":"web","for":"1m"}`, "/v1/pods/start": `{"name":"web"}`, "/v1/pods/prune": "", "/v1/pods/resume": "",
	}
	for path, body := range verbs {
		b.err = fmt.Errorf("restart: %w", &view.Error{Problem: "no pod web", Fix: "see `nodeagent pods`"})
		if w := request(h, "POST", path, body); w.Code != 400 || strings.TrimSpace(w.Body.String()) != `{"error":"no pod web","fix":"see `+"`nodeagent pods`"+`"}` {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		b.err = errors.New("save state mutes: no space left")
		if w := request(h, "POST", path, body); w.Code != 500 || !strings.Contains(w.Body.String(), "no space left") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	// No credentials, no verb.
	w := httptest.NewRecorder()
	b.called()
	h.ServeHTTP(w, httptest.NewRequest("POST", "/v1/reload", nil))
	if w.Code != http.StatusForbidden || b.called() != "" {
		t.Errorf("without credentials: %d %s", w.Code, w.Body)
	}
}

func TestPanicEndsOneRequest(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	b := working().backend()
	b.Status = func() view.Status { panic("boom") }
	s := newServer("test", zap.New(core))
	h := s.guard(b.handler(0))
	if w := request(h, "GET", "/v1/status", ""); w.Code != 500 || !strings.Contains(w.Body.String(), "internal error") || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if n := logs.FilterField(zap.String("path", "/v1/status")).FilterLevelExact(zap.ErrorLevel).Len(); n != 1 {
		t.Errorf("logged %d times: %v", n, logs.All())
	}
	if w := request(h, "GET", "/v1/pods", ""); w.Code != 200 {
		t.Errorf("the next request: %d", w.Code)
	}
	if len(s.busy) != 0 {
		t.Errorf("%d requests in flight", len(s.busy))
	}
}

// Whatever is sent, a route answers with a status it knows, and with JSON that can be read.
func FuzzRequest(f *testing.F) {
	f.Add("POST", "/v1/mute", `{"condition":"C","for":"1h"}`)
	f.Add("POST", "/v1/unmute", `[1,{}]`)
	f.Add("POST", "/v1/pods/restart", `{"name":"\u0000"}`)
	f.Add("POST", "/v1/pods/stop", `{"name":"web","for":"1e9h"}`)
	f.Add("POST", "/v1/pods/start", `{"name":{}}`)
	f.Add("GET", "/v1/events?since=2026-01-02T03:04:05Z", "")
	f.Add("GET", "/v1/check/%2e%2e?subject=%ff", "")
	f.Add("GET", "/v1/watch?after=18446744073709551616", "")
	b := working().backend()
	b.Changed = func(context.Context, uint64) uint64 { return 1 }
	h := b.handler(0)
	f.Fuzz(func(t *testing.T, method, target, body string) {
		r, err := http.NewRequest(method, "http://x"+target, strings.NewReader(body))
		if err != nil || r.URL.Path == "" {
			return
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(context.WithValue(t.Context(), peerKey{}, peer{})))
		switch w.Code {
		case 200, 400, 403, 404, 405, 413, 500:
			if strings.HasPrefix(w.Header().Get("Content-Type"), "application/json") && !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s %s: %s", method, target, w.Body)
			}
		case 301, 307, 308: // the path was not a clean one
		default:
			t.Errorf("%s %s: %d", method, target, w.Code)
		}
	})
}
