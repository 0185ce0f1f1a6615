//go:build integration

package podlogs

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCollectorLeavesAMount: what somebody mounted in a pod's folder is not emptied.
func TestCollectorLeavesAMount(t *testing.T) {
	c := newCollecting(t, KeepConfig{Keep: time.Nanosecond})
	dir := c.pod(t, "u1", 10)
	must(t, c.Record("u1", dir))
	there := filepath.Join(dir, "web", "mnt")
	must(t, os.Mkdir(there, 0o755))
	must(t, unix.Mount("podlogs-test", there, "tmpfs", 0, "size=64k"))
	t.Cleanup(func() { unix.Unmount(there, unix.MNT_DETACH) })
	write(t, filepath.Join(there, "file"), "precious")
	if _, err := c.collect(t.Context()); err == nil {
		t.Error("no error")
	}
	if b, err := os.ReadFile(filepath.Join(there, "file")); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
	must(t, unix.Unmount(there, 0))
	if _, err := c.collect(t.Context()); err != nil || c.left(t) != "" {
		t.Errorf("%s, %v", c.left(t), err)
	}
}
