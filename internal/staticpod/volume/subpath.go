package volume

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// openSubPath opens what a subPath names inside a volume, as O_PATH. Links are followed as long as they stay inside; the walk is the
// kernel's, so that no container can turn it elsewhere half-way (CVE-2017-1002101, CVE-2021-25741). A folder that is not there is made,
// with the mode of the volume's own as under kubelet, if create allows it.
func openSubPath(volume, sub string, create bool) (*os.File, error) {
	sub = path.Clean(sub)
	if !filepath.IsLocal(sub) {
		return nil, fmt.Errorf("subPath %q must be relative and stay in its volume", sub)
	}
	root, err := openFolder(volume)
	if err != nil {
		return nil, fmt.Errorf("subPath %s needs a volume that is a folder: %w", sub, err)
	}
	defer root.Close()
	f, err := openAny(root, sub, 0)
	switch {
	case errors.Is(err, unix.ENOENT) && create:
		f, err = makeSubPath(root, sub)
	case errors.Is(err, unix.EXDEV):
		f, err = openAbsolute(root, volume, sub)
	}
	switch {
	case errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ELOOP):
		return nil, fmt.Errorf("subPath %s leads out of its volume through a link: mount what it leads to as a volume of its own (%w)", sub, err)
	case err != nil:
		return nil, fmt.Errorf("subPath %s: %w", sub, err)
	}
	return f, nil
}

// openAny opens a folder or anything else. A folder is asked for first, since O_PATH alone would not wake an automount.
func openAny(root *os.File, sub string, resolve uint64) (*os.File, error) {
	f, err := openAt(root, sub, unix.O_PATH|unix.O_DIRECTORY, resolve)
	if errors.Is(err, unix.ENOTDIR) {
		f, err = openAt(root, sub, unix.O_PATH, resolve)
	}
	return f, err
}

// openAbsolute serves a volume with absolute links into itself, which kubelet allows: current -> /srv/app/v2 in a hostPath of /srv/app.
// The links are resolved by name, and the result is opened with no link allowed, so that a swap meanwhile is an error and leads nowhere.
func openAbsolute(root *os.File, volume, sub string) (*os.File, error) {
	out := &os.PathError{Op: "open", Path: sub, Err: unix.EXDEV}
	base, err := filepath.EvalSymlinks(volume)
	if err != nil {
		return nil, err
	}
	full, err := filepath.EvalSymlinks(filepath.Join(base, sub))
	if err != nil {
		return nil, out
	}
	rel, err := filepath.Rel(base, full)
	if err != nil || !filepath.IsLocal(rel) {
		return nil, out
	}
	return openAny(root, rel, unix.RESOLVE_NO_SYMLINKS)
}

// makeSubPath makes the folders that are missing and opens the last one.
func makeSubPath(root *os.File, sub string) (*os.File, error) {
	top, err := stat(root)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(sub, "/")
	have := len(parts) - 1
	dir, err := openAt(root, path.Join(append([]string{"."}, parts[:have]...)...), unix.O_PATH|unix.O_DIRECTORY, 0)
	for errors.Is(err, unix.ENOENT) && have > 0 {
		have--
		dir, err = openAt(root, path.Join(append([]string{"."}, parts[:have]...)...), unix.O_PATH|unix.O_DIRECTORY, 0)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range parts[have:] {
		made := unix.Mkdirat(int(dir.Fd()), name, 0o700)
		if made != nil && !errors.Is(made, unix.EEXIST) {
			dir.Close()
			return nil, &os.PathError{Op: "mkdir", Path: name, Err: made}
		}
		next, err := openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, unix.RESOLVE_NO_SYMLINKS)
		dir.Close()
		if err != nil {
			return nil, err
		}
		if made == nil {
			if err := unix.Fchmod(int(next.Fd()), top.Mode&0o7777); err != nil {
				next.Close()
				return nil, &os.PathError{Op: "chmod", Path: name, Err: err}
			}
		}
		dir = next
	}
	return dir, nil
}
