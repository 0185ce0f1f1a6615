package volume

import (
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

// bind mounts what f refers to on target, which it makes. A mount of an earlier attempt that shows the same file stays. Mounts below f come
// along only if they are made later. Except for shared, what is done below the target never reaches the original: an unmount
// there must not unmount anything of the node's.
func (in Input) bind(f *os.File, target string, shared bool) error {
	want, err := stat(f)
	if err != nil {
		return err
	}
	folder := want.Mode&unix.S_IFMT == unix.S_IFDIR
	switch same, err := bound(target, want, shared); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case same:
		return nil
	}
	if err := clearTarget(target); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o750); err != nil {
		return err
	}
	if folder {
		err = os.Mkdir(target, 0o750)
	} else {
		err = os.WriteFile(target, nil, 0o640)
	}
	if err != nil {
		return err
	}
	if err := in.Made(target); err != nil {
		return fmt.Errorf("remember the mount of %s: %w", target, err)
	}
	if err := unix.Mount(procPath(f), target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %s on %s: %w", f.Name(), target, err)
	}
	if !shared {
		if err := unix.Mount("", target, "", unix.MS_SLAVE, ""); err != nil {
			return errors.Join(fmt.Errorf("make %s a slave: %w", target, err), detach(target))
		}
	}
	return nil
}

// bound says whether a mount on target shows this file and passes mounts on as it should.
func bound(target string, want unix.Stat_t, shared bool) (bool, error) {
	is, err := mounted(target)
	if err != nil || !is {
		return false, err
	}
	var have unix.Stat_t
	if err := unix.Lstat(target, &have); err != nil || have.Dev != want.Dev || have.Ino != want.Ino {
		return false, nil // one that can't be looked at is made anew
	}
	real, err := realPath(target)
	if err != nil {
		return false, err
	}
	mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(real))
	if err != nil {
		return false, fmt.Errorf("read mountinfo: %w", err)
	}
	wrong := "shared:"
	if shared {
		wrong = "master:"
	}
	return len(mounts) > 0 && !slices.ContainsFunc(strings.Fields(mounts[0].Optional), func(o string) bool { return strings.HasPrefix(o, wrong) }), nil
}

// clearTarget removes an earlier mount and the mount point.
func clearTarget(target string) error {
	for range 16 { // mounts stack
		is, err := mounted(target)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if !is {
			// Remove takes an empty folder or a file; anything else is not ours.
			return os.Remove(target)
		}
		if err := detach(target); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s has too many mounts on top of each other: unmount it", target)
}

// detach unmounts path with all that is mounted below it, at once even if it is in use. It is for paths that no container can change.
func detach(path string) error {
	// Private first: the unmount of what lies below would reach the originals of a shared bind.
	if err := unix.Mount("", path, "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("make %s private: %w", path, err)
	}
	if err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	return nil
}

// realPath is how the kernel names path in mountinfo: its parents without links. The last part is left as it is.
func realPath(path string) (string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, filepath.Base(path)), nil
}
