package component

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
)

var hour = time.Hour

// apiserver is a node with a kube-apiserver that is well.
func apiserver(t *testing.T) (*node, *server) {
	n := newNode(t)
	s := serve(t, n.ca, time.Now().Add(hour), "kubernetes", "127.0.0.1")
	s.set("/livez", reply{status: 200, body: "ok"})
	s.set("/readyz", reply{status: 200, body: "ok"})
	n.manifest(nameAPIServer, "--advertise-address=127.0.0.1", "--secure-port="+s.port())
	return n, s
}

func look(t *testing.T, n *node) health.Finding {
	t.Helper()
	_, looks := Look(t.Context(), n.cfg, Deps{})
	for _, l := range looks {
		if l.Of == APIServer {
			return l.Findings[0]
		}
	}
	t.Fatal("no look at APIServer")
	return health.Finding{}
}

func want(t *testing.T, f health.Finding, status health.Status, reason *health.Reason, message string) {
	t.Helper()
	if f.Status != status || f.Reason != reason || !strings.Contains(f.Message, message) {
		t.Errorf("got %v %v %q, want %v %v with %q", f.Status, name(f.Reason), f.Message, status, name(reason), message)
	}
}

func name(r *health.Reason) string {
	if r == nil {
		return "-"
	}
	return r.Name
}

const livezFailed = "[+]ping ok\n[-]etcd failed: reason withheld\n[+]poststarthook/start-apiextensions-informers ok\n[-]poststarthook/rbac/bootstrap-roles failed: reason withheld\nlivez check failed\n"

// TestAPIServer breaks it in each way, sees that told, mends it, and sees it go. No look may make it write a line into its log.
func TestAPIServer(t *testing.T) {
	ok := reply{status: 200, body: "ok"}
	cases := []struct {
		name          string
		livez, readyz reply
		status        health.Status
		reason        *health.Reason
		message       string
	}{
		{name: "check of livez", livez: reply{status: 500, body: livezFailed}, readyz: ok, status: health.Failing, reason: apiCheck, message: "/livez: etcd, poststarthook/rbac/bootstrap-roles"},
		{name: "check of readyz", livez: ok, readyz: reply{status: 500, body: "[+]ping ok\n[-]shutdown failed: reason withheld\nreadyz check failed"}, status: health.Failing, reason: apiNotReady, message: "/readyz: shutdown"},
		{name: "403", livez: reply{status: 403}, readyz: reply{status: 403}, status: health.OK, message: "alive at 127.0.0.1"},
		{name: "401", livez: reply{status: 401}, readyz: reply{status: 401}, status: health.OK, message: "tells its readiness to nobody without credentials"},
		{name: "404", livez: reply{status: 404}, readyz: ok, status: health.Failing, reason: apiOdd, message: "HTTP status 404"},
		{name: "redirect is no answer", livez: reply{status: 302}, readyz: ok, status: health.Failing, reason: apiOdd, message: "HTTP status 302"},
		{name: "hung", livez: reply{status: 200, wait: time.Minute}, readyz: ok, status: health.Failing, reason: apiHung, message: "no answer to /livez within 250ms"},
		{name: "hung after livez", livez: ok, readyz: reply{status: 200, wait: time.Minute}, status: health.Failing, reason: apiHung, message: "no answer to /readyz"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			n, s := apiserver(t)
			want(t, look(t, n), health.OK, nil, "ready at 127.0.0.1:"+s.port())
			s.set("/livez", c.livez)
			s.set("/readyz", c.readyz)
			want(t, look(t, n), c.status, c.reason, c.message)
			s.set("/livez", ok)
			s.set("/readyz", ok)
			want(t, look(t, n), health.OK, nil, "ready")
			if l := s.log(); l != "" {
				t.Errorf("the server logged %q", l)
			}
		})
	}
}

func TestAPIServerDead(t *testing.T) {
	n, s := apiserver(t)
	s.Close()
	want(t, look(t, n), health.Failing, apiDown, "nothing listens on 127.0.0.1:"+s.port())
	n.process(77, "S", "kube-apiserver", "--secure-port="+s.port(), "--bind-address=127.0.0.1")
	want(t, look(t, n), health.Failing, apiNotListening, "kube-apiserver (pid 77) runs, and nothing listens")
}

