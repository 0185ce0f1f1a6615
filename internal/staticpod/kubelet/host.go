package kubelet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const (
	maxFile  = 1 << 20 // bytes read of one file; kubelet's own are a few KiB
	maxNames = 1 << 14 // names read of one folder; those of systemd's units alone are hundreds
	maxFiles = 256     // drop-ins read of kubelet's configuration
	maxLinks = 40      // symbolic links followed on one path, as the kernel does
	maxTold  = 64      // problems kept
)

// host reads one node's files. Paths are absolute as the node sees them.
type host struct {
	root     string
	problems []string
}

func (h *host) problem(format string, args ...any) {
	p := fmt.Sprintf(format, args...)
	if len(h.problems) < maxTold && !slices.Contains(h.problems, p) {
		h.problems = append(h.problems, p)
	}
}

// real is the path of this process for a path of the node. Symbolic links are followed inside the root, as the node itself would,
// so that a node mounted below /host or made in a test reads alike. With last unset a link at the end is not followed.
func (h *host) real(path string, last bool) string {
	if h.root == "/" {
		return path
	}
	todo := strings.Split(filepath.Clean("/"+path), "/")
	at := "/"
	for links := 0; len(todo) > 0; {
		name := todo[0]
		todo = todo[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		if len(todo) > 0 || last {
			if to, err := os.Readlink(filepath.Join(h.root, next)); err == nil && links < maxLinks {
				links++
				if filepath.IsAbs(to) {
					at = "/"
				}
				todo = append(strings.Split(to, "/"), todo...)
				continue
			}
		}
		at = next
	}
	return filepath.Join(h.root, at)
}

// read returns a file's content; false for one that is not there or, after a problem was noted, can't be read.
func (h *host) read(path string) ([]byte, bool) {
	b, err := readFile(h.real(path, true), maxFile)
	switch {
	case err == nil:
		return b, true
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return nil, false
	}
	h.problem("%s: %v", path, plain(err))
	return nil, false
}

// plain is an error without its path, which may be one of this process and not of the node.
func plain(err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// readFile reads a regular file of at most limit bytes. A FIFO or device is refused without waiting on it.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("larger than %d bytes", limit)
	}
	return b, nil
}

// exists tells whether something is at a path, whatever it is; a dangling link counts.
func (h *host) exists(path string) bool {
	_, err := os.Lstat(h.real(path, false))
	return err == nil
}

// hasFile tells whether a path leads to a regular file.
func (h *host) hasFile(path string) bool {
	st, err := os.Stat(h.real(path, true))
	return err == nil && st.Mode().IsRegular()
}

func (h *host) hasDir(path string) bool {
	st, err := os.Stat(h.real(path, true))
	return err == nil && st.IsDir()
}

// names lists a folder sorted; a folder that is not there is empty.
func (h *host) names(dir string) []string {
	d, err := os.Open(h.real(dir, true))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			h.problem("%s: %v", dir, plain(err))
		}
		return nil
	}
	defer d.Close()
	names, err := d.Readdirnames(maxNames + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		h.problem("%s: %v", dir, plain(err))
	}
	if len(names) > maxNames {
		names = names[:maxNames]
		h.problem("%s: more than %d entries, the rest was not read", dir, maxNames)
	}
	slices.Sort(names)
	return names
}
