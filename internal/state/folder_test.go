package state

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

type thing struct {
	A int               `json:"a"`
	B map[string]string `json:"b"`
}

func open(t *testing.T, dir string) *Folder {
	t.Helper()
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSaveLoad(t *testing.T) {
	f := open(t, filepath.Join(t.TempDir(), "x"))
	for _, save := range []func(string, int, any) error{f.Save, f.SaveDurable} {
		if err := save("pods/default_web", 3, thing{A: 1, B: map[string]string{"x": "y"}}); err != nil {
			t.Fatal(err)
		}
		var got thing
		if found, err := f.Load("pods/default_web", 3, &got); !found || err != nil || got.A != 1 || got.B["x"] != "y" {
			t.Fatalf("%v %v %+v", found, err, got)
		}
	}
	st, err := os.Stat(f.Path("pods", "default_web.json"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	names, err := f.List("pods")
	if err != nil || !slices.Equal(names, []string{"pods/default_web"}) {
		t.Errorf("%v, %v: temporary files must not stay or show", names, err)
	}
	if err := errors.Join(f.Delete("pods/default_web"), f.Delete("pods/default_web")); err != nil {
		t.Error(err)
	}
	if found, err := f.Load("pods/default_web", 3, &thing{}); found || err != nil {
		t.Errorf("%v, %v after delete", found, err)
	}
}

func TestOneAgentAFolder(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	if _, err := Open(dir); !errors.Is(err, ErrTaken) {
		t.Fatalf("second agent: %v", err)
	}
	id := f.Instance()
	f.Close()
	if again := open(t, dir); again.Instance() != id || len(id) != 16 {
		t.Errorf("instance %q became %q", id, again.Instance())
	}
}

// TestDyingAgentIsWaitedFor has the lock given back by what a killed agent left, a moment after the next one asks.
func TestDyingAgentIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	time.AfterFunc(lockWait/10, func() { f.Close() })
	open(t, dir)
}

func TestOtherVersionIsLeftAlone(t *testing.T) {
	f := open(t, t.TempDir())
	f.Save("x", 2, thing{A: 1})
	var other *VersionError
	if found, err := f.Load("x", 1, &thing{}); found || !errors.As(err, &other) || other.Found != 2 {
		t.Fatalf("%v, %v", found, err)
	}
	var got thing
	if found, err := f.Load("x", 2, &got); !found || err != nil || got.A != 1 {
		t.Errorf("the file did not survive the wrong reader: %v, %v", found, err)
	}
}

func TestDamagedFileIsMovedAside(t *testing.T) {
	for _, content := range []string{"", "{", `{"version":1,"data":"x"}`, "\x00\x00"} {
		f := open(t, t.TempDir())
		os.WriteFile(f.Path("x.json"), []byte(content), 0o600)
		var damaged *DamagedError
		if found, err := f.Load("x", 1, &thing{}); found || !errors.As(err, &damaged) {
			t.Errorf("%q: %v, %v", content, found, err)
			continue
		}
		if b, _ := os.ReadFile(damaged.MovedTo); string(b) != content {
			t.Errorf("%q: the damaged bytes are lost", content)
		}
		if found, err := f.Load("x", 1, &thing{}); found || err != nil {
			t.Errorf("%q: second load %v, %v", content, found, err)
		}
	}
}

func TestPeekNeedsNoLockAndMovesNothing(t *testing.T) {
	f := open(t, t.TempDir())
	f.Save("mutes", 1, thing{A: 7})
	var got thing
	if found, err := Peek(f.Dir(), "mutes", 1, &got); !found || err != nil || got.A != 7 {
		t.Fatalf("%v, %v", found, err)
	}
	os.WriteFile(f.Path("bad.json"), []byte("{"), 0o600)
	if found, err := Peek(f.Dir(), "bad", 1, &got); found || err == nil {
		t.Errorf("%v, %v", found, err)
	}
	if _, err := os.Stat(f.Path("bad.json")); err != nil {
		t.Error("peek moved the file")
	}
}

func TestUnreadableIdentityIsNotReplaced(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Close()
	for _, content := range []string{`{"version":9,"data":{}}`, "{", `{"version":1,"data":{}}`} {
		os.WriteFile(filepath.Join(dir, "instance.json"), []byte(content), 0o600)
		for range 2 {
			if _, err := Open(dir); err == nil {
				t.Fatalf("%q: an agent without its identity started", content)
			}
		}
	}
}

func TestOpenRemovesWhatAKilledWriterLeft(t *testing.T) {
	dir := t.TempDir()
	f := open(t, dir)
	f.Save("pods/a", 1, thing{})
	left := []string{f.Path(".x.json.unfinished-1"), f.Path("pods", ".a.json.unfinished-2")}
	kept := []string{f.Path("pods", "a.json"), f.Path("pods", "uid", ".a.json.unfinished-3")}
	os.MkdirAll(f.Path("pods", "uid"), 0o755)
	for _, path := range append(left, kept[1]) {
		os.WriteFile(path, nil, 0o600)
	}
	f.Close()
	open(t, dir)
	for _, path := range left {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is left", path)
		}
	}
	for _, path := range kept {
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s is gone", path)
		}
	}
}
