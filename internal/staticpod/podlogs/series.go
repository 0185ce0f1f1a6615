package podlogs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// maxFiles is how many files of one attempt are read: the newest ones.
const maxFiles = 500

// series opens the files of the attempt that was asked for, oldest first. It has at least one. They are opened before the first is read, so
// that a rotation while one reads changes nothing.
func (f *follower) series() ([]*source, error) {
	for range 10 {
		files, err := list(f.o.Dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("list logs: %w", err)
		}
		files, err = choose(files, f.o.Previous)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.o.Dir, err)
		}
		out, err := openAll(f.o.Dir, files)
		if err == nil {
			return out, nil
		}
		if !errors.Is(err, errMoved) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s: the log is rotated faster than it can be opened: try again", f.o.Dir)
}

var errMoved = errors.New("a file was renamed between listing and opening")

func openAll(dir string, files []file) (out []*source, err error) {
	defer func() {
		if err != nil {
			for _, s := range out {
				s.Close()
			}
			out = nil
		}
	}()
	for _, file := range files {
		s, err := openSource(filepath.Join(dir, file.name), file)
		if errors.Is(err, fs.ErrNotExist) {
			return out, errMoved
		}
		if err != nil {
			return out, fmt.Errorf("open log: %w", err)
		}
		out = append(out, s)
		if !os.SameFile(s.info, file.info) {
			return out, errMoved
		}
	}
	return out, nil
}

// choose is the files of the newest attempt, or of that before it.
func choose(files []file, previous bool) ([]file, error) {
	if len(files) == 0 {
		return nil, ErrNone
	}
	of := func(files []file) []file {
		last := files[len(files)-1].attempt
		return files[slices.IndexFunc(files, func(f file) bool { return f.attempt == last }):]
	}
	newest := of(files)
	if previous {
		if files = files[:len(files)-len(newest)]; len(files) == 0 {
			return nil, ErrNoPrevious
		}
		newest = of(files)
	}
	return newest[max(0, len(newest)-maxFiles):], nil
}

// from is where the last Tail lines begin: in which file, at which offset, and how many lines from there are too many.
func (f *follower) from(ctx context.Context, files []*source) (first int, off int64, skip int, err error) {
	if f.o.Tail < 0 {
		return 0, 0, 0, nil
	}
	want, have := add(f.o.Tail, slack), 0
	for i := len(files) - 1; i >= 0; i-- {
		n := 0
		if files[i].gz {
			if off, n, err = 0, f.count(ctx, files[i]), ctx.Err(); err != nil {
				return 0, 0, 0, err
			}
		} else {
			off, n, err = backwards(files[i].f, files[i].info.Size(), want-have, math.MaxInt64, i == len(files)-1)
			if err != nil {
				return 0, 0, 0, fmt.Errorf("read log %s: %w", files[i].f.Name(), err)
			}
		}
		first, have = i, have+n
		if have >= want {
			break
		}
	}
	return first, off, max(0, have-f.o.Tail), nil
}

// count counts the lines of a compressed file. Damage is reported when it is read.
func (f *follower) count(ctx context.Context, s *source) (n int) {
	if s.start(0) != nil {
		return 0
	}
	d := decoder{emit: func(l Line) error {
		if !l.More {
			n++
		}
		return nil
	}}
	_, _ = copyTo(&d, &reader{ctx: ctx, r: s.r}, f.buf)
	_ = d.endFile()
	s.r = nil
	return n
}

// next opens the file that follows the current one; nil if there is none yet. fs.ErrNotExist: the folder is gone.
func (f *follower) next() (*source, error) {
	for range 10 {
		files, err := list(f.o.Dir)
		if err != nil {
			return nil, err
		}
		n := f.after(files)
		if n == nil {
			return nil, nil
		}
		s, err := openSource(filepath.Join(f.o.Dir, n.name), *n)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !os.SameFile(s.info, n.info) {
			s.Close()
			continue
		}
		return s, nil
	}
	return nil, nil // renamed all the time: the next event tells
}

// after is the file that was begun after the current one, which may have been renamed, compressed or removed meanwhile.
func (f *follower) after(files []file) *file {
	now, err := f.cur.f.Stat()
	if err != nil {
		return nil
	}
	if i := slices.IndexFunc(files, func(x file) bool { return os.SameFile(x.info, now) }); i >= 0 {
		f.cur.stamp, f.cur.name = files[i].stamp, files[i].name
		if i+1 < len(files) {
			return &files[i+1]
		}
		return nil
	}
	copied := slices.IndexFunc(files, func(x file) bool {
		return x.attempt == f.cur.attempt && x.gz && (x.stamp == f.cur.stamp || x.info.ModTime().Equal(now.ModTime()))
	})
	for i, x := range files {
		switch {
		case x.attempt < f.cur.attempt, i <= copied:
		case x.attempt > f.cur.attempt, x.stamp == "", copied >= 0:
			return &files[i]
		case f.cur.stamp != "":
			if x.stamp > f.cur.stamp {
				return &files[i]
			}
		case !x.info.ModTime().Before(now.ModTime()): // removed, and its rotation was not seen
			return &files[i]
		}
	}
	return nil
}
