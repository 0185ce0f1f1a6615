package agent

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// made is the folder of the binary, if a test asked for it.
var made atomic.Pointer[string]

// binary builds the daemon once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nodeagent-agent-*")
	if err != nil {
		return "", err
	}
	made.Store(&dir)
	path := filepath.Join(dir, "nodeagent")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "nodeagent/cmd/nodeagent").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the daemon: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path := made.Load(); path != nil {
		os.RemoveAll(*path)
	}
	os.Exit(code)
}

// manager is the end of NOTIFY_SOCKET that systemd holds.
type manager struct {
	t    *testing.T
	path string
	conn *net.UnixConn
	seen []string
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "na-*") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	m := &manager{t: t, path: filepath.Join(dir, "notify")}
	m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.conn.Close() })
	return m
}

// next is the next message; false after the deadline.
func (m *manager) next(deadline time.Time) (string, bool) {
	m.t.Helper()
	b := make([]byte, 4096)
	m.conn.SetReadDeadline(deadline)
	n, err := m.conn.Read(b)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "", false
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.seen = append(m.seen, string(b[:n]))
	return string(b[:n]), true
}

// until reads messages up to the one that begins with prefix, and has the text in it.
func (m *manager) until(within time.Duration, prefix, text string) string {
	m.t.Helper()
	deadline := time.Now().Add(within)
	for {
		s, ok := m.next(deadline)
		if !ok {
			m.t.Fatalf("no %s…%s within %v; there were %q", prefix, text, within, m.seen)
		}
		if strings.HasPrefix(s, prefix) && strings.Contains(s, text) {
			return s
		}
	}
}

// told is until for a message that may have come already: the first looks and READY follow one another as the machine has time for them.
func (m *manager) told(within time.Duration, prefix, text string) {
	m.t.Helper()
	for _, s := range m.seen {
		if strings.HasPrefix(s, prefix) && strings.Contains(s, text) {
			return
		}
	}
	m.until(within, prefix, text)
}

// process is a daemon that this test started.
type process struct {
	*exec.Cmd
	stderr bytes.Buffer
	ended  chan error
}

// daemon starts one as a service manager does: with NOTIFY_SOCKET and what else is given in its environment.
func (m *manager) daemon(p *place, env ...string) *process {
	m.t.Helper()
	path, err := binary()
	if err != nil {
		m.t.Fatal(err)
	}
	// The shell becomes the daemon: so WATCHDOG_PID can be its own.
	d := &process{Cmd: exec.Command("sh", "-c", `[ "$WATCHDOG_PID" != own ] || WATCHDOG_PID=$$; exec "$0" run --config "$1"`, path, p.o.ConfigFile), ended: make(chan error, 1)}
	d.Env = slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "WATCHDOG_") })
	d.Env = append(d.Env, "NOTIFY_SOCKET="+m.path)
	d.Env = append(d.Env, env...)
	d.Stderr = &d.stderr
	d.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := d.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() { d.ended <- d.Wait(); close(d.ended) }()
	m.t.Cleanup(func() {
		d.Process.Kill()
		<-d.ended
		if m.t.Failed() {
			m.t.Logf("the daemon's log:\n%s", d.stderr.String())
		}
	})
	return d
}

func (m *manager) stop(d *process) {
	m.t.Helper()
	if err := d.Process.Signal(syscall.SIGTERM); err != nil {
		m.t.Fatal(err)
	}
	m.until(patience, "STOPPING=1", "")
	select {
	case err := <-d.ended:
		if err != nil {
			m.t.Errorf("the daemon ended with %v, want 0", err)
		}
	case <-time.After(patience):
		m.t.Fatal("the daemon does not end after SIGTERM")
	}
}

// TestUnderSystemd is the life of a service: started, fed, reloaded, reloaded with a bad file, stopped.
func TestUnderSystemd(t *testing.T) {
	t.Parallel()
	m, p := newManager(t), madePlace(t)
	d := m.daemon(p, "WATCHDOG_USEC=600000")
	m.until(6*time.Second, "READY=1", "")
	m.told(patience, "STATUS=", "failing; off; static pods: 0 of 0 running; failing: Runtime")
	for range 3 {
		m.until(patience, "WATCHDOG=1", "")
	}

	reload := func() {
		t.Helper()
		before := monotonic(t)
		if err := d.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		s := m.until(patience, "RELOADING=1", "")
		found := regexp.MustCompile(`^RELOADING=1\nMONOTONIC_USEC=(\d+)$`).FindStringSubmatch(s)
		if found == nil {
			t.Fatalf("%q is not one message with both lines", s)
		}
		if at, _ := strconv.ParseInt(found[1], 10, 64); at < before || at > monotonic(t) {
			t.Errorf("MONOTONIC_USEC=%d is not the time of the reload", at)
		}
		m.until(patience, "READY=1", "")
	}
	p.write(t, "syncFrequency: 30s")
	reload()
	p.write(t, "syncFrequency: soon")
	reload()
	m.stop(d)
	if n := len(slices.DeleteFunc(slices.Clone(m.seen), func(s string) bool { return s != "READY=1" })); n != 3 {
		t.Errorf("READY=1 came %d times, want one for the start and one a reload: %q", n, m.seen)
	}

	var told []string
	for _, l := range p.timeline(t) {
		if strings.HasPrefix(l, "agent/") {
			told = append(told, l)
		}
	}
	want := []string{
		"agent/Started : nodeagent ",
		"agent/Reload : reload: applied: syncFrequency",
		"agent/Reload : reload: refused: ",
		"agent/Stopping : told to stop; pods are left as they are",
	}
	if !slices.EqualFunc(told, want, strings.HasPrefix) {
		t.Errorf("timeline:\n%s", strings.Join(told, "\n"))
	}
}

