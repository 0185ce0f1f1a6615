//go:build integration

package pods

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"nodeagent/internal/staticpod/manifest"
)

var update = flag.Bool("update", false, "write proofs.txt")

// proofsFile has a line for each supported field with the test that proves it.
const proofsFile = "proofs.txt"

// proofs are the rows that were proven over one runtime: the path of a field -> the names of tests, without the runtime's.
type proofs struct {
	mu     sync.Mutex
	proven map[string][]string
}

// variant is one of the two lists of containers. What is proven of both is played with a container proper and with a sidecar.
type variant struct {
	list string // containers or initContainers
	key  string // short, for names
}

var variants = []variant{{"containers", "c"}, {"initContainers", "i"}}

// proves notes, when the test ends well, that it showed the effect of fields. A leading @ is the list of containers that the variant is about.
func (s *suite) proves(t *testing.T, v variant, rows ...string) {
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		name := strings.SplitN(t.Name(), "/", 3)
		s.proofs.mu.Lock()
		defer s.proofs.mu.Unlock()
		for _, r := range rows {
			if after, ok := strings.CutPrefix(r, "@"); ok {
				r = "spec." + v.list + "[]" + after
			}
			s.proofs.proven[r] = append(s.proofs.proven[r], name[0]+"/"+name[2])
		}
	})
}

// below gives a path and others below it.
func below(at string, fields ...string) []string {
	out := []string{at}
	for _, f := range fields {
		out = append(out, at+"."+f)
	}
	return out
}

// compare fails for each supported row with no proof, and for each proof of no such row.
func (s *suite) compare(t *testing.T) {
	rows := map[string]bool{}
	var missing []string
	for _, f := range manifest.Fields() {
		if f.Support != manifest.Supported {
			continue
		}
		rows[f.Path] = true
		if len(s.proofs.proven[f.Path]) == 0 {
			missing = append(missing, f.Path)
		}
	}
	if len(missing) > 0 {
		t.Errorf("%d of %d supported fields were not proven:\n%s", len(missing), len(rows), strings.Join(missing, "\n"))
	}
	var out bytes.Buffer
	for _, path := range slices.Sorted(maps.Keys(s.proofs.proven)) {
		if !rows[path] {
			t.Errorf("%v prove %s, which is no supported field", s.proofs.proven[path], path)
		}
		fmt.Fprintf(&out, "%s %s\n", path, slices.Min(s.proofs.proven[path]))
	}
	if *update {
		if err := os.WriteFile(proofsFile, out.Bytes(), 0o644); err != nil {
			t.Error(err)
		}
	}
}
