package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestNewerAgent: a folder in which a newer agent wrote is refused, and nothing in it changes.
func TestNewerAgent(t *testing.T) {
	for _, name := range []string{"mutes", "pods/web"} {
		dir := t.TempDir()
		f, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Save("config", Format, 1), f.Save(name, Format+1, 1), f.Close()); err != nil {
			t.Fatal(err)
		}
		os.Remove(filepath.Join(dir, "lock"))
		os.WriteFile(filepath.Join(dir, "damaged.json"), []byte(`{"version":9`), 0o600)
		before := tree(t, dir)
		var newer *VersionError
		if _, err := Open(dir); !errors.As(err, &newer) || newer.Path != filepath.Join(dir, name+".json") || newer.Found != Format+1 {
			t.Errorf("%s of the next version: Open gives %v", name, err)
		}
		if after := tree(t, dir); after != before {
			t.Errorf("%s: the folder was\n%s\nand is\n%s", name, before, after)
		}
	}
}

func tree(t *testing.T, dir string) (out string) {
	t.Helper()
	for _, pattern := range []string{"*", "*/*", ".*"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			b, _ := os.ReadFile(path) // a folder has none
			out += path + " " + string(b) + "\n"
		}
	}
	return out
}

// TestNotState: files that are no state are nobody's version.
func TestNotState(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"a.json": "{", "b.json": `{"version":7}`, "c.json": "[1]", "d.txt": `{"version":7,"data":1}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a.json", filepath.Join(dir, "e.json")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Newer(dir), Newer(filepath.Join(dir, "none"))); err != nil {
		t.Error(err)
	}
}