// TestAPIServerStopped: the kernel takes connections for a process that is stopped, which answers none.
func TestAPIServerStopped(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := newNode(t)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	n.process(77, "T", "/usr/local/bin/kube-apiserver", "--secure-port", port)
	want(t, look(t, n), health.Failing, apiHung, "(pid 77, which is stopped (state T)) at 127.0.0.1:"+port+": it took the connection and finished no TLS handshake")
}

func TestAPIServerCertificates(t *testing.T) {
	n := newNode(t)
	other := newPKI(t, filepath.Join(n.dir, "other"), "another cluster")
	for _, c := range []struct {
		name    string
		ca      *pki
		until   time.Time
		names   []string
		message string
	}{
		{"expired", n.ca, time.Now().Add(-hour), []string{"kubernetes"}, "its certificate expired 20"},
		{"foreign CA", other, time.Now().Add(hour), []string{"kubernetes"}, `signed by "another cluster", not by the CA in ` + n.cfg.PKI + "/ca.crt"},
		{"other name", n.ca, time.Now().Add(hour), []string{"elsewhere"}, "its certificate is for none of [kubernetes.default.svc kubernetes localhost 127.0.0.1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, c.ca, c.until, c.names...)
			s.set("/livez", reply{status: 200})
			s.set("/readyz", reply{status: 200})
			n.manifest(nameAPIServer, "--secure-port="+s.port())
			want(t, look(t, n), health.Failing, apiCertificate, c.message)
			if l := s.log(); l != "" {
				t.Errorf("the server logged %q", l)
			}
		})
	}
}

// TestAPIServerUnverified: without a CA to read, an answer counts, and that the certificate was not judged is told.
func TestAPIServerUnverified(t *testing.T) {
	n, _ := apiserver(t)
	n.cfg.PKI = filepath.Join(n.dir, "nowhere")
	f := look(t, n)
	want(t, f, health.OK, nil, "ready")
	if !slices.ContainsFunc(f.Evidence, func(p health.Pair) bool { return p.Key == "certificate" && strings.Contains(p.Value, "not verified") }) {
		t.Errorf("evidence %v says nothing of the certificate", f.Evidence)
	}
}

func TestAPIServerNoTLS(t *testing.T) {
	n := newNode(t)
	s := serve(t, nil, time.Time{})
	n.manifest(nameAPIServer, "--secure-port="+s.port())
	want(t, look(t, n), health.Failing, apiOdd, "speaks no TLS")
}

func TestAPIServerAbsent(t *testing.T) {
	n := newNode(t)
	want(t, look(t, n), health.Absent, nil, "no manifest in "+n.cfg.Manifests[0]+" runs it, and no process has its name")
	write(t, filepath.Join(n.cfg.Manifests[0], "kube-apiserver.yaml.bak"), "kind: Pod\nspec: {containers: [{name: a, command: [kube-apiserver]}]}\n")
	want(t, look(t, n), health.Absent, nil, "") // kubelet would run it, and it is not what is meant
	write(t, filepath.Join(n.cfg.Manifests[0], "kube-apiserver.yaml"), "kind: Pod\n\tspec: {token: s3cr3t\n")
	f := look(t, n)
	want(t, f, health.Unknown, unread, "it is no valid YAML")
	if strings.Contains(fmt.Sprint(f), "s3cr3t") {
		t.Errorf("%v holds a value of the file", f)
	}
	n.cfg.Proc = filepath.Join(n.dir, "no-proc")
	want(t, look(t, n), health.Unknown, unread, "list processes")
}

