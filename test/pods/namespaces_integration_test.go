//go:build integration

package pods

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// pair is a pod of containers main and two.
func pair(spec string) string {
	return simple(spec, "args: [do, hold]\n") + item("name: two\nimage: ${IMAGE}\nargs: [do, hold]\n")
}

func (s *suite) namespaces(t *testing.T) {
	// This process is in the node's.
	own := func(kind string) string { return link(t, "/proc/self/ns/"+kind) }
	for _, test := range []struct {
		field, spec string
		// shared are one for both containers and not the node's; hosts are the node's; the others are each one's own.
		shared, hosts, each []string
	}{
		{"", "", []string{"net", "uts", "ipc"}, nil, []string{"pid", "mnt"}},
		{"spec.shareProcessNamespace", "shareProcessNamespace: true", []string{"net", "uts", "ipc", "pid"}, nil, []string{"mnt"}},
		{"spec.hostPID", "hostPID: true", []string{"net", "uts", "ipc"}, []string{"pid"}, []string{"mnt"}},
		{"spec.hostIPC", "hostIPC: true", []string{"net", "uts"}, []string{"ipc"}, []string{"pid", "mnt"}},
		{"spec.hostNetwork", "hostNetwork: true", []string{"ipc"}, []string{"net", "uts"}, []string{"pid", "mnt"}},
	} {
		name := strings.ToLower(test.field[strings.LastIndex(test.field, ".")+1:]) + "ns"
		t.Run(name, func(t *testing.T) {
			if test.field != "" {
				s.proves(t, none, test.field)
			}
			p := s.pod(t, name, pair(test.spec))
			a, b := p.run("main"), p.run("two")
			for _, kind := range test.shared {
				if a.ns(kind) != b.ns(kind) || a.ns(kind) == own(kind) {
					t.Errorf("%s: %s and %s, the node's is %s", kind, a.ns(kind), b.ns(kind), own(kind))
				}
			}
			for _, kind := range test.hosts {
				if a.ns(kind) != own(kind) || b.ns(kind) != own(kind) {
					t.Errorf("%s: %s and %s, the node's is %s", kind, a.ns(kind), b.ns(kind), own(kind))
				}
			}
			for _, kind := range test.each {
				if a.ns(kind) == b.ns(kind) || a.ns(kind) == own(kind) || b.ns(kind) == own(kind) {
					t.Errorf("%s: %s and %s, the node's is %s", kind, a.ns(kind), b.ns(kind), own(kind))
				}
			}
		})
	}
}

func (s *suite) names(t *testing.T) {
	s.proves(t, none, "spec.hostname")
	s.proves(t, none, below("spec.hostAliases", "")[:1]...)
	s.proves(t, none, "spec.hostAliases[].ip", "spec.hostAliases[].hostnames")
	s.proves(t, none, "spec.dnsPolicy")
	s.proves(t, none, below("spec.dnsConfig", "nameservers", "searches", "options", "options[].name", "options[].value")...)
	p := s.pod(t, "names", simple(`hostname: inside
hostAliases: [{ip: 192.0.2.1, hostnames: [db, db.example.test]}]
dnsPolicy: None
dnsConfig: {nameservers: [192.0.2.53], searches: [example.test], options: [{name: ndots, value: "2"}, {name: edns0}]}
`, "args: [do, hold]"))
	c := p.run("main")
	equal(t, "the host name", strings.TrimSpace(c.read("/proc/sys/kernel/hostname")), "inside")
	hosts := fields(c.read("/etc/hosts"))
	for _, want := range []string{"192.0.2.1 db db.example.test", p.ip() + " inside", "127.0.0.1 localhost"} {
		if !slices.Contains(hosts, want) {
			t.Errorf("/etc/hosts has no %q: %q", want, hosts)
		}
	}
	equal(t, "resolv.conf", strings.Join(fields(c.read("/etc/resolv.conf")), "\n"), "search example.test\nnameserver 192.0.2.53\noptions ndots:2 edns0")

	p = s.pod(t, "names-default", simple("dnsPolicy: Default\ndnsConfig: {searches: [added.test]}", "args: [do, hold]"))
	c = p.run("main")
	equal(t, "the host name", strings.TrimSpace(c.read("/proc/sys/kernel/hostname")), p.full())
	node, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	inside := fields(c.read("/etc/resolv.conf"))
	for _, line := range fields(string(node)) {
		if strings.HasPrefix(line, "nameserver ") && !slices.Contains(inside, line) {
			t.Errorf("resolv.conf has no %q: %q", line, inside)
		}
	}
	if i := slices.IndexFunc(inside, func(l string) bool { return strings.HasPrefix(l, "search ") }); i < 0 || !strings.HasSuffix(inside[i], " added.test") {
		t.Errorf("resolv.conf has no added search: %q", inside)
	}
}

// fields are the lines of a file, each with single spaces.
func fields(text string) (out []string) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 0 {
			out = append(out, strings.Join(f, " "))
		}
	}
	return out
}

// ports shows that a port of the node leads into the pod, of one of its addresses alone where it is given, by TCP and not by UDP.
func (s *suite) ports(t *testing.T, v variant) {
	s.proves(t, v, below("@.ports", "")[:1]...)
	s.proves(t, v, "@.ports[].name", "@.ports[].containerPort", "@.ports[].hostPort", "@.ports[].hostIP", "@.ports[].protocol")
	own, other := address(t, s.first), "127.0.0.1"
	port, bound, udp := freePort(t), freePort(t), freePort(t)
	p := s.pod(t, "ports-"+v.key, v.pod("", fmt.Sprintf(`args: [do, "serve :8080 /ctl/requests", hold]
ports:
- {name: web, containerPort: 8080, hostPort: %d}
- {containerPort: 8080, hostPort: %d, hostIP: %s, protocol: TCP}
- {containerPort: 8080, hostPort: %d, protocol: UDP}
readinessProbe: {httpGet: {port: web}, periodSeconds: 1}
`, port, bound, own, udp)))
	p.ready() // by the port's name
	for _, to := range []string{fmt.Sprintf("%s:%d", own, port), fmt.Sprintf("%s:%d", own, bound)} {
		if err := ask(to); err != nil {
			t.Errorf("%s: %v", to, err)
		}
	}
	for _, to := range []string{fmt.Sprintf("%s:%d", other, bound), fmt.Sprintf("%s:%d", own, udp)} {
		if err := ask(to); err == nil {
			t.Errorf("%s answered", to)
		}
	}
}

// ask makes a request by hand: what counts is that the server behind answers.
func ask(address string) error {
	conn, err := net.DialTimeout("tcp", address, 2*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	fmt.Fprintf(conn, "GET / HTTP/1.0\r\n\r\n")
	b, err := io.ReadAll(conn)
	if err == nil && !strings.HasPrefix(string(b), "HTTP/1.0 200") {
		err = fmt.Errorf("it answered %q", b)
	}
	return err
}

// address is the node's on the network of a pod, from which the way back needs no route of the pod's.
func address(t *testing.T, ip string) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.Contains(net.ParseIP(ip)) {
			return n.IP.String()
		}
	}
	t.Fatalf("this machine has no address in the network of %s", ip)
	return ""
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
