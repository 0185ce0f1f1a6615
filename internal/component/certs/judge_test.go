package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
)

// bad lists what is not well: path status/reason.
func bad(root string, findings []health.Finding) string {
	var out []string
	for _, f := range findings {
		if f.Status != health.OK {
			rel, _ := filepath.Rel(root, f.Subject)
			reason := ""
			if f.Reason != nil {
				reason = "/" + f.Reason.Name
			}
			out = append(out, rel+" "+f.Status.String()+reason)
		}
	}
	return strings.Join(out, ", ")
}

func (n *node) judge() (state, soon string, count int) {
	files, faults := readAll(n.config())
	a, b := judge(n.config(), files, faults, n.now)
	return bad(n.root, a), bad(n.root, b), len(a)
}

func TestCertificates(t *testing.T) {
	for _, tt := range []struct {
		name        string
		break_      func(n *node)
		state, soon string
	}{
		{"kubeadm's", func(*node) {}, "", ""},
		{"expired", func(n *node) { n.pair("pki/apiserver", n.leaf("kube-apiserver", -time.Hour)) }, "pki/apiserver.crt failing/Expired", "pki/apiserver.crt failing/ExpiresSoon"},
		{"a week before", func(n *node) { n.pair("pki/apiserver", n.leaf("kube-apiserver", 6*day)) }, "pki/apiserver.crt failing/ExpiresVerySoon", "pki/apiserver.crt failing/ExpiresSoon"},
		{"a month before", func(n *node) { n.pair("pki/apiserver", n.leaf("kube-apiserver", 29*day)) }, "", "pki/apiserver.crt failing/ExpiresSoon"},
		{"not yet valid", func(n *node) {
			n.pair("pki/apiserver", issue(n.t, "kube-apiserver", false, n.ca, n.now.Add(time.Hour), n.now.Add(year)))
		}, "pki/apiserver.crt failing/NotYetValid", ""},
		{"a day's certificate, half used", func(n *node) {
			n.pair("pki/apiserver", issue(n.t, "kube-apiserver", false, n.ca, n.now.Add(-12*time.Hour), n.now.Add(12*time.Hour)))
		}, "", ""},
		{"another's key", func(n *node) { n.write("pki/apiserver.key", n.leaf("x", year).keyPEM(n.t)) }, "pki/apiserver.crt failing/KeyMismatch", ""},
		{"another's key of service accounts", func(n *node) { n.write("pki/sa.pub", n.leaf("x", year).pub(n.t)) }, "pki/sa.pub failing/KeyMismatch", ""},
		{"another's key in kubelet's file", func(n *node) {
			n.write("kubelet/kubelet-client-current.pem", n.leaf("system:node:node1", year-day).crt()+n.leaf("x", year).keyPEM(n.t))
		}, "kubelet/kubelet-client-current.pem failing/KeyMismatch", ""},
		{"an encrypted key", func(n *node) {
			n.write("pki/apiserver.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")
		}, "", ""},
		{"no key", func(n *node) { os.Remove(n.path("pki/apiserver.key")) }, "", ""},
		{"an empty key", func(n *node) { n.write("pki/apiserver.key", "") }, "pki/apiserver.crt failing/Damaged", ""},
		{"another CA of the same name", func(n *node) {
			other := issue(n.t, "kubernetes", true, nil, n.now.Add(-day), n.now.Add(year))
			n.pair("pki/apiserver", issue(n.t, "kube-apiserver", false, other, n.now.Add(-day), n.now.Add(year-day)))
		}, "pki/apiserver.crt failing/WrongCA", ""},
		{"a CA of elsewhere", func(n *node) {
			other := issue(n.t, "company", true, nil, n.now.Add(-day), n.now.Add(year))
			n.pair("pki/apiserver", issue(n.t, "kube-apiserver", false, other, n.now.Add(-day), n.now.Add(year-day)))
		}, "", ""},
		{"the CA ends", func(n *node) {
			n.write("pki/etcd/ca.crt", issue(n.t, "another", true, nil, n.now.Add(-9*year), n.now.Add(100*day)).crt())
			os.Remove(n.path("pki/etcd/ca.key"))
		}, "", "pki/etcd/ca.crt failing/CAExpiresSoon"},
		{"the old CA beside the new one", func(n *node) {
			old := issue(n.t, "kubernetes", true, nil, n.now.Add(-10*year), n.now.Add(day))
			n.write("pki/ca.crt", n.ca.crt()+old.crt())
		}, "", ""},
		{"damaged", func(n *node) {
			n.write("pki/apiserver.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
		}, "pki/apiserver.crt failing/Damaged", ""},
		{"emptied by a full disk", func(n *node) { n.write("admin.conf", ""); n.write("pki/apiserver.crt", "") }, "pki/apiserver.crt failing/Damaged", ""},
		{"a kubeconfig's certificate", func(n *node) { n.write("admin.conf", n.leaf("admin", -day).kubeconfig(n.t)) }, "admin.conf failing/Expired", "admin.conf failing/ExpiresSoon"},
		{"no base64", func(n *node) { n.write("admin.conf", "users: [{user: {client-certificate-data: '%%%'}}]") }, "admin.conf failing/Damaged", ""},
		{"not YAML", func(n *node) { n.write("admin.conf", "users: [hunter2") }, "admin.conf failing/Damaged", ""},
		{"a file in a kubeconfig that is gone", func(n *node) { n.write("x.conf", "users: [{user: {client-certificate: gone.crt}}]") }, "x.conf failing/Damaged", ""},
		{"a folder that is none", func(n *node) { os.RemoveAll(n.path("kubelet")); n.write("kubelet", "x") }, "kubelet unknown/Unreadable", "kubelet unknown/Unreadable"},
		{"a file that is none", func(n *node) { os.Mkdir(n.path("d.conf"), 0o755); os.Symlink(n.path("d.conf"), n.path("pki/x.crt")) }, "pki/x.crt unknown/Unreadable", ""},
		{"a link to nothing", func(n *node) {
			os.Remove(n.path("kubelet/kubelet-client-current.pem"))
			os.Symlink("kubelet-client-2021-01-01-00-00-00.pem", n.path("kubelet/kubelet-client-current.pem"))
		}, "kubelet/kubelet-client-current.pem failing/Damaged", ""},
		{"a link to the newest", func(n *node) {
			os.Rename(n.path("kubelet/kubelet-client-current.pem"), n.path("kubelet/kubelet-client-2021-01-01-00-00-00.pem"))
			os.Symlink("kubelet-client-2021-01-01-00-00-00.pem", n.path("kubelet/kubelet-client-current.pem"))
		}, "", ""},
		{"a rotated certificate elsewhere", func(n *node) {
			k := n.leaf("system:node:node1", -day)
			n.write("elsewhere/kubelet-client-current.pem", k.crt()+k.keyPEM(n.t))
			n.write("kubelet.conf", "users: [{user: {client-certificate: elsewhere/kubelet-client-current.pem, client-key: elsewhere/kubelet-client-current.pem}}]")
		}, "kubelet.conf failing/Expired", "kubelet.conf failing/ExpiresSoon"},
		{"10 MB", func(n *node) { n.write("pki/x.crt", strings.Repeat("x", 10<<20)) }, "pki/x.crt unknown/Unreadable", ""},
		{"the CA is over", func(n *node) {
			n.write("pki/etcd/ca.crt", issue(n.t, "another", true, nil, n.now.Add(-9*year), n.now.Add(-day)).crt())
			os.Remove(n.path("pki/etcd/ca.key"))
		}, "pki/etcd/ca.crt failing/CAExpired", "pki/etcd/ca.crt failing/CAExpiresSoon"},
		{"the CA is nearly over", func(n *node) {
			n.write("pki/etcd/ca.crt", issue(n.t, "another", true, nil, n.now.Add(-9*year), n.now.Add(day)).crt())
			os.Remove(n.path("pki/etcd/ca.key"))
		}, "pki/etcd/ca.crt failing/CAExpiresSoon", "pki/etcd/ca.crt failing/CAExpiresSoon"},
		{"external etcd", func(n *node) {
			other := issue(n.t, "etcd-of-elsewhere", true, nil, n.now.Add(-day), n.now.Add(9*year))
			os.RemoveAll(n.path("pki/etcd"))
			n.write("pki/etcd/ca.crt", other.crt())
			n.pair("pki/apiserver-etcd-client", issue(n.t, "client", false, other, n.now.Add(-day), n.now.Add(year-day)))
		}, "", ""},
		{"a chain whose middle ends first", func(n *node) {
			middle := issue(n.t, "middle", true, n.ca, n.now.Add(-year), n.now.Add(3*day))
			leaf := issue(n.t, "kube-apiserver", false, middle, n.now.Add(-day), n.now.Add(year-day))
			n.pair("pki/apiserver", leaf)
			n.write("pki/apiserver.crt", leaf.crt()+middle.crt())
		}, "pki/apiserver.crt failing/CAExpiresSoon", "pki/apiserver.crt failing/CAExpiresSoon"},
		{"kubelet's own, over", func(n *node) {
			ca := issue(n.t, "node1-ca@1700000000", true, nil, n.now.Add(-2*year), n.now.Add(-day))
			own := issue(n.t, "node1@1700000000", false, ca, n.now.Add(-2*year), n.now.Add(-day))
			n.pair("kubelet/kubelet", own)
			n.write("kubelet/kubelet.crt", own.crt()+ca.crt())
		}, "", "kubelet/kubelet.crt failing/KubeletsOwn"},
		{"kubelet's own, left behind", func(n *node) {
			n.pair("kubelet/kubelet", n.leaf("node1", -day))
			k := n.leaf("system:node:node1", year-day)
			n.write("kubelet/kubelet-server-current.pem", k.crt()+k.keyPEM(n.t))
		}, "", ""},
		{"no Kubernetes", func(n *node) {
			for _, p := range []string{"pki", "kubelet", "admin.conf", "kubelet.conf"} {
				os.RemoveAll(n.path(p))
			}
		}, " absent", " absent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t)
			good := t.TempDir()
			if err := os.CopyFS(good, os.DirFS(n.root)); err != nil {
				t.Fatal(err)
			}
			tt.break_(n)
			state, soon, _ := n.judge()
			if state != tt.state {
				t.Errorf("state %q, want %q", state, tt.state)
			}
			if soon != tt.soon {
				t.Errorf("soon %q, want %q", soon, tt.soon)
			}
			if err := errors.Join(os.RemoveAll(n.root), os.CopyFS(n.root, os.DirFS(good))); err != nil {
				t.Fatal(err)
			}
			if state, soon, _ := n.judge(); state+soon != "" {
				t.Errorf("put right: %q, %q", state, soon)
			}
		})
	}
}

