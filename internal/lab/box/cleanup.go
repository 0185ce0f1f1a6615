package box

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Cleanup removes the processes, mounts and cgroups of a box, also of one whose test was killed. A box that is not there is no error.
func Cleanup(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("box name %q: want 1 to 20 of a-z and 0-9", name)
	}
	if err := removeCgroups(name); err != nil {
		return err
	}
	dir := filepath.Join(base, name)
	for _, at := range []string{filepath.Join(dir, "root"), dir} {
		// What is mounted below goes with it.
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("clean up box %s: unmount %s: %w", name, at, err)
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clean up box %s: %w", name, err)
	}
	return nil
}

// removeCgroups kills what is in the cgroups of a box, in every hierarchy.
func removeCgroups(name string) error {
	hierarchies, err := hierarchies()
	if err != nil {
		return fmt.Errorf("clean up box %s: %w", name, err)
	}
	for _, h := range hierarchies {
		if err := removeCgroup(filepath.Join(h, cgroupOf(name))); err != nil {
			return fmt.Errorf("clean up box %s: %w", name, err)
		}
	}
	return nil
}

// removeCgroup kills what is in a cgroup v2 and below it, and removes the folders.
func removeCgroup(dir string) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		folders, err := foldersBelow(dir)
		if err != nil || len(folders) == 0 {
			return err
		}
		for _, f := range slices.Backward(folders) {
			procs, err := os.ReadFile(filepath.Join(f, "cgroup.procs"))
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EOPNOTSUPP) {
				return err
			}
			for pid := range strings.FieldsSeq(string(procs)) {
				if n, err := strconv.Atoi(pid); err == nil && n > 1 {
					_ = unix.Kill(n, unix.SIGKILL) // gone meanwhile, or the folder stays and is said
				}
			}
			if err = unix.Rmdir(f); err != nil && !errors.Is(err, unix.ENOENT) && time.Now().After(deadline) {
				return fmt.Errorf("remove cgroup %s: %w", f, err)
			}
		}
		// What a killed process held is free once the kernel is done with it, and nothing tells when.
		time.Sleep(5 * time.Millisecond)
	}
}

func foldersBelow(dir string) (out []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil
		}
		if err == nil && d.IsDir() {
			out = append(out, path)
		}
		return err
	})
	return out, err
}
