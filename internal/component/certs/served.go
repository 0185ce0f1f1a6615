package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"nodeagent/internal/health"
)

// served is what a port showed.
type served struct {
	leaf *x509.Certificate
	err  error
}

// dial asks a port for its certificate the way its clients do. Whose it is does not matter: it is compared with its own file, and nothing
// that is secret is sent.
func dial(ctx context.Context, p Port, timeout time.Duration) served {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if p.Client != "" {
		pair, err := tls.LoadX509KeyPair(p.Client, p.ClientKey)
		if err != nil {
			return served{err: fmt.Errorf("client certificate %s: %w", p.Client, err)}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	d := tls.Dialer{NetDialer: &net.Dialer{}, Config: config}
	conn, err := d.DialContext(ctx, "tcp", p.Address)
	if err != nil {
		return served{err: fmt.Errorf("ask %s: %w", p.Address, err)}
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	c := conn.(*tls.Conn)
	s := served{leaf: c.ConnectionState().PeerCertificates[0]}
	if p.Path == "" {
		return s
	}
	// A connection that asks for nothing is a line in etcd's log. What it answers does not matter here.
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+p.Address+p.Path, nil)
	if err != nil {
		return served{err: fmt.Errorf("ask %s: %w", p.Address, err)}
	}
	request.Close = true
	if request.Write(c) == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(c, 64<<10))
	}
	return s
}

// dialAll asks the ports one after the other.
func dialAll(ctx context.Context, ports []Port, timeout time.Duration) []served {
	out := make([]served, len(ports))
	for i, p := range ports {
		out[i] = dial(ctx, p, timeout)
	}
	return out
}

// judgeUse gives the findings of CertificatesInUse.
func judgeUse(ports []Port, seen []served, users []User, files []file, now time.Time) []health.Finding {
	var out []health.Finding
	for i, p := range ports {
		f := judgePort(p, seen[i], files, now)
		f.Subject = p.Component
		out = append(out, f)
	}
	for _, u := range users {
		f := judgeUser(u, files, now)
		f.Subject = u.Component + "'s kubeconfig"
		out = append(out, f)
	}
	if len(out) == 0 {
		return []health.Finding{{Status: health.Absent, Message: "no component with a certificate from a file runs here"}}
	}
	return out
}

func judgePort(p Port, s served, files []file, now time.Time) health.Finding {
	i := slices.IndexFunc(files, func(f file) bool { return f.path == p.File })
	var want *x509.Certificate
	if i >= 0 {
		want = files[i].leaf()
	} else if b, err := readPEM(p.File); err == nil && len(b.certs) > 0 {
		want = b.certs[0]
	}
	switch {
	case s.err != nil:
		return health.Finding{Status: health.Unknown, Reason: reasonNoHandshake, Message: s.err.Error()}
	case want == nil:
		return health.Finding{Status: health.Unknown, Reason: reasonServedUnread, Message: "no certificate was read from " + p.File}
	}
	evidence := []health.Pair{{Key: "file", Value: p.File}, {Key: "serves", Value: serial(s.leaf)}, {Key: "inFile", Value: serial(want)}, {Key: "servesUntil", Value: s.leaf.NotAfter.UTC().Format(time.RFC3339)}}
	switch {
	case !s.leaf.Equal(want):
		return health.Finding{Status: health.Failing, Reason: reasonNotTaken, Evidence: evidence,
			Message: fmt.Sprintf("%s serves an older certificate at %s than %s holds: it was not restarted after the renewal; the one it serves %s", p.Component, p.Address, p.File, until(s.leaf, now))}
	case now.After(s.leaf.NotAfter):
		return health.Finding{Status: health.Failing, Reason: reasonServedOld, Evidence: evidence, Message: fmt.Sprintf("%s serves a certificate that expired %s ago", p.Component, span(now.Sub(s.leaf.NotAfter)))}
	}
	return health.Finding{Status: health.OK, Message: "serves " + p.File, Evidence: evidence}
}

func until(c *x509.Certificate, now time.Time) string {
	if left := c.NotAfter.Sub(now); left > 0 {
		return "ends in " + span(left)
	}
	return "expired " + span(now.Sub(c.NotAfter)) + " ago"
}

// judgeUser finds a process that is older than its kubeconfig: client-go reads embedded certificates at the start alone.
func judgeUser(u User, files []file, now time.Time) health.Finding {
	i := slices.IndexFunc(files, func(f file) bool { return f.path == u.File && f.kubeconfig })
	switch {
	case i < 0 || u.Started.IsZero():
		return health.Finding{Status: health.Absent, Message: "its kubeconfig holds no certificate"}
	case files[i].leaf() == nil || files[i].modified.IsZero():
		return health.Finding{Status: health.Unknown, Reason: reasonServedUnread, Message: "no certificate was read from " + u.File}
	case files[i].modified.After(u.Started.Add(time.Second)): // a process' start is known to a tick of the kernel
		return health.Finding{Status: health.Failing, Reason: reasonNotTaken,
			Message: fmt.Sprintf("%s runs for %s, and %s was written %s ago: it still uses the certificate from before", u.Component, span(now.Sub(u.Started)), u.File, span(now.Sub(files[i].modified)))}
	}
	return health.Finding{Status: health.OK, Message: "started after " + u.File + " was written"}
}
