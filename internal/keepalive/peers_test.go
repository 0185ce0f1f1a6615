package keepalive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/view"
)

func TestMayLeave(t *testing.T) {
	answer := func(node string, fit bool, word Word) Heard {
		number := 0
		if !fit {
			number = -60
		}
		return Heard{Peer: "http://" + node + ":10249", Answer: Answer{Node: node, Policies: []PolicyAnswer{{Name: "vip", Fit: fit, Number: number, Word: word}}}}
	}
	silent := Heard{Peer: "http://user:secret@c:10249", Err: errors.New("connection refused")}
	fit := []Verdict{{Policy: "vip", Word: WordOK}}
	for _, tc := range []struct {
		name  string
		own   []Verdict
		heard []Heard
		want  string // part of the problem; empty: it may
	}{
		{"another is fit", fit, []Heard{answer("b", true, WordOK)}, ""},
		{"another is fit, a third is silent", fit, []Heard{silent, answer("b", true, WordOK)}, ""},
		{"all others are unfit", fit, []Heard{answer("b", false, WordMaintenance), answer("d", false, WordDegraded)}, "the last node that is fit for vip: unfit are http://b:10249 (maintenance), http://d:10249 (degraded)"},
		{"one is unfit, one silent", fit, []Heard{answer("b", false, WordDegraded), silent}, "not known"},
		{"none is asked", fit, nil, "keepalive.peers names no other agent"},
		{"only itself", fit, []Heard{answer("a", true, WordOK)}, "keepalive.peers names no other agent"},
		{"a peer that says no name", fit, []Heard{answer("", true, WordOK)}, "keepalive.peers names no other agent"},
		{"no such policy there", fit, []Heard{{Peer: "http://b", Answer: Answer{Node: "b"}}}, "it has no policy vip"},
		{"fit, with a number that is not", fit, []Heard{{Peer: "http://b", Answer: Answer{Node: "b", Policies: []PolicyAnswer{{Name: "vip", Fit: true, Number: -60}}}}}, "last node"},
		{"it is unfit itself", []Verdict{{Policy: "vip", Number: -60}}, nil, ""},
		{"two policies, one has no heir", []Verdict{{Policy: "vip"}, {Policy: "ingress"}}, []Heard{answer("b", true, WordOK)}, "no policy ingress"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := mayLeave("a", tc.own, tc.heard)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "--force")) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAskPeers(t *testing.T) {
	serve := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	good := serve(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/sub"+AnswerPath {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(Answer{Node: "b", Policies: []PolicyAnswer{{Name: "vip", Fit: true, Word: WordOK}}})
	})
	release := make(chan struct{})
	defer close(release)
	peers := []string{
		good + "/sub",
		good, // 404
		serve(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, good+"/sub"+AnswerPath, http.StatusFound)
		}),
		serve(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }),
		serve(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"node":"%s"}`, strings.Repeat("x", maxAnswer))
		}),
		serve(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}),
		"http://127.0.0.1:1",
		"ftp://b",
		"b:10249",
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begin := time.Now()
	heard := AskPeers(ctx, nil, peers)
	if d := time.Since(begin); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	for i, h := range heard {
		if h.Peer != peers[i] {
			t.Errorf("%d: of %s", i, h.Peer)
		}
		if (h.Err == nil) != (i == 0) {
			t.Errorf("%s: %+v", h.Peer, h)
		}
	}
	if a := heard[0].Answer; a.Node != "b" || len(a.Policies) != 1 || !a.Policies[0].Fit {
		t.Errorf("%+v", a)
	}
}

// Two nodes that go at the same time ask each other while they go: neither may count on the other.
func TestTwoThatLeaveAtOnce(t *testing.T) {
	var asked atomic.Pointer[func()] // called while a peer is asked
	build := func(name string, peer *string) (*Keepalive, *httptest.Server) {
		f := newFixture()
		cfg := Config{Dir: filepath.Join(t.TempDir(), "verdict"), Policies: []Policy{undamped()}, CheckFrequency: time.Second, PeerTimeout: 5 * time.Second, Proc: t.TempDir()}
		k := New(func() Config { c := cfg; c.Peers = []string{*peer}; return c }, Deps{Store: memStore{map[string]any{}}, Node: func() string { return name }}, f.board, zap.NewNop())
		k.writer.shown.Set("vip", Verdict{Policy: "vip", Word: WordOK})
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if f := asked.Load(); f != nil {
				(*f)()
			}
			_ = json.NewEncoder(w).Encode(k.Answer())
		}))
		t.Cleanup(s.Close)
		return k, s
	}
	var urlA, urlB string
	a, sa := build("a", &urlB)
	b, sb := build("b", &urlA)
	urlA, urlB = sa.URL, sb.URL
	if !b.Answer().Policies[0].Fit {
		t.Fatal("b is not fit")
	}
	b.leaving.Store(true) // b is asking
	_, err := a.StartMaintenance(t.Context(), MaintenanceRequest{For: time.Hour})
	var refused *view.Error
	if !errors.As(err, &refused) {
		t.Fatalf("a goes though b is going: %v", err)
	}
	if !a.Answer().Policies[0].Fit {
		t.Error("a that was refused says that it goes")
	}
	b.leaving.Store(false)
	var counted atomic.Bool
	ask := func() { counted.Store(a.Answer().Policies[0].Fit) }
	asked.Store(&ask)
	if _, err := a.StartMaintenance(t.Context(), MaintenanceRequest{For: time.Hour}); err != nil {
		t.Errorf("a may not go though b stays: %v", err)
	}
	if counted.Load() {
		t.Error("while a asks, others may count on it")
	}
	asked.Store(nil)
	if _, err := a.StartMaintenance(t.Context(), MaintenanceRequest{For: 2 * time.Hour}); err != nil {
		t.Errorf("maintenance can't be made longer: %v", err)
	}
	urlA = "http://127.0.0.1:1"
	if _, err := b.StartMaintenance(t.Context(), MaintenanceRequest{For: time.Hour}); err == nil {
		t.Error("b goes though nobody answered")
	}
	if _, err := b.StartMaintenance(t.Context(), MaintenanceRequest{For: time.Hour, Force: true}); err != nil {
		t.Errorf("--force: %v", err)
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte(`{"node":"b","policies":[{"name":"vip","fit":true,"number":0,"word":"ok"}]}`))
	f.Add([]byte(`{"policies":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := parseAnswer(b); err == nil {
			_ = mayLeave("a", []Verdict{{Policy: "vip"}}, []Heard{{Answer: a}})
		}
	})
}
