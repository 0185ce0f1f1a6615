package workload

import (
	"context"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	var out, complaint strings.Builder
	err := do(t.Context(), []string{"print a b", "complain c", "write " + file + " d e", "need " + file, "await " + file, "until " + file, "cat " + file, "say " + file + " f g", "stall /none 1h", "wait 1ms", "eat 1", "flood 2", "exit 3"}, &out, &complaint)
	if code, ok := errors.AsType[exitCode](err); !ok || code != 3 {
		t.Errorf("do = %v, want exit status 3", err)
	}
	if want := "a b\nd eline 000000000 of a flood that fills a log\nline 000000001 of a flood that fills a log\n"; out.String() != want {
		t.Errorf("it printed %q, want %q", out.String(), want)
	}
	if complaint.String() != "c\n" {
		t.Errorf("it complained %q", complaint.String())
	}
	if b, _ := os.ReadFile(file); !strings.HasPrefix(string(b), "d e1") || !strings.HasSuffix(string(b), " f g\n") {
		t.Errorf("it wrote %q", b)
	}
	for _, s := range []string{"need " + file + "-", "exit 1"} {
		if code, ok := errors.AsType[exitCode](do(t.Context(), []string{s}, &out, &complaint)); !ok || code != 1 {
			t.Errorf("%s ended with %d", s, code)
		}
	}
	for _, s := range []string{"", "dance", "wait soon", "eat much", "flood a", "exit 300", "cat " + file + "-"} {
		err := do(t.Context(), []string{s}, &out, &complaint)
		if _, exit := errors.AsType[exitCode](err); err == nil || exit {
			t.Errorf("%q = %v, want an error that tells", s, err)
		}
	}
}

func TestDoEndsAtSIGTERM(t *testing.T) {
	term, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	if err := do(term, []string{"hold", "print after"}, &out, &out); err != nil || out.String() != "after\n" {
		t.Errorf("hold gave %v, and then %q", err, out.String())
	}
	if code, ok := errors.AsType[exitCode](do(term, []string{"await /none"}, &out, &out)); !ok || code != 143 {
		t.Errorf("await ended with %d", code)
	}
}

func TestRecorded(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	h := recorded(log)
	for path, want := range map[string]int{"/": 200, "/have" + log: 200, "/have/none": 404} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("X-Test", "t")
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		if answer.Code != want {
			t.Errorf("GET %s answered %d, want %d", path, answer.Code, want)
		}
	}
	if b, _ := os.ReadFile(log); !strings.Contains(string(b), " GET /have/none host=example.com x=t\n") {
		t.Errorf("it recorded %q", b)
	}
	if _, err := selfSigned(); err != nil {
		t.Error(err)
	}
}
