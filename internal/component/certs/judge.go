package certs

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"nodeagent/internal/health"
)

// limits of a certificate: kubeadm's are valid for a year, its CAs for ten. One that lives shorter is renewed later: a kubelet renews its
// own when 10 to 30 % of its time is left.
func (c Config) limits(x *x509.Certificate) (renew, alarm time.Duration) {
	life := x.NotAfter.Sub(x.NotBefore)
	renew, alarm = c.Renew, c.Alarm
	if x.IsCA {
		renew = c.RenewCA
		return min(renew, life/10), min(alarm, life/50)
	}
	return min(renew, life/12), min(alarm, life/50)
}

// judge gives the findings of Certificates and CertificateRenewal.
func judge(cfg Config, files []file, faults map[string]error, now time.Time) (state, soon []health.Finding) {
	cas := authorities(files)
	for _, f := range files {
		s, r := judgeFile(cfg, f, cas, now)
		s.Subject, r.Subject = f.path, f.path
		state = append(state, s)
		if f.leaf() != nil {
			soon = append(soon, r)
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(faults)) {
		x := health.Finding{Subject: folder, Status: health.Unknown, Reason: reasonUnread, Message: faults[folder].Error()}
		state, soon = append(state, x), append(soon, x)
	}
	none := []health.Finding{{Status: health.Absent, Message: "no certificate of Kubernetes is on this node"}}
	if len(state) == 0 {
		state = none
	}
	if len(soon) == 0 {
		soon = none
	}
	return state, soon
}

// authorities are the CA certificates that were found.
func authorities(files []file) []*x509.Certificate {
	var out []*x509.Certificate
	for _, f := range files {
		for _, c := range f.bundle.certs {
			if c.IsCA {
				out = append(out, c)
			}
		}
	}
	return out
}

func judgeFile(cfg Config, f file, cas []*x509.Certificate, now time.Time) (state, soon health.Finding) {
	if f.err != nil {
		return unread(f.err), health.Finding{}
	}
	c := f.leaf()
	if c == nil {
		if f.paired && f.bundle.public != nil { // a public key
			return judgeKey(f, f.bundle.public), health.Finding{}
		}
		return health.Finding{Status: health.Failing, Reason: reasonDamaged, Message: "it holds no certificate"}, health.Finding{}
	}
	c = decisive(f.bundle.certs)
	state = judgeTime(cfg, c, now)
	soon = judgeRenewal(cfg, c, now)
	if ofKubelet(f.leaf()) {
		if state.Reason == reasonExpired || state.Reason == reasonSoon {
			state = health.Finding{Status: health.OK, Message: state.Message + "; kubelet made it for itself, and no apiserver verifies it", Evidence: state.Evidence}
		}
		if soon.Status == health.Failing {
			soon.Reason = reasonOwn
		}
	}
	if state.Status == health.OK {
		if k := judgeKey(f, f.leaf().PublicKey); k.Status != health.OK {
			state.Status, state.Reason, state.Message = k.Status, k.Reason, k.Message
		} else if wrongCA(f.leaf(), cas) {
			state.Status, state.Reason = health.Failing, reasonIssuer
			state.Message = fmt.Sprintf("it names %q as its issuer, and was not signed by that CA of this node", f.leaf().Issuer.CommonName)
		}
	}
	return state, soon
}

// ofKubelet tells the certificate that a kubelet without serverTLSBootstrap makes for itself, for a year, and never again
// (k8s.io/client-go/util/cert, GenerateSelfSignedCertKey). That it is over stops nothing.
func ofKubelet(c *x509.Certificate) bool {
	host, made, found := strings.Cut(c.Subject.CommonName, "@")
	return found && strings.HasPrefix(c.Issuer.CommonName, host+"-ca@") && made != ""
}

// decisive is the certificate whose time counts. Of a bundle of CAs it is the one that lasts longest: while a CA is replaced the old one
// stays beside the new one until it ends. Of a chain it is the one that ends first.
func decisive(certs []*x509.Certificate) *x509.Certificate {
	later := func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }
	if certs[0].IsCA {
		return slices.MaxFunc(certs, later)
	}
	return slices.MinFunc(certs, later)
}

