package component

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// pki is a CA with its files in a folder, as kubeadm lays them out.
type pki struct {
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newPKI(t testing.TB, dir, name string) *pki {
	t.Helper()
	p := &pki{dir: dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p.key = newKey(t)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &p.key.PublicKey, p.key)
	if err != nil {
		t.Fatal(err)
	}
	if p.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "ca.crt"), string(certPEM(der)))
	return p
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// issue makes a certificate for a server and a client alike.
func (p *pki) issue(t testing.TB, cn, org string, until time.Time, names ...string) (certificate, key []byte) {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: cn}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	if org != "" {
		c.Subject.Organization = []string{org}
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, n)
		}
	}
	k := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, c, p.cert, &k.PublicKey, p.key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return certPEM(der), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b})
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// node is a node made of files, with servers that stand in for its components.
type node struct {
	t   testing.TB
	dir string
	cfg Config
	ca  *pki
}

func newNode(t testing.TB) *node {
	t.Helper()
	n := &node{t: t, dir: t.TempDir()}
	n.cfg = Config{Manifests: []string{filepath.Join(n.dir, "manifests")}, PKI: filepath.Join(n.dir, "pki"), Proc: filepath.Join(n.dir, "proc"), Timeout: 250 * time.Millisecond, Slow: time.Hour}.filled()
	n.ca = newPKI(t, n.cfg.PKI, "kubernetes")
	write(t, filepath.Join(n.cfg.Proc, "stat"), "cpu 1 2\nbtime 1767225600\n")
	write(t, filepath.Join(n.cfg.Proc, "1/comm"), "systemd\n")
	return n
}

// manifest writes a static pod that runs a program.
func (n *node) manifest(program string, args ...string) {
	n.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\n  namespace: kube-system\nspec:\n  containers:\n  - name: %s\n    image: example.invalid/%s:v1.34.0\n    command:\n    - %s\n", program, program, program, program)
	for _, a := range args {
		fmt.Fprintf(&b, "    - %q\n", a)
	}
	write(n.t, filepath.Join(n.cfg.Manifests[0], program+".yaml"), b.String())
}

// process adds a process to /proc.
func (n *node) process(pid int, state string, words ...string) {
	n.t.Helper()
	dir := filepath.Join(n.cfg.Proc, fmt.Sprint(pid))
	comm := filepath.Base(words[0])
	write(n.t, filepath.Join(dir, "comm"), comm[:min(len(comm), commLength)]+"\n")
	write(n.t, filepath.Join(dir, "cmdline"), strings.Join(words, "\x00")+"\x00")
	write(n.t, filepath.Join(dir, "status"), "Name:\tx\nUid:\t0\t0\t0\t0\n")
	write(n.t, filepath.Join(dir, "stat"), fmt.Sprintf("%d (a b) c) %s 1 1 1 0 -1 4194560 1 1 1 1 1 1 1 1 20 0 9 0 1000 1 1", pid, state))
}

// server is a component's stand-in. It writes down what it would log and what credentials it was given.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	logged  bytes.Buffer
	given   []string // Authorization headers and client certificates
	answers map[string]reply
}

type reply struct {
	status int
	body   string
	wait   time.Duration
}

func (s *server) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logged.Write(b)
}

func (s *server) log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logged.String()
}

func (s *server) credentials() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.given...)
}

// set changes what is answered.
func (s *server) set(path string, r reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[path] = r
}

func (s *server) port() string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return port
}

func (s *server) handle(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	a, ok := s.answers[r.URL.Path]
	if v := r.Header.Get("Authorization"); v != "" {
		s.given = append(s.given, v)
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		s.given = append(s.given, r.TLS.PeerCertificates[0].Subject.CommonName)
	}
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	if a.wait > 0 {
		select {
		case <-time.After(a.wait):
		case <-r.Context().Done():
		}
	}
	w.WriteHeader(a.status)
	_, _ = w.Write([]byte(a.body))
}

// serve starts a stand-in with a certificate of the CA; nil: without TLS.
func serve(t testing.TB, ca *pki, until time.Time, names ...string) *server {
	t.Helper()
	s := &server{answers: map[string]reply{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.handle))
	s.Config.ErrorLog = log.New(s, "", 0)
	if ca == nil {
		s.Start()
	} else {
		c, k := ca.issue(t, "kube-apiserver", "", until, names...)
		pair, err := tls.X509KeyPair(c, k)
		if err != nil {
			t.Fatal(err)
		}
		s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}
		s.StartTLS()
	}
	t.Cleanup(s.Close)
	return s
}
