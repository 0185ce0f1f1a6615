package volume

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// openLevels is how deep removal goes with a descriptor a level; a container may nest its folders as deep as it likes.
const openLevels = 64

// tree is a folder that is being removed.
type tree struct {
	top   *os.File
	moved int
}

// removeFolder removes the folder name of parent with all that it holds. Each step is relative to a folder that is already open, and the
// kernel refuses to step into a mount (EXDEV) or to unlink a mount point (EBUSY), so that only this file system's own files go.
func removeFolder(parent *os.File, name string) error {
	top, err := openToEmpty(parent, name)
	if err != nil {
		return err
	}
	defer top.Close()
	t := &tree{top: top}
	if err := t.empty(top, 0); err != nil {
		return err
	}
	return unlink(parent, name, unix.AT_REMOVEDIR)
}

func openToEmpty(parent *os.File, name string) (*os.File, error) {
	f, err := openAt(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, unix.RESOLVE_NO_XDEV|unix.RESOLVE_NO_SYMLINKS)
	if errors.Is(err, unix.EXDEV) {
		return nil, fmt.Errorf("%s is a mount point: unmount it", name)
	}
	return f, err
}

// empty removes all that a folder holds. Names are read in parts, from the start again after each: a folder may hold millions.
func (t *tree) empty(dir *os.File, level int) error {
	for {
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return err
		}
		names, err := dir.Readdirnames(1024)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(names) == 0 {
			return nil
		}
		var errs []error
		gone := 0
		for _, name := range names {
			if err := t.entry(dir, name, level); err != nil {
				errs = append(errs, err)
			} else {
				gone++
			}
		}
		// With something left the next part begins with it; a part that is left whole is the end.
		if gone == 0 {
			return errors.Join(errs[:min(len(errs), 5)]...)
		}
	}
}

func (t *tree) entry(dir *os.File, name string, level int) error {
	err := unlink(dir, name, 0)
	if !errors.Is(err, unix.EISDIR) {
		return err
	}
	if err := unlink(dir, name, unix.AT_REMOVEDIR); !errors.Is(err, unix.ENOTEMPTY) {
		return err
	}
	if level >= openLevels {
		// Carried to the top, where it is removed with descriptors to spare.
		return t.lift(dir, name)
	}
	sub, err := openToEmpty(dir, name)
	if err != nil {
		return err
	}
	defer sub.Close()
	if err := t.empty(sub, level+1); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return unlink(dir, name, unix.AT_REMOVEDIR)
}

// lift carries a folder to the top.
func (t *tree) lift(dir *os.File, name string) error {
	for {
		t.moved++
		err := unix.Renameat2(int(dir.Fd()), name, int(t.top.Fd()), "..deep-"+strconv.Itoa(t.moved), unix.RENAME_NOREPLACE)
		if errors.Is(err, unix.EEXIST) {
			continue // a container gave one of its own that name
		}
		if err != nil {
			return fmt.Errorf("%s is nested too deep, and can't be moved: %w", name, err)
		}
		return nil
	}
}

func unlink(dir *os.File, name string, flags int) error {
	err := unix.Unlinkat(int(dir.Fd()), name, flags)
	switch {
	case err == nil || errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("%s is a mount point: unmount it", name)
	}
	return &os.PathError{Op: "remove", Path: name, Err: err}
}
