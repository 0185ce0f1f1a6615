//go:build integration

package component

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"nodeagent/internal/health"
)

// TestEtcdIsNotDisturbed: whatever certificates a real etcd has, and whatever it wants of its clients, our looks make it write no line.
func TestEtcdIsNotDisturbed(t *testing.T) {
	other := func(m *member) *pki { return newPKI(t, filepath.Join(m.dir, "other"), "another") }
	pair := func(m *member, name string, ca *pki, until time.Time, names ...string) {
		c, k := ca.issue(t, name, "", until, names...)
		write(t, filepath.Join(m.cfg.PKI, "etcd", name+".crt"), string(c))
		write(t, filepath.Join(m.cfg.PKI, "etcd", name+".key"), string(k))
	}
	without := func(m *member, flags ...string) {
		m.args = slices.DeleteFunc(m.args, func(a string) bool {
			return slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(a, "--"+f+"=") })
		})
	}
	later := func(file string) {
		at := time.Now().Add(time.Minute)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		before func(*member) // it starts
		after  func(*member)
		status health.Status
		reason *health.Reason
		says   string
		places string
	}{
		{"well", nil, nil, health.OK, nil, "the leader; the only member", "etcd"},
		{"its certificate is of another CA", func(m *member) { pair(m, "server", other(m), time.Now().Add(time.Hour), m.ip) }, nil, health.Failing, etcdCertificate, `signed by "another"`, "etcd"},
		{"its certificate has expired", func(m *member) { pair(m, "server", m.etcdCA, time.Now().Add(-time.Minute), m.ip) }, nil, health.Failing, etcdCertificate, "expired", "etcd"},
		{"its certificate is for another name", func(m *member) { pair(m, "server", m.etcdCA, time.Now().Add(time.Hour), "192.0.2.9") }, nil, health.Failing, etcdCertificate, "for none of", "etcd"},
		{"ours is of another CA", func(m *member) { pair(m, "healthcheck-client", other(m), time.Now().Add(time.Hour)) }, nil, health.Unknown, unread, "it would refuse the certificate", ""},
		{"ours has expired", func(m *member) { pair(m, "healthcheck-client", m.etcdCA, time.Now().Add(-time.Minute)) }, nil, health.Unknown, unread, "it would refuse the certificate", ""},
		{"we have none", func(m *member) {
			if err := os.Remove(filepath.Join(m.cfg.PKI, "etcd/healthcheck-client.crt")); err != nil {
				t.Fatal(err)
			}
		}, nil, health.Unknown, unread, "clients with a certificate alone", ""},
		{"its CA was changed", nil, func(m *member) { later(filepath.Join(m.cfg.PKI, "etcd/ca.crt")) }, health.Unknown, unread, "changed after it was started", ""},
		{"it wants a name", func(m *member) { m.args = append(m.args, "--client-cert-allowed-hostname=apiserver") }, nil, health.Unknown, unread, "certain names alone", ""},
		{"it takes anybody", func(m *member) { without(m, "client-cert-auth", "trusted-ca-file") }, nil, health.OK, nil, "the only member", "etcd"},
		{"it is set by a file", func(m *member) { m.inFile() }, nil, health.OK, nil, "the only member", "etcd"},
		{"its file was changed", func(m *member) { m.inFile() }, func(m *member) {
			write(t, filepath.Join(m.dir, "etcd.yaml"), "listen-client-urls: http://"+m.ip+":2379\n")
			later(filepath.Join(m.dir, "etcd.yaml"))
		}, health.Unknown, unread, "changed after it was started", ""},
	} {
		for _, bare := range []bool{true, false} {
			if !bare && c.status != health.OK && c.reason != etcdCertificate && c.name != "ours is of another CA" {
				continue
			}
			t.Run(fmt.Sprintf("%s/bare=%v", c.name, bare), func(t *testing.T) {
				m := newCluster(t, 1, func(m *member) {
					m.bare, m.before = bare, c.before
					m.extra = []string{"--enable-grpc-gateway=false"} // it shows the server's certificate to etcd itself, which may refuse it
				})[0]
				if c.after != nil {
					c.after(m)
				}
				if c.status == health.OK {
					m.until("well", m.is(health.OK, nil))
				}
				from := len(m.out.String())
				status, reason, says := c.status, c.reason, c.says
				if !bare && status == health.Unknown { // its metrics tell
					status, reason, says = health.OK, nil, ""
				}
				for range 5 {
					f, _, _ := m.see()
					want(t, f, status, reason, says)
				}
				for range 2 {
					m.ports(t, c.places)
				}
				said := m.mark(from)
				for line := range strings.Lines(said) {
					ofStart := slices.ContainsFunc([]string{"cluster version", "enabled capabilities", "serving", "ready to serve", "published"}, func(w string) bool { return strings.Contains(line, w) })
					if !ofStart {
						t.Errorf("our looks made it write\n%s", line)
					}
				}
			})
		}
	}
}

// mark provokes a line of its log, and gives what it had written before.
func (m *member) mark(from int) string {
	m.t.Helper()
	conn, err := net.Dial("tcp", m.ip+":2379")
	if err != nil {
		m.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "this is no TLS\r\n\r\n"); err != nil {
		m.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, conn)
	late := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		said := m.out.String()[from:]
		if i := strings.Index(said, "first record does not look like a TLS handshake"); i >= 0 {
			return said[:strings.LastIndexByte(said[:i], '\n')+1]
		}
		select {
		case <-tick.C:
		case <-late:
			m.t.Fatalf("it does not log what is no TLS: %s", said)
		}
	}
}

// ports asks those that the certificates' look would ask, as their clients do.
func (m *member) ports(t *testing.T, want string) {
	t.Helper()
	c := newChecker(func() Config { return m.cfg }, Deps{})
	var names []string
	for _, p := range c.Places() {
		names = append(names, p.Component)
		var who identity
		if p.Client != "" {
			pair, err := keyPair(p.Client, p.ClientKey)
			if err != nil {
				t.Fatal(err)
			}
			who.certificate = pair
		}
		s := newTLSSession(place{address: p.Address}, authority{}, m.cfg.Timeout, who)
		if a := s.get(context.Background(), p.Path); a.outcome != answered {
			t.Errorf("%s at %s: %+v", p.Component, p.Address, a)
		}
		s.close()
	}
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("the ports that are asked for their certificates: %q, want %q", got, want)
	}
}

// inFile moves the settings into a configuration file.
func (m *member) inFile() {
	var b strings.Builder
	tls := map[string]string{}
	for _, a := range m.args {
		name, value, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
		switch name {
		case "cert-file", "key-file", "trusted-ca-file", "client-cert-auth":
			tls[name] = value
		default:
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	b.WriteString("client-transport-security:\n")
	for name, value := range tls {
		fmt.Fprintf(&b, "  %s: %s\n", name, value)
	}
	file := filepath.Join(m.dir, "etcd.yaml")
	write(m.t, file, b.String())
	m.args = []string{"--config-file=" + file}
}