// TestKindsOfKeys: a pair of each kind and form of key is a pair, and one of another kind is none.
func TestKindsOfKeys(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs8 := func(k any) string {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return block("PRIVATE KEY", der)
	}
	sec1, err := x509.MarshalECPrivateKey(ec)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key  crypto.Signer
		text string
	}{
		"EC":                        {ec, block("EC PRIVATE KEY", sec1)},
		"EC behind its parameters":  {ec, block("EC PARAMETERS", []byte{6, 5, 43, 129, 4, 0, 34}) + block("EC PRIVATE KEY", sec1)},
		"EC in PKCS#8":              {ec, pkcs8(ec)},
		"Ed25519":                   {ed, pkcs8(ed)},
		"RSA in PKCS#1":             {rs, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rs))},
		"RSA in PKCS#8, with words": {rs, "Bag Attributes\n    friendlyName: x\n" + pkcs8(rs)},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(5), Subject: pkix.Name{CommonName: "kube-apiserver"}, NotBefore: n.now.Add(-day), NotAfter: n.now.Add(year)}, n.ca.cert, c.key.Public(), n.ca.key)
			if err != nil {
				t.Fatal(err)
			}
			n.write("pki/apiserver.crt", block("CERTIFICATE", der))
			n.write("pki/apiserver.key", c.text)
			if state, _, _ := n.judge(); state != "" {
				t.Errorf("a pair: %q", state)
			}
			n.write("pki/apiserver.key", n.leaf("x", year).keyPEM(t))
			if state, _, _ := n.judge(); state != "pki/apiserver.crt failing/KeyMismatch" {
				t.Errorf("another's key: %q", state)
			}
		})
	}
}

