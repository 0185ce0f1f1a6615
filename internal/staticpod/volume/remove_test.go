package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", path, err)
	}
}

func TestRemoveFollowsNoLink(t *testing.T) {
	top := t.TempDir()
	precious := put(t, filepath.Join(top, "precious/data"), "stays")
	pod := filepath.Join(top, "pod")
	put(t, filepath.Join(pod, "volumes/a/file"), "")
	check(t, os.Symlink(filepath.Dir(precious), filepath.Join(pod, "volumes/a/link")))
	check(t, os.Symlink("../../../precious", filepath.Join(pod, "volumes/a/relative")))
	check(t, unix.Mkfifo(filepath.Join(pod, "fifo"), 0o600))
	check(t, os.Mkdir(filepath.Join(pod, "locked"), 0o000))
	check(t, Remove(pod))
	gone(t, pod)
	if read(t, precious) != "stays" {
		t.Error("something outside is changed")
	}
	check(t, Remove(pod)) // again
	link := filepath.Join(top, "link")
	check(t, os.Symlink(filepath.Dir(precious), link))
	wrong(t, Remove(link), "is not a folder")
	if read(t, precious) != "stays" {
		t.Error("a pod's folder that is a link was followed")
	}
}

func TestRemoveManyFiles(t *testing.T) {
	pod := filepath.Join(t.TempDir(), "pod")
	check(t, os.MkdirAll(filepath.Join(pod, "d"), 0o755))
	for i := range 3000 {
		check(t, os.WriteFile(filepath.Join(pod, "d", fmt.Sprint(i)), nil, 0o600))
	}
	check(t, Remove(pod))
	gone(t, pod)
}

// A container can nest folders deeper than PATH_MAX and than we have descriptors.
func TestRemoveDeepFolders(t *testing.T) {
	pod := filepath.Join(t.TempDir(), "pod")
	check(t, os.MkdirAll(filepath.Join(pod, "..deep-1", "taken"), 0o755))
	name := strings.Repeat("d", 100)
	fd, err := unix.Open(pod, unix.O_PATH|unix.O_DIRECTORY, 0)
	check(t, err)
	for range 3000 {
		check(t, unix.Mkdirat(fd, name, 0o755))
		next, err := unix.Openat(fd, name, unix.O_PATH|unix.O_DIRECTORY, 0)
		check(t, err)
		unix.Close(fd)
		fd = next
	}
	unix.Close(fd)
	var before unix.Rlimit
	check(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &before))
	few := before
	few.Cur = 256
	check(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &few))
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &before)
	check(t, Remove(pod))
	gone(t, pod)
}

func TestSweep(t *testing.T) {
	root := filepath.Join(t.TempDir(), "pods")
	check(t, Sweep(root, func(string) bool { return false }))
	put(t, filepath.Join(root, "stale/volumes/x"), "")
	put(t, filepath.Join(root, "kept/volumes/x"), "")
	put(t, filepath.Join(root, "file"), "")
	check(t, Sweep(root, func(uid string) bool { return uid == "kept" }))
	gone(t, filepath.Join(root, "stale"))
	read(t, filepath.Join(root, "kept/volumes/x"))
	read(t, filepath.Join(root, "file"))
}
