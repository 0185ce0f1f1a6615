package folder

import (
	"io/fs"
	"syscall"
	"time"
)

// maxKept bounds the bytes of a listing from which files are taken over.
const maxKept = 4 << 20

// settledFor is how long a file must have been left alone before it was read: a file system's clock may tick a second apart, and what is written
// twice within one tick has the same times.
const settledFor = 2 * time.Second

// stamp tells one content of a file from another: each write, chmod and rename moves ctime, which nobody can set.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime syscall.Timespec
	settled      bool
}

func stampOf(st fs.FileInfo, now time.Time) stamp {
	sys := st.Sys().(*syscall.Stat_t)
	s := stamp{dev: uint64(sys.Dev), ino: sys.Ino, size: sys.Size, mtime: sys.Mtim, ctime: sys.Ctim}
	s.settled = now.Sub(time.Unix(s.ctime.Unix())) >= settledFor
	return s
}

// of reports whether st is of the content that s was taken of.
func (s stamp) of(st fs.FileInfo) bool {
	o := stampOf(st, time.Time{})
	o.settled = s.settled
	return s == o
}
