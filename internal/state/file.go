package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// WriteFile replaces a file atomically: readers find the old or the new content whole. The file's folder is made (0700) if it is
// missing. With durable set it returns only when content and name are on the disk.
func WriteFile(path string, b []byte, mode fs.FileMode, durable bool) (err error) {
	dir, base := filepath.Split(path)
	tmp, err := create(dir, base)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			tmp.Close()
			os.Remove(tmp.Name())
		}
	}()
	if _, err = tmp.Write(b); err != nil {
		return err
	}
	if err = tmp.Chmod(mode); err != nil {
		return err
	}
	if durable {
		if err = tmp.Sync(); err != nil {
			return err
		}
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	if durable {
		return syncDir(dir)
	}
	return nil
}

// unfinished marks the name of a file that is being written.
const unfinished = ".unfinished-"

// sweep removes what a writer that was killed left unfinished, in the folder and the folders in it.
func sweep(dir string) {
	for _, pattern := range []string{".*" + unfinished + "*", filepath.Join("*", ".*"+unfinished+"*")} {
		left, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, path := range left {
			os.Remove(path)
		}
	}
}

func create(dir, base string) (*os.File, error) {
	tmp, err := os.CreateTemp(dir, "."+base+unfinished+"*")
	if !errors.Is(err, fs.ErrNotExist) {
		return tmp, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return os.CreateTemp(dir, "."+base+unfinished+"*")
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// BootID is the kernel's id of this boot; empty where the kernel does not tell.
func BootID() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
