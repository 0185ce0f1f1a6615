package component

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// authority is a set of CA certificates with the files that they are from.
type authority struct {
	pool  *x509.CertPool
	files []string
	fault string // why there is none
	some  bool   // what it did not sign may be good nonetheless
}

// readAuthority reads CA files. Those that are not there are passed over.
func readAuthority(files ...string) authority {
	var a authority
	for _, file := range files {
		if file == "" || slices.Contains(a.files, file) {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			a.fault = err.Error()
			continue
		}
		if a.pool == nil {
			a.pool = x509.NewCertPool()
		}
		if !a.pool.AppendCertsFromPEM(text) {
			a.fault = file + " holds no certificate"
			continue
		}
		a.files = append(a.files, file)
	}
	if len(a.files) == 0 {
		a.pool = nil
	}
	return a
}

// trust is the outcome of looking at a server's certificate.
type trust struct {
	verified bool
	fault    string // what is wrong with the certificate; empty where it is good, or could not be judged
	unknown  string // why it could not be judged
}

// verify judges what a server presented: signed by the CA, for one of the names, valid now.
func (a authority) verify(s tls.ConnectionState, names []string, now time.Time) trust {
	if len(s.PeerCertificates) == 0 {
		return trust{fault: "it presents no certificate"}
	}
	leaf := s.PeerCertificates[0]
	if now.After(leaf.NotAfter) {
		return trust{fault: fmt.Sprintf("its certificate expired %s", leaf.NotAfter.UTC().Format(time.RFC3339))}
	}
	if a.pool == nil {
		return trust{unknown: "its certificate was not verified: " + a.fault}
	}
	rest := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		rest.AddCert(c)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: a.pool, Intermediates: rest, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
		if errors.As(err, new(x509.UnknownAuthorityError)) {
			if a.some {
				return trust{unknown: fmt.Sprintf("its certificate was not verified: it is signed by %q, of which no CA is known", leaf.Issuer.CommonName)}
			}
			return trust{fault: fmt.Sprintf("its certificate is signed by %q, not by the CA in %s", leaf.Issuer.CommonName, a.files[0])}
		}
		return trust{fault: err.Error()}
	}
	for _, n := range names {
		if leaf.VerifyHostname(n) == nil {
			return trust{verified: true}
		}
	}
	return trust{fault: fmt.Sprintf("its certificate is for none of %v", names)}
}

// clusterCA is the CA that signs what clients of the apiserver trust. The apiserver's own CA for its clients is the same one on a kubeadm node; rke2 and
// others have two, so that it proves what it signed and nothing else.
func clusterCA(cfg Config, f flags) authority {
	cluster := filepath.Join(cfg.PKI, "ca.crt")
	a := readAuthority(cluster, f["client-ca-file"])
	a.some = !slices.Contains(a.files, cluster)
	return a
}

// keyPair reads a client certificate and its key, from one file or two.
func keyPair(certFile, keyFile string) (*tls.Certificate, error) {
	c, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("read client certificate %s: %w", certFile, scrub(err))
	}
	return &c, nil
}

// scrub leaves of an error of reading a key only what names no content.
func scrub(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p
	}
	return errors.New("it is no certificate with its key")
}
