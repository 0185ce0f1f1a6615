package certs

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"nodeagent/internal/health"
)

// stand is a component's port: it serves the certificate it was started with until it is restarted, and keeps what it logs.
type stand struct {
	address string
	log     *bytes.Buffer
	asked   atomic.Int32
	close   func()
}

func serve(t *testing.T, n *node, cert string, needClient bool) *stand {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(n.path(cert+".crt"), n.path(cert+".key"))
	if err != nil {
		t.Fatal(err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2", "http/1.1"}}
	if needClient {
		config.ClientAuth = tls.RequireAnyClientCert
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &stand{address: l.Addr().String(), log: &bytes.Buffer{}}
	srv := &http.Server{ErrorLog: log.New(s.log, "", 0), TLSConfig: config, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.asked.Add(1) })}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.ServeTLS(l, "", "")
	}()
	s.close = func() { srv.Close(); <-done }
	t.Cleanup(s.close)
	return s
}

func use(n *node, ports []Port, users []User) string {
	files, _ := readAll(n.config())
	var out []string
	for _, f := range judgeUse(ports, dialAll(n.t.(*testing.T).Context(), ports, 3*time.Second), users, files, time.Now()) {
		reason := ""
		if f.Reason != nil {
			reason = "/" + f.Reason.Name
		}
		out = append(out, f.Subject+" "+f.Status.String()+reason)
	}
	return strings.Join(out, ", ")
}

// TestServed renews a certificate under a component that goes on with the old one, and restarts it.
func TestServed(t *testing.T) {
	n := newNode(t)
	s := serve(t, n, "pki/apiserver", false)
	ports := []Port{{Component: "kube-apiserver", Address: s.address, File: n.path("pki/apiserver.crt"), Path: "/livez"}}
	if got := use(n, ports, nil); got != "kube-apiserver ok" {
		t.Error(got)
	}
	n.pair("pki/apiserver", n.leaf("kube-apiserver", year-time.Hour))
	if got := use(n, ports, nil); got != "kube-apiserver failing/NotRestarted" {
		t.Errorf("after the renewal: %s", got)
	}
	again := serve(t, n, "pki/apiserver", false)
	ports[0].Address = again.address
	if got := use(n, ports, nil); got != "kube-apiserver ok" {
		t.Errorf("after the restart: %s", got)
	}
	again.close()
	if got := use(n, ports, nil); got != "kube-apiserver unknown/NoHandshake" {
		t.Errorf("with nobody there: %s", got)
	}
	n.pair("pki/apiserver", n.leaf("kube-apiserver", -time.Hour))
	old := serve(t, n, "pki/apiserver", false)
	ports[0].Address = old.address
	if got := use(n, ports, nil); got != "kube-apiserver failing/ServesExpired" {
		t.Errorf("an expired one in file and port: %s", got)
	}
	os.Remove(n.path("pki/apiserver.crt"))
	if got := use(n, ports, nil); got != "kube-apiserver unknown/FileUnreadable" {
		t.Errorf("with no file: %s", got)
	}
	n.pair("pki/apiserver", n.leaf("kube-apiserver", year-time.Hour))
	last := serve(t, n, "pki/apiserver", false)
	ports[0].Address = last.address
	if got := use(n, ports, nil); got != "kube-apiserver ok" {
		t.Errorf("renewed and restarted: %s", got)
	}
	if got := use(n, nil, nil); got != " absent" {
		t.Errorf("with no component: %s", got)
	}
	s.close()
	old.close()
	last.close()
	if s.log.Len()+old.log.Len()+last.log.Len() > 0 || s.asked.Load() != 2 {
		t.Errorf("asked %d times, and it logged %q", s.asked.Load(), s.log)
	}
}