func monotonic(t *testing.T) int64 {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		t.Fatal(err)
	}
	return ts.Nano() / 1000
}

// TestReadyThoughTheRuntimeHangs: a look that does not come back must not hold up the start for longer than 5 s.
func TestReadyThoughTheRuntimeHangs(t *testing.T) {
	t.Parallel()
	m := newManager(t)
	socket := filepath.Join(filepath.Dir(m.path), "hangs.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan struct{}, 100)
	go func() {
		var kept []net.Conn // open and never answered
		defer func() {
			for _, c := range kept {
				c.Close()
			}
		}()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			kept = append(kept, c)
			asked <- struct{}{}
		}
	}()
	p := madePlace(t, "containerRuntimeEndpoint: unix://"+socket, "runtimeProbeTimeout: 1m")
	began := time.Now()
	d := m.daemon(p, "WATCHDOG_USEC=600000")
	m.until(6*time.Second, "READY=1", "")
	if took := time.Since(began); took < 4*time.Second {
		t.Errorf("READY after %v, before the first look can have ended", took)
	}
	select {
	case <-asked:
	default:
		t.Error("the runtime was not asked")
	}
	m.until(patience, "WATCHDOG=1", "") // a look within its bound is no hang of the agent
	m.stop(d)
}

func TestWatchdogPID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, pid string
		fed       bool
	}{
		{"own", "own", true},
		{"another process", "1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, p := newManager(t), madePlace(t)
			d := m.daemon(p, "WATCHDOG_USEC=600000", "WATCHDOG_PID="+c.pid)
			// One pass pings first and then says the status: after STATUS it is known whether it pings.
			m.until(patience, "STATUS=", "")
			if fed := slices.Contains(m.seen, "WATCHDOG=1"); fed != c.fed {
				t.Errorf("fed: %v, want %v: %q", fed, c.fed, m.seen)
			}
			m.stop(d)
		})
	}
}

// TestWatchdogProvesProgress: with a task stuck it is not fed, and the status says why.
func TestWatchdogProvesProgress(t *testing.T) {
	p := newPlace(t)
	a := p.build(t)
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	t.Setenv("WATCHDOG_USEC", "60000")
	t.Setenv("WATCHDOG_PID", "")
	var mu sync.Mutex
	beat := time.Now().Add(-time.Hour)
	task := newActor("stuck", waits)
	task.beat = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return beat
	}
	a.supervisor = newSupervisor(zap.NewNop(), fatal, task)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.feed(ctx) }()
	m.until(patience, "STATUS=failing; ", "failing: AgentTasks")
	if slices.Contains(m.seen, "WATCHDOG=1") {
		t.Errorf("the watchdog is fed with a task stuck: %q", m.seen)
	}
	mu.Lock()
	beat = time.Now()
	mu.Unlock()
	m.until(patience, "WATCHDOG=1", "")
	m.until(patience, "STATUS=unknown; ", "")
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("feed: %v", err)
	}
}

// TestReloadBeforeReady: READY=1 says that the first looks are over, so that a reload before that must not send it.
func TestReloadBeforeReady(t *testing.T) {
	p := newPlace(t)
	a := p.build(t)
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	if r, err := a.reload(t.Context()); err != nil || r.Error != "" {
		t.Fatal(r, err)
	}
	notify("STATUS=end")
	m.until(patience, "STATUS=end", "")
	if len(m.seen) != 1 {
		t.Errorf("told before it is ready: %q", m.seen)
	}
	a.isReady.Store(true)
	a.reload(t.Context())
	m.until(patience, "RELOADING=1\nMONOTONIC_USEC=", "")
	m.until(patience, "READY=1", "")
}

// TestEarlyHangup: a SIGHUP that comes before the daemon is ready does not end it.
func TestEarlyHangup(t *testing.T) {
	t.Parallel()
	m, p := newManager(t), madePlace(t, "log: {level: info, format: json}")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "run", "--config", p.o.ConfigFile)
	cmd.Env, cmd.Stderr = append(os.Environ(), "NOTIFY_SOCKET="+m.path), w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	r.SetReadDeadline(time.Now().Add(patience))
	lines := bufio.NewScanner(r)
	if !lines.Scan() || !strings.Contains(lines.Text(), `"started"`) {
		t.Fatalf("first line %q", lines.Text())
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil { // no task runs yet, or hardly
		t.Fatal(err)
	}
	for lines.Scan() && !strings.Contains(lines.Text(), "reload: unchanged") {
	}
	if !strings.Contains(lines.Text(), "reload: unchanged") {
		t.Errorf("the log ends with %q", lines.Text())
	}
	m.until(6*time.Second, "READY=1", "")
}
