package metrics

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

func TestTakesGzip(t *testing.T) {
	for accepted, want := range map[string]bool{
		"": false, "gzip": true, "deflate, GZIP;q=0.5": true, "gzip;q=0": false, "gzip; q=0.0": false, "identity": false, "*": true, "*;q=0": false,
		"gzip;q=0, *": false, "*;q=0, gzip": true, "zstd": false, ";;,,=": false, "gzip;q=x": true,
	} {
		if got := takesGzip([]string{accepted}); got != want {
			t.Errorf("%q: %v", accepted, got)
		}
	}
}

// What is said compressed is what is said plainly, one answer after another: the memory of the last one is used again.
func TestAnswersAreWhole(t *testing.T) {
	body := ""
	h := answers(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body == "" {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, body)
	}))
	for _, body = range []string{strings.Repeat("long ", 9000), "short", "", strings.Repeat("z", 70000)} {
		for _, encoding := range []string{"gzip", ""} {
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.Header.Set("Accept-Encoding", encoding)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			var from io.Reader = w.Body
			if encoding != "" {
				var err error
				if from, err = gzip.NewReader(w.Body); err != nil {
					t.Fatal(err)
				}
			}
			got, err := io.ReadAll(from)
			want, status := body, http.StatusOK
			if body == "" {
				want, status = "busy\n", http.StatusServiceUnavailable
			}
			if err != nil || string(got) != want || w.Code != status {
				t.Errorf("%q: %d bytes of %d, status %d, %v", encoding, len(got), len(want), w.Code, err)
			}
		}
	}
}

// Of two samples of one series the first is shown; families and series come in order; each name is one family.
func TestFamilies(t *testing.T) {
	a, b := desc("b", "B.", "y", "x"), desc("a_total", "A.")
	s := &samples{}
	s.gauge(a, 1, "2", "1")
	s.counter(b, 7)
	s.gauge(a, 2, "1", "1")
	s.gauge(a, 3, "2", "1")
	got := ""
	for _, f := range families(s.list) {
		got += f.String() + "\n"
	}
	want := []string{"nodeagent_a_total", "COUNTER", "value:7", "nodeagent_b", "GAUGE",
		`name:"x"`, `value:"1"`, `name:"y"`, `value:"1"`, "value:2", `name:"x"`, `value:"1"`, `name:"y"`, `value:"2"`, "value:1"}
	rest := strings.ReplaceAll(got, ": ", ":")
	for _, w := range want {
		i := strings.Index(rest, w)
		if i < 0 {
			t.Fatalf("%s is missing or out of place in\n%s", w, got)
		}
		rest = rest[i+len(w):]
	}
	if strings.Contains(rest, "value") || strings.Contains(rest, "metric") {
		t.Errorf("more than that: %s", rest)
	}
	all, err := New(healthy()).Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range all {
		names = append(names, f.GetName())
	}
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("families out of order or twice: %v", names)
	}
}
