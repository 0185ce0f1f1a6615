package podlogs

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"nodeagent/internal/staticpod/folder"
)

// ErrNotRegular says that there is something else than a file where a log should be.
var ErrNotRegular = errors.New("not a regular file")

// open opens a log for reading. A symbolic link in its place is not followed, a FIFO or device is not waited for.
func open(path string) (*os.File, fs.FileInfo, error) {
	// Looked at first, since opening a device may do something already.
	if st, err := os.Lstat(path); err != nil {
		return nil, nil, err
	} else if !st.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: %w (%s)", path, ErrNotRegular, st.Mode().Type())
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w (%s)", path, ErrNotRegular, st.Mode().Type())
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, st, nil
}

// source is one log file that is being read.
type source struct {
	file
	f *os.File
	r io.Reader // f, or what is compressed in it
}

func openSource(path string, as file) (*source, error) {
	f, st, err := open(path)
	if err != nil {
		return nil, err
	}
	as.info = st
	return &source{file: as, f: f}, nil
}

func (s *source) Close() error { return s.f.Close() }

// start puts a source at an offset of the file; of a compressed one only 0 is possible.
func (s *source) start(off int64) error {
	if _, err := s.f.Seek(off, io.SeekStart); err != nil {
		return err
	}
	s.r = s.f
	if s.gz {
		z, err := gzip.NewReader(s.f)
		if err != nil {
			return fmt.Errorf("%s: %w: it is damaged, remove it to read the others", s.f.Name(), err)
		}
		s.r = z
	}
	return nil
}

// rewind begins anew where somebody cut the file off below what was read, and reports whether it did.
func (s *source) rewind() (bool, error) {
	if s.gz {
		return false, nil
	}
	st, err := s.f.Stat()
	if err != nil {
		return false, err
	}
	at, err := s.f.Seek(0, io.SeekCurrent)
	if err != nil || st.Size() >= at {
		return false, err
	}
	_, err = s.f.Seek(0, io.SeekStart)
	return true, err
}

// released reports whether nobody has the file open for writing any more; if somebody has, when to ask again.
func released(f *os.File) (bool, time.Duration) {
	st, err := f.Stat()
	if err != nil {
		return false, time.Second
	}
	free, retry := folder.Whole(f, st, time.Now())
	if free {
		// The lease that asking took would make a writer wait.
		_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
	}
	return free, retry
}
