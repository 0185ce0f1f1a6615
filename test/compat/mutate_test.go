package compat

import (
	"testing"

	"sigs.k8s.io/yaml"
)

// mutants is the number of documents that TestMutations makes.
const mutants = 20_000

// mutatorOver makes a mutator over the documents that are valid for Kubernetes.
func mutatorOver(tb testing.TB) *mutator {
	tb.Helper()
	var valid []any
	for _, s := range everything(tb) {
		if !compare(s.text).valid {
			continue
		}
		var v any
		if err := yaml.Unmarshal(s.text, &v); err != nil {
			tb.Fatal(err)
		}
		valid = append(valid, v)
	}
	return newMutator(valid)
}

// TestMutations compares what both make of documents that differ from good ones in one to three places.
func TestMutations(t *testing.T) {
	m := mutatorOver(t)
	accepted, valid, failed := 0, 0, 0
	used := map[string]int{}
	for seed := range uint64(mutants) {
		doc := m.document(seed)
		c := compare(doc)
		if c.accepted {
			accepted++
		}
		if c.valid {
			valid++
		}
		for name := range c.used {
			used[name]++
		}
		for _, f := range c.faults {
			t.Errorf("seed %d: %s", seed, f)
		}
		if len(c.faults) > 0 {
			if failed++; failed == 20 {
				t.Fatal("more than enough")
			}
		}
	}
	t.Logf("of %d documents run mode takes %d and Kubernetes %d; differences met: %v", mutants, accepted, valid, used)
	// A mutator that breaks everything compares nothing.
	if accepted < mutants/10 || accepted > mutants*9/10 {
		t.Errorf("run mode takes %d of %d documents: the mutations are no test", accepted, mutants)
	}
}

// FuzzMutations goes on where TestMutations ends.
func FuzzMutations(f *testing.F) {
	m := mutatorOver(f)
	for seed := range uint64(8) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		doc := m.document(seed)
		for _, fault := range compare(doc).faults {
			t.Errorf("%s\n%s", fault, doc)
		}
	})
}

// FuzzText compares what both make of any text, so that reading is compared as well.
func FuzzText(f *testing.F) {
	for _, s := range everything(f) {
		f.Add(s.text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, fault := range compare(text).faults {
			t.Errorf("%s\n%s", fault, text)
		}
	})
}
