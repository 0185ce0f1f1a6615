package component

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// A member that wants client certificates logs every connection that shows none, or one that it does not take. So what it would say is found out
// from the files that it was started with, and it is asked only where it takes what we have.

// etcdClient is who an etcd is asked as over TLS.
type etcdClient struct {
	who identity // anonymous where it asks for no certificate
	ca  authority
	err error // why it is not asked; nil: it is
}

// etcdClientOf decides it from the settings that the member runs with.
func etcdClientOf(cfg Config, f found, p etcdPlace, now time.Time) etcdClient {
	c := etcdClient{ca: readAuthority(p.ca)}
	if !p.asksCertificate {
		return c
	}
	if c.who, c.err = healthcheckClient(cfg.PKI); c.err == nil {
		c.err = takes(p.clientCA, p.picky, c.who.certificate.Leaf, f.process, now)
	}
	return c
}

// healthcheckClient is the identity that kubeadm makes for looking at etcd; its error is that there is none, or that it can't be read.
func healthcheckClient(pki string) (identity, error) {
	file := filepath.Join(pki, "etcd/healthcheck-client.crt")
	if _, err := os.Stat(file); err != nil {
		return identity{}, fmt.Errorf("it takes clients with a certificate alone: %w", err)
	}
	c, err := keyPair(file, filepath.Join(pki, "etcd/healthcheck-client.key"))
	return identity{certificate: c}, err
}

var errPicky = errors.New("it takes clients of certain names alone, or has a list of revoked ones: it is not asked, since it would log a refusal")

// takes tells whether a member with this CA for its clients takes a certificate; the error is why not, or that it is not known.
func takes(caFile string, picky bool, leaf *x509.Certificate, p *process, now time.Time) error {
	if picky {
		return errPicky
	}
	if err := asStarted(caFile, p); err != nil {
		return err
	}
	ca := readAuthority(caFile)
	if ca.pool == nil {
		return fmt.Errorf("the CA of its clients is not known, so it is not asked: %s", ca.fault)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: ca.pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		return fmt.Errorf("it would refuse the certificate of %q, so it is not asked: %w", leaf.Subject.CommonName, err)
	}
	return nil
}

// startSlack is how well the start of a process is known: the time of the boot is told in whole seconds.
const startSlack = 2 * time.Second

// asStarted fails for a file that was changed since the process read it at its start.
func asStarted(file string, p *process) error {
	if p == nil || p.at.IsZero() {
		return nil
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("what it was started with is not known, so it is not asked: %w", err)
	}
	if info.ModTime().After(p.at.Add(startSlack)) {
		return fmt.Errorf("%s was changed after it was started, so that it would refuse what fits the file now: it is not asked until it is started anew", file)
	}
	return nil
}
