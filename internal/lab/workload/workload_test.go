package workload

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunLeavesOtherCommandsAlone(t *testing.T) {
	for _, args := range [][]string{nil, {"run"}, {"serve"}} {
		if handled, _ := Run(args); handled {
			t.Errorf("Run(%q) was handled", args)
		}
	}
	for _, args := range [][]string{{Name}, {Name, "nothing"}, {Name, "exec-sleep", "soon"}, {Name, "serve", "--no-such"}} {
		if handled, code := Run(args); !handled || code != 2 {
			t.Errorf("Run(%q) = %t, %d; want true, 2", args, handled, code)
		}
	}
}

func TestCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		begin := time.Now()
		err := crash(t.Context(), 20*time.Second, 3, &out)
		if code, ok := errors.AsType[exitCode](err); !ok || code != 3 {
			t.Errorf("crash = %v, want exit status 3", err)
		}
		if took := time.Since(begin); took != 20*time.Second {
			t.Errorf("it ran for %s", took)
		}
		term, cancel := context.WithCancel(t.Context())
		cancel()
		if err := crash(term, time.Hour, 3, &out); err != nil {
			t.Errorf("at SIGTERM crash = %v", err)
		}
	})
}

func TestSleepAndPauseEndAtSIGTERM(t *testing.T) {
	term, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sleep(term, false, &strings.Builder{}); err != nil {
		t.Error(err)
	}
	if err := pause(term); err != nil {
		t.Error(err)
	}
}

func TestPrintFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run([]string{"print-file", path}, &out); err != nil || out.String() != "content" {
		t.Errorf("print-file wrote %q, %v", out.String(), err)
	}
	if err := run([]string{"print-file", path + "-"}, &out); err == nil {
		t.Error("a file that is not there was printed")
	}
}

func TestPages(t *testing.T) {
	t.Setenv("GREETING", "good night")
	handler := pages("node-a", time.Unix(0, 0))
	for path, want := range map[string]string{
		"/":    "hello from node-a, up since 1970-01-01T00:00:00Z\ngood night\n",
		"/no":  "404 page not found\n",
		"/env": "GREETING=good night\n",
	} {
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		got := answer.Body.String()
		if ok := got == want || path == "/env" && strings.Contains(got, want); !ok {
			t.Errorf("GET %s answered %q", path, got)
		}
	}
}
