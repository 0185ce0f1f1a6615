package companion

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"nodeagent/internal/staticpod/folder"
	"nodeagent/internal/staticpod/manifest"
)

// maxEntries bounds the files of the folder that are read; a kubelet runs 110 pods.
const maxEntries = 1000

// File is one file of the manifest folder as a kubelet sees it.
type File struct {
	Name    string    // base name
	Kind    FileKind  // what it is
	Changed time.Time // ctime of the file: its content and name are at least as old
	Err     string    // why it could not be read
	Verdict manifest.Verdict

	Unsettled bool // somebody had it open for writing for longer than is waited: it may be half of itself
}

// FileKind is what stands behind a name of the folder.
type FileKind uint8

// Kinds of files.
const (
	Regular FileKind = iota
	Directory
	Special // FIFO, socket, device: a kubelet passes over it
	Gone    // a dangling link, or it went while it was read
)

// Folder is one reading of the manifest folder.
type Folder struct {
	Path    string
	Files   []File // sorted by name; those whose name begins with a dot are not listed
	Missing bool
	Changed time.Time // of the folder itself: an entry came or went last then
	Err     string    // it could not be read; Files says nothing then
}

// readFolder reads by kubelet's rules (pkg/kubelet/config/file.go): glob [^.]*, sorted, links followed, not recursive, regular files
// of at most 10 MiB; the path may be one file. Nothing here waits on a FIFO or device.
func readFolder(path, node string) Folder {
	f := Folder{Path: path}
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		f.Missing = true
		return f
	case err != nil:
		f.Err = reason(err)
		return f
	}
	f.Changed = changed(st)
	if !st.IsDir() {
		f.Files = []File{readOne(path, node)}
		return f
	}
	d, err := os.Open(path)
	if err != nil {
		f.Err = reason(err)
		return f
	}
	defer d.Close()
	names, err := d.Readdirnames(maxEntries + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		f.Err = reason(err)
		return f
	}
	if len(names) > maxEntries {
		f.Err = fmt.Sprintf("more than %d entries", maxEntries)
		return f
	}
	slices.Sort(names)
	for _, n := range names {
		if !strings.HasPrefix(n, ".") {
			f.Files = append(f.Files, readOne(filepath.Join(path, n), node))
		}
	}
	return f
}

func readOne(path, node string) File {
	f := File{Name: filepath.Base(path)}
	if st, err := os.Stat(path); err == nil && !st.IsDir() && !st.Mode().IsRegular() { // to open is to act: it lets a FIFO's writer go on
		f.Kind = Special
		return f
	}
	fd, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY|syscall.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Kind, f.Err = Gone, "leads nowhere"
		return f
	case errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV): // a socket, or a device with no driver
		f.Kind = Special
		return f
	case err != nil:
		f.Err = reason(err)
		return f
	}
	defer fd.Close()
	st, err := fd.Stat()
	if err != nil {
		f.Err = reason(err)
		return f
	}
	f.Changed = changed(st)
	if l, err := os.Lstat(path); err == nil && changed(l).After(f.Changed) { // the link is newer than what it leads to
		f.Changed = changed(l)
	}
	switch {
	case st.IsDir():
		f.Kind = Directory
		return f
	case !st.Mode().IsRegular():
		f.Kind = Special
		return f
	}
	f.Unsettled = !settled(fd, st)
	b, err := io.ReadAll(io.LimitReader(fd, manifest.MaxBytes+1))
	if err != nil {
		f.Err = reason(err)
		return f
	}
	f.Verdict = manifest.KubeletVerdict(f.Name, b, node)
	return f
}

// writing is how long a file that is being written is waited for: a copy takes no longer.
const writing = 500 * time.Millisecond

// settled waits until nobody has the file open for writing. A kubelet would read it half-written; we need not cry wolf.
func settled(fd *os.File, st fs.FileInfo) bool {
	for deadline := time.Now().Add(writing); ; {
		whole, retry := folder.Whole(fd, st, time.Now())
		if whole {
			return true
		}
		if !time.Now().Add(retry).Before(deadline) {
			return false
		}
		time.Sleep(retry) // the kernel tells of no close
	}
}

func changed(st fs.FileInfo) time.Time {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return time.Unix(s.Ctim.Sec, s.Ctim.Nsec)
	}
	return st.ModTime()
}

func reason(err error) string {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// aside runs calls that may hang in the kernel, at most one at a time.
type aside[T any] struct{ busy chan T }

// do runs fn beside the caller and waits for it until ctx ends. A call that still hangs from before is waited for instead of
// starting another: its result may be of an older question, so that it is thrown away.
func (a *aside[T]) do(ctx context.Context, fn func() T) (T, bool) {
	var zero T
	if a.busy != nil {
		select {
		case <-a.busy:
			a.busy = nil
		case <-ctx.Done():
			return zero, false
		}
	}
	done := make(chan T, 1)
	go func() { done <- fn() }()
	select {
	case v := <-done:
		return v, true
	case <-ctx.Done():
		a.busy = done
		return zero, false
	}
}
