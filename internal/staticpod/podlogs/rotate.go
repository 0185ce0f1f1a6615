package podlogs

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// rotate renames a log and has the runtime open a new one. If the runtime does not, the name is given back, unless it made the new file
// nevertheless: then that stays and rotated is true beside the error.
func rotate(path string, now time.Time, reopen func() error) (rotated bool, err error) {
	files, err := siblings(path)
	if err != nil {
		return false, fmt.Errorf("rotate log: %w", err)
	}
	to := path + "." + stampAfter(files, now)
	if err := renameNew(path, to); err != nil {
		return false, fmt.Errorf("rotate log: %w", err)
	}
	if err := reopen(); err != nil {
		back := renameNew(to, path)
		if errors.Is(back, fs.ErrExist) {
			return true, err
		}
		return false, errors.Join(err, back)
	}
	return true, nil
}

// stampAfter is now, or a second after the newest rotated file where the clock does not say that this one is newer: the names must
// order as the files do.
func stampAfter(files []file, now time.Time) string {
	newest := ""
	for _, f := range files {
		newest = max(newest, f.stamp)
	}
	stamp := now.UTC().Format(stampLayout)
	if stamp > newest {
		return stamp
	}
	t, err := time.Parse(stampLayout, newest)
	if err != nil {
		return stamp
	}
	return t.Add(time.Second).Format(stampLayout)
}

// renameNew renames and never replaces.
func renameNew(from, to string) error {
	err := unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) { // a file system without it
		if _, err := os.Lstat(to); err == nil {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
		}
		return os.Rename(from, to)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// siblings are the files of a log's attempt, unfinished ones too.
func siblings(path string) ([]file, error) {
	dir, base := filepath.Split(path)
	self, ok := parseName(base)
	if !ok || self.stamp != "" {
		return nil, fmt.Errorf("%s is not named as a container's log: want <attempt>.log", path)
	}
	files, err := listAll(dir)
	return slices.DeleteFunc(files, func(f file) bool { return f.attempt != self.attempt }), err
}

// surplus is which files of one attempt go so that keep stay, the current one counted whether it is there or not: the oldest, each with
// all that has its stamp.
func surplus(files []file, keep int) []file {
	var stamps []string
	for _, f := range files {
		if f.stamp != "" && !f.tmp {
			stamps = append(stamps, f.stamp)
		}
	}
	stamps = slices.Compact(stamps)
	n := len(stamps) - (keep - 1)
	if n <= 0 {
		return nil
	}
	var out []file
	for _, f := range files {
		if f.stamp != "" && !f.tmp && f.stamp <= stamps[n-1] {
			out = append(out, f)
		}
	}
	return out
}

// prune removes the rotated files beyond the number to keep. What can't be removed now is tried again after the next rotation.
func prune(path string, keep int) {
	files, err := siblings(path)
	if err != nil {
		return
	}
	for _, f := range surplus(files, keep) {
		_ = os.Remove(filepath.Join(filepath.Dir(path), f.name))
	}
}

// RemoveAttempt removes what there is of one attempt's log, rotated files too. path is that of the current file, which need not exist.
func RemoveAttempt(path string) error {
	files, err := siblings(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove log: %w", err)
	}
	var errs []error
	for _, f := range files {
		if err := os.Remove(filepath.Join(filepath.Dir(path), f.name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove log: %w", err))
		}
	}
	return errors.Join(errs...)
}
