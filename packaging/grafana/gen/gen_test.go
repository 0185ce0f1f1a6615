package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestCommitted: what lies beside this folder is what it makes.
func TestCommitted(t *testing.T) {
	files, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		have, err := os.ReadFile(filepath.Join("..", name))
		if err != nil || string(have) != string(want) {
			t.Errorf("%s is not what the code makes: run `go run . -out ..` here (%v)", name, err)
		}
	}
	for _, folder := range []string{"dashboards", "kubernetes"} {
		entries, err := os.ReadDir(filepath.Join("..", folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if name := folder + "/" + e.Name(); files[name] == nil {
				t.Errorf("%s is made by nothing", name)
			}
		}
	}
}
