//go:build integration

package vip

import (
	"bufio"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The test's own binary is the lab's kube-apiserver too, and what else serves its health: over TLS, or without it.
const (
	apiserverEnv = "NODEAGENT_LAB_APISERVER"
	plainEnv     = "NODEAGENT_LAB_PLAIN"
	modeEnv      = "NODEAGENT_LAB_PROXY_MODE" // what it answers to /proxyMode
)

func TestMain(m *testing.M) {
	for _, env := range []string{apiserverEnv, plainEnv} {
		if address := os.Getenv(env); address != "" {
			if err := standIn(address, env == apiserverEnv); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	code := m.Run()
	if dir, err := binaries(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// binaries builds the programs once and answers their folder.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nodeagent-vip-*")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-buildvcs=false", "-o", dir, "nodeagent/cmd/nodeagent", "nodeagent/cmd/nodeagent-check")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return dir, nil
})

// program is the path of one of the project's programs.
func program(t testing.TB, name string) string {
	t.Helper()
	dir, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// standIn answers as a kube-apiserver does, until stdin ends. Each line of stdin is a status, and how long an answer takes: "200 0s", "500 1500ms".
func standIn(address string, overTLS bool) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	var status atomic.Int64
	var slow atomic.Int64
	status.Store(http.StatusOK)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(time.Duration(slow.Load()))
		w.WriteHeader(int(status.Load()))
		if r.URL.Path == "/proxyMode" {
			fmt.Fprint(w, os.Getenv(modeEnv))
			return
		}
		fmt.Fprintln(w, "answered by the lab")
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of those who hang up
	s.Listener.Close()
	s.Listener = l
	if overTLS {
		s.StartTLS()
	} else {
		s.Start()
	}
	defer s.Close()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		code, took, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.Atoi(code)
		if err != nil {
			return err
		}
		d, err := time.ParseDuration(took)
		if err != nil {
			return err
		}
		status.Store(int64(n))
		slow.Store(int64(d))
	}
	return lines.Err()
}