func TestManyFilesAreBounded(t *testing.T) {
	n := newNode(t)
	crt := n.leaf("x", year).crt()
	for i := range 3 * maxFiles {
		n.write(fmt.Sprintf("pki/%d.crt", i), crt)
	}
	if _, _, count := n.judge(); count > maxFiles {
		t.Errorf("%d subjects", count)
	}
}

// TestNothingSecretIsSaid reads files full of secrets that do not parse: no message repeats any of it.
func TestNothingSecretIsSaid(t *testing.T) {
	n := newNode(t)
	const secret = "c3VwZXJzZWNyZXQ"
	n.write("admin.conf", "users:\n- user: {client-key-data: '"+secret+"!', client-certificate-data: QUJD, token: "+secret+"\n")
	n.write("x.conf", "users:\n- user:\n    client-certificate-data: "+secret+"%\n    password: "+secret+"\n")
	n.write("pki/apiserver.key", "-----BEGIN RSA PRIVATE KEY-----\n"+secret+"==\n-----END RSA PRIVATE KEY-----\n")
	n.write("pki/apiserver.crt", secret)
	files, faults := readAll(n.config())
	state, soon := judge(n.config(), files, faults, n.now)
	said := fmt.Sprintf("%+v %+v %+v", state, soon, views(files))
	for _, s := range []string{secret, "supersecret", "hunter2"} {
		if strings.Contains(said, s) {
			t.Errorf("%q is in %s", s, said)
		}
	}
}

func FuzzPEM(f *testing.F) {
	n := newNode(f)
	f.Add([]byte(n.ca.crt() + n.ca.keyPEM(f)))
	f.Add([]byte(n.ca.pub(f)))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := parsePEM(text)
		if err != nil {
			return
		}
		judgeFile(Config{}.filled(), file{path: "/x", bundle: b, key: b, paired: true}, b.certs, time.Unix(0, 0))
	})
}

func FuzzKubeconfig(f *testing.F) {
	n := newNode(f)
	f.Add([]byte(n.ca.kubeconfig(f)))
	f.Add([]byte("users: [{user: {client-certificate: a, client-key-data: Zm9v}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := parseKubeconfig("/etc/kubernetes/x.conf", text)
		if err == nil && e.certificateFile != "" && !filepath.IsAbs(e.certificateFile) {
			t.Errorf("a path beside the kubeconfig: %q", e.certificateFile)
		}
	})
}
