//go:build integration

package pods

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

var handlerRows = []string{"httpGet", "httpGet.path", "httpGet.port", "httpGet.host", "httpGet.scheme", "httpGet.httpHeaders",
	"httpGet.httpHeaders[].name", "httpGet.httpHeaders[].value"}

// slack is what a probe may come early: a container on a busy machine needs some time from its start, which the agent counts from, to its first
// word, which the test does.
const slack = 500 * time.Millisecond

// beats gives the times of what a probe said since the last start, by what it said.
func (p *pod) beats(text string) (out []time.Time) {
	p.t.Helper()
	for _, l := range p.said("beats") {
		switch l.text {
		case "start":
			out = nil
		case text:
			out = append(out, l.at)
		}
	}
	return out
}

// started is the time of the last start, and how many there were.
func (p *pod) started() (at time.Time, n int) {
	p.t.Helper()
	for _, l := range p.said("beats") {
		if l.text == "start" {
			at, n = l.at, n+1
		}
	}
	return at, n
}

// starts waits until there were more starts than n, and gives how many.
func (p *pod) starts(n int) int {
	p.t.Helper()
	p.until(fmt.Sprintf("more than %d starts", n), func() bool { _, now := p.started(); return now > n })
	_, now := p.started()
	return now
}

// until waits for something that the pod's containers wrote.
func (p *pod) until(what string, ok func() bool) {
	p.t.Helper()
	eventually(p.t, p.name+": "+what, waitFor(func() error {
		if !ok() {
			return fmt.Errorf("not yet: %v", texts(p.said("beats")))
		}
		return nil
	}))
}

const timing = "{exec: {command: [/nodeagent, workload, do, \"say /ctl/beats %s\", \"stall /ctl/slow 30s\", \"need /ctl/well\"]}, initialDelaySeconds: 2, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 3, successThreshold: %d%s}"

// deaf is a container that is ended by SIGKILL alone, within a grace that is longer than the test.
const deaf = "args: [do, \"say /ctl/beats start\", hold, \"until /ctl/end\"]\n"

func (p *pod) first(kind string) {
	p.t.Helper()
	p.until("a probe", func() bool { return len(p.beats(kind)) > 0 })
	at, _ := p.started()
	if d := p.beats(kind)[0].Sub(at); d < 2*time.Second-slack {
		p.t.Errorf("the first %s probe came after %s, want 2 s", kind, d)
	}
}

// spaced checks that probes came about a second apart: on a busy machine one is late and the next is on time.
func (p *pod) spaced(kind string, n int) {
	p.t.Helper()
	p.until(fmt.Sprintf("%d probes", n), func() bool { return len(p.beats(kind)) >= n })
	b := p.beats(kind)
	if d := b[n-1].Sub(b[0]); d < time.Duration(n-1)*500*time.Millisecond || d > time.Duration(2*n)*time.Second {
		p.t.Errorf("%d %s probes took %s", n, kind, d)
	}
}

var timingRows = []string{"exec", "exec.command", "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"}

func (s *suite) readiness(t *testing.T, v variant) {
	s.proves(t, v, below("@.readinessProbe", timingRows...)...)
	p := s.pod(t, "readiness-"+v.key, v.pod("", deaf+"readinessProbe: "+fmt.Sprintf(timing, "ready", 2, "")))
	defer p.end()
	p.first("ready")
	p.unready()
	p.set("well")
	before := len(p.beats("ready"))
	p.ready()
	if n := len(p.beats("ready")) - before; n < 2 {
		t.Errorf("it was ready after %d good probes, want 2", n)
	}
	p.spaced("ready", 3)
	p.unset("well")
	before = len(p.beats("ready"))
	p.unready()
	if n := len(p.beats("ready")) - before; n < 2 { // one may have been under way
		t.Errorf("it was not ready after %d bad probes, want 3", n)
	}
	p.set("well")
	p.ready()
	p.set("slow") // each takes longer than its deadline now
	p.unready()
	if _, n := p.started(); n != 1 {
		t.Errorf("a readiness probe restarted its container: %d starts", n)
	}
}

func (s *suite) liveness(t *testing.T, v variant) {
	s.proves(t, v, below("@.livenessProbe", append(timingRows, "terminationGracePeriodSeconds")...)...)
	p := s.pod(t, "liveness-"+v.key, v.pod("terminationGracePeriodSeconds: 600", deaf+"livenessProbe: "+fmt.Sprintf(timing, "live", 1, ", terminationGracePeriodSeconds: 1")))
	defer p.end()
	p.set("well")
	p.first("live")
	p.spaced("live", 3)
	p.unset("well")
	before := len(p.beats("live"))
	p.until("three failures", func() bool { _, n := p.started(); return n > 1 || len(p.beats("live"))-before >= 3 })
	n := p.starts(1) // within the probe's grace, not the pod's
	p.set("well")
	p.first("live")
	p.set("slow")
	p.starts(n)
	p.unset("slow")
	p.first("live")
}

func (s *suite) startup(t *testing.T, v variant) {
	s.proves(t, v, below("@.startupProbe", append(timingRows, "terminationGracePeriodSeconds")...)...)
	p := s.pod(t, "startup-"+v.key, v.pod("terminationGracePeriodSeconds: 600", deaf+"startupProbe: "+fmt.Sprintf(timing, "up", 1, ", terminationGracePeriodSeconds: 1")+
		"\nreadinessProbe: {exec: {command: [/nodeagent, workload, do, \"say /ctl/beats ready\"]}, periodSeconds: 1}"))
	defer p.end()
	p.first("up")
	p.spaced("up", 3)
	n := p.starts(1)
	for _, l := range p.said("beats") {
		if l.text == "ready" {
			t.Fatal("a readiness probe did not wait for the startup probe")
		}
	}
	p.set("well")
	p.set("slow")
	p.starts(n) // it failed by its deadline
	p.unset("slow")
	p.ready()
	if ups := len(p.beats("up")); ups != 1 {
		t.Errorf("after %d startup probes it is ready, want 1", ups)
	}
}

