package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// signer is a certificate with its key.
type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var serials int64 = 0x1000

// issue makes a certificate. A nil issuer signs itself.
func issue(t testing.TB, name string, ca bool, issuer *signer, from, until time.Time) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serials++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serials), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: until, IsCA: ca, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	if ca {
		c.KeyUsage |= x509.KeyUsageCertSign
	}
	by, byKey := c, key
	if issuer != nil {
		by, byKey = issuer.cert, issuer.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, byKey)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{parsed, key}
}

func (s *signer) crt() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.cert.Raw}))
}

func (s *signer) keyPEM(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func (s *signer) pub(t testing.TB) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&s.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func (s *signer) kubeconfig(t testing.TB) string {
	t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	return "apiVersion: v1\nkind: Config\nusers:\n- name: token\n  user: {token: hunter2}\n- name: cert\n  user:\n    client-certificate-data: " + b64([]byte(s.crt())) + "\n    client-key-data: " + b64([]byte(s.keyPEM(t))) + "\n"
}

// node is what kubeadm lays out on a control plane, in a folder of the test.
type node struct {
	t    testing.TB
	root string
	now  time.Time
	ca   *signer
}

func newNode(t testing.TB) *node {
	t.Helper()
	n := &node{t: t, root: t.TempDir(), now: time.Now()}
	n.ca = issue(t, "kubernetes", true, nil, n.now.Add(-year), n.now.Add(9*year))
	n.pair("pki/ca", n.ca)
	n.pair("pki/apiserver", n.leaf("kube-apiserver", year-day))
	sa := n.leaf("sa", year)
	n.write("pki/sa.key", sa.keyPEM(t))
	n.write("pki/sa.pub", sa.pub(t))
	etcd := issue(t, "etcd-ca", true, nil, n.now.Add(-year), n.now.Add(9*year))
	n.pair("pki/etcd/ca", etcd)
	n.pair("pki/etcd/server", issue(t, "node1", false, etcd, n.now.Add(-day), n.now.Add(year-day)))
	k := n.leaf("system:node:node1", year-day)
	n.write("kubelet/kubelet-client-current.pem", k.crt()+k.keyPEM(t))
	n.write("kubelet/kubelet-client-2020-01-01-00-00-00.pem", "an old one, which counts for nothing")
	n.write("admin.conf", n.leaf("kubernetes-admin", year-day).kubeconfig(t))
	current := strconv.Quote(n.path("kubelet/kubelet-client-current.pem"))
	n.write("kubelet.conf", "users:\n- user: {client-certificate: "+current+", client-key: "+current+"}\n")
	return n
}

func (n *node) leaf(name string, left time.Duration) *signer {
	return issue(n.t, name, false, n.ca, n.now.Add(left-year), n.now.Add(left))
}

func (n *node) path(p string) string { return filepath.Join(n.root, p) }

func (n *node) write(path, text string) {
	n.t.Helper()
	p := n.path(path)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) pair(path string, s *signer) {
	n.t.Helper()
	n.write(path+".crt", s.crt())
	n.write(path+".key", s.keyPEM(n.t))
}

func (n *node) config() Config {
	return Config{Folders: []string{n.path("pki"), n.path("pki/etcd"), n.path("kubelet")}, Kubeconfigs: []string{n.root}}.filled()
}
