package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// answer serves text on NAME.sock of a folder; nil serves nothing and lets clients wait.
func answer(t *testing.T, path string, text *string) {
	t.Helper()
	l, err := net.Listen("unix", path+".sock")
	if err != nil {
		t.Fatal(err)
	}
	var held []net.Conn
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if text != nil {
				_, _ = c.Write([]byte(*text))
				c.Close()
			} else {
				held = append(held, c)
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
		for _, c := range held {
			c.Close()
		}
	})
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSocket(t *testing.T) {
	for text, want := range map[string]int{
		"fit 0 ok\n":                             fit,
		"unfit -60 degraded APIServer failing\n": unfit,
		"unfit -254 fault\n":                     unfit,
		"unfit -60 unknown x\n":                  unknown,
		"unfit -100 maintenance\n":               unfit,
		// What is no answer is none: the files are asked, and there are none.
		"":                         unknown,
		"fit 0 ok":                 unknown,
		"fit\n":                    unknown,
		"fitter 0 ok\n":            unknown,
		strings.Repeat("x", 5000):  unknown,
		"\n":                       unknown,
		"HTTP/1.1 400 Bad Request": unknown,
	} {
		t.Run(fmt.Sprintf("%.20q", text), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "vip")
			answer(t, path, &text)
			if got, line := check(path); got != want {
				t.Errorf("%d %q, want %d", got, line, want)
			}
		})
	}
}

func TestLineThatIsCutOff(t *testing.T) {
	if code, ok := parse([]byte("fit 0 ok")); ok {
		t.Errorf("it is %d", code)
	}
}

func TestFiles(t *testing.T) {
	const now = 100_000
	for _, tc := range []struct {
		name, verdict, beat string
		want                int
	}{
		{"fresh and fit", "0\n", "000000000099000\n", fit},
		{"fresh and unfit", "-60\n", "000000000099000\n", unfit},
		{"just fresh", "0\n", "95000", fit},
		{"too old", "0\n", "94999\n", unknown},
		{"of another boot", "0\n", "100001\n", unknown},
		{"no beat", "0\n", "", unknown},
		{"an empty verdict is not fit", "", "99000\n", unknown},
		{"a verdict that is none", "fit\n", "99000\n", unknown},
		{"a beat that is none", "0\n", "now\n", unknown},
		{"a beat below zero", "0\n", "-5\n", unknown},
		{"a long number", "0\n", strings.Repeat("9", 40), unknown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "vip")
			put(t, path, tc.verdict)
			if tc.beat != "" {
				put(t, filepath.Join(filepath.Dir(path), "beat"), tc.beat)
			}
			if got, line := checkFiles(path, now); got != tc.want {
				t.Errorf("%d %q, want %d", got, line, tc.want)
			}
		})
	}
	path := filepath.Join(t.TempDir(), "vip")
	put(t, filepath.Join(filepath.Dir(path), "beat"), "99000\n")
	if got, line := checkFiles(path, now); got != unknown {
		t.Errorf("no verdict: %d %q", got, line)
	}
}

// A hung agent takes the connection and says nothing: the check must be back well within keepalived's shortest interval, 1 s.
func TestHungAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vip")
	answer(t, path, nil)
	put(t, path, "0\n")
	put(t, filepath.Join(filepath.Dir(path), "beat"), fmt.Sprintf("%015d\n", sinceBoot()-1000))
	begin := time.Now()
	if got, line := check(path); got != fit {
		t.Errorf("%d %q", got, line)
	}
	if d := time.Since(begin); d < readTime*time.Millisecond || d > 900*time.Millisecond {
		t.Errorf("it took %v", d)
	}
}

func TestProgram(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "nodeagent-check")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ok, bad := "fit 0 ok\n", "unfit -60 degraded APIServer failing Hung\n"
	answer(t, filepath.Join(dir, "good"), &ok)
	answer(t, filepath.Join(dir, "bad"), &bad)
	for _, tc := range []struct {
		args []string
		code int
		out  string
	}{
		{[]string{filepath.Join(dir, "good")}, 0, "fit 0 ok\n"},
		{[]string{filepath.Join(dir, "bad")}, 1, bad},
		{[]string{filepath.Join(dir, "none")}, 2, "unknown: the agent does not answer and has left no sign: systemctl status nodeagent\n"},
		{nil, 2, "usage: nodeagent-check NAME\n"},
		{[]string{""}, 2, "usage: nodeagent-check NAME\n"},
		{[]string{"-h"}, 2, "usage: nodeagent-check NAME\n"},
		{[]string{"a", "b"}, 2, "usage: nodeagent-check NAME\n"},
		{[]string{strings.Repeat("x", 5000)}, 2, "usage: nodeagent-check NAME\n"},
	} {
		cmd := exec.Command(program, tc.args...)
		cmd.Env = []string{} // as keepalived may run it
		out, err := cmd.Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != tc.code || string(out) != tc.out {
			t.Errorf("%.40q: %d %q, want %d %q", tc.args, got, out, tc.code, tc.out)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("fit 0 ok\n"))
	f.Add([]byte("unfit -60 unknown x\n"))
	f.Add([]byte("fit\n 0"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if code, ok := parse(b); ok && code == fit && !strings.HasPrefix(string(b), "fit ") {
			t.Errorf("%q is fit", b)
		}
		_ = line(b)
		if n, ok := number(b); ok && n == 0 && strings.Trim(string(b), "0-\n") != "" {
			t.Errorf("%q is 0", b)
		}
	})
}
