package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
)

const (
	maxBody      = 10 << 10        // read of an answer, as kubelet does
	maxHeaders   = 256 << 10       // of an answer
	maxRedirects = 10              // net/http's own
	tries        = 3               // of a probe that could not be tried (kubernetes, maxProbeRetries)
	execSlack    = 5 * time.Second // beyond an exec's timeout, for the runtime to end the command and to answer
)

// handlers do what probes ask for. They keep nothing between two probes.
type handlers struct {
	exec   Exec
	dialer *net.Dialer
	client *http.Client
}

func newHandlers(exec Exec) handlers {
	// A second of linger instead of the kernel's minute in TIME-WAIT: a node asks its pods some hundred times a second (k/k#89898).
	d := &net.Dialer{KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1, Linger: 1})
		})
	}}
	return handlers{exec: exec, dialer: d, client: &http.Client{
		Transport: &http.Transport{
			DialContext:            d.DialContext,
			TLSClientConfig:        &tls.Config{InsecureSkipVerify: true}, // a pod's certificate is rarely for its IP; kubelet does not look at it either
			TLSHandshakeTimeout:    10 * time.Second,
			DisableKeepAlives:      true, // a probe has to see whether a new connection is served
			DisableCompression:     true,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: maxHeaders,
			// No Proxy: the node's is not between it and its own pods.
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if r.URL.Hostname() != via[0].URL.Hostname() {
				return http.ErrUseLastResponse
			}
			if len(via) >= maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			return nil
		},
	}}
}

// probe tries p until it says something, and at most three times.
func (h handlers) probe(ctx context.Context, p *corev1.Probe, t Target) attempt {
	timeout := timingOf(p).timeout
	var a attempt
	for range tries {
		if a = h.once(ctx, p, t, timeout); a.outcome != Unknown || !a.again || ctx.Err() != nil {
			break
		}
	}
	return a
}

func (h handlers) once(ctx context.Context, p *corev1.Probe, t Target, timeout time.Duration) attempt {
	switch {
	case p.Exec != nil:
		return h.execute(ctx, p.Exec, t, timeout)
	case p.HTTPGet != nil:
		return h.get(ctx, p.HTTPGet, t, timeout)
	case p.TCPSocket != nil:
		return h.connect(ctx, p.TCPSocket, t, timeout)
	}
	return attempt{message: "has no handler that is served: use exec, httpGet or tcpSocket"}
}

func (h handlers) execute(ctx context.Context, e *corev1.ExecAction, t Target, timeout time.Duration) attempt {
	ctx, cancel := context.WithTimeout(ctx, timeout+execSlack)
	defer cancel()
	out, exit, err := h.exec(ctx, t.ContainerID, command(e.Command, t.Spec), timeout)
	switch {
	case err != nil && ctx.Err() != nil:
		return attempt{message: fmt.Sprintf("exec: the runtime did not answer within %v", timeout+execSlack)}
	case status.Code(err) == codes.DeadlineExceeded, errors.Is(err, context.DeadlineExceeded), err == nil && exit == -1:
		return attempt{outcome: Failure, message: fmt.Sprintf("exec: the command did not end within %v", timeout), output: printable(out, maxOutput)}
	case err != nil:
		return attempt{message: "exec: the runtime could not run the command: " + printable([]byte(err.Error()), maxMessage), again: true}
	case exit != 0:
		return attempt{outcome: Failure, message: fmt.Sprintf("exec: exit code %d", exit), output: printable(out, maxOutput)}
	}
	return attempt{outcome: Success}
}

func (h handlers) get(ctx context.Context, g *corev1.HTTPGetAction, t Target, timeout time.Duration) attempt {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := request(ctx, g, t, probeAgent)
	if err != nil {
		return attempt{message: err.Error()}
	}
	answer, err := h.client.Do(r)
	if err != nil {
		return attempt{outcome: Failure, message: what(r) + ": " + why(ctx, err, timeout)}
	}
	defer answer.Body.Close()
	if _, err := io.CopyN(io.Discard, answer.Body, maxBody); err != nil && !errors.Is(err, io.EOF) {
		return attempt{message: fmt.Sprintf("%s: answered %s, and its body broke off: %s", what(r), code(answer), why(ctx, err, timeout)), again: true}
	}
	switch {
	case answer.StatusCode < 200 || answer.StatusCode >= 400:
		return attempt{outcome: Failure, message: what(r) + ": answered " + code(answer)}
	case answer.StatusCode >= 300:
		to := "nowhere"
		if u, err := url.Parse(answer.Header.Get("Location")); err == nil && u.Host != "" {
			to = printable([]byte(u.Host), maxOutput)
		}
		return attempt{outcome: Success, warning: fmt.Sprintf("%s: answered %s to %s, which is not followed: nothing there was asked", what(r), code(answer), to)}
	}
	return attempt{outcome: Success}
}

// code of an answer with its name, not with the words the server put there.
func code(answer *http.Response) string {
	if text := http.StatusText(answer.StatusCode); text != "" {
		return fmt.Sprintf("%d %s", answer.StatusCode, text)
	}
	return fmt.Sprintf("status %d", answer.StatusCode)
}

func (h handlers) connect(ctx context.Context, s *corev1.TCPSocketAction, t Target, timeout time.Duration) attempt {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	to, err := address(s.Host, s.Port, t)
	if err != nil {
		return attempt{message: err.Error()}
	}
	conn, err := h.dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		if ctx.Err() != nil {
			return attempt{outcome: Failure, message: fmt.Sprintf("connect to %s: no answer within %v", to, timeout)}
		}
		return attempt{outcome: Failure, message: why(ctx, err, timeout)}
	}
	conn.Close()
	return attempt{outcome: Success}
}
