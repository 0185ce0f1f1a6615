package staticpod

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestTerminationMessage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	if got := readMessage(path); got != "" {
		t.Errorf("of no file: %q", got)
	}
	if _, err := makeMessageFile(path); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o666 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	os.WriteFile(path, []byte("disk full\n\tat /var\xff\n"), 0)
	if got := readMessage(path); got != "disk full at /var\ufffd" {
		t.Errorf("%q", got)
	}
	os.WriteFile(path, []byte(strings.Repeat("x", 1<<20)), 0)
	if got := readMessage(path); len(got) > maxMessage+len("…") {
		t.Errorf("%d bytes", len(got))
	}
	os.Remove(path)
	os.Symlink("/etc/passwd", path)
	if got := readMessage(path); got != "" {
		t.Errorf("followed a link: %q", got)
	}
	os.Remove(path)
	syscall.Mkfifo(path, 0o666)
	if got := readMessage(path); got != "" {
		t.Errorf("of a FIFO: %q", got)
	}
}
