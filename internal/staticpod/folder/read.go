package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"nodeagent/internal/staticpod/manifest"
)

// Bounds of one reading.
const (
	maxFile  = manifest.MaxBytes
	maxBytes = 64 << 20               // of all files together; what comes beyond it is not read
	maxFiles = 2000                   // entries looked at; more is an error that names the bound
	quiet    = 250 * time.Millisecond // without leases a file counts as whole once it was left alone this long
)

// Identity tells one folder from another mounted or made in its place.
type Identity struct {
	Dev uint64 `json:"dev"`
	Ino uint64 `json:"ino"`
}

// Listing is one reading of the folder.
type Listing struct {
	Path     string
	Identity Identity
	Err      error // the folder itself can't be read; Missing tells the usual case apart
	Missing  bool
	Files    map[string]File // by base name
	Retry    time.Duration   // above 0: a file is being written; read again after this

	bytes int             // read so far
	known map[string]File // of the reading before; nil once this one is done
}

// File is one entry of a listing. Exactly one of Bytes (not nil), Busy, Err and Ignored tells what became of it.
type File struct {
	Bytes   []byte
	Busy    bool   // somebody has it open for writing
	Err     error  // not a regular file, too large, unreadable
	Ignored string // why its name is passed over

	// Mode and UID of a file that was read, for the Secrets in it (manifest.SecretFile).
	Mode fs.FileMode
	UID  uint32

	stamp stamp
}

// Reread is Read for who has read the folder before: a file that is still as it was then is not read again.
func Reread(prev Listing, path string, now time.Time) Listing {
	l := Listing{Path: path, Files: map[string]File{}}
	if prev.bytes <= maxKept {
		l.known = prev.Files
	}
	l = read(l, path, now)
	l.known = nil
	return l
}

// Read lists the folder as kubelet does (pkg/kubelet/config/file.go): names that do not start with a dot, regular files behind
// symlinks too, not recursive; the path may be one file. It may hang with the file system: call it beside a deadline.
func Read(path string, now time.Time) Listing {
	return read(Listing{Path: path, Files: map[string]File{}}, path, now)
}

func read(l Listing, path string, now time.Time) Listing {
	st, err := os.Stat(path)
	if err != nil {
		l.Err, l.Missing = fmt.Errorf("read manifest folder: %w", err), errors.Is(err, fs.ErrNotExist)
		return l
	}
	sys := st.Sys().(*syscall.Stat_t)
	l.Identity = Identity{Dev: uint64(sys.Dev), Ino: sys.Ino}
	if !st.IsDir() {
		l.Identity.Ino = 0 // one file is replaced by rename: another inode is the usual way to change it
		l.take(filepath.Base(path), path, now)
		return l
	}
	dir, err := os.Open(path)
	if err != nil {
		l.Err = fmt.Errorf("read manifest folder: %w", err)
		return l
	}
	defer dir.Close()
	names, err := dir.Readdirnames(maxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		l.Err = fmt.Errorf("read manifest folder: %w", err)
		return l
	}
	if len(names) > maxFiles {
		l.Err = fmt.Errorf("read manifest folder: more than %d entries in %s: move what is no manifest elsewhere", maxFiles, path)
		return l
	}
	slices.Sort(names) // so that the same files lie beyond the bound each time
	for _, name := range names {
		l.take(name, filepath.Join(path, name), now)
	}
	return l
}

func (l *Listing) take(name, path string, now time.Time) {
	if reason, ignored := manifest.IgnoredName(name); ignored {
		if reason != "" {
			l.Files[name] = File{Ignored: reason}
		}
		return
	}
	f, retry, gone := readFile(path, maxBytes-l.bytes, now, l.known[name])
	if gone {
		return
	}
	l.bytes += len(f.Bytes)
	if retry > 0 && (l.Retry == 0 || retry < l.Retry) {
		l.Retry = retry
	}
	l.Files[name] = f
}

// readFile reads one file of at most room bytes whole or not at all, unless it is still what was. A folder inside the folder, or a file that went
// away meanwhile, is gone.
func readFile(path string, room int, now time.Time, was File) (f File, retry time.Duration, gone bool) {
	st, err := os.Stat(path)
	switch {
	case err != nil || st.IsDir():
	case !st.Mode().IsRegular(): // to open is to act: it lets a FIFO's writer go on, and starts a watchdog
		return File{Err: notRegular(st)}, 0, false
	case was.Bytes != nil && len(was.Bytes) <= room && was.stamp.settled && was.stamp.of(st):
		return was, 0, false
	}
	// O_NONBLOCK: one that has taken the file's place since must not hold the reader.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err != nil {
			return File{}, 0, true
		}
		return File{Err: errors.New("a symbolic link to a file that does not exist")}, 0, false
	}
	if err != nil {
		return File{Err: pathless(err)}, 0, false
	}
	defer file.Close()
	st, err = file.Stat()
	switch {
	case err != nil:
		return File{Err: pathless(err)}, 0, false
	case st.IsDir():
		return File{}, 0, true
	case !st.Mode().IsRegular():
		return File{Err: notRegular(st)}, 0, false
	case st.Size() > maxFile:
		return File{Err: fmt.Errorf("%d bytes; a manifest may have %d", st.Size(), maxFile)}, 0, false
	case st.Size() > int64(room):
		return File{Err: fmt.Errorf("not read: the manifests before it have %d MiB together; move what is no manifest elsewhere", maxBytes>>20)}, 0, false
	}
	whole, retry := Whole(file, st, now)
	if !whole {
		return File{Busy: true}, retry, false
	}
	b, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return File{Err: pathless(err)}, 0, false
	}
	if len(b) > maxFile {
		return File{Err: fmt.Errorf("more than %d bytes", maxFile)}, 0, false
	}
	if b == nil {
		b = []byte{}
	}
	return File{Bytes: b, Mode: st.Mode(), UID: st.Sys().(*syscall.Stat_t).Uid, stamp: stampOf(st, now)}, 0, false
}

func notRegular(st fs.FileInfo) error {
	return fmt.Errorf("not a regular file (%s)", st.Mode().Type())
}

// pathless drops the path of a *fs.PathError: the file is named beside the message already.
func pathless(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("%s: %w", p.Op, p.Err)
	}
	return err
}
