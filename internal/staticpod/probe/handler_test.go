package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// at is where a test server listens.
func at(t testing.TB, raw string) (ip string, port intstr.IntOrString) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return u.Hostname(), intstr.FromInt32(int32(n))
}

func TestHTTPGet(t *testing.T) {
	mux := http.NewServeMux()
	for _, n := range []int{200, 204, 399, 400, 404, 503, 302} { // 302 without a place to go
		mux.HandleFunc(fmt.Sprintf("/%d", n), func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(n)
			if n != 204 {
				io.WriteString(w, "secret body")
			}
		})
	}
	mux.HandleFunc("/same", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/503", http.StatusFound) })
	mux.HandleFunc("/other", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://elsewhere.test/?token=secret", http.StatusFound)
	})
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/big", func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})
	var broken int
	mux.HandleFunc("/short", func(w http.ResponseWriter, _ *http.Request) {
		broken++
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, "half")
	})
	mux.HandleFunc("/once", func(w http.ResponseWriter, _ *http.Request) {
		if broken++; broken == 1 {
			w.Header().Set("Content-Length", "100")
		}
		io.WriteString(w, "half")
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "web.example" || r.UserAgent() != probeAgent || r.Header.Get("Accept") != "*/*" || r.Header.Get("X") != "1" ||
			!r.Close || r.Header.Get("Accept-Encoding") != "" || r.Method != http.MethodGet {
			t.Errorf("asked %s %s %v, close %v", r.Method, r.Host, r.Header, r.Close)
		}
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	secure := httptest.NewTLSServer(mux)
	defer secure.Close()
	closed := httptest.NewServer(mux)
	closed.Close()
	if newHandlers(nil).client.Transport.(*http.Transport).Proxy != nil { // net/http itself spares loopback, so a request can't tell
		t.Error("probes go through a proxy")
	}

	for _, c := range []struct {
		server, path string
		timeout      int32
		want         Outcome
		says         string
	}{
		{srv.URL, "/200", 5, Success, ""},
		{srv.URL, "/204", 5, Success, ""},
		{srv.URL, "/399", 5, Success, "answered status 399 to nowhere"},
		{srv.URL, "/302", 5, Success, "answered 302 Found to nowhere"},
		{srv.URL, "/400", 5, Failure, "/400: answered 400 Bad Request"},
		{srv.URL, "/404?token=secret", 5, Failure, "/404: answered 404 Not Found"},
		{srv.URL, "/503", 5, Failure, "answered 503 Service Unavailable"},
		{srv.URL, "/same", 5, Failure, "/same: answered 503"},
		{srv.URL, "/other", 5, Success, "to elsewhere.test, which is not followed"},
		{srv.URL, "/loop", 5, Failure, "more than 10 redirects"},
		{srv.URL, "/hang?token=secret", 1, Failure, "/hang: no answer within 1s"},
		{srv.URL, "/big", 5, Success, ""},
		{srv.URL, "/short", 5, Unknown, "answered 200 OK, and its body broke off: unexpected EOF"},
		{srv.URL, "/headers", 5, Success, ""},
		{secure.URL, "/200", 5, Success, ""},
		{secure.URL, "/503", 5, Failure, "https://127.0.0.1:"},
		{closed.URL, "/?token=secret", 5, Failure, "connection refused"},
	} {
		ip, port := at(t, c.server)
		scheme, _, _ := strings.Cut(c.server, ":")
		p := &corev1.Probe{TimeoutSeconds: c.timeout, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: c.path, Port: port, Scheme: corev1.URIScheme(strings.ToUpper(scheme)),
			HTTPHeaders: []corev1.HTTPHeader{{Name: "Host", Value: "web.example"}, {Name: "X", Value: "1"}}}}}
		broken = 0
		a := newHandlers(nil).probe(t.Context(), p, Target{PodIP: ip, Spec: &corev1.Container{}})
		if a.outcome != c.want || c.says == "" && a.message+a.warning != "" || !strings.Contains(a.message+a.warning, c.says) {
			t.Errorf("%s %s: %v, %q %q; want %v, %q", scheme, c.path, a.outcome, a.message, a.warning, c.want, c.says)
		}
		if strings.Contains(fmt.Sprint(a), "secret") {
			t.Errorf("%s: tells a secret: %+v", c.path, a)
		}
		if c.path == "/short" && broken != tries {
			t.Errorf("an answer that breaks off was asked for %d times, want %d", broken, tries)
		}
	}
	ip, port := at(t, srv.URL)
	broken = 0
	p := &corev1.Probe{TimeoutSeconds: 5, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/once", Port: port}}}
	if a := newHandlers(nil).probe(t.Context(), p, Target{PodIP: ip}); a.outcome != Success || broken != 2 {
		t.Errorf("broken off once: %+v after %d tries", a, broken)
	}
}

func TestTCPSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ip, port := at(t, "tcp://"+l.Addr().String())
	ask := func(target Target, a *corev1.TCPSocketAction) attempt {
		return newHandlers(nil).probe(t.Context(), &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: a}}, target)
	}
	if a := ask(Target{PodIP: ip}, &corev1.TCPSocketAction{Port: port}); a.outcome != Success {
		t.Errorf("listening: %+v", a)
	}
	if a := ask(Target{PodIP: "192.0.2.1"}, &corev1.TCPSocketAction{Host: ip, Port: port}); a.outcome != Success {
		t.Errorf("a host of its own: %+v", a)
	}
	if a := ask(Target{}, &corev1.TCPSocketAction{Port: port}); a.outcome != Unknown {
		t.Errorf("no IP: %+v", a)
	}
	l.Close()
	if a := ask(Target{PodIP: ip}, &corev1.TCPSocketAction{Port: port}); a.outcome != Failure || !strings.Contains(a.message, "connection refused") {
		t.Errorf("closed: %+v", a)
	}
	if a := newHandlers(nil).probe(t.Context(), &corev1.Probe{ProbeHandler: corev1.ProbeHandler{GRPC: &corev1.GRPCAction{}}}, Target{}); a.outcome != Unknown || a.message == "" {
		t.Errorf("grpc: %+v", a)
	}
}

func TestExec(t *testing.T) {
	p := &corev1.Probe{TimeoutSeconds: 2, ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"check", "-p$(PW)"}}}}
	spec := &corev1.Container{Env: []corev1.EnvVar{{Name: "PW", Value: "secret"}}}
	for _, c := range []struct {
		name  string
		exec  func(ctx context.Context) ([]byte, int, error)
		want  Outcome
		says  string
		out   string
		calls int
	}{
		{"ok", func(context.Context) ([]byte, int, error) { return []byte("fine"), 0, nil }, Success, "", "", 1},
		{"no", func(context.Context) ([]byte, int, error) { return []byte("not\nyet"), 3, nil }, Failure, "exec: exit code 3", "not yet", 1},
		{"time-out of containerd", func(context.Context) ([]byte, int, error) {
			return nil, 0, fmt.Errorf("exec sync: %w", status.Error(codes.DeadlineExceeded, "timeout 2s exceeded"))
		}, Failure, "did not end within 2s", "", 1},
		{"time-out of CRI-O", func(context.Context) ([]byte, int, error) { return nil, -1, nil }, Failure, "did not end within 2s", "", 1},
		{"error", func(context.Context) ([]byte, int, error) {
			return nil, 0, status.Error(codes.Unavailable, "connection\nrefused")
		},
			Unknown, "could not run the command: rpc error: code = Unavailable desc = connection refused", "", 3},
		{"hung runtime", func(ctx context.Context) ([]byte, int, error) {
			<-ctx.Done()
			return nil, 0, status.FromContextError(ctx.Err()).Err()
		}, Unknown, "the runtime did not answer within 7s", "", 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			a := newHandlers(func(ctx context.Context, id string, cmd []string, timeout time.Duration) ([]byte, int, error) {
				calls++
				if id != "c1" || !slices.Equal(cmd, []string{"check", "-psecret"}) || timeout != 2*time.Second {
					t.Errorf("%s: ran %q in %s for %v", c.name, cmd, id, timeout)
				}
				return c.exec(ctx)
			}).probe(t.Context(), p, Target{ContainerID: "c1", Spec: spec})
			if a.outcome != c.want || !strings.Contains(a.message, c.says) || a.output != c.out || calls != c.calls {
				t.Errorf("%s: %+v after %d calls; want %v, %q, %q, %d", c.name, a, calls, c.want, c.says, c.out, c.calls)
			}
			if strings.Contains(fmt.Sprint(a), "secret") {
				t.Errorf("%s: tells a secret: %+v", c.name, a)
			}
		})
	}
	// An error that passes by itself is not seen.
	calls := 0
	a := newHandlers(func(context.Context, string, []string, time.Duration) ([]byte, int, error) {
		if calls++; calls < 3 {
			return nil, 0, errors.New("ttrpc: closed")
		}
		return nil, 0, nil
	}).probe(t.Context(), p, Target{Spec: spec})
	if a.outcome != Success || calls != 3 {
		t.Errorf("third time lucky: %+v after %d calls", a, calls)
	}
}