// TestAPIServerCredentials: they go to a server that refuses the anonymous, whose certificate is good, and to no other.
func TestAPIServerCredentials(t *testing.T) {
	const token = "t0k3n-of-a-node"
	withToken := func(t *testing.T, n *node) {
		n.cfg.Kubeconfig = filepath.Join(n.dir, "kubelet.conf")
		write(t, n.cfg.Kubeconfig, "users:\n- name: u\n  user: {token: "+token+"}\n")
	}
	withCertificate := func(org string) func(*testing.T, *node) {
		return func(t *testing.T, n *node) {
			c, k := n.ca.issue(t, "system:node:a", org, time.Now().Add(hour))
			n.cfg.Kubeconfig = filepath.Join(n.dir, "kubelet.conf")
			write(t, n.cfg.Kubeconfig, fmt.Sprintf("users:\n- user:\n    client-certificate-data: %s\n    client-key-data: %s\n", base64.StdEncoding.EncodeToString(c), base64.StdEncoding.EncodeToString(k)))
		}
	}
	withFiles := func(t *testing.T, n *node) {
		c, k := n.ca.issue(t, "system:node:a", "system:nodes", time.Now().Add(hour))
		n.cfg.Kubeconfig = filepath.Join(n.dir, "kubelet.conf")
		write(t, filepath.Join(n.dir, "current.pem"), string(c)+string(k))
		write(t, n.cfg.Kubeconfig, "users:\n- user:\n    client-certificate: current.pem\n    client-key: current.pem\n")
	}
	admin := func(t *testing.T, n *node) {
		withCertificate("system:nodes")(t, n)
		write(t, filepath.Join(n.dir, "admin.conf"), "users: []\n")
		n.cfg.Kubeconfig = filepath.Join(n.dir, "admin.conf")
	}
	foreign := func(t *testing.T, n *node) {
		withToken(t, n)
		newPKI(t, n.cfg.PKI, "a new CA of this cluster")
	}
	for _, c := range []struct {
		name   string
		make   func(*testing.T, *node)
		status int
		given  string // what the server was given; empty: nothing
		said   string // in the evidence
	}{
		{"token", withToken, 401, "Bearer " + token, ""},
		{"certificate", withCertificate("system:nodes"), 403, "system:node:a", ""},
		{"files", withFiles, 403, "system:node:a", ""},
		{"not needed", withToken, 200, "", ""},
		{"unverified server", foreign, 401, "", "whose certificate is not verified"},
		{"admin.conf", admin, 401, "", "belongs to an administrator"},
		{"administrator's certificate", withCertificate("system:masters"), 401, "", "belongs to an administrator"},
		{"kubeadm's administrator", withCertificate("kubeadm:cluster-admins"), 401, "", "belongs to an administrator"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, s := apiserver(t)
			c.make(t, n)
			s.set("/livez", reply{status: c.status})
			s.set("/readyz", reply{status: c.status})
			f := look(t, n)
			given := s.credentials()
			if c.given == "" && len(given) > 0 || c.given != "" && (len(given) == 0 || given[0] != c.given) {
				t.Errorf("the server was given %q, want %q", given, c.given)
			}
			if c.said != "" && !strings.Contains(fmt.Sprint(f.Evidence), c.said) {
				t.Errorf("evidence %v does not say %q", f.Evidence, c.said)
			}
			if strings.Contains(fmt.Sprint(f), token) {
				t.Errorf("%v holds the token", f)
			}
			if l := s.log(); l != "" {
				t.Errorf("the server logged %q", l)
			}
		})
	}
}

// TestAPIServerReadyWithCredentials: what the anonymous are not told, the node's own identity is.
func TestAPIServerReadyWithCredentials(t *testing.T) {
	n, s := apiserver(t)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") == "":
			w.WriteHeader(401)
		case r.URL.Path == "/readyz":
			w.WriteHeader(500)
			_, _ = w.Write([]byte("[-]informer-sync failed: reason withheld\n"))
		}
	})
	n.cfg.Kubeconfig = filepath.Join(n.dir, "kubelet.conf")
	write(t, n.cfg.Kubeconfig, "users:\n- user: {token: abc}\n")
	want(t, look(t, n), health.Failing, apiNotReady, "/readyz: informer-sync")
}

// TestAPIServerSlow: three slow answers in a row make it slow, three quick ones quick.
func TestAPIServerSlow(t *testing.T) {
	n, s := apiserver(t)
	n.cfg.Slow = 20 * time.Millisecond
	c := newChecker(func() Config { return n.cfg }, Deps{})
	once := func() *health.Reason { return c.apiserver(context.Background(), n.cfg)[0].Findings[0].Reason }
	s.set("/livez", reply{status: 200, wait: 40 * time.Millisecond})
	for i, want := range []*health.Reason{nil, nil, apiSlow} {
		if got := once(); got != want {
			t.Errorf("slow answer %d gives %s, want %s", i+1, name(got), name(want))
		}
	}
}

func TestPace(t *testing.T) {
	var p pace
	for i, c := range []struct {
		took time.Duration
		slow bool
	}{{2, false}, {2, false}, {0, false}, {2, false}, {2, false}, {2, true}, {0, true}, {0, true}, {2, true}, {0, true}, {0, true}, {0, false}} {
		if p = p.take(c.took, 1); p.slow != c.slow {
			t.Errorf("after answer %d slow is %v, want %v", i, p.slow, c.slow)
		}
	}
}