func judgeTime(cfg Config, c *x509.Certificate, now time.Time) health.Finding {
	evidence := []health.Pair{
		{Key: "name", Value: c.Subject.CommonName}, {Key: "issuer", Value: c.Issuer.CommonName}, {Key: "serial", Value: serial(c)},
		{Key: "notBefore", Value: c.NotBefore.UTC().Format(time.RFC3339)}, {Key: "notAfter", Value: c.NotAfter.UTC().Format(time.RFC3339)},
	}
	_, alarm := cfg.limits(c)
	left := c.NotAfter.Sub(now)
	switch {
	case now.Before(c.NotBefore):
		return health.Finding{Status: health.Failing, Reason: reasonNotYet, Message: "it is valid from " + c.NotBefore.UTC().Format(time.RFC3339) + " on", Evidence: evidence}
	case left <= 0 && c.IsCA:
		return health.Finding{Status: health.Failing, Reason: reasonExpiredCA, Message: "this CA expired " + span(-left) + " ago: nothing that it signed is valid any more", Evidence: evidence}
	case left < alarm && c.IsCA:
		return health.Finding{Status: health.Failing, Reason: reasonRenewCA, Message: "this CA expires in " + span(left), Evidence: evidence}
	case left <= 0:
		return health.Finding{Status: health.Failing, Reason: reasonExpired, Message: "it expired " + span(-left) + " ago", Evidence: evidence}
	case left < alarm:
		return health.Finding{Status: health.Failing, Reason: reasonSoon, Message: "it expires in " + span(left), Evidence: evidence}
	}
	return health.Finding{Status: health.OK, Message: "until " + c.NotAfter.UTC().Format(time.DateOnly), Evidence: evidence}
}

func judgeRenewal(cfg Config, c *x509.Certificate, now time.Time) health.Finding {
	renew, _ := cfg.limits(c)
	left := c.NotAfter.Sub(now)
	switch {
	case left >= renew:
		return health.Finding{Status: health.OK, Message: "until " + c.NotAfter.UTC().Format(time.DateOnly)}
	case c.IsCA:
		return health.Finding{Status: health.Failing, Reason: reasonRenewCA, Message: "this CA ends on " + c.NotAfter.UTC().Format(time.DateOnly)}
	}
	return health.Finding{Status: health.Failing, Reason: reasonRenew, Message: "it ends on " + c.NotAfter.UTC().Format(time.DateOnly)}
}

func judgeKey(f file, public any) health.Finding {
	switch {
	case !f.paired:
		return health.Finding{Status: health.OK}
	case errors.Is(f.keyErr, errSealed):
		return health.Finding{Status: health.OK, Message: "its key is encrypted and was not compared"}
	case f.keyErr != nil:
		return unread(f.keyErr)
	case f.key.public == nil:
		return health.Finding{Status: health.Failing, Reason: reasonDamaged, Message: "there is no key in its key file"}
	case !same(f.key.public, public):
		return health.Finding{Status: health.Failing, Reason: reasonKey, Message: "its key is another's"}
	}
	return health.Finding{Status: health.OK, Message: "fits its key"}
}

// wrongCA tells of a certificate that names a CA of this node and was signed by none of that name. One from elsewhere is not judged.
func wrongCA(c *x509.Certificate, cas []*x509.Certificate) bool {
	named := false
	for _, ca := range cas {
		if ca.Equal(c) || !bytes.Equal(ca.RawSubject, c.RawIssuer) {
			continue
		}
		if c.CheckSignatureFrom(ca) == nil {
			return false
		}
		named = true
	}
	return named && !bytes.Equal(c.RawSubject, c.RawIssuer) // one that signed itself names itself
}

// unread tells a file that can't be read from one that is broken.
func unread(err error) health.Finding {
	for _, broken := range []error{errNoPEM, errBadCert, errBadKey, errNoKubeconfig, errBase64} {
		if errors.Is(err, broken) {
			return health.Finding{Status: health.Failing, Reason: reasonDamaged, Message: err.Error()}
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return health.Finding{Status: health.Failing, Reason: reasonDamaged, Message: err.Error()}
	}
	return health.Finding{Status: health.Unknown, Reason: reasonUnread, Message: err.Error()}
}

func serial(c *x509.Certificate) string { return c.SerialNumber.Text(16) }

// span is a length of time in days, or in what is shorter.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	}
	return fmt.Sprintf("%d minutes", d/time.Minute)
}