// end lets what ignores SIGTERM go, now and in every later attempt.
func (p *pod) end() { p.set("end") }

// target is a server of the node that probes and hooks are sent to.
type target struct {
	*httptest.Server
	t    *testing.T
	mu   sync.Mutex
	sick map[string]bool
	seen map[string]*http.Request
}

// newTarget answers HTTPS on loopback: 200, or 500 on a path that is sick.
func newTarget(t *testing.T) *target {
	x := &target{t: t, sick: map[string]bool{}, seen: map[string]*http.Request{}}
	x.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.seen[r.URL.Path] = r
		if x.sick[r.URL.Path] {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	x.Config.ErrorLog = nil
	x.StartTLS()
	t.Cleanup(x.Close)
	return x
}

func (x *target) make(path string, sick bool) { x.mu.Lock(); x.sick[path] = sick; x.mu.Unlock() }

// get is YAML of an httpGet of a path, with a header that says the path again.
func (x *target) get(path string) string {
	u, err := url.Parse(x.URL)
	if err != nil {
		x.t.Fatal(err)
	}
	return fmt.Sprintf("{path: %s, port: %s, host: %s, scheme: HTTPS, httpHeaders: [{name: X-Test, value: %s}]}", path, u.Port(), u.Hostname(), path)
}

// got waits for a request with that header.
func (x *target) got(path string) {
	x.t.Helper()
	eventually(x.t, "a request for "+path, waitFor(func() error {
		x.mu.Lock()
		defer x.mu.Unlock()
		if r := x.seen[path]; r == nil || r.TLS == nil || r.Header.Get("X-Test") != path {
			return fmt.Errorf("the last one is %+v", r)
		}
		return nil
	}))
}

// httpProbes shows all three roles by requests to a server of the node over TLS with a certificate that nobody trusts.
func (s *suite) httpProbes(t *testing.T, v variant) {
	for _, role := range []string{"startup", "liveness", "readiness"} {
		s.proves(t, v, below("@."+role+"Probe", handlerRows...)[1:]...)
	}
	x := newTarget(t)
	x.make("/startup", true)
	var probes strings.Builder
	for _, role := range []string{"startup", "liveness", "readiness"} {
		fmt.Fprintf(&probes, "%sProbe: {httpGet: %s, periodSeconds: 1, failureThreshold: %d}\n", role, x.get("/"+role), map[string]int{"startup": 1000, "liveness": 1, "readiness": 1}[role])
	}
	p := s.pod(t, "http-"+v.key, v.pod("", "args: [do, hold]\n"+probes.String()))
	c := p.run("main")
	x.got("/startup")
	x.mu.Lock()
	if x.seen["/liveness"] != nil || x.seen["/readiness"] != nil {
		t.Error("a probe did not wait for the startup probe")
	}
	x.mu.Unlock()
	x.make("/startup", false)
	x.got("/liveness")
	x.got("/readiness")
	p.ready()
	x.make("/readiness", true)
	p.unready()
	equal(t, "the container", p.run("main").id, c.id)
	x.make("/liveness", true)
	p.startedAfter("main", c.attempt)
}

// ownHTTP shows a probe with nothing but a port: of the pod's own address, over plain HTTP.
func (s *suite) ownHTTP(t *testing.T) {
	p := s.pod(t, "own-http", simple("", `args: [do, "serve :8080 /ctl/requests", hold]
readinessProbe: {httpGet: {path: /have/ctl/well, port: 8080}, periodSeconds: 1, failureThreshold: 1}
`))
	p.run("main")
	p.unready()
	p.set("well")
	p.ready()
	if l := texts(p.said("requests")); len(l) == 0 || !strings.HasPrefix(l[0], "GET /have/ctl/well host="+p.ip()+":8080 ") {
		t.Errorf("it was asked %v", l)
	}
}

// tcpProbes shows all three roles by connections to listeners of the node.
func (s *suite) tcpProbes(t *testing.T, v variant) {
	var probes strings.Builder
	listeners := map[string]*net.TCPListener{}
	for _, role := range []string{"startup", "liveness", "readiness"} {
		s.proves(t, v, below("@."+role+"Probe.tcpSocket", "port", "host")...)
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for conn, err := l.Accept(); err == nil; conn, err = l.Accept() {
				conn.Close()
			}
		}()
		listeners[role] = l
		fmt.Fprintf(&probes, "%sProbe: {tcpSocket: {port: %d, host: 127.0.0.1}, periodSeconds: 1, failureThreshold: %d}\n", role, l.Addr().(*net.TCPAddr).Port,
			map[string]int{"startup": 1, "liveness": 1, "readiness": 1}[role])
	}
	p := s.pod(t, "tcp-"+v.key, v.pod("", "args: [do, hold]\n"+probes.String()))
	c := p.run("main")
	p.ready()
	listeners["readiness"].Close()
	p.unready()
	equal(t, "the container", p.run("main").id, c.id)
	listeners["liveness"].Close()
	again := p.startedAfter("main", c.attempt)
	listeners["startup"].Close()
	p.startedAfter("main", again+1)
}
