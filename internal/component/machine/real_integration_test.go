//go:build integration

package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nodeagent/internal/health"
)

func remount(t *testing.T, path string, flags uintptr, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", path, "tmpfs", flags, options); err != nil {
		t.Fatalf("mount tmpfs on %s: %v", path, err)
	}
}

// TestFilesystemsComeAndGo fills a real file system, uses its inodes up, makes it read-only, and puts each right again.
func TestFilesystemsComeAndGo(t *testing.T) {
	dir := t.TempDir()
	remount(t, dir, 0, "size=1m,nr_inodes=100")
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	see := func() string {
		l := Look(t.Context(), Config{}, Deps{Folders: func() []Folder { return []Folder{{"etcd", dir}} }})
		return short(l[1].Findings[0])
	}
	want := func(what, want string) {
		t.Helper()
		if got := see(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	want("empty", "ok")
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, make([]byte, 1000<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	want("full", "failing/SpaceLow")
	os.Remove(big)
	want("emptied", "ok")
	for i := range 98 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want("no inodes", "failing/InodesLow")
	for i := range 98 {
		os.Remove(filepath.Join(dir, fmt.Sprint(i)))
	}
	want("inodes again", "ok")
	remount(t, dir, unix.MS_REMOUNT|unix.MS_RDONLY, "")
	want("read-only", "failing/ReadOnly")
	remount(t, dir, unix.MS_REMOUNT, "")
	want("writable", "ok")
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	want("mounted read-only for us alone, as a sandbox does", "ok")
}

// TestInotifyComesAndGoes has instances used up in a user namespace of its own, whose limit is its own too.
func TestInotifyComesAndGoes(t *testing.T) {
	if limit := os.Getenv("INOTIFY_LIMIT"); limit != "" { // in the namespace
		if err := os.WriteFile("/proc/sys/user/max_inotify_instances", []byte(limit), 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Println("saw", short(judgeInotify(tryInotify(), limit)))
		return
	}
	for limit, want := range map[string]health.Finding{
		"0": {Status: health.Failing, Reason: reasonInotifyUsedUp}, "3": {Status: health.Failing, Reason: reasonInotifyFew}, "100": {Status: health.OK},
	} {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestInotifyComesAndGoes$", "-test.v")
		cmd.Env = append(os.Environ(), "INOTIFY_LIMIT="+limit)
		id := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: id, GidMappings: id}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "saw "+short(want)+"\n") {
			t.Errorf("limit %s: %v, want %s:\n%s", limit, err, short(want), out)
		}
	}
}
