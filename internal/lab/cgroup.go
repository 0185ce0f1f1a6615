package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// hierarchies are the folders where cgroups are mounted: one on cgroup v2, one
// a controller on v1, both on a hybrid host.
func hierarchies() ([]string, error) {
	mounts, err := mountinfo.GetMounts(mountinfo.FSTypeFilter("cgroup", "cgroup2"))
	if err != nil {
		return nil, fmt.Errorf("list cgroup mounts: %w", err)
	}
	var out []string
	for _, m := range mounts {
		if !slices.Contains(out, m.Mountpoint) {
			out = append(out, m.Mountpoint)
		}
	}
	return out, nil
}

// cgroupFolders are the folders of the given cgroups and of all below them, in
// every hierarchy, deepest first.
func cgroupFolders(cgroups []string) ([]string, error) {
	mounts, err := hierarchies()
	if err != nil {
		return nil, err
	}
	var out []string
	for _, mount := range mounts {
		for _, cgroup := range cgroups {
			err := filepath.WalkDir(filepath.Join(mount, cgroup), func(path string, d fs.DirEntry, err error) error {
				if err == nil && d.IsDir() {
					out = append(out, path)
				}
				if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
					return nil // removed while we looked
				}
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("walk cgroups: %w", err)
			}
		}
	}
	slices.Reverse(out) // a walk names parents first
	return slices.Compact(out), nil
}

// thaw lets the processes of a frozen v1 cgroup run: frozen ones do not die.
// On v2 SIGKILL reaches them as they are.
func thaw(folder string) {
	file := filepath.Join(folder, "freezer.state")
	if state, err := os.ReadFile(file); err == nil && string(state) != "THAWED\n" {
		// Whether it worked shows in the processes that remain.
		_ = os.WriteFile(file, []byte("THAWED"), 0)
	}
}

func removeCgroup(folder string) error {
	err := unix.Rmdir(folder)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return fmt.Errorf("remove cgroup %s: %w", folder, err)
}
