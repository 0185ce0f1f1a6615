//go:build integration

package haproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
)

// bench is a real HAProxy, an apiserver's stand-in behind it, and a Balancer that looks at it.
type bench struct {
	t     *testing.T
	file  string
	port  string
	board *health.Board
	*Balancer
	proxy *exec.Cmd
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func newBench(t *testing.T, socket bool, server string) *bench {
	t.Helper()
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Fatal("this test needs haproxy: apt-get install haproxy")
	}
	dir := t.TempDir()
	b := &bench{t: t, file: filepath.Join(dir, "haproxy.cfg"), port: freePort(t)}
	text := "global\n"
	if socket {
		text += "  stats socket " + filepath.Join(dir, "s.sock") + " mode 600 level user\n"
	}
	text += fmt.Sprintf("defaults\n  mode tcp\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n"+
		"frontend api\n  bind 127.0.0.1:%s\n  default_backend apis\nbackend apis\n  option httpchk GET /readyz\n  server one %s check inter 200ms fall 1 rise 1\n", b.port, server)
	if err := os.WriteFile(b.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.board = health.NewBoard(nil, Conditions()...)
	c := Config{File: b.file, Timeout: 500 * time.Millisecond, Interval: 300 * time.Millisecond, Kubelet: func() Kubelet {
		var p uint16
		fmt.Sscan(b.port, &p)
		return Kubelet{Port: p, Here: true}
	}}
	b.Balancer = New(func() Config { return c }, b.board, zap.NewNop())
	return b
}

// run starts the Balancer's tasks, once HAProxy is there or not.
func (b *bench) run() {
	ctx, cancel := context.WithCancel(context.Background())
	var tasks sync.WaitGroup
	for _, task := range b.Tasks() {
		tasks.Go(func() {
			if err := task.Run(ctx); !errors.Is(err, context.Canceled) {
				b.t.Errorf("%s ended: %v", task, err)
			}
		})
	}
	b.t.Cleanup(func() { cancel(); tasks.Wait() })
}

func (b *bench) start() {
	b.t.Helper()
	b.proxy = exec.Command("haproxy", "-f", b.file, "-db")
	if err := b.proxy.Start(); err != nil {
		b.t.Fatal(err)
	}
	proxy := b.proxy
	b.t.Cleanup(func() { _ = proxy.Process.Kill(); _ = proxy.Wait() })
}

// await waits for the words of both conditions, and tells how long it took.
func (b *bench) await(balancer, servers string) time.Duration {
	b.t.Helper()
	began, got := time.Now(), [2]string{}
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	_ = b.board.Watch(ctx, nil, func(s health.Snapshot) {
		for i, st := range s.States() {
			l := health.Look{}
			for _, e := range st.Entries {
				l.Findings = append(l.Findings, health.Finding{Subject: e.Subject, Status: e.Status, Reason: e.Reason})
			}
			got[i] = words(l)
		}
		if got == [2]string{balancer, servers} {
			cancel()
		}
	})
	if got != [2]string{balancer, servers} {
		for _, st := range b.board.Snapshot().States() {
			b.t.Logf("%+v", st.Entries)
		}
		b.t.Fatalf("it is %q, want %q and %q", got, balancer, servers)
	}
	return time.Since(began)
}

func TestRealHAProxy(t *testing.T) {
	var mu sync.Mutex
	code := http.StatusOK
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.WriteHeader(code)
	})}
	go srv.Serve(l)
	defer srv.Close()
	set := func(c int) { mu.Lock(); defer mu.Unlock(); code = c }

	b := newBench(t, true, l.Addr().String())
	b.run()
	b.await("failing/Down", "unknown/Down") // it is configured and does not run
	b.start()
	b.await("ok apis=ok", "apis/one=ok")
	v, _ := b.View.Get()
	if !v.Answered || len(v.PIDs) != 1 || v.PIDs[0] != b.proxy.Process.Pid || len(v.Listeners) != 1 || !v.Listeners[0].Heard || len(v.Backends) != 1 || v.Version == "" {
		t.Errorf("view %+v", v)
	}
	set(http.StatusInternalServerError)
	b.await("ok apis=failing/KubeletDeadlock", "apis/one=failing/ServerDown")
	v, _ = b.View.Get()
	if s := v.Backends[0].Servers[0]; s.Check != "L7STS" || s.CheckCode != 500 {
		t.Errorf("the server's check: %+v", s)
	}
	set(http.StatusOK)
	b.await("ok apis=ok", "apis/one=ok")

	_ = b.proxy.Process.Signal(syscall.SIGSTOP)
	b.await("failing/Hung", "unknown/Hung")
	_ = b.proxy.Process.Signal(syscall.SIGCONT)
	b.await("ok apis=ok", "apis/one=ok")

	_ = b.proxy.Process.Kill()
	if took := b.await("failing/Down", "unknown/Down"); took > 250*time.Millisecond {
		t.Errorf("its death was seen after %v: not by its pidfd", took)
	} else {
		t.Logf("its death was seen after %v", took)
	}
	_ = b.proxy.Wait()
	other, err := net.Listen("tcp", "127.0.0.1:"+b.port)
	if err != nil {
		t.Fatal(err)
	}
	b.await("unknown/PortHeldByAnother", "unknown/PortHeldByAnother")
	other.Close()
	b.start()
	b.await("ok apis=ok", "apis/one=ok")
}

func TestRealHAProxyWithoutSocket(t *testing.T) {
	b := newBench(t, false, "127.0.0.1:1")
	b.start()
	b.run()
	b.await("ok", "unknown/NoSocket")
	_ = b.proxy.Process.Signal(syscall.SIGSTOP)
	b.await("failing/Hung", "unknown/NoSocket")
	_ = b.proxy.Process.Kill()
	b.await("failing/Down", "unknown/Down")
	if looks, v := Look(t.Context(), b.config()); words(looks[0]) != "failing/Down" || len(v.PIDs) != 0 {
		t.Errorf("one look by itself says %s, %+v", words(looks[0]), v)
	}
}

// TestNewPortsBeforeReload: a changed file that nobody has loaded yet must not read as a dead balancer.
func TestNewPortsBeforeReload(t *testing.T) {
	b := newBench(t, false, "127.0.0.1:1")
	b.start()
	b.run()
	b.await("ok", "unknown/NoSocket")
	text := fmt.Sprintf("frontend api\n  bind 127.0.0.1:%s\n  default_backend apis\n", freePort(t))
	if err := os.WriteFile(b.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b.await("failing/NotListening", "unknown/NoSocket")
}

func BenchmarkLook(b *testing.B) {
	c := Config{Timeout: time.Second, Interval: time.Second}
	for b.Loop() {
		Look(b.Context(), c)
	}
}
