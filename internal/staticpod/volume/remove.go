package volume

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Remove unmounts all that is mounted below a pod's folder and removes the folder. The pod's containers must be gone. It follows no link,
// goes into no mount, and removes nothing while something can't be unmounted: what is mounted there may be someone's data. A folder that
// is not there is no error. It blocks as long as the kernel does.
func Remove(dir string) error {
	if !filepath.IsAbs(dir) || filepath.Clean(dir) != dir || dir == "/" {
		return fmt.Errorf("remove %q: not a clean absolute path", dir)
	}
	switch st, err := os.Lstat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("remove volumes: %w", err)
	case !st.IsDir():
		return fmt.Errorf("remove volumes: %s is not a folder", dir)
	}
	if err := unmountBelow(dir); err != nil {
		return fmt.Errorf("remove volumes: %w", err)
	}
	parent, err := openFolder(filepath.Dir(dir))
	if err != nil {
		return fmt.Errorf("remove volumes: %w", err)
	}
	defer parent.Close()
	if err := removeFolder(parent, filepath.Base(dir)); err != nil {
		return fmt.Errorf("remove volumes in %s: %w", dir, err)
	}
	return nil
}

// Sweep removes, with their mounts, the folders below root (one a pod, named by its UID) that keep does not want. Everything is tried;
// the errors are joined.
func Sweep(root string, keep func(uid string) bool) error {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep volumes: %w", err)
	}
	var errs []error
	for _, e := range entries {
		if e.IsDir() && !keep(e.Name()) {
			errs = append(errs, Remove(filepath.Join(root, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// unmountBelow unmounts the deepest first, and looks again: a mount may hide another.
func unmountBelow(dir string) error {
	real, err := realPath(dir)
	if err != nil {
		return err
	}
	top, err := os.OpenFile(real, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer top.Close()
	var errs []error
	for range 32 {
		mounts, err := mountsBelow(real)
		if err != nil || len(mounts) == 0 {
			return err
		}
		if slices.Contains(mounts, real) {
			return fmt.Errorf("%s itself is a mount point, and the agent mounts nothing there: unmount it", real)
		}
		// What can't be made private yet (it is hidden below another mount) waits for the next look, with what lies in it.
		errs = nil
		var waits []string
		for _, m := range mounts {
			if err := private(top, strings.TrimPrefix(m, real+"/")); err != nil {
				errs, waits = append(errs, err), append(waits, m)
			}
		}
		done := 0
		for _, m := range mounts {
			if slices.ContainsFunc(waits, func(w string) bool { return strings.HasPrefix(m+"/", w+"/") }) {
				continue
			}
			if err := unmountAt(top, strings.TrimPrefix(m, real+"/")); err != nil {
				errs = append(errs, fmt.Errorf("unmount %s: %w: see who holds it (fuser -vm %s), and unmount it", m, err, m))
			} else {
				done++
			}
		}
		if done == 0 {
			return errors.Join(errs...)
		}
	}
	return errors.Join(append(errs, fmt.Errorf("%s: new mounts keep appearing: see who makes them", real))...)
}

// mountsBelow a folder and on it, the deepest first, each path once: of mounts on top of each other only the last can be reached.
func mountsBelow(dir string) ([]string, error) {
	infos, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return nil, fmt.Errorf("read mountinfo: %w", err)
	}
	var out []string
	for _, i := range infos {
		out = append(out, i.Mountpoint)
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.Count(b, "/"), strings.Count(a, "/")), cmp.Compare(a, b))
	})
	return slices.Compact(out), nil
}

// private keeps the unmount of what lies in a mount from reaching its original: a bind of a shared folder has the node's own mounts in it,
// and would take them away from the node.
func private(top *os.File, rel string) error {
	f, err := openAt(top, rel, unix.O_PATH|unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Mount("", procPath(f), "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make %s private: %w", rel, err)
	}
	return nil
}

// unmountAt unmounts rel, found without following any link. One that is in use is detached: nothing of it can be reached by name any more.
func unmountAt(top *os.File, rel string) error {
	parent, err := openAt(top, filepath.Dir(rel), unix.O_PATH|unix.O_DIRECTORY, unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return err
	}
	defer parent.Close()
	name := procPath(parent) + "/" + filepath.Base(rel)
	err = unix.Unmount(name, unix.UMOUNT_NOFOLLOW)
	if errors.Is(err, unix.EBUSY) {
		err = unix.Unmount(name, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
	}
	return err
}
