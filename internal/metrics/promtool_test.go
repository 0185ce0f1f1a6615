//go:build integration

package metrics

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What Prometheus' own tool says of a whole scrape, libraries included, and of the goldens. Without promtool this fails: a check that
// can't run is no check.
func TestPromtool(t *testing.T) {
	m := New(healthy())
	m.ObserveCRI("Version", time.Millisecond, "Unavailable")
	texts := map[string]string{"live": scrape(t, m, "")}
	goldens, err := filepath.Glob(filepath.Join("testdata", "*.prom"))
	if err != nil || len(goldens) == 0 {
		t.Fatalf("no goldens: %v", err)
	}
	for _, g := range goldens {
		b, err := os.ReadFile(g)
		if err != nil {
			t.Fatal(err)
		}
		texts[g] = string(b)
	}
	for name, text := range texts {
		out, err := promtool(t, text)
		if err != nil || out != "" {
			t.Errorf("promtool check metrics of %s: %v\n%s", name, err, out)
		}
	}
	if _, err := promtool(t, "# TYPE bad_seconds_count counter\nbad_seconds_count 1\n"); err == nil {
		t.Error("promtool finds nothing wrong with a bad metric")
	}
}

func promtool(t *testing.T, text string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	c.Stdin = strings.NewReader(text)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.String(), err
}
