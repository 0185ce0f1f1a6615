package component

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"nodeagent/internal/health"
)

// listening is a stand-in at a port of its own that can be closed and listened at again, with another certificate.
type listening struct {
	*server
	t       *testing.T
	address string
}

func (s *listening) up(ca *pki, until time.Time, names ...string) {
	s.t.Helper()
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = l.Addr().String()
	again := &server{answers: map[string]reply{}}
	if s.server != nil {
		again.answers = s.answers
	}
	again.Server = httptest.NewUnstartedServer(http.HandlerFunc(again.handle))
	again.Config.ErrorLog = log.New(again, "", 0)
	again.Listener.Close()
	again.Listener = l
	if ca == nil {
		again.Start()
	} else {
		c, k := ca.issue(s.t, "x", "", until, names...)
		pair, err := tls.X509KeyPair(c, k)
		if err != nil {
			s.t.Fatal(err)
		}
		again.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		again.StartTLS()
	}
	s.server = again
	s.t.Cleanup(again.Close)
}

// TestAPIServerComesAndGoes: one checker sees each state that a server can be in at its port come, and the good one after it.
func TestAPIServerComesAndGoes(t *testing.T) {
	n := newNode(t)
	hour := time.Now().Add(time.Hour)
	ok := reply{status: 200, body: "ok"}
	s := &listening{t: t, address: "127.0.0.1:0"}
	well := func() { s.up(n.ca, hour, "kubernetes") }
	well()
	s.set("/livez", ok)
	s.set("/readyz", ok)
	n.manifest(nameAPIServer, "--secure-port="+s.port())
	n.cfg.Slow = 20 * time.Millisecond
	c := newChecker(func() Config { return n.cfg }, Deps{})
	see := func() health.Finding { return c.apiserver(context.Background(), n.cfg)[0].Findings[0] }
	other := newPKI(t, filepath.Join(n.dir, "other"), "another cluster")
	want(t, see(), health.OK, nil, "ready")
	for _, x := range []struct {
		reason *health.Reason
		bad    func()
	}{
		{apiDown, func() {}},
		{apiNotListening, func() { n.process(77, "S", nameAPIServer, "--secure-port="+s.port()); c.finder.processes.forget() }},
		{apiCertificate, func() { s.up(other, hour, "kubernetes") }},
		{apiCertificate, func() { s.up(n.ca, time.Now().Add(-time.Minute), "kubernetes") }},
		{apiCertificate, func() { s.up(n.ca, hour, "elsewhere") }},
		{apiOdd, func() { s.up(nil, hour) }},
	} {
		s.Close()
		x.bad()
		want(t, see(), health.Failing, x.reason, "")
		s.Close()
		well()
		want(t, see(), health.OK, nil, "ready")
	}
	s.set("/livez", reply{status: 200, wait: 40 * time.Millisecond})
	for i := range 2 * inARow {
		if i == inARow {
			want(t, see(), health.Failing, apiSlow, "")
			s.set("/livez", ok)
		}
		see()
	}
	want(t, see(), health.OK, nil, "ready")
}

// TestEtcdComesAndGoes: what ends the connection to a member, and that it is well again afterwards.
func TestEtcdComesAndGoes(t *testing.T) {
	n := &etcdNode{node: newNode(t), l: &etcdLooker{}, now: time.Now()}
	s := &listening{t: t, address: "127.0.0.1:0"}
	s.up(nil, time.Time{})
	n.s = s.server
	n.manifest(nameEtcd, "--client-cert-auth=true", "--listen-client-urls=https://127.0.0.1:1", "--listen-metrics-urls=http://"+s.address)
	page := reply{status: 200, body: well().String()}
	for _, x := range []struct {
		reason *health.Reason
		bad    func()
	}{
		{etcdDown, func() { s.Close() }},
		{etcdNotListening, func() {
			s.Close()
			n.process(77, "S", nameEtcd, "--listen-client-urls=http://127.0.0.1:1", "--listen-metrics-urls=http://"+s.address)
			n.f.processes.forget()
		}},
		{etcdOdd, func() { s.set("/metrics", reply{status: 200, body: "go_goroutines 3\n"}) }},
		{etcdOdd, func() { s.set("/metrics", reply{status: 500}) }},
		{etcdHung, func() { s.set("/metrics", reply{status: 200, wait: time.Minute}) }},
	} {
		s.set("/metrics", page)
		f, _, disk := n.look()
		want(t, f, health.OK, nil, "the leader")
		want(t, disk["size"], health.OK, nil, "")
		x.bad()
		f, _, disk = n.look()
		want(t, f, health.Failing, x.reason, "")
		want(t, disk[""], health.Unknown, unread, "see condition Etcd")
		s.Close()
		s.up(nil, time.Time{})
	}
	s.set("/metrics", page)
	f, _, _ := n.look()
	want(t, f, health.OK, nil, "the leader")
}
