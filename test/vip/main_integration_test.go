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

// The test's own binary is the lab's kube-apiserver too.
const apiserverEnv = "NODEAGENT_LAB_APISERVER"

func TestMain(m *testing.M) {
	if address := os.Getenv(apiserverEnv); address != "" {
		if err := apiserver(address); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
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

// apiserver answers as a kube-apiserver does, until stdin ends. Each line of stdin is a status, and how long an answer takes: "200 0s", "500 1500ms".
func apiserver(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	var status atomic.Int64
	var slow atomic.Int64
	status.Store(http.StatusOK)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(time.Duration(slow.Load()))
		w.WriteHeader(int(status.Load()))
		fmt.Fprintln(w, "answered by the lab")
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of those who hang up
	s.Listener.Close()
	s.Listener = l
	s.StartTLS()
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
