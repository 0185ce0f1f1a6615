package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Load reads the files that o names and parses them. Its only error is *Error; a file that cannot be read is a Problem
// like any other. A missing File is fine unless Explicit, and so is a missing Dir. It has no deadline: the files are
// local, and a FIFO or device in their place is refused unread.
func Load(o Options) (*Loaded, error) {
	var files []SourceFile
	var unread []Problem
	take := func(path string, must bool) {
		data, err := readFile(path)
		switch {
		case err == nil:
			files = append(files, SourceFile{path, data})
		case errors.Is(err, fs.ErrNotExist) && !must && !isLink(path):
		default:
			unread = append(unread, unreadable(path, err))
		}
	}
	if o.File != "" {
		take(o.File, o.Explicit)
	}
	dropIns, ignored, err := listDir(o.Dir)
	if err != nil {
		unread = append(unread, unreadable(o.Dir, err))
	}
	for _, path := range dropIns {
		take(path, false) // one that goes away between the listing and now was removed
	}
	l, problems := parse(files, o)
	if err := refusal(append(unread, problems...), files); err != nil {
		return nil, err
	}
	l.Ignored = ignored
	return l, nil
}

// listDir lists the files to read in lexical order, and those that a person may think are read.
func listDir(dir string) (read, ignored []string, err error) {
	if dir == "" {
		return nil, nil, nil
	}
	entries, err := os.ReadDir(dir) // sorted by name
	if errors.Is(err, fs.ErrNotExist) && !isLink(dir) {
		return nil, nil, nil
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."): // locks and half-written files of editors, ..data of a mounted ConfigMap
		case filepath.Ext(e.Name()) != ".yaml" || e.IsDir():
			ignored = append(ignored, path)
		default:
			read = append(read, path)
		}
	}
	return read, ignored, err
}

// readFile reads a regular file, one byte further than Parse accepts. It opens without blocking: a FIFO would hold the
// daemon for ever.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

var errNotRegular = errors.New("is not a regular file")

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

func unreadable(path string, err error) Problem {
	p := Problem{File: path, Message: "can't be read: " + err.Error(), Fix: "see that the disk and the file are sound"}
	var cause *fs.PathError
	if errors.As(err, &cause) {
		p.Message = fmt.Sprintf("can't be read: %s: %v", cause.Op, cause.Err)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && isLink(path):
		p.Message, p.Fix = "is a link to a file that is not there", "mend the link or remove it"
	case errors.Is(err, fs.ErrNotExist):
		p.Message, p.Fix = "there is no such file", "look at the path"
	case errors.Is(err, fs.ErrPermission):
		p.Message, p.Fix = "permission denied", "run as root or a member of the file's group"
	case errors.Is(err, errNotRegular):
		p.Message, p.Fix = errNotRegular.Error(), "give a file"
	case errors.Is(err, syscall.ENOTDIR):
		p.Message, p.Fix = "is not a folder", "give a folder of *.yaml files"
	}
	return p
}
