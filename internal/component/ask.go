package component

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// maxBody is how much of an answer is read: a /livez that fails lists some hundred checks.
const maxBody = 64 << 10

// how a question went.
type outcome uint8

const (
	notAsked    outcome = iota
	answered            // with an HTTP status
	refused             // nothing listens
	unreachable         // no connection came to be within the timeout, or the address can't be reached
	hung                // it took the connection and did not answer within the timeout
	broken              // it closed the connection, or speaks something else
)

// answer to one question.
type answer struct {
	outcome outcome
	status  int
	body    string // as much as the session's limit
	took    time.Duration
	detail  string // what went wrong, for people
	alert   bool   // broken: it ended the TLS handshake, and most likely logged that
}

// identity is who asks. The zero value is anonymous.
type identity struct {
	certificate *tls.Certificate
	token       string
}

// session asks one server several questions over one connection.
type session struct {
	client  *http.Client
	base    string // https://host:port
	timeout time.Duration
	token   string
	limit   int64 // of a body
	trust   atomic.Pointer[trust]
	phase   atomic.Pointer[string]
}

// Phases of a question.
var (
	phaseConnect   = "connect"
	phaseHandshake = "handshake"
	phaseAnswer    = "answer"
)

// newTLSSession is for a server that speaks TLS. The handshake is finished whatever the certificate is, and seen tells of it. With a token, which is
// a secret, it is broken off where the certificate is not verified, before the token is sent.
func newTLSSession(p place, ca authority, timeout time.Duration, who identity) *session {
	s := &session{base: "https://" + p.address, timeout: timeout, token: who.token, limit: maxBody}
	c := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, // VerifyConnection judges instead: to break a handshake off is a line in the server's log
		VerifyConnection: func(state tls.ConnectionState) error {
			t := ca.verify(state, p.names, time.Now())
			s.trust.Store(&t)
			if who.token != "" && !t.verified {
				return errUnverified
			}
			return nil
		},
	}
	if who.certificate != nil {
		c.Certificates = []tls.Certificate{*who.certificate}
	}
	s.connect(c)
	return s
}

var errUnverified = errors.New("credentials are sent to no server whose certificate is not verified")

// newPlainSession is for a server that speaks HTTP without TLS, anonymous.
func newPlainSession(address string, timeout time.Duration) *session {
	s := &session{base: "http://" + address, timeout: timeout, limit: maxBody}
	s.connect(nil)
	return s
}

func (s *session) connect(c *tls.Config) {
	s.client = &http.Client{
		Transport: &http.Transport{ // with no proxy
			DialContext: (&net.Dialer{}).DialContext, TLSClientConfig: c, DisableCompression: true, MaxIdleConns: 1, MaxResponseHeaderBytes: 32 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// close ends the connection.
func (s *session) close() { s.client.CloseIdleConnections() }

// seen is what came out of looking at the server's certificate; zero without TLS or a handshake.
func (s *session) seen() trust {
	if t := s.trust.Load(); t != nil {
		return *t
	}
	return trust{}
}

// get asks for a path.
func (s *session) get(ctx context.Context, path string) answer {
	asked, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	s.phase.Store(&phaseConnect)
	began := time.Now()
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(asked, &httptrace.ClientTrace{
		TLSHandshakeStart: func() { s.phase.Store(&phaseHandshake) },
		GotConn:           func(httptrace.GotConnInfo) { s.phase.Store(&phaseAnswer) },
	}), http.MethodGet, s.base+path, nil)
	if err != nil {
		return answer{outcome: broken, detail: err.Error()}
	}
	req.Header.Set("User-Agent", "nodeagent")
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := s.client.Do(req)
	if err == nil {
		defer resp.Body.Close()
		var body []byte
		if body, err = io.ReadAll(io.LimitReader(resp.Body, s.limit)); err == nil {
			return answer{outcome: answered, status: resp.StatusCode, body: string(body), took: time.Since(began)}
		}
	}
	a := explain(err, *s.phase.Load(), path, s.timeout)
	a.took = time.Since(began)
	return a
}

// explain tells failures apart.
func explain(err error, phase, path string, timeout time.Duration) answer {
	var alert tls.AlertError
	var record tls.RecordHeaderError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return answer{outcome: refused, detail: "connection refused"}
	case os.IsTimeout(err), errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		switch phase {
		case phaseConnect:
			return answer{outcome: unreachable, detail: fmt.Sprintf("no connection within %v", timeout)}
		case phaseHandshake:
			return answer{outcome: hung, detail: fmt.Sprintf("it took the connection and finished no TLS handshake within %v", timeout)}
		}
		return answer{outcome: hung, detail: fmt.Sprintf("no answer to %s within %v", path, timeout)}
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return answer{outcome: broken, detail: "what listens there speaks no TLS"}
	case errors.As(err, &alert):
		return answer{outcome: broken, detail: "it ends the TLS handshake: " + alert.Error(), alert: true}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return answer{outcome: broken, detail: "it closed the connection without an answer"}
	}
	if phase == phaseConnect {
		return answer{outcome: unreachable, detail: inner(err)}
	}
	return answer{outcome: broken, detail: inner(err)}
}

// inner is an error without the request's own words in front.
func inner(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