// TestClientCertificate shows one where the port wants it, as etcd does: a handshake that fails would be a line in its log.
func TestClientCertificate(t *testing.T) {
	n := newNode(t)
	s := serve(t, n, "pki/etcd/server", true)
	ports := []Port{{Component: "etcd", Address: s.address, File: n.path("pki/etcd/server.crt"), Client: n.path("pki/etcd/server.crt"), ClientKey: n.path("pki/etcd/server.key"), Path: "/health"}}
	if got := use(n, ports, nil); got != "etcd ok" {
		t.Error(got)
	}
	ports[0].Client = n.path("gone.crt")
	if got := use(n, ports, nil); got != "etcd unknown/NoHandshake" {
		t.Errorf("with no client certificate: %s", got)
	}
	s.close()
	if s.log.Len() > 0 {
		t.Errorf("it logged %q", s.log)
	}
}

func TestHungPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // its backlog takes the connection, and nobody answers
	s := dial(t.Context(), Port{Address: l.Addr().String()}, 50*time.Millisecond)
	if s.err == nil {
		t.Error("a port that does not answer gave a certificate")
	}
}

func TestKubeconfigOlderThanItsProcess(t *testing.T) {
	n := newNode(t)
	files, _ := readAll(n.config())
	for _, tt := range []struct {
		u    User
		want string
	}{
		{User{"kube-scheduler", n.path("admin.conf"), n.now.Add(time.Minute)}, "ok"},
		{User{"kube-scheduler", n.path("admin.conf"), n.now.Add(-time.Hour)}, "failing/NotRestarted"},
		{User{"kube-scheduler", n.path("none.conf"), n.now}, "absent"},
		{User{"kube-scheduler", n.path("admin.conf"), time.Time{}}, "absent"},
	} {
		f := judgeUser(tt.u, files, n.now)
		got := f.Status.String()
		if f.Reason != nil {
			got += "/" + f.Reason.Name
		}
		if got != tt.want {
			t.Errorf("%+v: %s %q, want %s", tt.u, got, f.Message, tt.want)
		}
	}
}

// TestWhenPortsAreAsked: at the start, hourly, and once components had time to take a changed file; sooner while something is not right.
func TestWhenPortsAreAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t)
		asked := make(chan time.Duration, 10)
		times := func() string {
			synctest.Wait()
			var out []time.Duration
			for len(asked) > 0 {
				out = append(out, <-asked)
			}
			return fmt.Sprint(out)
		}
		began := time.Now()
		var old atomic.Bool // a process that is older than its kubeconfig
		c := New(n.config, Deps{
			Ports: func() []Port { asked <- time.Since(began); return nil },
			Users: func() []User {
				if old.Load() {
					return []User{{"kube-scheduler", n.path("admin.conf"), time.Unix(1, 0)}}
				}
				return nil
			},
		}, health.NewBoard(nil, Conditions()...), zap.NewNop())
		go c.loop.Run(t.Context())
		time.Sleep(90 * time.Minute)
		c.changed.Store(true)
		c.loop.Wake()
		time.Sleep(119 * time.Second)
		if got := times(); got != "[0s 1h0m0s]" {
			t.Errorf("asked at %s", got)
		}
		old.Store(true)
		time.Sleep(3 * time.Minute)
		if got := times(); got != "[1h32m0s 1h34m0s]" {
			t.Errorf("asked at %s", got)
		}
		if st, _ := c.board.Snapshot().Of("CertificatesInUse"); st.Worst().Status != health.Failing {
			t.Errorf("%+v", st.Worst())
		}
	})
}

// TestWatchSeesARenewal writes a file and a folder that come, with the kernel's own inotify.
func TestWatchSeesARenewal(t *testing.T) {
	n := newNode(t)
	os.RemoveAll(n.path("kubelet"))
	woken := make(chan struct{}, 100)
	w := newWatch(n.config, func() { woken <- struct{}{} }, zap.NewNop())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(t.Context()) }()
	<-w.Ready()
	n.pair("pki/apiserver", n.leaf("kube-apiserver", year))
	<-woken
	n.write("kubelet/kubelet.crt", "x") // the folder comes
	<-woken
	n.write("kubelet/kubelet.key", "x") // and is watched by now
	<-woken
}
