package main

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

// TestBill reads what this very test program is made of.
func TestBill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := write(&b, "box", "1.0", "2026-01-31T00:00:00Z", false, []string{self, self}); err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(b.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if d.Format != "CycloneDX" || d.Metadata.Component.Version != "1.0" || len(d.Components) == 0 || !strings.HasPrefix(d.Components[0].Version, "go1.") {
		t.Errorf("the bill is %s", b.String())
	}
	if err := write(&b, "box", "1.0", "", false, nil); err == nil {
		t.Error("a bill of nothing was written")
	}
	if err := write(&b, "box", "1.0", "", false, []string{"main.go"}); err == nil {
		t.Error("a source file was taken for a program")
	}
}

func TestModules(t *testing.T) {
	replaced := &debug.Module{Path: "example.com/a", Version: "v1", Replace: &debug.Module{Path: "example.com/b", Version: "v2", Sum: "h1:AAEC"}}
	m := linked(replaced)
	d := bill("box", "1", "", "go1.26", []module{m})
	c := d.Components[1]
	if c.PURL != "pkg:golang/example.com/b@v2" || len(c.Properties) != 1 || c.Properties[0].Value != "000102" {
		t.Errorf("the component is %+v", c)
	}
	if treeSum("AAEC") != "" {
		t.Error("a sum of another kind was taken")
	}
}

// TestLicenses: a module whose folder has no license is an error.
func TestLicenses(t *testing.T) {
	dir := t.TempDir()
	m := module{path: "example.com/a", version: "v1"}
	var b bytes.Buffer
	if err := writeTexts(&b, m, dir); err == nil {
		t.Error("a module without a license was passed on")
	}
	for name, text := range map[string]string{"LICENSE.md": "You may.", "NOTICE": "By us.", "licenses.go": "package a"} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeTexts(&b, m, dir); err != nil {
		t.Fatal(err)
	}
	if want := "==== example.com/a v1: LICENSE.md\n\nYou may.\n\n==== example.com/a v1: NOTICE\n\nBy us.\n\n"; b.String() != want {
		t.Errorf("got %q", b.String())
	}
}
