//go:build bench

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	askers = 64    // checks at once
	silent = 10000 // connections that say nothing
)

// checking measures over the daemon itself, on a node with nothing else.
func checking(ctx context.Context, o options) (out []Figure, err error) {
	dir, err := os.MkdirTemp("", "nodeagent-bench-vip-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	config := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `nodeName: bench
containerRuntimeEndpoint: unix://%[1]s/none.sock
stateDir: %[1]s/state
runDir: %[1]s/run
podLogsDir: %[1]s/logs
staticPodPath: %[1]s/manifests
metrics: {listen: "127.0.0.1:0"}
keepalive: {configFile: %[1]s/keepalived.conf}
`, dir), 0o600); err != nil {
		return nil, err
	}
	agent := exec.CommandContext(ctx, o.agent, "--config", config, "run")
	if err := agent.Start(); err != nil {
		return nil, err
	}
	defer func() {
		_ = agent.Process.Signal(syscall.SIGTERM)
		err = errors.Join(err, agent.Wait())
	}()
	verdict := filepath.Join(dir, "run", "verdict", "vip")
	if err := answers(ctx, verdict+".sock"); err != nil {
		return nil, err
	}
	costs, err := cost(ctx, filepath.Join(filepath.Dir(o.agent), "nodeagent-check"), verdict)
	if err != nil {
		return costs, err
	}
	load, err := load(ctx, verdict+".sock", agent.Process.Pid)
	return append(costs, load...), err
}

func answers(ctx context.Context, socket string) error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if _, err := ask(socket); err == nil {
			return nil
		}
	}
	return errNoSocket
}

// ask asks a verdict socket as nodeagent-check does, and answers how long it took.
func ask(socket string) (time.Duration, error) {
	begin := time.Now()
	c, err := net.Dial("unix", socket)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	if err == nil && !strings.HasSuffix(string(b), "\n") {
		err = fmt.Errorf("an answer of %q", b)
	}
	return time.Since(begin), err
}

// cost compares a check with what there is at all, and with what others run.
func cost(ctx context.Context, check, verdict string) ([]Figure, error) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	defer server.Close()
	programs := [][]string{
		{check, verdict},
		{"/bin/true"},
		{"/bin/sh", "-c", "curl --silent --fail --insecure --max-time 2 " + server.URL + "/livez -o /dev/null || exit 1"},
	}
	const runs = 301
	used := make([][]float64, len(programs))
	for range runs { // one after the other, so that what else the machine does is in all alike
		for i, p := range programs {
			cmd := exec.CommandContext(ctx, p[0], p[1:]...)
			var exit *exec.ExitError
			// 2: on a node with nothing to count the verdict is unknown.
			if err := cmd.Run(); err != nil && (!errors.As(err, &exit) || i != 0 || exit.ExitCode() != 2) {
				return nil, fmt.Errorf("%s: %w", p[0], err)
			}
			used[i] = append(used[i], (cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()).Seconds()*1000)
		}
	}
	c, floor, curl := median(used[0]), median(used[1]), median(used[2])
	return []Figure{
		{Name: "keepalive/check-cpu", Value: c, Unit: "ms", Peer: "/bin/true", PeerValue: floor, Ratio: c / floor, N: runs, Limit: 2.5},
		{Name: "keepalive/check-cpu-saved", Value: c, Unit: "ms", Peer: "sh + curl over TLS", PeerValue: curl, Ratio: c / curl, N: runs, Limit: 1.0 / 6},
	}, nil
}

// load measures the sockets while many ask at once, and while many more are connected and say nothing.
func load(ctx context.Context, socket string, pid int) ([]Figure, error) {
	took, err := crowd(ctx, socket)
	if err != nil {
		return nil, err
	}
	before, err := resident(pid)
	if err != nil {
		return nil, err
	}
	held := make([]int, 0, silent)
	defer func() {
		for _, fd := range held {
			_ = syscall.Close(fd)
		}
	}()
	flooded := make(chan error, 1)
	go func() {
		for range silent { // plain descriptors: they cost the measuring side nothing
			fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			if err == nil {
				held = append(held, fd)
				err = syscall.Connect(fd, &syscall.SockaddrUnix{Name: socket})
			}
			if err != nil {
				flooded <- fmt.Errorf("after %d silent connections: %w", len(held), err)
				return
			}
		}
		flooded <- nil
	}()
	during, err := crowd(ctx, socket)
	if err = errors.Join(err, <-flooded); err != nil {
		return nil, fmt.Errorf("while %d silent connections come: %w", silent, err)
	}
	if _, err := ask(socket); err != nil { // behind the last of them
		return nil, err
	}
	beside, err := crowd(ctx, socket)
	if err != nil {
		return nil, fmt.Errorf("beside %d silent connections: %w", silent, err)
	}
	after, err := resident(pid)
	if err != nil {
		return nil, err
	}
	n := strconv.Itoa(askers)
	return []Figure{
		{Name: "keepalive/" + n + "-checks-p99", Value: took[len(took)*99/100], Unit: "ms", N: len(took), Limit: 5},
		// While they all come at once a check waits its turn; it has 0.9 s.
		{Name: "keepalive/" + n + "-checks-while-flooded-max", Value: during[len(during)-1], Unit: "ms", N: len(during), Limit: 900},
		{Name: "keepalive/" + n + "-checks-beside-silent-p99", Value: beside[len(beside)*99/100], Unit: "ms", N: len(beside), Limit: 5},
		{Name: "keepalive/10000-silent-rss", Value: after - before, Unit: "MiB", N: 1, Limit: 20},
	}, nil
}

// crowd has askers ask at once, again and again, and answers how long each took, sorted. One that gets no answer is an error.
func crowd(ctx context.Context, socket string) ([]float64, error) {
	const rounds = 50
	var (
		mu   sync.Mutex
		took []float64
		bad  error
	)
	for range rounds {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var asking sync.WaitGroup
		for range askers {
			asking.Go(func() {
				d, err := ask(socket)
				mu.Lock()
				defer mu.Unlock()
				took, bad = append(took, d.Seconds()*1000), errors.Join(bad, err)
			})
		}
		asking.Wait()
	}
	slices.Sort(took)
	return took, bad
}
