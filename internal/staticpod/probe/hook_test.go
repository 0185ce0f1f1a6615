package probe

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
)

func TestExecHook(t *testing.T) {
	h := &corev1.LifecycleHandler{Exec: &corev1.ExecAction{Command: []string{"drain", "$(PORT)"}}}
	for _, c := range []struct {
		name string
		out  string
		exit int
		err  error
		want string
	}{
		{"done", "bye", 0, nil, ""},
		{"failed", "no\nway\x00", 4, nil, `exec: the hook ended with exit code 4: "no way"`},
		{"long", strings.Repeat("x", 1000), 1, nil, `exec: the hook ended with exit code 1: "` + strings.Repeat("x", 199) + `"`},
		{"late", "", 0, status.Error(codes.DeadlineExceeded, "timeout"), "exec: the hook did not end in time"},
		{"late on CRI-O", "", -1, nil, "exec: the hook did not end in time"},
		{"error", "", 0, errors.New("boom"), "exec: the runtime could not run the hook: boom"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 9*time.Second)
			defer cancel()
			err := RunHook(ctx, h, Target{ContainerID: "c1", Spec: webSpec}, func(_ context.Context, id string, cmd []string, timeout time.Duration) ([]byte, int, error) {
				if id != "c1" || !slices.Equal(cmd, []string{"drain", "$(PORT)"}) || timeout != 9*time.Second {
					t.Errorf("%s: ran %q in %s for %v", c.name, cmd, id, timeout)
				}
				return []byte(c.out), c.exit, c.err
			})
			if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
		})
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := RunHook(ctx, h, Target{}, nil); err == nil || !strings.Contains(err.Error(), "no time is left") {
		t.Errorf("no time: %v", err)
	}
}

func TestHTTPHook(t *testing.T) {
	auth := ""
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(_ http.ResponseWriter, r *http.Request) {
		auth = r.Header.Get("Authorization")
		if r.UserAgent() != hookAgent {
			t.Errorf("asked as %q", r.UserAgent())
		}
	})
	mux.HandleFunc("/no", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short\nand "+strings.Repeat("stout ", 100))
	})
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	plain := httptest.NewServer(mux)
	defer plain.Close()
	secure := httptest.NewTLSServer(mux)
	defer secure.Close()
	run := func(ctx context.Context, server, path string, scheme corev1.URIScheme) error {
		ip, port := at(t, server)
		return RunHook(ctx, &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: port, Scheme: scheme,
			HTTPHeaders: []corev1.HTTPHeader{{Name: "Authorization", Value: "secret"}}}}, Target{PodIP: ip}, nil)
	}
	if err := run(t.Context(), plain.URL, "/ok", "HTTP"); err != nil || auth != "secret" {
		t.Errorf("http: %v, credentials %q", err, auth)
	}
	if err := run(t.Context(), secure.URL, "/ok", "HTTPS"); err != nil || auth != "secret" {
		t.Errorf("https: %v, credentials %q", err, auth)
	}
	if err := run(t.Context(), plain.URL, "/ok", "HTTPS"); err != nil || auth != "" {
		t.Errorf("https asked of http: %v, credentials %q: want none", err, auth)
	}
	err := run(t.Context(), plain.URL, "/no?token=secret", "HTTP")
	var e *HookError
	if !errors.As(err, &e) || e.Status != http.StatusTeapot || !strings.HasSuffix(e.Message, "/no: answered 418 I'm a teapot") || !strings.HasPrefix(e.Output, "short and stout stout") ||
		len(e.Output) > maxOutput || strings.Contains(err.Error(), "secret") {
		t.Errorf("an answer that says no: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := run(ctx, plain.URL, "/hang", "HTTP"); !errors.As(err, &e) || e.Status != 0 || !strings.HasSuffix(e.Message, "/hang: no answer in time") {
		t.Errorf("no answer: %v", err)
	}
}

func TestSleepAndOtherHooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		sleep := &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 5}}
		if err := RunHook(t.Context(), sleep, Target{}, nil); err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("sleep: %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := RunHook(ctx, sleep, Target{}, nil); err == nil || time.Since(began) != 7*time.Second {
			t.Errorf("sleep, interrupted: %v after %v", err, time.Since(began))
		}
		ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		sleep.Sleep.Seconds = math.MaxInt64
		if err := RunHook(ctx, sleep, Target{}, nil); err == nil || time.Since(began) != 9*time.Second {
			t.Errorf("a sleep longer than any: %v after %v", err, time.Since(began))
		}
	})
	if err := RunHook(t.Context(), nil, Target{}, nil); err != nil {
		t.Errorf("no hook: %v", err)
	}
	if err := RunHook(t.Context(), &corev1.LifecycleHandler{TCPSocket: &corev1.TCPSocketAction{}}, Target{}, nil); err == nil {
		t.Error("tcpSocket is no handler of hooks")
	}
}
