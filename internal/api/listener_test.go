package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// passwordHash is bcrypt, cost 4, of "correct horse".
const passwordHash = "$2a$04$YVgIAsF.smjcJAIE18Z/Iux7Mf6s9JKf9TjV8asL4R2wKmJsq6bPq"

func testListener(t *testing.T, webConfig string, log *zap.Logger) (*Listener, *atomic.Bool) {
	t.Helper()
	ready := &atomic.Bool{}
	l, err := NewListener(ListenerConfig{Address: "127.0.0.1:0", WebConfigFile: webConfig}, Pages{
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "up 1\n") }),
		Status:  http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "all is well\n") }),
		Ready:   ready.Load,
		Version: "1.2.3",
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	return l, ready
}

func fetch(t *testing.T, c *http.Client, method, url, user, password string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		r.SetBasicAuth(user, password)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

func TestListener(t *testing.T) {
	core, logs := observer.New(zap.DebugLevel)
	l, ready := testListener(t, "", zap.New(core))
	stop := start(t, l)
	base := "http://" + l.Addr().String()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, tc := range []struct {
		method, path string
		ready        bool
		status       int
		want         string
	}{
		{"GET", "/metrics", false, 200, "up 1\n"},
		{"GET", "/status", false, 200, "all is well\n"},
		{"GET", "/-/healthy", false, 200, "nodeagent is healthy.\n"},
		{"HEAD", "/-/healthy", false, 200, ""},
		{"GET", "/-/ready", false, 503, "nodeagent is not ready: its first looks are not over.\n"},
		{"HEAD", "/-/ready", false, 503, ""},
		{"GET", "/-/ready", true, 200, "nodeagent is ready.\n"},
		{"HEAD", "/-/ready", true, 200, ""},
		{"POST", "/-/ready", true, 405, "Method Not Allowed\n"},
		{"POST", "/metrics", true, 405, "Method Not Allowed\n"},
		{"GET", "/v1/status", true, 404, "404 page not found\n"},
		{"POST", "/v1/reload", true, 404, "404 page not found\n"},
		{"POST", "/-/reload", true, 404, "404 page not found\n"},
		{"GET", "/debug/pprof/", true, 404, "404 page not found\n"},
		{"GET", "/status/x", true, 404, "404 page not found\n"},
	} {
		ready.Store(tc.ready)
		status, text, _ := fetch(t, c, tc.method, base+tc.path, "", "")
		if status != tc.status || text != tc.want {
			t.Errorf("%s %s: %d %q, want %d %q", tc.method, tc.path, status, text, tc.status, tc.want)
		}
	}
	_, page, _ := fetch(t, c, "GET", base+"/", "", "")
	for _, want := range []string{`href="/status"`, `href="/metrics"`, `href="/-/healthy"`, `href="/-/ready"`, "nodeagent", "1.2.3"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s:\n%s", want, page)
		}
	}
	if strings.Contains(page, "debug/pprof") {
		t.Error("the page names profiles, which are not there")
	}
	if n := logs.FilterMessage("Listening on").FilterField(zap.Any("address", l.Addr().String())).Len(); n != 1 {
		t.Errorf("logged %v", logs.All())
	}
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
		c.Close()
		t.Error("it listens after the end")
	}
}

func TestAddressTaken(t *testing.T) {
	first, _ := testListener(t, "", zap.NewNop())
	start(t, first)
	second, _ := testListener(t, "", zap.NewNop())
	second.config.Address = first.Addr().String()
	err := second.Run(t.Context())
	if !errors.Is(err, ErrAddressTaken) || !strings.Contains(err.Error(), "metrics.listen") {
		t.Errorf("got %v", err)
	}
	second.config.Address = "999.0.0.1:1"
	if err := second.Run(t.Context()); err == nil || errors.Is(err, ErrAddressTaken) {
		t.Errorf("a bad address: %v", err)
	}
	select {
	case <-second.Ready():
		t.Error("ready without listening")
	default:
	}
}

func TestWebConfig(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pool := certificate(t, dir)
	secure := file("web.yml", fmt.Sprintf("tls_server_config:\n  cert_file: %s/cert.pem\n  key_file: %s/key.pem\nbasic_auth_users:\n  prometheus: %s\n", dir, dir, passwordHash))
	core, logs := observer.New(zap.DebugLevel)
	l, _ := testListener(t, secure, zap.New(core))
	start(t, l)
	base := "https://" + l.Addr().String()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "node"}}}
	for _, path := range []string{"/metrics", "/status", "/-/healthy", "/-/ready", "/"} {
		for password, want := range map[string]bool{"correct horse": true, "wrong": false, "": false} {
			user := "prometheus"
			if password == "" {
				user = ""
			}
			if status, _, _ := fetch(t, c, "GET", base+path, user, password); (status != http.StatusUnauthorized) != want {
				t.Errorf("%s with password %q: %d", path, password, status)
			}
		}
	}
	if status, _, _ := fetch(t, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "GET", "http://"+l.Addr().String()+"/metrics", "prometheus", "correct horse"); status != http.StatusBadRequest {
		t.Errorf("plain HTTP: %d", status)
	}
	for _, e := range logs.All() {
		if s := fmt.Sprint(e.Message, e.ContextMap()); strings.Contains(s, "horse") || strings.Contains(s, passwordHash) {
			t.Errorf("a secret is in the log: %s", s)
		}
	}

	for name, want := range map[string]string{
		file("bad.yml", "tls_server_confg: {}\n"):                                             "tls_server_confg",
		file("hash.yml", "basic_auth_users:\n  a: not-a-hash\n"):                              "web configuration",
		file("cert.yml", "tls_server_config:\n  cert_file: /no/such\n  key_file: /no/such\n"): "/no/such",
		filepath.Join(dir, "missing.yml"):                                                     "no such file",
	} {
		l, _ := testListener(t, name, zap.NewNop())
		if err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// certificate writes cert.pem and key.pem for the name "node", and returns who trusts them.
func certificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "node"}, DNSNames: []string{"node"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	return pool
}
