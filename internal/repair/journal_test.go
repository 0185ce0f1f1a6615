package repair

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The journal in testdata is one that systemd 252 wrote in a booted system, compact and with keyed hashes.
const (
	journalBoot    = "7df615a5ca514e23a80fd7b3b7ca4a67"
	journalMachine = "eac930aa1bdc40a5a1e0ecf2643d52f6"
	talkLast       = 0x231ea3cdb * time.Microsecond // as journalctl -u talk.service -o verbose has it
)

func journalBytes(t *testing.T) []byte {
	t.Helper()
	f, err := os.Open("testdata/system.journal.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil {
		t.Fatal(err)
	}
}

func TestSilentFor(t *testing.T) {
	j := journal{t.TempDir()}
	up := talkLast + time.Minute
	if _, err := j.silentFor(t.Context(), "talk.service", up); err == nil {
		t.Error("no machine, and no error")
	}
	put(t, filepath.Join(j.root, "etc/machine-id"), []byte(journalMachine+"\n"))
	if _, err := j.silentFor(t.Context(), "talk.service", up); !errors.Is(err, errNoLine) {
		t.Errorf("no file: %v", err)
	}
	path := filepath.Join(j.root, "var/log/journal", journalMachine, "system.journal")
	put(t, path, journalBytes(t))
	if ago, err := j.silentFor(t.Context(), "talk.service", up); err != nil || ago != time.Minute {
		t.Errorf("silent for %v, %v", ago, err)
	}
	if _, err := j.silentFor(t.Context(), "quiet.service", up); !errors.Is(err, errNoLine) {
		t.Errorf("a unit that wrote nothing: %v", err)
	}
	// A file that was rotated since holds the last line.
	if err := os.Rename(path, filepath.Join(filepath.Dir(path), "system@1.journal")); err != nil {
		t.Fatal(err)
	}
	if ago, err := j.silentFor(t.Context(), "talk.service", up); err != nil || ago != time.Minute {
		t.Errorf("rotated: silent for %v, %v", ago, err)
	}
	old := time.Now().Add(-2 * up)
	if err := os.Chtimes(filepath.Join(filepath.Dir(path), "system@1.journal"), old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := j.silentFor(t.Context(), "talk.service", up); !errors.Is(err, errNoLine) {
		t.Errorf("another boot: %v", err)
	}
}

// TestTornJournal: whatever is in a file, reading it ends, and without a wrong answer where its objects are cut off.
func TestTornJournal(t *testing.T) {
	good := journalBytes(t)
	var boot [16]byte
	id, err := hex.DecodeString(journalBoot)
	if err != nil || copy(boot[:], id) != 16 {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "system.journal")
	for _, n := range []int{0, 100, 207, 264, 4096} {
		put(t, path, good[:n])
		if at, err := lastLine(path, "talk.service", boot); err == nil {
			t.Errorf("cut at %d: %v", n, at)
		}
	}
	for i := 104; i < 200; i += 8 {
		bad := append([]byte(nil), good...)
		for k := range 8 {
			bad[i+k] = 0xff
		}
		put(t, path, bad)
		if at, err := lastLine(path, "talk.service", boot); err == nil && at != talkLast {
			t.Errorf("%d: %v", i, at)
		}
	}
}
