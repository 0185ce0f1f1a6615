//go:build integration

package component

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"nodeagent/internal/health"
)

// standInEnv makes the test's binary serve the components of a control plane from a process of its own, so that their work is not counted as ours. It is the
// folder of their certificate.
const standInEnv = "NODEAGENT_COMPONENT_STANDIN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(standInEnv); dir != "" {
		if err := standIn(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// standIn serves until its stdin ends, and prints the ports: one with TLS, one without.
func standIn(dir string) error {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "server.crt"), filepath.Join(dir, "server.key"))
	if err != nil {
		return err
	}
	well := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	var ports []string
	for _, c := range []*tls.Config{{Certificates: []tls.Certificate{pair}}, nil} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
		if c != nil {
			l = tls.NewListener(l, c)
		}
		go func() { _ = http.Serve(l, well) }()
	}
	if err := json.NewEncoder(os.Stdout).Encode(ports); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func startStandIn(tb testing.TB, dir string) (withTLS, plain string) {
	tb.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), standInEnv+"="+dir)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := c.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { in.Close(); _ = c.Wait() })
	var ports [2]string
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&ports); err != nil {
		tb.Fatal(err)
	}
	return ports[0], ports[1]
}

// cpu that this process has used.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkMinute does the looks that a control plane which is well gets in a minute, at a real etcd and at stand-ins in another process. %core is the share
// of a core that they take of that minute.
func BenchmarkMinute(b *testing.B) {
	m := newCluster(b, 1, nil)[0]
	c, k := m.ca.issue(b, "kube-apiserver", "", time.Now().Add(time.Hour), "kubernetes", "127.0.0.1")
	dir := filepath.Join(m.dir, "standin")
	write(b, filepath.Join(dir, "server.crt"), string(c))
	write(b, filepath.Join(dir, "server.key"), string(k))
	withTLS, plain := startStandIn(b, dir)
	for _, program := range []string{nameAPIServer, nameScheduler, nameController} {
		m.manifest(program, "--bind-address=127.0.0.1", "--secure-port="+withTLS)
	}
	m.process(7, "S", nameProxy, "--healthz-bind-address=127.0.0.1:"+plain)
	checker := newChecker(func() Config { return m.cfg }, Deps{Kubelet: func() Kubelet { return Kubelet{Here: true, PID: 1, Address: "127.0.0.1:" + plain} }})
	m.cfg.Slow = time.Hour
	now := time.Now()
	second := func(i int) []health.Look {
		var out []health.Look
		if i%10 == 0 {
			out = append(out, judgeEtcd(checker.member.look(b.Context(), &checker.finder, m.cfg, now.Add(time.Duration(i)*time.Second)))...)
		}
		if i%5 == 0 {
			out = append(out, checker.apiserver(b.Context(), m.cfg)...)
			out = append(out, checker.controller(scheduler)(b.Context(), m.cfg)...)
			out = append(out, checker.controller(controllerManager)(b.Context(), m.cfg)...)
			out = append(out, checker.kubelet(b.Context(), m.cfg)...)
			out = append(out, checker.proxy(b.Context(), m.cfg)...)
		}
		return out
	}
	for _, l := range second(0) {
		for _, f := range l.Findings {
			if f.Status != health.OK {
				b.Fatalf("%s %s is %v: %s", l.Of.Name, f.Subject, f.Status, f.Message)
			}
		}
	}
	before, n := cpu(b), 0
	for b.Loop() {
		for i := range 60 {
			second(n*60 + i)
		}
		n++
	}
	b.ReportMetric(float64(cpu(b)-before)/float64(n)/float64(time.Minute)*100, "%core")
}
